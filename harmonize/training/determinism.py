"""Make PyTorch use only operations that give the same result every time."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import torch

from harmonize.errors import HarmonizeError

_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
_REFUSAL = "deterministic"


@contextlib.contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Use only operations that give the same result every time, if that is wanted.

    A run on a CPU gives the same weights bit for bit without it; there it makes sure of it, by
    refusing operations of which that is not so. On a GPU, sums come in an order that changes.

    Raises:
        HarmonizeError: a network needs an operation that has no such form on its device.
    """
    if not wanted:
        yield
        return
    os.environ.setdefault(_WORKSPACE, ":4096:8")  # read when a GPU first multiplies matrices
    cudnn: Any = torch.backends.cudnn
    memory: Any = torch.utils.deterministic
    filled = memory.fill_uninitialized_memory
    before = torch.are_deterministic_algorithms_enabled(), cudnn.deterministic, cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    memory.fill_uninitialized_memory = False  # finds bugs, at a price
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    except RuntimeError as error:
        if _REFUSAL not in str(error):
            raise
        reason = str(error).partition("\n")[0].partition(". ")[0]
        raise HarmonizeError(
            f"train.deterministic: {reason}; say train.deterministic=false, or choose another "
            "model.name"
        ) from None
    finally:
        torch.use_deterministic_algorithms(before[0])
        memory.fill_uninitialized_memory = filled
        cudnn.deterministic, cudnn.benchmark = before[1:]
