"""What sizes of picture a network takes, and how far its pixels see, found by trying."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from harmonize.config.model_config import ModelConfig
from harmonize.errors import HarmonizeError
from harmonize.models.outputs import all_logits

MULTIPLES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 14, 28, 56, 112, 224, 192, 384)
"""What is tried, in this order: 28 seems to do for a network of stride 32 on small pictures."""
_SIDES = (96, 160)
"""Sides that are tried are about as long: more than most networks need at least."""
_STRIP = 2048
"""Pixels of the strip that a reach is measured on; what sees further counts as infinite."""

Size = tuple[int, int]
Run = Callable[[Size], Size]
"""The size of a network's logits for a size of its pictures; raises if it takes no such."""


def find_multiple(
    network: nn.Module,
    config: ModelConfig,
    multiples: Sequence[int] = MULTIPLES,
    *,
    on_meta: bool = False,
) -> tuple[int, int]:
    """Return the least number that sides must be multiples of, and the least side.

    A size counts as taken if the logits are smaller than it by one whole factor: others would be
    stretched, and no longer lie on the pixels they are about.

    Args:
        network: normalised pictures to logits.
        config: of the network.
        multiples: that are tried, unless the config declares one.
        on_meta: work out shapes alone, and compute nothing.

    Raises:
        HarmonizeError: no multiple will do, with the network's last complaint.
    """
    run = _runner(network, config.num_channels, on_meta=on_meta)
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            return _first_taken(run, multiples if config.stride is None else [config.stride])
    except ValueError as error:
        raise HarmonizeError(
            f"model.name: {config.title} takes pictures of none of the sizes that were tried: "
            f"{error}; declare what it takes multiples of by model.stride"
        ) from None
    finally:
        network.train(was_training)


def _first_taken(run: Run, multiples: Sequence[int]) -> tuple[int, int]:
    complaint = ""
    for multiple in multiples:
        # Odd multiples, on either side.
        small, large = (multiple * _odd(math.ceil(side / multiple)) for side in _SIDES)
        large = large if large > small else small + 2 * multiple
        try:
            if all(_is_whole(size, run(size)) for size in ((small, large), (large, small))):
                return multiple, _least_side(run, multiple, small)
            complaint = f"its logits do not lie on pictures of {small} x {large} pixels"
        except Exception as error:  # a network's own code may raise anything
            complaint = (str(error).splitlines() or [type(error).__name__])[0]
    raise ValueError(complaint)


def _runner(network: nn.Module, channels: int, *, on_meta: bool) -> Run:
    device = torch.device("meta") if on_meta else device_of(network)
    state = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    shapes = {name: tensor.to("meta") for name, tensor in state.items()} if on_meta else {}

    def run(size: Size) -> Size:
        pictures = torch.zeros(1, channels, *size, device=device)
        logits = all_logits(torch.func.functional_call(network, shapes, (pictures,)))[0]
        return logits.shape[-2], logits.shape[-1]

    return run


def set_unused_aside(network: nn.Module, channels: int, side: int) -> None:
    """Keep weights that no logit depends on from training: processes would wait for gradients.

    Only shapes are worked out, in evaluation mode: networks with further outputs are not for it.
    """
    parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}
    shapes = {name: p.detach().to("meta").requires_grad_() for name, p in parameters.items()}
    buffers = {name: buffer.to("meta") for name, buffer in network.named_buffers()}
    was_training = network.training
    network.eval()
    try:
        pictures = torch.zeros(1, channels, side, side, device="meta")
        outputs = torch.func.functional_call(network, {**buffers, **shapes}, (pictures,))
    finally:
        network.train(was_training)
    total = all_logits(outputs)[0].sum()
    gradients = torch.autograd.grad(total, list(shapes.values()), allow_unused=True)
    for parameter, gradient in zip(parameters.values(), gradients, strict=True):
        parameter.requires_grad_(gradient is not None)


def num_logits(segmenter: nn.Module, channels: int, side: int) -> int:
    """Return the number of logits per pixel."""
    was_training = segmenter.training
    segmenter.eval()
    device = device_of(segmenter)
    try:
        with torch.no_grad():
            logits: Tensor = segmenter(torch.zeros(1, channels, side, side, device=device))
    finally:
        segmenter.train(was_training)
    return logits.shape[1]


def device_of(network: nn.Module) -> torch.device:
    """Return where a network's weights are, the CPU if it has none."""
    return next((p.device for p in network.parameters()), torch.device("cpu"))


def _odd(number: int) -> int:
    return number + 1 - number % 2


def _least_side(run: Run, multiple: int, most: int) -> int:
    step = multiple * math.ceil(8 / multiple)
    for side in range(step, most, step):
        try:
            if _is_whole((side, side), run((side, side))):
                return side
        except Exception:  # too small for it
            continue
    return most


def _is_whole(size: Size, found: Size) -> bool:
    factor = size[0] // max(found[0], 1)
    return size == (found[0] * factor, found[1] * factor)


def measure_reach(segmenter: nn.Module, *, channels: int, stride: int) -> float:
    """Return how far off, in pixels, a pixel still changes a logit.

    It is where the gradient of some rows ends in the middle of a strip of random pixels.

    Args:
        segmenter: pictures of 0..255 to logits.
        channels: of a picture.
        stride: of the network; rows at both ends of one are tried.
    """
    was_training = segmenter.training
    segmenter.eval()
    generator = torch.Generator().manual_seed(0)
    device = device_of(segmenter)
    try:
        width = max(stride, 16)
        strip = 255 * torch.rand(1, channels, _STRIP, width, generator=generator).to(device)
        middle = _STRIP // 2 // stride * stride
        reach = max(_reach_of(segmenter, strip, row) for row in (middle, middle + width - 1))
        return reach if reach < _STRIP // 2 - 2 * width else math.inf
    finally:
        segmenter.train(was_training)


def _reach_of(segmenter: nn.Module, strip: Tensor, row: int) -> float:
    with torch.inference_mode(False), torch.enable_grad():
        strip = strip.clone().requires_grad_()
        logits: Tensor = segmenter(strip)
        (gradient,) = torch.autograd.grad(logits[0, :, row].float().sum(), strip)
    rows = gradient.abs().sum((0, 1, 3)).nonzero().flatten()
    return float((rows - row).abs().max()) if len(rows) else math.inf  # nothing can be said
