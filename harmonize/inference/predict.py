"""Answer pictures with the network of a run folder."""

import contextlib
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from accelerate.utils import gather_object
from jaxtyping import Integer
from numpy import ndarray

from harmonize.data.windows import LargePicture
from harmonize.decoding.tiled_network import TiledNetwork
from harmonize.decoding.views import ViewedNetwork
from harmonize.errors import HarmonizeError, raise_all
from harmonize.inference.annotations.project import Project
from harmonize.inference.answer_space import AnswerSpace
from harmonize.inference.drawing import draw_answer, draw_overlay
from harmonize.inference.inputs import Wanted
from harmonize.inference.large_answers import answer_large
from harmonize.inference.predict_options import PredictOptions, Wording, choose_answers
from harmonize.inference.read_as import ReadAs
from harmonize.inference.read_pictures import Seen, read_to_see
from harmonize.inference.trained import Trained
from harmonize.inference.write_answers import Output, describe
from harmonize.runs.precision import start_accelerator
from harmonize.system.agreement import together
from harmonize.system.locks import locked_together
from harmonize.system.progress import Progress, tell
from harmonize.system.signals import Stopped, signals_put_off, until_stopped

# Letters of shapes: H x W pixels of a picture.

_NOTED = ("made_by", "run", "file", "checkpoint", "step", "answers")
"""What of a legend a mapping of annotations says too."""


def predict_trained(
    trained: Trained, wanted: list[Wanted], output: Output, options: PredictOptions
) -> int:
    """Answer pictures by one tree, and write a file of ids or colours for each, and a legend.

    Each process answers every n-th picture. A picture that cannot be answered is told at the end;
    all others are.

    Args:
        trained: the network and what belongs to it.
        wanted: the pictures.
        output: where to write.
        options: what is wanted of the network.

    Returns:
        The exit status: 0, or that of a signal which ended the work between two pictures.

    Raises:
        HarmonizeError: before anything is written, what is wrong with the options; afterwards each
            picture that could not be answered.
    """
    wording = choose_answers(trained, options)
    space, calibration, views = wording.answers, wording.calibration, wording.views
    source: dict[str, Any] = {**trained.origin, "size": views.size, "decode": space.decoder.how}
    if not views.is_one:
        source |= {"scales": list(views.scales), "flip": views.flip}
    if wording.like is not None:
        source["like"] = wording.like
    legend = describe(space, {**source, **calibration.legend()})
    output.check(wanted, legend)
    project = None
    if output.annotations is not None:
        tree = trained.sources.ontology
        how = {"turn": options.turn}
        project = Project.of(output, output.annotations, space, wording.dataset, tree, **how)
        project.check(wanted, banded=bool(wording.read_as.channels))
    precision = options.precision or trained.config.train.precision
    accelerator = start_accelerator(precision, cpu=options.cpu)
    network = TiledNetwork(trained.network(accelerator.device), accelerator)
    network.check_tile(options.tile)
    viewed = ViewedNetwork(network, views, torch.from_numpy(trained.sources.ontology.mirror))
    job = _Job(viewed, space, output, options, wording.read_as, project)
    advice = "wait until it ends, or choose another --output"
    with locked_together(output.folder, is_main=accelerator.is_main_process, advice=advice):
        return _answer_all(job, wanted, wording, legend, trained.title)


def _answer_all(
    job: "_Job", wanted: list[Wanted], wording: Wording, legend: dict[str, Any], by: str
) -> int:
    """Write the legend and this process's share of the answers; return the exit status."""
    network, space, output = job.network.network, job.space, job.output
    accelerator = network.accelerator
    if accelerator.is_main_process:
        output.clear(wanted)
        output.write_legend(legend)
        wording.calibration.tell()
        for label in space.labels:
            if not space.is_classes and len(label.nodes) > 1:
                tell(f"answered as one: {label.name}; no label tells them apart")
        tell_classes(space)
    mine = wanted[accelerator.process_index :: accelerator.num_processes]
    try:
        all_or_none = contextlib.nullcontext() if job.project is None else together()
        with network.like(wording.like), all_or_none:
            answered, problems = job.answer_all(mine)
    except Stopped as stop:
        print(f"{stop.name}: what is written is whole; the rest is not begun", file=sys.stderr)
        return stop.status
    if job.project is not None:
        answered = {one.path for one in gather_object(answered)}
        if accelerator.is_main_process and answered:
            notes = [f"{key}: {value}" for key, value in legend.items() if key in _NOTED]
            job.project.write([one for one in wanted if one.path in answered], notes)
            tell(f"{job.project.mapping}: reads the annotations for {job.project.kind}")
    raise_all(problems)
    if accelerator.is_main_process:
        number = f"{len(wanted)} picture{'s' if len(wanted) > 1 else ''}"
        tell(f"{output.folder}: {number}, {space.title}, by {by}")
    return 0


def tell_classes(space: AnswerSpace) -> None:
    """Print which classes are answered as one, which by other leaves, and which never."""
    for label, mask in zip(space.labels, space.masks, strict=True):
        if label.classes and mask.any():
            value = space.encoding.write(label.value)
            tell(f"answered as one: {label.short_name}, written as {value}; they mean the same")
    short = {label.name: label.short_name for label in space.labels}
    for title, notes in (
        ("approximate", space.approximate),
        ("never answered", space.unanswerable),
    ):
        for name, says in notes.items():
            tell(f"{title}: {short.get(name, name)}, {says}")


@dataclass(frozen=True)
class _Job:
    """The answering of many pictures."""

    network: ViewedNetwork
    space: AnswerSpace
    output: Output
    options: PredictOptions
    read_as: ReadAs
    project: Project | None = None

    def answer_all(self, pictures: list[Wanted]) -> tuple[list[Wanted], list[str]]:
        """Answer pictures, reading the next and writing the last one meanwhile.

        Returns:
            The pictures that are answered, and the problems with the others.

        Raises:
            Stopped: a signal came; what was begun is done.
        """
        answered: list[Wanted] = []
        problems: list[str] = []
        is_main = self.network.network.accelerator.is_main_process
        bar = Progress(len(pictures), "answering", "pictures", shown=is_main)
        with bar, signals_put_off(), ThreadPoolExecutor(2) as pool:
            written: tuple[Wanted, Future[None]] | None = None
            for wanted, seen in until_stopped(self._read_ahead(pictures, pool)):
                try:
                    answer = self._answer(wanted, seen)
                except HarmonizeError as error:
                    problems += error.problems
                    bar.update()
                    continue
                if written is not None:
                    _finish(*written, answered, problems)
                written = None
                if answer is None:
                    answered.append(wanted)
                else:
                    written = wanted, pool.submit(self._write, wanted, seen.result(), answer)
                bar.update()
            if written is not None:
                _finish(*written, answered, problems)
        return answered, problems

    def _read_ahead(
        self, pictures: list[Wanted], pool: ThreadPoolExecutor
    ) -> Iterator[tuple[Wanted, Future[Seen]]]:
        ahead: Future[Seen] | None = None
        for number, wanted in enumerate(pictures):
            seen = ahead or self._submit(pool, wanted)
            following = pictures[number + 1 : number + 2]
            ahead = self._submit(pool, following[0]) if following else None
            yield wanted, seen

    def _submit(self, pool: ThreadPoolExecutor, wanted: Wanted) -> Future[Seen]:
        return pool.submit(self._read, wanted)

    def _read(self, wanted: Wanted) -> Seen:
        with _naming(wanted, "cannot be read"):
            return read_to_see(
                wanted.path,
                size=self.network.views.read_at,
                fit=self.network.views.is_one,
                turn=self.options.turn,
                show=self.output.overlays,
                read_as=self.read_as,
                lazily=True,
            )

    def _answer(self, wanted: Wanted, seen: Future[Seen]) -> Integer[ndarray, "H W"] | None:
        """Answer a picture; None if it is so large that the answer was written meanwhile."""
        picture = seen.result()
        try:
            if isinstance(picture.scaled, LargePicture):
                answer_large(self.network, wanted, picture, self.space, self.output)
                return None
            return self.network.answer(picture.scaled, picture.size, self.space)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and not _is_out_of_memory(error):
                raise
            raise HarmonizeError(
                f"{wanted.path}: out of memory; lower --tile, now {self.options.tile}"
            ) from None

    def _write(self, wanted: Wanted, seen: Seen, answer: Integer[ndarray, "H W"]) -> None:
        with _naming(wanted, "its answer cannot be drawn or written"):
            self.output.write_answer(wanted, draw_answer(answer, self.space))
            if seen.shown is not None:
                self.output.write_overlay(wanted, draw_overlay(seen.shown, answer, self.space))


@contextlib.contextmanager
def _naming(wanted: Wanted, problem: str) -> Iterator[None]:
    """Name the picture of whatever goes wrong with it, so that the others are answered."""
    try:
        yield
    except HarmonizeError:
        raise
    except Exception as error:
        reason = str(error).partition("\n")[0]
        what = type(error).__name__ + (f": {reason}" if reason else "")
        raise HarmonizeError(f"{wanted.path}: {problem}: {what}") from None


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _finish(
    wanted: Wanted, written: Future[None], answered: list[Wanted], problems: list[str]
) -> None:
    """Wait for a picture's files, noting why they could not be written."""
    try:
        written.result()
    except HarmonizeError as error:
        problems += error.problems
    else:
        answered.append(wanted)
