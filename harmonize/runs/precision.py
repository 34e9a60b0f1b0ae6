"""The number format that a run computes in, and the Accelerator that computes in it."""

import os
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from harmonize.errors import HarmonizeError, near_matches
from harmonize.system.processes import on_cuda, processes

ACCELERATE_NAMES = {"float32": "no", "bf16": "bf16", "fp16": "fp16"}
"""What Accelerate calls each precision."""


def start_accelerator(wanted: str, *, cpu: bool = False, **options: Any) -> Accelerator:
    """Return the Accelerator of this process for a precision; see ``choose_precision``.

    Accelerate keeps one precision for a whole process: it is changed for earlier Accelerators too.

    Args:
        wanted: ``auto``, ``float32``, ``bf16`` or ``fp16``.
        cpu: use the CPU even where there is a GPU.
        options: of ``accelerate.Accelerator``.

    Raises:
        HarmonizeError: a precision that the device does not have.
    """
    precision = choose_precision(wanted, cuda=on_cuda(processes(cpu=cpu)))
    if AcceleratorState._shared_state.get("_mixed_precision", precision) != precision:
        AcceleratorState._reset_state()  # else Accelerate refuses the change
    return Accelerator(cpu=cpu, mixed_precision=precision, **options)


def choose_precision(wanted: str, *, cuda: bool) -> str:
    """Return Accelerate's name of the precision to use.

    Args:
        wanted: ``auto``, ``float32``, ``bf16`` or ``fp16``. ``auto`` is what ``accelerate launch
            --mixed_precision`` says, else bf16 where the device computes in it, else float32. The
            launcher passes on "no" whether or not it was told so; an explicit float32 is said here.
        cuda: whether the run is on a CUDA device.

    Raises:
        HarmonizeError: fp16 without a GPU, or a precision that is not supported.
    """
    if wanted == "auto":
        wanted = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
        if wanted == "no":
            wanted = "bf16" if _computes_in_bf16(cuda=cuda) else "float32"
    if wanted not in ACCELERATE_NAMES:
        advice = near_matches(wanted, ["bf16", "fp16"])
        raise HarmonizeError(f"--mixed_precision {wanted}: not supported here; {advice}")
    if wanted == "fp16" and not cuda:
        raise HarmonizeError("train.precision: fp16 needs a GPU; use bf16 or float32")
    return ACCELERATE_NAMES[wanted]


def _computes_in_bf16(*, cuda: bool) -> bool:
    if cuda:
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return any(
        getattr(torch.cpu, name, bool)()
        for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )
