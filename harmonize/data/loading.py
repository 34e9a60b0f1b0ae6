"""A loader whose processes read ahead, and whose errors come without its traceback."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset, _utils

from harmonize.data.batch_pipes import Piped, piped_if_short
from harmonize.errors import HarmonizeError
from harmonize.system.once import share_warnings
from harmonize.system.shared_memory import enough_files, has_room, warn_of_little
from harmonize.system.signals import is_stop_asked, prepare_loader, stop_if_asked, stopped_at_once

Sample = TypeVar("Sample")
Joined = TypeVar("Joined")

READ_AHEAD = 4
"""Batches that each loader process keeps ready."""
_LOOK = 2.0
"""Seconds after which a wait for the next batch is interrupted to see if a signal has come."""


class Loader(DataLoader[Any]):
    """A loader of batches in a given order, read ahead by several processes.

    Args:
        dataset: any map-style data set.
        batches: the positions of each batch's samples.
        join: makes a batch of samples.
        workers: loader processes; 0 reads in this one.
    """

    def __init__(
        self,
        dataset: Dataset[Sample],
        batches: Iterable[list[int]],
        join: Callable[[list[Sample]], Joined],
        *,
        workers: int,
    ) -> None:
        super().__init__(
            _Guarded(dataset),
            batch_sampler=batches,  # type: ignore[arg-type]
            collate_fn=_GuardedJoin(join, workers),
            num_workers=workers,
            prefetch_factor=READ_AHEAD if workers else None,
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=prepare_loader,
            timeout=_LOOK if workers else 0,
        )
        if workers:
            share_warnings()
            warn_of_little(workers)

    def __iter__(self) -> Iterator[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Read the batches.

        Raises:
            HarmonizeError: as the data set raised it, without the loader's traceback; or there is
                nothing to start processes with.
            Stopped: a signal has come while no batch did.
        """
        batches = self._started()
        try:
            while True:
                try:
                    with stopped_at_once():
                        batch = next(batches)
                except StopIteration:
                    return
                except RuntimeError as error:
                    if not _is_late(error, batches):
                        raise
                    stop_if_asked()
                    continue
                if isinstance(batch, Piped):
                    batch = batch.unpacked()
                if isinstance(batch, HarmonizeError):
                    raise batch
                yield batch
        finally:
            if is_stop_asked():
                _end_processes(batches)

    def _started(self) -> Iterator[Any]:
        """Start the processes.

        Raises:
            HarmonizeError: the system has too little for that.
        """
        reason = None if has_room(self.num_workers) else "there is no shared memory for them"
        if not enough_files(self.num_workers):
            reason = "too few files may be open"
        if reason is None:
            try:
                return super().__iter__()
            except OSError as error:
                reason = error.strerror or str(error)
        raise HarmonizeError(
            f"data.workers={self.num_workers}: loader processes cannot be started: {reason}; raise "
            "the limit (docker run --shm-size=1g, ulimit -n 1024), or read in this process by "
            "data.workers=0"
        )


def _is_late(error: RuntimeError, batches: Any) -> bool:
    """Say whether a loader has only waited for its time, and all of it is still there."""
    pinning = getattr(batches, "_pin_memory_thread", None)
    waited = str(error).startswith("DataLoader timed out")
    return waited and (pinning is None or pinning.is_alive())


def _end_processes(batches: Any) -> None:
    """End a loader's processes at once, even one that waits for a disk that is gone."""
    processes = getattr(batches, "_workers", [])
    if processes and batches._worker_pids_set:
        watch: Any = _utils.signal_handling
        watch._remove_worker_pids(id(batches))  # else their end is an error
        batches._worker_pids_set = False
    for process in processes:
        if process.is_alive():
            process.kill()


def load(
    dataset: Dataset[Sample],
    batches: Iterable[list[int]],
    join: Callable[[list[Sample]], Joined],
    *,
    workers: int,
) -> Iterator[Joined]:
    """Read batches of a data set in the given order; see ``Loader``."""
    return iter(Loader(dataset, batches, join, workers=workers))


class _Guarded(Dataset[Sample | HarmonizeError]):
    """Returns a user's mistake instead of raising it, which loader processes would disfigure."""

    def __init__(self, dataset: Dataset[Sample]) -> None:
        self._dataset = dataset

    def __getitem__(self, position: int) -> Sample | HarmonizeError:
        try:
            return self._dataset[position]
        except HarmonizeError as error:
            return error


class _GuardedJoin(Generic[Sample, Joined]):
    """Joins samples, or passes on the first mistake among them."""

    def __init__(self, join: Callable[[list[Sample]], Joined], workers: int) -> None:
        self._join = join
        self._workers = workers

    def __call__(self, samples: list[Sample | HarmonizeError]) -> Joined | HarmonizeError | Piped:
        good: list[Sample] = []
        for sample in samples:
            if isinstance(sample, HarmonizeError):
                return sample
            good.append(sample)
        joined = self._join(good)
        return piped_if_short(joined, self._workers) if self._workers else joined
