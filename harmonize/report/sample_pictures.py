"""Pictures of a run's data sets: from coarse to fine, and the worst and best of an evaluation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from accelerate import Accelerator

from harmonize.errors import HarmonizeError
from harmonize.evaluation.saved_scores import PictureScore
from harmonize.inference.answer_space import AnswerSpace
from harmonize.report.answering import Answerer, ShownSet, open_sets
from harmonize.report.inline_images import InlineImage, LegendEntry, label_map, photograph
from harmonize.report.read_runs import ReportedRun
from harmonize.runs.opened import OpenedRun, open_any
from harmonize.system.progress import ProgressLine

LONGEST_SIDE = 420


@dataclass(frozen=True)
class PictureLimits:
    """How much one page holds: pictures of each data set of each run, and bytes in all."""

    scenes: int
    extremes: int
    bytes: int


@dataclass(frozen=True)
class SliderStep:
    """One position of the slider."""

    name: str
    about: str
    shown: InlineImage


@dataclass(frozen=True)
class Scene:
    """A picture with its truth and its answers, coarse ones first, the backed-off one last."""

    dataset: str
    path: str
    picture: InlineImage
    truth: InlineImage
    answers: tuple[SliderStep, ...]


@dataclass(frozen=True)
class Extreme:
    """A picture with its truth and its answer in the data set's own classes, and its score."""

    dataset: str
    path: str
    mean_iou: float
    picture: InlineImage
    truth: InlineImage
    answer: InlineImage

    @property
    def legend(self) -> tuple[LegendEntry, ...]:
        """The colours of truth and answer together."""
        return tuple({one.name: one for one in (*self.answer.legend, *self.truth.legend)}.values())


@dataclass(frozen=True)
class Pictures:
    """All pictures of a run, and what kept others away, in words."""

    scenes: tuple[Scene, ...] = ()
    worst: tuple[Extreme, ...] = ()
    best: tuple[Extreme, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class _Album:
    """Pictures as they are made, as long as there is room."""

    answerer: Answerer
    room: int
    notes: list[str] = field(default_factory=list[str])

    def scene(self, one: ShownSet, number: int) -> Scene | None:
        """Make a picture with a slider; None, and a note, if that cannot be."""
        many = [space for _, space in one.steps]
        made = self._ask(one, number, many)
        if made is None:
            return None
        picture, truth, answers = made
        named = zip(one.steps, answers, strict=True)
        steps = tuple(SliderStep(name, space.title, shown) for (name, space), shown in named)
        return Scene(
            one.dataset.spec.name, one.dataset.files.picture(number), picture, truth, steps
        )

    def extreme(self, one: ShownSet, scored: PictureScore) -> Extreme | None:
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
        self, one: ShownSet, number: int, many: Sequence[AnswerSpace]
    ) -> tuple[InlineImage, InlineImage, list[InlineImage]] | None:
        if self.room <= 0:
            return None
        try:
            found = self.answerer.ask(one.dataset, number, many, LONGEST_SIDE)
        except (HarmonizeError, RuntimeError, MemoryError) as error:
            self.notes.append(f"A picture is missing: {_why_not(error)}")
            return None
        picture, truth = (
            photograph(found.picture),
            label_map(one.numbers[found.truth], one.names, one.colors),
        )
        answers: list[InlineImage] = []
        for answer, space in zip(found.answers, many, strict=True):
            colors = one.colors if space is one.own else [label.color for label in space.labels]
            answers.append(label_map(answer, [label.short_name for label in space.labels], colors))
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


def make_pictures(
    run: ReportedRun,
    roots: Mapping[str, str],
    limits: PictureLimits,
    accelerator: Accelerator | None = None,
    opener: Callable[[Path], OpenedRun] = open_any,
) -> Pictures:
    """Answer some pictures of the data sets that a run scores.

    Notes say what cannot be shown, and why.

    Args:
        run: whose network answers.
        roots: folders of data sets, which go before those of the config.
        limits: how much.
        accelerator: whose device and precision are used; the machine's, in float32, unless given.
        opener: opens run folders.
    """
    if run.checkpoint is None or run.sources is None:
        return Pictures()
    notes: list[str] = []
    sets = open_sets(run, roots, notes)
    if not sets:
        return Pictures(notes=tuple(notes))
    try:
        album = _Album(Answerer(run, accelerator, opener), limits.bytes, notes)
    except (HarmonizeError, RuntimeError, MemoryError) as error:
        return Pictures(notes=(*notes, f"No pictures are answered: {_why_not(error)}"))
    places = [
        (one, number) for one in sets for number in evenly_spread(len(one.dataset), limits.scenes)
    ]
    scores = [(one, run.scores.get(one.dataset.spec.name)) for one in sets]
    picked = [
        [
            (one, scored)
            for one, known in scores
            for scored in (pick(known) if known else ())[: limits.extremes]
        ]
        for pick in (lambda known: known.worst, lambda known: known.best)
    ]
    total = len(places) + sum(map(len, picked))
    with ProgressLine(total, f"answering for the report of {run.name}", "pictures") as bar:
        scenes = [album.scene(*place) for place in bar.over(places)]
        worst, best = [[album.extreme(*one) for one in bar.over(its)] for its in picked]
    if album.room <= 0:
        notes.append("Some pictures are left out, so that the page stays small.")
    return Pictures(
        tuple(scene for scene in scenes if scene is not None),
        tuple(one for one in worst if one is not None),
        tuple(one for one in best if one is not None),
        tuple(dict.fromkeys(notes)),
    )


def evenly_spread(length: int, number: int) -> list[int]:
    """Return some numbers below ``length``, spread evenly."""
    number = min(number, length)
    return [(2 * n + 1) * length // (2 * number) for n in range(number)]
