"""A run's network, asked about pictures of its data sets: which ones, and with what answers."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from jaxtyping import Int, Integer, Num, UInt8
from numpy import ndarray
from torch import Tensor

from harmonize.data.dataset import SegmentationDataset
from harmonize.data.resizing import resize, resize_nearest
from harmonize.data.transforms import centre_square
from harmonize.decoding.decoder import Decoder
from harmonize.decoding.tiled_network import TiledNetwork
from harmonize.decoding.views import ViewedNetwork, Views
from harmonize.errors import HarmonizeError
from harmonize.inference.answer_space import (
    AnswerSpace,
    classes_of,
    confident_nodes,
    decoder_of,
    groups,
    leaves,
)
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.palette import Color, class_colors
from harmonize.labels.same_meaning import same_meaning, short_name
from harmonize.labels.sources import Sources
from harmonize.pictures.banded import as_colors
from harmonize.report.read_runs import ReportedRun
from harmonize.runs.opened import OpenedRun, open_any
from harmonize.runs.precision import start_accelerator

# Letters of shapes: N bands, C classes, H x W pixels as the page shows them.

CONFIDENCE = 0.9
"""What a backed-off answer is as probable as."""


@dataclass(frozen=True)
class Answered:
    """A picture as the page shows it, the true class of each pixel, and all its answers."""

    picture: UInt8[ndarray, "H W 3"]
    truth: Integer[ndarray, "H W"]
    answers: tuple[Integer[ndarray, "H W"], ...]


class Answerer:
    """The network of a run's newest checkpoint."""

    def __init__(
        self,
        run: ReportedRun,
        accelerator: Accelerator | None = None,
        opener: Callable[[Path], OpenedRun] = open_any,
    ) -> None:
        """Build it, for an accelerator's device and precision if one is given.

        Raises:
            HarmonizeError: the checkpoint is of another network.
        """
        opened = opener(run.folder)
        opened = opened if run.tree is None else opened.of_tree(run.tree)
        if accelerator is None:
            accelerator = start_accelerator("float32")
        network = TiledNetwork(opened.network(accelerator.device), accelerator)
        evaluate = opened.config.evaluate
        self._network = ViewedNetwork(
            network,
            Views(opened.config.answer_size, evaluate.scales, evaluate.flip),
            torch.from_numpy(opened.sources.ontology.mirror),
        )
        self._crop = opened.config.evaluate.crop

    @torch.inference_mode()
    def ask(
        self, dataset: SegmentationDataset, number: int, many: Sequence[AnswerSpace], longest: int
    ) -> Answered:
        """Answer a picture of a data set, cut and scaled as for scoring, in each of many ways.

        Args:
            dataset: whose picture it is.
            number: of the picture.
            many: the answer spaces, all of one decoder.
            longest: the side that answers are scaled down to, in pixels.

        Raises:
            HarmonizeError: the picture or its label cannot be read.
        """
        sample = dataset.scaled_down(
            number, least=math.inf if self._crop else self._network.views.largest
        )
        whole, classes = sample.picture, sample.classes
        if self._crop:
            whole, classes = centre_square(whole), centre_square(classes)
        height, width = classes.shape
        scale = min(longest / max(height, width), 1.0)
        shown = max(round(height * scale), 1), max(round(width * scale), 1)
        return Answered(
            as_colors(
                resize(whole, shown).permute(1, 2, 0).numpy(),
                dataset.bands,
            ),
            resize_nearest(classes, *shown).numpy(),
            self._answers(dataset, whole, shown, many),
        )

    def _answers(
        self,
        dataset: SegmentationDataset,
        picture: Num[Tensor, "N h w"],
        size: tuple[int, int],
        many: Sequence[AnswerSpace],
    ) -> tuple[Integer[ndarray, "H W"], ...]:
        answers = [np.empty(size, dtype=np.int64) for _ in many]
        with self._network.network.like(dataset.spec.name):
            for first, strip in self._network.strips(picture, size):
                rows = slice(first, first + strip.shape[1])
                units = many[0].decoder.picture(strip)
                for answer, space in zip(answers, many, strict=True):
                    answer[rows] = space.decide(strip, units).cpu().numpy()
        return tuple(answers)


@dataclass(frozen=True)
class ShownSet:
    """A data set that is shown, how it is answered, and its classes' names and colours.

    A class counts as that of its number: itself, or the first one of its meaning.
    """

    dataset: SegmentationDataset
    numbers: Int[ndarray, " C"]
    names: tuple[str, ...]
    colors: tuple[Color | None, ...]
    steps: tuple[tuple[str, AnswerSpace], ...]
    own: AnswerSpace


def open_sets(run: ReportedRun, roots: Mapping[str, str], notes: list[str]) -> list[ShownSet]:
    """Open the data sets that a run scores; note why one cannot be shown."""
    if run.sources is None:
        return []
    everywhere = {**run.roots, **roots}
    decoder = decoder_of(run.sources, run.decode)
    steps = _steps(run.sources, decoder)
    opened = [
        _open(run, run.sources, decoder, spec, split, everywhere, steps, notes)
        for spec, split in scored_sets(run)
    ]
    return [one for one in opened if one is not None]


def scored_sets(run: ReportedRun) -> list[tuple[DatasetSpec, str]]:
    """Return the mappings of the data sets that a run scores, each with its split."""
    if run.sources is None:
        return []
    found: list[tuple[DatasetSpec, str]] = []
    for entry, spec in (*run.sources.trained, *run.sources.also):
        scores = run.scores.get(spec.name)
        split = scores.split if scores and scores.split else entry.evaluate
        if split:
            found.append((spec, split))
    return found


def _open(
    run: ReportedRun,
    sources: Sources,
    decoder: Decoder,
    spec: DatasetSpec,
    split: str,
    roots: dict[str, str],
    steps: Sequence[tuple[str, AnswerSpace]],
    notes: list[str],
) -> ShownSet | None:
    try:
        dataset = SegmentationDataset(spec, split, root=spec.folder(roots), bands=run.bands)
        own = classes_of(sources, decoder, spec, roots)
        backed_off = _backed_off(run, sources, decoder, spec.name)
    except HarmonizeError as error:
        notes.append(f"{spec.name} is not shown: {error.problems[0]}")
        return None
    same = same_meaning(sources.ontology, spec)
    names = tuple(short_name(name, same.merged) for name in same.names)
    colors = class_colors(sources.ontology, spec, own=False)
    every = (*steps, ("backed off", backed_off))
    return ShownSet(dataset, same.numbers, names, colors, every, own)


def _steps(sources: Sources, decoder: Decoder) -> list[tuple[str, AnswerSpace]]:
    depth = sources.ontology.depth
    found = [(f"depth {d}", groups(sources, decoder, d)) for d in range(1, depth)]
    return [*found, ("leaves", leaves(sources, decoder))]


def _backed_off(run: ReportedRun, sources: Sources, decoder: Decoder, name: str) -> AnswerSpace:
    """Return the answers of backing off, calibrated if the run's newest checkpoint is."""
    if run.calibration is None or not run.is_calibrated:
        return confident_nodes(sources, decoder, CONFIDENCE)
    like = name if name in run.calibration.datasets else None
    temperatures = run.calibration.temperatures(sources.ontology.leaves, like)
    return confident_nodes(sources, decoder, CONFIDENCE, temperatures)
