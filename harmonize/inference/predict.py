"""Answer pictures with the network of a run folder."""

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from jaxtyping import Integer
from numpy import ndarray
from tqdm import tqdm

from harmonize.calibration.calibration_file import Temperatures
from harmonize.config.run_config import find_file
from harmonize.errors import HarmonizeError, near_matches, raise_all
from harmonize.inference.answer_space import Words, classes_of, confident_nodes, groups, leaves
from harmonize.inference.calibrated import (
    NOT_CALIBRATED,
    FoundCalibration,
    Use,
    find_calibration,
)
from harmonize.inference.drawing import draw_answer, draw_overlay
from harmonize.inference.inputs import Wanted, find_pictures
from harmonize.inference.read_pictures import Seen, read_to_see
from harmonize.inference.tiled_network import DEFAULT_TILE, TiledNetwork
from harmonize.inference.write_answers import Output, describe
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.sources import Sources
from harmonize.runs.checkpoint import Checkpoint
from harmonize.runs.opened import open_run
from harmonize.runs.precision import choose_precision
from harmonize.system.processes import on_cuda, processes
from harmonize.system.signals import Stopped, signals_put_off, until_stopped

# Letters of shapes: H x W pixels of a picture.


@dataclass(frozen=True)
class Asked:
    """What is asked of a network. At most one of the first three is given; else leaves are.

    Attributes:
        depth: answer the groups there.
        dataset: answer the classes of this data set of the run, or of this mapping file.
        confidence: answer the deepest node that is as probable.
        like: take the temperatures of this data set; unless given, the largest of all.
        calibrated: whether to use the run's calibration, if it has one; for a confidence only.
        size: the shorter side of what the network sees, ``full`` for the picture's own; the run's
            ``data.size`` unless given.
        tile: pictures of more than ``tile * tile`` scaled pixels go through the network in tiles.
        checkpoint: ``best`` or ``last``.
        precision: ``auto``, ``float32``, ``bf16`` or ``fp16``; the run's unless given.
        cpu: compute on the CPU even where there is a GPU.
        turn: turn pictures upright as their EXIF data says.
        roots: folders of data sets, for those that have their ids from a file there.
    """

    depth: int | None = None
    dataset: str | None = None
    confidence: float | None = None
    like: str | None = None
    calibrated: bool = True
    size: int | str | None = None
    tile: int = DEFAULT_TILE
    checkpoint: str = "last"
    precision: str | None = None
    cpu: bool = False
    turn: bool = True
    roots: dict[str, str] = dataclasses.field(default_factory=dict[str, str])


def predict_run(run: Path, pictures: Sequence[str], output: Output, asked: Asked) -> int:
    """Answer pictures, and write a file of ids or colours for each, and a legend.

    Each process answers every n-th picture. A picture that cannot be answered is told at the end;
    all others are.

    Args:
        run: the run folder.
        pictures: files, folders and patterns.
        output: where to write.
        asked: what.

    Returns:
        The exit status: 0, or that of a signal which ended the work between two pictures.

    Raises:
        HarmonizeError: before anything is written, what is wrong with the command; afterwards each
            picture that could not be answered.
    """
    if asked.confidence is None and (asked.like is not None or not asked.calibrated):
        option = "--uncalibrated" if asked.like is None else f"--like {asked.like}"
        raise HarmonizeError(f"{option}: is about probabilities; add --confidence, or leave it out")
    wanted = find_pictures(pictures, output.folder)
    opened = open_run(run, which=asked.checkpoint)
    path, state, config, sources = opened.path, opened.state, opened.config, opened.sources
    names = [spec.name for spec in sources.specs]
    raise_all(
        f"data.roots.{name}: the run has no data set {name!r}; {near_matches(name, names)}"
        for name in asked.roots
        if name not in names and asked.dataset in (None, *names)
    )
    size = config.data.size if asked.size is None else asked.size
    source = {"run": str(run), "checkpoint": path.name, "step": state.step, "size": size}
    calibration = _calibration(run, state, sources, asked, size)
    words = _words(sources, asked, {**config.data.roots, **asked.roots}, calibration.temperatures)
    legend = describe(words, {**source, **calibration.legend()})
    output.check(wanted, legend)
    states = processes(cpu=asked.cpu)
    precision = choose_precision(asked.precision or config.train.precision, cuda=on_cuda(states))
    accelerator = Accelerator(cpu=asked.cpu, mixed_precision=precision)
    network = TiledNetwork(opened.network(accelerator.device), accelerator)
    if asked.tile < network.least_tile:
        raise HarmonizeError(f"--tile {asked.tile}: at least {network.least_tile} pixels")
    if accelerator.is_main_process:
        output.write_legend(legend)
        calibration.tell()
        for word in words.words:
            if not words.is_classes and len(word.nodes) > 1:
                print(f"answered as one: {word.name}; no label tells them apart")
        for name, reason in words.left_out.items():
            print(f"never answered: {name}, {reason}")
    mine = wanted[accelerator.process_index :: accelerator.num_processes]
    job = _Job(network, words, output, None if size == "full" else int(size), asked)
    try:
        job.answer_all(mine)
    except Stopped as stop:
        print(f"{stop.name}: what is written is whole; the rest is not begun", file=sys.stderr)
        return stop.status
    if accelerator.is_main_process:
        number = f"{len(wanted)} picture{'s' if len(wanted) > 1 else ''}"
        print(f"{output.folder}: {number}, {words.title}, by {path} after {state.step} steps")
    return 0


def _calibration(
    run: Path, state: Checkpoint, sources: Sources, asked: Asked, size: int | str
) -> FoundCalibration:
    """Find the calibration that answers go by, if they go by probabilities."""
    if asked.confidence is None or not asked.calibrated:
        return NOT_CALIBRATED
    use = Use(asked.confidence, asked.like, size, state.step, asked.checkpoint)
    return find_calibration(run, sources.ontology.leaves, use)


def _words(
    sources: Sources, asked: Asked, roots: dict[str, str], temperatures: Temperatures | None
) -> Words:
    if asked.depth is not None:
        return groups(sources, asked.depth)
    if asked.confidence is not None:
        return confident_nodes(sources, asked.confidence, temperatures)
    if asked.dataset is None:
        return leaves(sources)
    known = {spec.name: spec for spec in sources.specs}
    if asked.dataset in known:
        return classes_of(sources, known[asked.dataset], roots)
    mapping = find_file(asked.dataset)
    if not mapping.is_file():
        raise HarmonizeError(
            f"--as {asked.dataset}: neither a data set of this run nor a mapping file; "
            f"{near_matches(asked.dataset, known)}"
        )
    return classes_of(sources, DatasetSpec.from_file(mapping), roots)


@dataclass(frozen=True)
class _Job:
    """The answering of many pictures."""

    network: TiledNetwork
    words: Words
    output: Output
    size: int | None
    asked: Asked

    def answer_all(self, pictures: list[Wanted]) -> None:
        """Answer pictures, reading the next and writing the last one meanwhile.

        Raises:
            HarmonizeError: the problems with those that could not be answered.
            Stopped: a signal came; what was begun is done.
        """
        problems: list[str] = []
        bar = tqdm(total=len(pictures), unit="picture", disable=None)
        with signals_put_off(), ThreadPoolExecutor(2) as pool:
            written: Future[None] | None = None
            try:
                for wanted, seen in until_stopped(self._read_ahead(pictures, pool)):
                    try:
                        answer = self._answer(wanted, seen)
                    except HarmonizeError as error:
                        problems += error.problems
                        bar.update()
                        continue
                    if written is not None:
                        _finish(written, problems)
                    written = pool.submit(self._write, wanted, seen.result(), answer)
                    bar.update()
            finally:
                bar.close()
            if written is not None:
                _finish(written, problems)
        raise_all(problems)

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
        return pool.submit(
            read_to_see,
            wanted.path,
            size=self.size,
            turn=self.asked.turn,
            show=self.output.overlays,
        )

    def _answer(self, wanted: Wanted, seen: Future[Seen]) -> Integer[ndarray, "H W"]:
        picture = seen.result()
        try:
            return self.network.answer(
                picture.scaled, picture.size, self.words, tile=self.asked.tile
            )
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and not _is_out_of_memory(error):
                raise
            raise HarmonizeError(
                f"{wanted.path}: out of memory; lower --tile, now {self.asked.tile}"
            ) from None

    def _write(self, wanted: Wanted, seen: Seen, answer: Integer[ndarray, "H W"]) -> None:
        self.output.write_answer(wanted, draw_answer(answer, self.words))
        if seen.shown is not None:
            self.output.write_overlay(wanted, draw_overlay(seen.shown, answer, self.words))


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _finish(written: Future[None], problems: list[str]) -> None:
    """Wait for a picture's files, noting why they could not be written."""
    try:
        written.result()
    except HarmonizeError as error:
        problems += error.problems
