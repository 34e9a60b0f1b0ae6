"""Read batches ahead in loader processes, and raise a user's mistakes as they were raised there."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from harmonize.errors import HarmonizeError
from harmonize.system.signals import prepare_loader

Sample = TypeVar("Sample")
Joined = TypeVar("Joined")

READ_AHEAD = 4
"""Batches that each loader process keeps ready."""


def load(
    dataset: Dataset[Sample],
    batches: Iterable[list[int]],
    join: Callable[[list[Sample]], Joined],
    *,
    workers: int,
) -> Iterator[Joined]:
    """Read batches of a data set in the given order with several processes.

    Args:
        dataset: any map-style data set.
        batches: the positions of each batch's samples.
        join: makes a batch of samples.
        workers: loader processes; 0 reads in this one.

    Raises:
        HarmonizeError: as the data set raised it, without the loader's traceback.
    """
    loader: DataLoader[Any] = DataLoader(
        _Guarded(dataset),
        batch_sampler=batches,  # type: ignore[arg-type]
        collate_fn=_GuardedJoin(join),
        num_workers=workers,
        prefetch_factor=READ_AHEAD if workers else None,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=prepare_loader,
    )
    for batch in loader:
        if isinstance(batch, HarmonizeError):
            raise batch
        yield batch


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

    def __init__(self, join: Callable[[list[Sample]], Joined]) -> None:
        self._join = join

    def __call__(self, samples: list[Sample | HarmonizeError]) -> Joined | HarmonizeError:
        good: list[Sample] = []
        for sample in samples:
            if isinstance(sample, HarmonizeError):
                return sample
            good.append(sample)
        return self._join(good)
