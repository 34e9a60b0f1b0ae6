"""The one thread that computes: pictures that come together go through the network together."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int, Integer
from numpy import ndarray
from torch import Tensor

from harmonize.decoding.tiled_network import TiledNetwork
from harmonize.decoding.views import ViewedNetwork
from harmonize.errors import HarmonizeError, printable
from harmonize.inference.predict_options import Wording
from harmonize.inference.read_pictures import SeenPicture
from harmonize.serving.refusals import Refusal
from harmonize.serving.sent_pictures import is_out_of_memory, out_of_memory

# Letters of shapes: K leaves, C possible answers, H x W pixels of a picture.

Found = Integer[ndarray, "H W"] | Float[ndarray, "C H W"]
"""The number of each pixel's answer, or the probability of each possible one."""


@dataclass(eq=False)
class _Question:
    """A picture that waits.

    Attributes:
        seen: it.
        wording: what it can be answered.
        sure: whether the probabilities of all possible answers are asked for.
        group: of pictures that may go through the network together; None for one that goes alone.
        result: its answer.
        arrived: when.
    """

    seen: SeenPicture
    wording: Wording
    sure: bool
    group: tuple[object, ...] | None
    result: "Future[Found]" = field(default_factory=Future)
    arrived: float = field(default_factory=time.monotonic)


class Batches:
    """Answers pictures in a thread of its own, the one that came first and those like it first.

    Args:
        network: it.
        mirror: the leaf that each leaf becomes in a mirrored picture.
        most: pictures that go through the network together.
        wait: seconds that the first of them waits for others which are on their way.
    """

    def __init__(
        self, network: TiledNetwork, mirror: Int[Tensor, " K"], *, most: int, wait: float
    ) -> None:
        self._network, self._mirror = network, mirror
        self._most, self._wait = most, wait
        self._changed = threading.Condition()
        self._waiting: list[_Question] = []
        self._coming = 0
        self._is_closed = False
        self._threads = torch.get_num_threads()
        self.batches = 0
        """Passes of the network so far."""
        self._thread = threading.Thread(target=self._work, name="computing", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def coming(self) -> Iterator[None]:
        """Let others wait for a picture that is read meanwhile."""
        with self._changed:
            self._coming += 1
        try:
            yield
        finally:
            with self._changed:
                self._coming -= 1
                self._changed.notify_all()

    def submit(self, seen: SeenPicture, wording: Wording, *, sure: bool = False) -> "Future[Found]":
        """Have a picture answered; a result that is cancelled before it is begun is left out.

        Args:
            seen: the picture.
            wording: what it can be answered.
            sure: whether the result is the probability of each possible answer, in float16.
        """
        job = _Question(seen, wording, sure, None if sure else self._group(seen, wording))
        with self._changed:
            self._waiting.append(job)
            self._changed.notify_all()
        return job.result

    def close(self) -> None:
        """Answer what waits, and end the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join()

    def _group(self, seen: SeenPicture, wording: Wording) -> tuple[object, ...] | None:
        views, picture = wording.views, seen.scaled
        if not views.is_one or not isinstance(picture, Tensor):
            return None
        height, width = picture.shape[1:]
        if height * width > views.tile**2:
            return None
        return (wording.like, picture.dtype, *self._network.padded_size(picture))

    def _work(self) -> None:
        torch.set_num_threads(self._threads)  # those that decode have one each
        while jobs := self._next():
            self._answer(jobs)
            del jobs  # while others are waited for

    def _next(self) -> list[_Question]:
        """Wait for pictures; return none when there will be no more."""
        with self._changed:
            while True:
                self._waiting = [job for job in self._waiting if not job.result.cancelled()]
                if not self._waiting:
                    if self._is_closed:
                        return []
                    self._changed.wait()
                    continue
                first = self._waiting[0]
                alike = [job for job in self._waiting if job is first or _together(job, first)]
                left = first.arrived + self._wait - time.monotonic()
                complete = first.group is None or len(alike) >= self._most or not self._coming
                if not complete and left > 0:
                    self._changed.wait(left)
                    continue
                chosen = alike[: self._most]
                self._waiting = [job for job in self._waiting if job not in chosen]
                return chosen

    def _answer(self, jobs: list[_Question]) -> None:
        jobs = [job for job in jobs if job.result.set_running_or_notify_cancel()]
        if not jobs:
            return
        try:
            answers = self._answers(jobs)
        except Exception as error:  # it must not end the thread
            if len(jobs) == 1:
                jobs[0].result.set_exception(_refused(error))
                return
            answers = []
        if not answers:  # one of them, or their number, was too much
            for job in jobs:
                self._answer_alone(job)
        for job, answer in zip(jobs, answers, strict=False):
            job.result.set_result(answer)

    def _answer_alone(self, job: _Question) -> None:
        try:
            (answer,) = self._answers([job])
        except Exception as error:
            job.result.set_exception(_refused(error))
        else:
            job.result.set_result(answer)

    def _answers(self, jobs: Sequence[_Question]) -> Sequence[Found]:
        self.batches += 1
        first = jobs[0]
        with self._network.like(first.wording.like):
            if len(jobs) == 1:
                viewed = ViewedNetwork(self._network, first.wording.views, self._mirror)
                seen, space = first.seen, first.wording.answers
                if first.sure:
                    return [viewed.probabilities(seen.scaled, seen.size, space, np.float16)]
                return [viewed.answer(seen.scaled, seen.size, space)]
            pictures = [job.seen.scaled for job in jobs if isinstance(job.seen.scaled, Tensor)]
            sizes = [job.seen.size for job in jobs]
            spaces = [job.wording.answers for job in jobs]
            return self._network.answer_together(pictures, sizes, spaces)


def _together(job: _Question, first: _Question) -> bool:
    return first.group is not None and job.group == first.group


def _refused(error: Exception) -> Exception:
    """Return what the client is told; what nobody expected stays as it is."""
    if is_out_of_memory(error):
        return out_of_memory()
    if isinstance(error, HarmonizeError):
        print(printable(f"error: {error}"), file=sys.stderr)
        return Refusal(500, "the network cannot answer this picture; the service's log says why")
    return error
