"""Checksums of a run's input and initial weights, which prove that two runs had the same."""

import hashlib

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from harmonize.data.samples import Batch
from harmonize.models.sharding import whole_state

_HALF, _WHOLE = (1 << 32) - 1, (1 << 64) - 1


class Digest:
    """The checksum of all pictures and codes that a run was given between two lines of its log.

    A sum over the samples, each hashed with its step, so that it is the same for any number of
    processes and of accumulation parts.
    """

    def __init__(self, *, whole: bool = True) -> None:
        """Begin; ``whole`` unless the run goes on between two lines, whose input is half known."""
        self._whole = whole
        self._sum = 0

    def add(self, batch: Batch, step: int) -> None:
        """Take in samples of a step, which lie in the CPU's memory."""
        for picture, codes in zip(batch.pictures, batch.codes, strict=True):
            parts = (step.to_bytes(8, "big"), picture.contiguous().numpy().data, codes.numpy().data)
            self._sum += int.from_bytes(_hash(*parts), "big")

    def take(self, accelerator: Accelerator) -> str | None:
        """Return the checksum over all processes, None if a part is unknown, and begin anew."""
        halves = [self._sum & _HALF, self._sum >> 32 & _HALF]
        gathered = accelerator.gather(torch.tensor([halves], device=accelerator.device))
        assert isinstance(gathered, Tensor)
        low, high = gathered.sum(0).tolist()
        whole, self._whole, self._sum = self._whole, True, 0
        return f"{low + (high << 32) & _WHOLE:016x}" if whole else None


def weights_digest(network: nn.Module) -> str:
    """Return the checksum of a network's parameters and buffers; every process must call this."""
    state = whole_state(network.state_dict())
    tensors = [tensor.detach().cpu().contiguous() for tensor in state.values()]
    return _hash(*(tensor.reshape(-1).view(torch.uint8).numpy().data for tensor in tensors)).hex()


def _hash(*parts: bytes | memoryview) -> bytes:
    total = hashlib.blake2b(digest_size=8)
    for part in parts:
        total.update(part)
    return total.digest()
