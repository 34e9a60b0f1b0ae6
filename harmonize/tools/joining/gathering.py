"""Let networks look at their own pictures and at those of other data sets."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from jaxtyping import Integer
from numpy import ndarray
from torch import Tensor

from harmonize.data.bad_samples import BadSample
from harmonize.data.dataset import SegmentationDataset
from harmonize.decoding.tiled_network import TiledNetwork
from harmonize.decoding.views import ViewedNetwork, Views
from harmonize.errors import HarmonizeError
from harmonize.inference.answer_space import AnswerSpace, classes_of, decoder_of
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.labels.same_meaning import same_meaning
from harmonize.models.segmenter import Segmenter
from harmonize.pipeline.evaluate_run import DEFAULT_SPLIT, ScoringRun, open_for_scoring
from harmonize.system.agreement import together
from harmonize.system.once import warn_once
from harmonize.system.progress import follow
from harmonize.tools.draft.file_groups import evenly
from harmonize.tools.joining.contingency import ClassSet, Crossing
from harmonize.tools.joining.pieces import Pieces, answer_pieces, count_pieces
from harmonize.tools.refine.complete_labels import FullPicture, read_pictures

# Letters of shapes: P pictures, A and B classes of two sets, C classes of a mapping, H x W pixels.


@dataclass(frozen=True)
class Looking:
    """How runs are opened and how many pictures their networks look at.

    Attributes:
        split: whose pictures; by default the one that a run scores of its set, else ``val``.
        number: of pictures of each set, evenly spaced.
        checkpoint: ``best`` or ``last``.
        overrides: of the runs' configs.
        trust_code: run the code that a run's network is, where it is not harmonize's own.
    """

    split: str | None = None
    number: int = 100
    checkpoint: str = "last"
    overrides: Iterable[str] = field(default_factory=tuple[str, ...])
    trust_code: bool = False


@dataclass(frozen=True)
class Side:
    """A data set and its run, before its pictures are looked at.

    Attributes:
        spec: the given mapping.
        run: folder of the run that was trained on it.
        dataset: its pictures.
        chosen: numbers of those that are looked at.
        classes: names of the classes that the run's tree tells apart.
        members: all names of each.
        mirrors: by class the one that it becomes in a mirrored picture, as the run's tree says.
        left: whose left that tree's names mean.
        unit: by class of the mapping the number among ``classes``, -1 for ignored ones; the last is
            for void.
    """

    spec: DatasetSpec
    run: Path
    dataset: SegmentationDataset
    chosen: tuple[int, ...]
    classes: tuple[str, ...]
    members: tuple[tuple[str, ...], ...]
    mirrors: Mapping[str, str]
    left: str
    unit: Integer[ndarray, " C1"]

    def path(self, place: int) -> str:
        """Return the path of one of the chosen pictures."""
        return self.dataset.files.picture(self.chosen[place])


@dataclass(frozen=True)
class _Counted:
    """What a network answers on the chosen pictures of a set.

    Attributes:
        pixels: by picture, label and answer, of all processes.
        pieces: by place of the picture, of those that this process has looked at.
    """

    pixels: Integer[ndarray, "P B A"]
    pieces: Mapping[int, Pieces]


class Onlooker:
    """A run's network, answering in the classes of the set that it was trained on.

    Args:
        scoring: the opened run.
        side: its data set.
    """

    def __init__(self, scoring: ScoringRun, side: Side) -> None:
        opened = scoring.run
        spec = _trained_spec(scoring, side.spec.name)
        sources = opened.sources
        self.space: AnswerSpace = classes_of(
            sources,
            decoder_of(sources, opened.config.evaluate.decode),
            spec,
            opened.config.data.roots,
        )
        unit = {name: n for n, group in enumerate(side.members) for name in group}
        self._unit = np.array([unit.get(name, -1) for name in spec.classes])
        self._accelerator: Accelerator = scoring.accelerator
        self._workers = opened.config.data.workers
        self._classes = len(side.classes)
        assert isinstance(scoring.model, Segmenter)
        self._network = ViewedNetwork(
            TiledNetwork(scoring.model, scoring.accelerator),
            Views(opened.config.answer_size),
            torch.from_numpy(sources.ontology.mirror),
        )

    def answer(self, item: FullPicture) -> Integer[ndarray, "H W"]:
        """Return the class that each pixel of a picture's label is answered as, or -1."""
        height, width = item.classes.shape
        found = self._network.answer(item.picture, (height, width), self.space)
        return self._unit[found.astype(np.int64)]

    def pictures(self, side: Side, places: Sequence[int]) -> Iterable[FullPicture | BadSample]:
        """Read some of the chosen pictures of a set."""
        numbers = [side.chosen[place] for place in places]
        return read_pictures(
            side.dataset, numbers, least=self._network.views.largest, workers=self._workers
        )

    def count(self, side: Side) -> _Counted:
        """Count the pixels of a set's chosen pictures by label and answer."""
        process, processes = self._accelerator.process_index, self._accelerator.num_processes
        mine = range(process, len(side.chosen), processes)
        counts = np.zeros((len(side.chosen), len(side.classes), self._classes), dtype=np.int64)
        pieces: dict[int, Pieces] = {}
        shown, title = self._accelerator.is_main_process, f"looking at {side.spec.name}"
        with together():
            read = follow(self.pictures(side, mine), len(mine), title, "pictures", shown=shown)
            for place, item in zip(mine, read, strict=True):
                if isinstance(item, BadSample):
                    warn_once(f"warning: left out: {item.reason}")
                    continue
                labels = side.unit[item.classes.numpy().astype(np.int64)]
                answers = self.answer(item)
                counts[place] = _table(labels, answers, counts.shape[1:])
                pieces[place] = answer_pieces(labels, answers, self._classes)
        summed = self._accelerator.reduce(torch.from_numpy(counts).to(self._accelerator.device))
        assert isinstance(summed, Tensor)
        return _Counted(summed.cpu().numpy(), pieces)


def _table(
    labels: Integer[ndarray, "H W"], answers: Integer[ndarray, "H W"], shape: tuple[int, ...]
) -> Integer[ndarray, "B A"]:
    known = (labels >= 0) & (answers >= 0)
    pairs = labels[known] * shape[1] + answers[known]
    return np.bincount(pairs, minlength=shape[0] * shape[1]).reshape(shape)


def _trained_spec(scoring: ScoringRun, name: str) -> DatasetSpec:
    trained = {spec.name: spec for spec in scoring.run.sources.taught}
    if name not in trained:
        raise HarmonizeError(
            f"--runs {scoring.run.folder}: was trained on {', '.join(trained)}, not on {name}; "
            "give the runs in the order of their mappings"
        )
    return trained[name]


def open_side(scoring: ScoringRun, spec: DatasetSpec, looking: Looking) -> Side:
    """Open the pictures of a data set whose run is opened.

    Raises:
        HarmonizeError: the run was not trained on it, or knows other or too few classes of it.
    """
    trained = _trained_spec(scoring, spec.name)
    if set(trained.classes) != set(spec.classes):
        differ = ", ".join(sorted(set(trained.classes) ^ set(spec.classes)))
        raise HarmonizeError(
            f"{spec.name}: the run {scoring.run.folder} was trained with other classes of it "
            f"({differ}); give the mapping that it was trained with"
        )
    if not spec.has_labels:
        raise HarmonizeError(f"{spec.name}: has no labels (label: null), so nothing to join")
    same = same_meaning(scoring.run.sources.ontology, trained)
    groups: dict[int, list[str]] = {}
    for name, number, mask in zip(
        trained.classes, same.numbers, trained.leaf_masks(scoring.run.sources.ontology), strict=True
    ):
        if mask.any():
            groups.setdefault(int(number), []).append(name)
    members = tuple(map(tuple, groups.values()))
    if len(members) < 2:
        raise HarmonizeError(
            f"{spec.name}: {scoring.run.folder} tells {len(members)} of its classes apart, which "
            "cannot be held against those of another set; it takes two or more"
        )
    unit = {name: n for n, group in enumerate(members) for name in group}
    config = scoring.run.config
    entries = {one.name: entry for entry, one in scoring.run.sources.trained}
    split = looking.split or entries[spec.name].evaluate or DEFAULT_SPLIT
    dataset = SegmentationDataset(spec, split, root=spec.folder(config.data.roots))
    return Side(
        spec,
        scoring.run.folder,
        dataset,
        tuple(evenly(range(len(dataset)), looking.number)),
        tuple(group[0] for group in members),
        members,
        _mirrors(scoring.run.sources.ontology, trained, [group[0] for group in members]),
        scoring.run.sources.ontology.left,
        np.array([*(unit.get(name, -1) for name in spec.classes), -1]),
    )


def _mirrors(ontology: Ontology, spec: DatasetSpec, classes: Sequence[str]) -> dict[str, str]:
    """Return the classes that a horizontal flip exchanges."""
    masks = dict(zip(spec.classes, spec.leaf_masks(ontology), strict=True))
    owner = {masks[name].tobytes(): name for name in classes}
    found = {name: owner.get(masks[name][ontology.mirror].tobytes(), name) for name in classes}
    return {name: other for name, other in found.items() if name != other}


def look_around(
    specs: Sequence[DatasetSpec], runs: Sequence[Path], looking: Looking
) -> tuple[list[Side], list[Crossing]]:
    """Let the network of each run look at its own set's pictures and at those of all others.

    Returns:
        The sets, and every pair of them.

    Raises:
        HarmonizeError: what the user can mend.
    """
    sides: list[Side] = []
    for spec, run in zip(specs, runs, strict=True):
        with open_for_looking(run, looking) as scoring:
            sides.append(open_side(scoring, spec, looking))
    tables: dict[tuple[int, int], _Counted] = {}
    for number, side in enumerate(sides):
        with open_for_looking(side.run, looking) as scoring:
            network = Onlooker(scoring, side)
            for other, seen in enumerate(sides):
                tables[number, other] = network.count(seen)
    sets = [
        ClassSet(side.spec.name, side.classes, side.members, tables[number, number].pixels)
        for number, side in enumerate(sides)
    ]
    pairs = [(one, other) for other in range(len(sets)) for one in range(other)]
    return sides, [
        Crossing(
            sets[one],
            sets[other],
            on_a=tables[other, one].pixels,
            on_b=tables[one, other].pixels,
            pieces=_pieces(tables, one, other),
        )
        for one, other in pairs
    ]


def _pieces(
    tables: Mapping[tuple[int, int], _Counted], one: int, other: int
) -> Integer[ndarray, "2 A B"]:
    """Count the pieces on the pictures of two sets; all processes together."""
    found: list[Integer[ndarray, "A B"]] = []
    for seen, looker in ((one, other), (other, one)):
        own, crossed = tables[seen, seen].pieces, tables[looker, seen]
        pairs = [(own[place], pieces) for place, pieces in crossed.pieces.items() if place in own]
        counts = count_pieces(pairs, crossed.pixels.shape[1:])
        found.append(counts if seen == one else counts.T)
    return np.sum(gather_object([np.stack(found)]), axis=0)


def open_for_looking(run: Path, looking: Looking) -> AbstractContextManager[ScoringRun]:
    """Open a run; the processes stay together."""
    return open_for_scoring(
        run, looking.checkpoint, looking.overrides, trust_code=looking.trust_code, last=False
    )
