"""Batches that loader processes send through pipes, where there is little shared memory."""

import io
import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harmonize.system.shared_memory import free_bytes

_SPARE = 8 << 20
"""Bytes of shared memory that are left to others."""


@dataclass(frozen=True)
class Piped:
    """A batch whose tensors are plain bytes: PyTorch would put them into shared memory."""

    data: bytes

    def unpacked(self) -> Any:
        """Return the batch."""
        return pickle.loads(self.data)  # a loader process of this one wrote it


def piped_if_short(batch: Any, workers: int) -> Any:
    """Return a batch as it is, or for a pipe where shared memory may not hold it.

    All loader processes may hand over a batch at once.
    """
    free = free_bytes()
    if free is None or free > _SPARE + 2 * workers * _bytes_of(batch):
        return batch
    data = io.BytesIO()
    _Pickler(data).dump(batch)
    return Piped(data.getvalue())


def _bytes_of(batch: Any) -> int:
    """Return how many bytes the tensors of a batch have."""
    if isinstance(batch, Tensor):
        return batch.nbytes
    if isinstance(batch, list | tuple):
        return sum(map(_bytes_of, batch))
    values = batch.values() if isinstance(batch, dict) else getattr(batch, "__dict__", {}).values()
    return sum(map(_bytes_of, values))


class _Pickler(pickle.Pickler):
    """Writes tensors as arrays."""

    def reducer_override(self, value: Any) -> Any:
        """Return how a tensor is made again; other objects are as ever."""
        if isinstance(value, Tensor):
            return _tensor, (value.numpy(force=True),)
        return NotImplemented


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array)
