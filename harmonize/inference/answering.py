"""One process's share of the pictures: read, answered and written, whatever is wrong with some."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from jaxtyping import Integer
from numpy import ndarray

from harmonize.data.windows import LargePicture
from harmonize.decoding.views import ViewedNetwork
from harmonize.errors import HarmonizeError
from harmonize.inference.annotations.project import Project
from harmonize.inference.answer_space import AnswerSpace
from harmonize.inference.drawing import draw_answer, draw_overlay
from harmonize.inference.inputs import Wanted
from harmonize.inference.large_answers import answer_large
from harmonize.inference.predict_options import PredictOptions
from harmonize.inference.read_as import ReadAs
from harmonize.inference.read_pictures import SeenPicture, read_to_see
from harmonize.inference.write_answers import Output
from harmonize.system.progress import ProgressLine
from harmonize.system.signals import signals_put_off, until_stopped

# Letters of shapes: H x W pixels of a picture.


@dataclass(frozen=True)
class PictureAnswers:
    """The answering of many pictures.

    Attributes:
        network: that answers.
        space: the possible answers.
        output: where they are written.
        options: what is wanted of the network.
        read_as: the bands that it takes.
        project: that is written of all answers afterwards, if any.
    """

    network: ViewedNetwork
    space: AnswerSpace
    output: Output
    options: PredictOptions
    read_as: ReadAs
    project: Project | None = None

    def all_of(self, pictures: list[Wanted]) -> tuple[list[Wanted], list[str]]:
        """Answer pictures, reading the next and writing the last one meanwhile.

        Returns:
            The pictures that are answered, and the problems with the others.

        Raises:
            Stopped: a signal came; what was begun is done.
        """
        answered: list[Wanted] = []
        problems: list[str] = []
        is_main = self.network.network.accelerator.is_main_process
        bar = ProgressLine(len(pictures), "answering", "pictures", shown=is_main)
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
    ) -> Iterator[tuple[Wanted, Future[SeenPicture]]]:
        ahead: Future[SeenPicture] | None = None
        for number, wanted in enumerate(pictures):
            seen = ahead or self._submit(pool, wanted)
            following = pictures[number + 1 : number + 2]
            ahead = self._submit(pool, following[0]) if following else None
            yield wanted, seen

    def _submit(self, pool: ThreadPoolExecutor, wanted: Wanted) -> Future[SeenPicture]:
        return pool.submit(self._read, wanted)

    def _read(self, wanted: Wanted) -> SeenPicture:
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

    def _answer(self, wanted: Wanted, seen: Future[SeenPicture]) -> Integer[ndarray, "H W"] | None:
        """Answer a picture; None if it is so large that the answer was written meanwhile."""
        picture = seen.result()
        try:
            if isinstance(picture.scaled, LargePicture):
                answer_large(self.network, wanted, picture, self.space, self.output)
                return None
            return self.network.answer(picture.scaled, picture.size, self.space)
        except HarmonizeError:
            raise
        except Exception as error:
            if _is_lost(error):
                raise
            if not _is_out_of_memory(error):
                with _naming(wanted, "the network fails at it"):
                    raise
            raise HarmonizeError(
                f"{wanted.path}: out of memory; lower --tile, now {self.options.tile}"
            ) from None

    def _write(self, wanted: Wanted, seen: SeenPicture, answer: Integer[ndarray, "H W"]) -> None:
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


def _is_out_of_memory(error: Exception) -> bool:
    lacks = "can't allocate memory" in str(error)
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or lacks


def _is_lost(error: Exception) -> bool:
    """Say whether the device answers no more pictures in this process."""
    return isinstance(error, torch.AcceleratorError)


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
