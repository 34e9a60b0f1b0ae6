"""What scoring costs on top of the network's forward passes."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from torch import Tensor

from harmonize.config.model_config import ModelConfig
from harmonize.decoding import native_decoding
from harmonize.decoding.answers import Answers
from harmonize.decoding.decoder import Decoder
from harmonize.decoding.decoding_tree import decoding_tree
from harmonize.evaluation.by_depth import DepthGroups
from harmonize.evaluation.counting import AnsweredPicture, Counter
from harmonize.evaluation.tally import Tally
from harmonize.labels.ontology import Ontology
from harmonize.models.build import build_model
from harmonize.tools.benchmark.machine import (
    describe,
    extra_gpu_memory,
    in_mib,
    precision_name,
    start_accelerator,
)
from harmonize.tools.benchmark.made_up import blobs, tree_of
from harmonize.tools.benchmark.measurements import BenchmarkReport, Cell, ResultTable
from harmonize.tools.benchmark.options import option, repeats
from harmonize.tools.benchmark.timing import take_turns, timed

# Letters of shapes: B pictures, K leaves, C classes, H x W pixels of a label, h x w of the network.

FORWARD = "forward"
LEAVES, GROUPS, ALL = "leaves", "groups", "all"
AddPicture = Callable[[Tensor, Tensor, int], None]
"""Adds a picture's logits and classes to some scores, with its number."""
_GRAIN = 40
"""Of the pictures' noise, in steps of a colour."""


@dataclass(frozen=True)
class EvaluateOptions:
    """What is measured."""

    leaves: tuple[int, ...] = option(
        (11, 66, 150), quick=(11, 20), type=int, nargs="+", metavar="N"
    )
    size: int = option(256, quick=32, type=int, metavar="PIXELS", help="side of the pictures")
    label_size: int | None = option(None, type=int, metavar="PIXELS", help="side of the labels")
    """Unless given, the labels are as large as the pictures and twice as large."""
    batch: int = option(8, quick=2, type=int, metavar="N", help="pictures per batch")
    model: str = option("unet", metavar="NAME", help="unet, or a network of torchvision")
    width: int | None = option(16, quick=8, type=int, metavar="N", help="of the U-Net")
    repeats: int = repeats(7, quick=2)


def benchmark_evaluate(options: EvaluateOptions, device: torch.device) -> BenchmarkReport:
    """Measure scoring and forward passes of an untrained network on patches of colour with noise.

    The classes of a data set are the leaves, or the groups of them one level above; and void. With
    ``all`` the classes are the leaves, and everything is scored that an evaluation scores: every
    depth, each picture, and a sample for calibration. The others are the classes alone.

    Raises:
        HarmonizeError: a network that cannot be built.
    """
    accelerator = start_accelerator()
    rows = [row for leaves in options.leaves for row in _compare(leaves, options, accelerator)]
    sizes = {**dataclasses.asdict(options), "precision": precision_name(accelerator)}
    in_c = device.type == "cpu" and native_decoding.is_available()
    sizes["scoring"] = "compiled C" if in_c else "PyTorch"
    table = ResultTable("scoring on top of forward passes, per picture", rows)
    return BenchmarkReport("evaluate", describe(device), sizes, [table])


def _compare(
    leaves: int, options: EvaluateOptions, accelerator: Accelerator
) -> list[dict[str, Cell]]:
    """Measure a network's forward pass and each way to score it, taking turns."""
    device = accelerator.device
    tree = tree_of(leaves)
    rng = np.random.default_rng(0)
    width = options.width if options.model == "unet" else None
    config = ModelConfig(name=options.model, width=width)
    network = build_model(len(tree.leaves), config).eval().to(device)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pictures = torch.from_numpy(_pictures(rng, options)).to(device)
    sides = (options.size, 2 * options.size) if not options.label_size else (options.label_size,)

    def forward() -> Float[Tensor, "B K h w"]:
        with accelerator.autocast():
            return network(pictures)

    with torch.inference_mode():
        logits = forward()
        actions = {
            (what, side): _scoring(logits, *scorer, side, rng)
            for what, scorer in _scorers(tree, options.batch).items()
            for side in sides
        }
        measures = {str(key): timed(score, device) for key, score in actions.items()}
        times = take_turns({FORWARD: timed(forward, device), **measures}, repeats=options.repeats)
        extra = {key: extra_gpu_memory(score, device) for key, score in actions.items()}
    return [
        {
            "leaves": leaves,
            "scored": key[0],
            "label": key[1],
            "forward ms": 1000 * times.median(FORWARD) / options.batch,
            "scoring ms": 1000 * times.median(str(key)) / options.batch,
            "scoring, % of forward": 100 * times.ratio(str(key), FORWARD),
            "quartiles of the ratio": times.spread(str(key), FORWARD),
            "scoring's extra MiB": in_mib(extra[key]),
        }
        for key in actions
    ]


def _pictures(rng: np.random.Generator, options: EvaluateOptions) -> UInt8[ndarray, "B 3 h w"]:
    shape = (options.batch, 3, options.size, options.size)
    noise = rng.integers(0, _GRAIN, shape, dtype=np.uint8)
    return blobs(rng, np.arange(256 - _GRAIN, dtype=np.uint8), shape) + noise


def _scorers(tree: Ontology, pictures: int) -> dict[str, tuple[AddPicture, int]]:
    """Return the ways to score, each with the number of its classes, void included."""
    void = np.zeros((1, len(tree.leaves)), dtype=bool)
    groups = [tree.leaf_mask(group) for group in tree.groups(max(tree.depth - 1, 1))]
    leaves, groups = (
        np.vstack([rows, void]) for rows in (np.eye(len(tree.leaves), dtype=bool), groups)
    )
    decoder = Decoder(decoding_tree(tree), "tree")
    tally = Tally(decoder, leaves, leaves, _every_depth(tree), pictures=pictures)
    return {
        LEAVES: (_counting(decoder, leaves), len(leaves)),
        GROUPS: (_counting(decoder, groups), len(groups)),
        ALL: (tally.add, len(leaves)),
    }


def _every_depth(tree: Ontology) -> list[DepthGroups]:
    """Return the groups at each depth; the classes are the leaves and void."""
    found: list[DepthGroups] = []
    for depth in range(1, tree.depth + 1):
        nodes = tree.nodes_at(depth)
        rows = [tree.leaf_mask(node) for node in nodes]
        group_of = np.append(tree.group_index[depth], len(nodes))
        masks = np.vstack([*rows, np.zeros_like(rows[0])])
        found.append(DepthGroups(depth, nodes, masks, group_of))
    return found


def _counting(decoder: Decoder, masks: Bool[ndarray, "C K"]) -> AddPicture:
    """Return what counts a picture's pixels by class alone, whatever its number."""
    scored = np.where(masks.any(1), np.arange(len(masks)), -1)
    counter = Counter(Answers.of(decoder.tree, masks), scored)

    def add(logits: Tensor, classes: Tensor, _: int) -> None:
        counter.count(AnsweredPicture(decoder, logits, classes))

    return add


def _scoring(
    logits: Float[Tensor, "B K h w"],
    add: AddPicture,
    num_classes: int,
    side: int,
    rng: np.random.Generator,
) -> Callable[[], None]:
    """Return the scoring of a batch against labels of so many pixels a side."""
    drawn = blobs(rng, np.arange(num_classes, dtype=np.int16), (len(logits), side, side))
    labels = torch.from_numpy(drawn).to(logits.device)

    def score() -> None:
        for number in range(len(logits)):
            add(logits[number], labels[number], number)

    return score
