"""What sizes of picture a network takes, and how far its pixels see, found by trying."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

MULTIPLES = (1, 2, 4, 8, 14, 16, 28, 32, 56, 64, 112, 128, 192, 224, 256, 384)
_LONGEST = 2048
"""Pixels of the longest strip that is tried for a reach; what sees further counts as infinite."""

Sizes = tuple[int, int]
Run = Callable[[Sizes], Sizes]
"""The size of a network's logits for a size of its pictures; raises if it takes no such."""


@contextlib.contextmanager
def trying(network: nn.Module) -> Iterator[None]:
    """Set a network to evaluation without gradients, and back to what it was."""
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.train(was_training)


def find_multiple(run: Run, multiples: Sequence[int] = MULTIPLES) -> tuple[int, int]:
    """Return the least number that sides must be multiples of, and the least side.

    A size counts as taken if the logits are smaller than it by one whole factor: others would be
    stretched, and no longer lie on the pixels they are about.

    Raises:
        ValueError: none is taken, with the network's last complaint.
    """
    complaint = ""
    for multiple in multiples:
        # Odd multiples, on either side, well above what some networks need at least.
        small, large = (multiple * _odd(math.ceil(low / multiple)) for low in (96, 160))
        try:
            if all(_is_whole(size, run(size)) for size in ((small, large), (large, small))):
                return multiple, _least_side(run, multiple, small)
            complaint = f"logits of another shape than the pictures of {small} x {large}"
        except Exception as error:  # a network's own code may raise anything
            complaint = f"{type(error).__name__}: {error}"
    raise ValueError(complaint.splitlines()[0] if complaint else "nothing was tried")


def try_on_meta(network: nn.Module, channels: int) -> Run:
    """Return a way to try sizes on a network without computing anything."""
    state = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    shapes = {name: tensor.to("meta") for name, tensor in state.items()}

    def run(size: Sizes) -> Sizes:
        pictures = torch.zeros(1, channels, *size, device="meta")
        logits: Tensor = torch.func.functional_call(network, shapes, (pictures,))
        return logits.shape[-2], logits.shape[-1]

    return run


def _odd(number: int) -> int:
    return number + 1 - number % 2


def _least_side(run: Run, multiple: int, most: int) -> int:
    for side in range(multiple, most, max(multiple, 8)):
        try:
            if _is_whole((side, side), run((side, side))):
                return side
        except Exception:  # noqa: S112  too small for it
            continue
    return most


def _is_whole(size: Sizes, found: Sizes) -> bool:
    factors = {side // max(other, 1) for side, other in zip(size, found, strict=True)}
    factor = factors.pop()
    return not factors and size == (found[0] * factor, found[1] * factor)


def measure_reach(segmenter: nn.Module) -> float:
    """Return how far off, in pixels, a pixel still changes a logit: by the gradient of one column.

    Strips of random pictures are tried, each longer than the last, until the gradient ends inside.
    """
    was_training = segmenter.training
    segmenter.eval()
    parameter = next(segmenter.parameters(), None)
    device = torch.device("cpu") if parameter is None else parameter.device
    generator = torch.Generator().manual_seed(0)
    try:
        length = 256
        while length <= _LONGEST:
            reach = max(_reach_at(segmenter, length, place, device, generator) for place in (0, 15))
            if reach < length // 2 - 16:
                return float(reach)
            length *= 2
        return math.inf
    finally:
        segmenter.train(was_training)


def _reach_at(
    segmenter: nn.Module, length: int, place: int, device: torch.device, generator: torch.Generator
) -> int:
    channels = len(segmenter.get_buffer("mean"))
    picture = torch.rand(1, channels, length, 16, generator=generator).mul_(255).to(device)
    row = length // 2 + place
    with torch.inference_mode(False), torch.enable_grad():
        picture = picture.clone().requires_grad_()
        logits: Tensor = segmenter(picture)
        (gradient,) = torch.autograd.grad(logits[0, :, row].float().sum(), picture)
    rows = gradient.abs().sum((0, 1, 3)).nonzero().flatten()
    return int((rows - row).abs().max()) if len(rows) else 0
