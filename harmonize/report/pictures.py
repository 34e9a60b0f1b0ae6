"""Pictures of a run's data sets: from coarse to fine, and the worst and best of an evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from harmonize.data.dataset import SegmentationDataset
from harmonize.errors import HarmonizeError
from harmonize.inference.palette import Color, color_of_leaves, node_colors
from harmonize.inference.words import Words, classes_of, confident_nodes, groups, leaves
from harmonize.ontology import Ontology
from harmonize.report.answering import Answerer
from harmonize.report.images import Name, Shown, label_map, photograph
from harmonize.report.runs import Run
from harmonize.report.scores import ScoredPicture, Value
from harmonize.sources import Sources
from harmonize.spec import DatasetSpec

CONFIDENCE = 0.9
"""What a backed-off answer is as probable as."""
LONGEST_SIDE = 420


@dataclass(frozen=True)
class Limits:
    """How much one page holds: pictures of each data set of each run, and bytes in all."""

    scenes: int
    extremes: int
    bytes: int


@dataclass(frozen=True)
class Answer:
    """One position of the slider."""

    name: str
    about: str
    shown: Shown


@dataclass(frozen=True)
class Scene:
    """A picture with its truth and its answers, coarse ones first, the backed-off one last."""

    dataset: str
    path: str
    picture: Shown
    truth: Shown
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Extreme:
    """A picture with its truth and its answer in the data set's own classes, and its score."""

    dataset: str
    path: str
    mean_iou: Value
    picture: Shown
    truth: Shown
    answer: Shown

    @property
    def legend(self) -> tuple[Name, ...]:
        """The colours of truth and answer together."""
        return tuple({one.name: one for one in (*self.answer.legend, *self.truth.legend)}.values())


@dataclass(frozen=True)
class Pictures:
    """All pictures of a run, and what kept others away, in words."""

    scenes: tuple[Scene, ...] = ()
    worst: tuple[Extreme, ...] = ()
    best: tuple[Extreme, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Set:
    """A data set that is shown, how it is answered, and its classes' names and colours."""

    dataset: SegmentationDataset
    names: tuple[str, ...]
    colors: tuple[Color | None, ...]
    steps: tuple[tuple[str, Words], ...]
    own: Words


@dataclass
class _Album:
    """Pictures as they are made, as long as there is room."""

    answerer: Answerer
    room: int
    notes: list[str] = field(default_factory=list[str])

    def scene(self, one: _Set, number: int) -> Scene | None:
        """Make a picture with a slider; None, and a note, if that cannot be."""
        many = [words for _, words in one.steps]
        made = self._ask(one, number, many)
        if made is None:
            return None
        picture, truth, answers = made
        named = zip(one.steps, answers, strict=True)
        steps = tuple(Answer(name, words.title, shown) for (name, words), shown in named)
        return Scene(
            one.dataset.spec.name, one.dataset.files.picture(number), picture, truth, steps
        )

    def extreme(self, one: _Set, scored: ScoredPicture) -> Extreme | None:
        """Make one of the worst or best; None, and a note, if that cannot be."""
        name, files = one.dataset.spec.name, one.dataset.files
        if scored.number >= len(files) or files.picture(scored.number) != scored.picture:
            self.notes.append(f"{name}: {scored.picture} is not there any more.")
            return None
        made = self._ask(one, scored.number, [one.own])
        if made is None:
            return None
        picture, truth, (answer,) = made
        return Extreme(name, scored.picture, scored.mean_iou, picture, truth, answer)

    def _ask(
        self, one: _Set, number: int, many: Sequence[Words]
    ) -> tuple[Shown, Shown, list[Shown]] | None:
        if self.room <= 0:
            return None
        try:
            found = self.answerer.ask(one.dataset, number, many, LONGEST_SIDE)
        except (HarmonizeError, RuntimeError, MemoryError) as error:
            self.notes.append(f"A picture is missing: {_why_not(error)}")
            return None
        picture, truth = (
            photograph(found.picture),
            label_map(found.truth, one.names, one.colors),
        )
        answers: list[Shown] = []
        for answer, words in zip(found.answers, many, strict=True):
            colors = one.colors if words is one.own else [word.color for word in words.words]
            answers.append(label_map(answer, [word.name for word in words.words], colors))
        self.room -= sum(len(shown.address) for shown in (picture, truth, *answers))
        return picture, truth, answers


def _why_not(error: Exception) -> str:
    """Say why a picture was not answered; what is not for a user to mend is raised again."""
    if isinstance(error, HarmonizeError):
        return error.problems[0]
    is_memory = isinstance(error, torch.OutOfMemoryError | MemoryError)
    if is_memory or "can't allocate memory" in str(error):
        return "there is not enough memory"
    raise error


def make_pictures(run: Run, roots: Mapping[str, str], limits: Limits) -> Pictures:
    """Answer some pictures of the data sets that a run scores.

    What cannot be shown is told in notes.

    Args:
        run: whose network answers.
        roots: folders of data sets, which go before those of the config.
        limits: how much.
    """
    if run.checkpoint is None or run.sources is None:
        return Pictures()
    everywhere = {**run.roots, **roots}
    notes: list[str] = []
    sets = [one for one in _open(run, run.sources, everywhere, notes) if one is not None]
    if not sets:
        return Pictures(notes=tuple(notes))
    try:
        album = _Album(Answerer(run), limits.bytes, notes)
    except (HarmonizeError, RuntimeError, MemoryError) as error:
        return Pictures(notes=(*notes, f"No pictures are answered: {_why_not(error)}"))
    scenes = [
        album.scene(one, number)
        for one in sets
        for number in _spread(len(one.dataset), limits.scenes)
    ]
    scores = [(one, run.scores.get(one.dataset.spec.name)) for one in sets]
    worst, best = (
        [
            album.extreme(one, scored)
            for one, known in scores
            for scored in (pick(known) if known else ())[: limits.extremes]
        ]
        for pick in (lambda known: known.worst, lambda known: known.best)
    )
    if album.room <= 0:
        notes.append("Some pictures are left out, so that the page stays small.")
    return Pictures(
        tuple(scene for scene in scenes if scene is not None),
        tuple(one for one in worst if one is not None),
        tuple(one for one in best if one is not None),
        tuple(dict.fromkeys(notes)),
    )


def scored_sets(run: Run) -> list[tuple[DatasetSpec, str]]:
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


def _spread(length: int, number: int) -> list[int]:
    """Return some numbers below ``length``, spread evenly."""
    number = min(number, length)
    return [(2 * n + 1) * length // (2 * number) for n in range(number)]


def _open(run: Run, sources: Sources, roots: dict[str, str], notes: list[str]) -> list[_Set | None]:
    return [_open_set(run, sources, spec, split, roots, notes) for spec, split in scored_sets(run)]


def _open_set(
    run: Run,
    sources: Sources,
    spec: DatasetSpec,
    split: str,
    roots: dict[str, str],
    notes: list[str],
) -> _Set | None:
    try:
        dataset = SegmentationDataset(spec, split, root=spec.folder(roots))
        own = classes_of(sources, spec, roots)
        steps = (*_steps(sources), ("backed off", _backed_off(run, sources, spec.name)))
    except HarmonizeError as error:
        notes.append(f"{spec.name} is not shown: {error.problems[0]}")
        return None
    return _Set(dataset, tuple(spec.classes), _class_colors(sources.ontology, spec), steps, own)


def _steps(sources: Sources) -> list[tuple[str, Words]]:
    depth = sources.ontology.depth
    found = [(f"depth {d}", groups(sources, d)) for d in range(1, depth)]
    return [*found, ("leaves", leaves(sources))]


def _backed_off(run: Run, sources: Sources, name: str) -> Words:
    """Return the words of backing off, calibrated if the run's newest checkpoint is."""
    if run.calibration is None or not run.is_calibrated:
        return confident_nodes(sources, CONFIDENCE)
    file = run.calibration.file
    like = name if name in file.leaves else None
    temperatures = file.temperatures(sources.ontology.leaves, like)
    return confident_nodes(sources, CONFIDENCE, temperatures)


def _class_colors(ontology: Ontology, spec: DatasetSpec) -> tuple[Color | None, ...]:
    """Return colours for a data set's classes: of the node of the same name, if they mean it.

    So truth and answers, which are drawn in the tree's colours, look alike.
    """
    nodes, found = node_colors(ontology), list[Color | None]()
    for name, mask in zip(spec.classes, spec.leaf_masks(ontology), strict=True):
        taken = [color for color in found if color is not None]
        if name in ontology.describe(mask) and nodes[name] not in taken:
            found.append(nodes[name])
        elif mask.any():
            found.append(color_of_leaves(ontology, mask, nodes, taken))
        else:
            found.append(None)
    return tuple(found)
