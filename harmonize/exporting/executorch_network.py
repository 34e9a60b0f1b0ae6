"""A network in a file of ``harmonize export --format executorch``, which ExecuTorch runs."""

import math
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from harmonize.errors import HarmonizeError
from harmonize.exporting.executorch_file import EXTRA
from harmonize.exporting.facts import Facts
from harmonize.exporting.hushing import hushed
from harmonize.system.extras import need

# Letters of shapes: B pictures, K leaves, h x w pixels of the network.


class ExecutorchNetwork:
    """Runs a program with as many threads as PyTorch has.

    Args:
        program: the program's bytes.
        facts: what its file says of itself.
        leaves: K, of its tree.
        path: of the file.

    Raises:
        HarmonizeError: ExecuTorch cannot run it.
    """

    def __init__(self, program: bytes, facts: Facts, leaves: int, path: Path) -> None:
        with hushed():
            need("executorch", extra=EXTRA, key=str(path))
            from executorch import runtime  # pyright: ignore[reportMissingImports]
        from executorch.extension.pybindings import (  # pyright: ignore[reportMissingImports]
            portable_lib,
        )

        self._path, self._leaves = path, leaves
        self.stride, self._least = facts.stride, facts.least
        self._largest = facts.largest or facts.least
        self.reach = math.inf if facts.reach is None else facts.reach
        portable_lib._unsafe_reset_threadpool(torch.get_num_threads())
        try:
            self._program = runtime.Runtime.get().load_program(program)
            self._method = self._program.load_method("forward")
        except Exception as error:  # of its many kinds
            raise HarmonizeError(f"{path}: ExecuTorch cannot load it: {_first(error)}") from None

    def __call__(self, pictures: UInt8[Tensor, "B 3 h w"]) -> Float[Tensor, "B K h w"]:
        """Return the logits of pictures as the network is to see them.

        Raises:
            HarmonizeError: they are too large for the program, or it fails.
        """
        height, width = pictures.shape[2:]
        sides = [
            max(-(-side // self.stride) * self.stride, self._least) for side in (height, width)
        ]
        if max(sides) > self._largest:
            raise HarmonizeError(
                f"{self._path}: takes pictures of up to {self._largest} pixels a side, got {width} "
                f"x {height} as the network sees it; lower --size or --tile, or predict by the "
                "run folder"
            )
        down = torch.arange(sides[0]).clamp(max=height - 1)
        right = torch.arange(sides[1]).clamp(max=width - 1)
        padded = pictures.cpu().index_select(2, down).index_select(3, right)
        logits = torch.cat([self._logits(one) for one in padded.split(1)])
        return logits[:, :, :height, :width]

    def _logits(self, picture: UInt8[Tensor, "1 3 h w"]) -> Float[Tensor, "1 K h w"]:
        try:
            logits = self._method.execute([picture.contiguous()])[2]
        except Exception as error:
            raise HarmonizeError(f"{self._path}: ExecuTorch fails: {_first(error)}") from None
        wanted = (1, self._leaves, *picture.shape[2:])
        if tuple(logits.shape) != wanted or logits.dtype != torch.float32:
            raise HarmonizeError(
                f"{self._path}: gives logits {logits.dtype} {tuple(logits.shape)}, expected "
                f"float32 {wanted}; export the run again"
            )
        return logits


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
