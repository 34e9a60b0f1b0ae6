"""What scoring costs on top of the network's forward passes."""

import dataclasses
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from accelerate import Accelerator
from jaxtyping import Bool, Float, Integer, UInt8
from torch import Tensor, nn

from harmonize.benchmark.machine import MIB, describe, precision_name, start_accelerator
from harmonize.benchmark.made_up import blobs, tree_of
from harmonize.benchmark.report import Cell, Report, Table
from harmonize.benchmark.timing import settle, start_peak, take_turns, timed
from harmonize.evaluation.evaluate import count_pixels
from harmonize.models.build import build_model, normalize

# Letters of shapes: B pictures, K leaves, C classes, H x W pixels of a label, h x w of the network.

QUICK = {"leaves": (11, 20), "size": 32, "batch": 2, "width": 8, "repeats": 2}
FORWARD, SCORE = "forward", "score"


@dataclass(frozen=True)
class EvaluateOptions:
    """What is measured."""

    leaves: tuple[int, ...] = (11, 66, 150)
    size: int = 256
    """Side of the pictures that the network sees, in pixels."""
    label_size: int | None = None
    """Side of the labels, which are scored at their own size, in pixels; ``size`` unless given."""
    batch: int = 8
    """Pictures that go through the network together."""
    model: str = "unet"
    width: int | None = 16
    """Of the U-Net."""
    repeats: int = 7


def benchmark_evaluate(options: EvaluateOptions, device: torch.device) -> Report:
    """Measure scoring and forward passes; a data set here has one class for each leaf, and void.

    Raises:
        HarmonizeError: a network that cannot be built.
    """
    accelerator = start_accelerator()
    rows = [_compare(leaves, options, accelerator) for leaves in options.leaves]
    sizes = {**dataclasses.asdict(options), "precision": precision_name(accelerator)}
    table = Table("scoring on top of forward passes, per picture", rows)
    return Report("evaluate", describe(device), sizes, [table])


def _compare(leaves: int, options: EvaluateOptions, accelerator: Accelerator) -> dict[str, Cell]:
    device = accelerator.device
    tree = tree_of(leaves)
    rng = np.random.default_rng(0)
    width = options.width if options.model == "unet" else None
    network = build_model(len(tree.leaves), name=options.model, width=width).eval().to(device)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    shape = (options.batch, 3, options.size, options.size)
    pictures = torch.from_numpy(rng.integers(0, 256, shape, dtype=np.uint8)).to(device)
    side = options.label_size or options.size
    drawn = blobs(rng, np.arange(leaves + 1), (options.batch, side, side))
    classes = torch.from_numpy(drawn).to(device)
    masks = torch.eye(leaves + 1, leaves, dtype=torch.bool, device=device)  # the last is void
    with torch.inference_mode():
        forward = partial(_forward, network, pictures, accelerator)
        score = partial(_score, forward(), classes, masks)
        measures = {FORWARD: timed(forward, device), SCORE: timed(score, device)}
        times = take_turns(measures, repeats=options.repeats)
        settle(device)
        before = start_peak(device)
        score()
        settle(device)
    extra = None
    if before is not None:
        extra = (torch.cuda.max_memory_allocated(device) - before) / MIB
    return {
        "leaves": leaves,
        "forward ms": 1000 * times.median(FORWARD) / options.batch,
        "scoring ms": 1000 * times.median(SCORE) / options.batch,
        "scoring, % of forward": 100 * times.ratio(SCORE, FORWARD),
        "quartiles of the ratio": times.spread(SCORE, FORWARD),
        "scoring's extra MiB": extra,
    }


def _forward(
    network: nn.Module, pictures: UInt8[Tensor, "B 3 h w"], accelerator: Accelerator
) -> Float[Tensor, "B K h w"]:
    """Return the logits as an evaluation works them out."""
    with accelerator.autocast():
        normal = normalize(pictures).contiguous(memory_format=torch.channels_last)
        return network(normal).float()


def _score(
    logits: Float[Tensor, "B K h w"],
    classes: Integer[Tensor, "B H W"],
    masks: Bool[Tensor, "C K"],
) -> None:
    """Count the pixels of every picture, and add them up."""
    counts = torch.zeros(len(masks), len(masks), dtype=torch.int64, device=masks.device)
    for number in range(len(logits)):
        counts += count_pixels(logits[number], classes[number], masks)
