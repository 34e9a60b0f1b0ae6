"""Checksums of what a run is given, which prove that two runs were given the same."""

import hashlib

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from harmonize.data.samples import Batch


class Digest:
    """The checksum of all pictures and codes that a run was given between two lines of its log."""

    def __init__(self, *, whole: bool = True) -> None:
        """Begin; ``whole`` unless the run goes on between two lines, whose input is half known."""
        self._whole = whole
        self._hash = hashlib.blake2b(digest_size=8)

    def add(self, batch: Batch) -> None:
        """Take in a batch, which lies in the CPU's memory."""
        for tensor in (batch.pictures, batch.codes):
            self._hash.update(tensor.contiguous().numpy().data)

    def take(self, accelerator: Accelerator) -> str | None:
        """Return the checksum over all processes, None if a part is unknown, and begin anew."""
        mine = torch.frombuffer(bytearray(self._hash.digest()), dtype=torch.uint8)
        gathered = accelerator.gather(mine[None].to(accelerator.device))
        assert isinstance(gathered, Tensor)
        whole, self._whole = self._whole, True
        self._hash = hashlib.blake2b(digest_size=8)
        return _hex(gathered.cpu()) if whole else None


def weights_digest(network: nn.Module) -> str:
    """Return the checksum of a network's parameters and buffers."""
    tensors = [tensor.detach().cpu().contiguous() for tensor in network.state_dict().values()]
    return _hex(*(tensor.reshape(-1).view(torch.uint8) for tensor in tensors))


def _hex(*parts: Tensor) -> str:
    total = hashlib.blake2b(digest_size=8)
    for part in parts:
        total.update(part.numpy().data)
    return total.hexdigest()
