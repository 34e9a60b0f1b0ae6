"""Which of a run's processes this is, and what it computes on."""

import os

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env

from harmonize.errors import HarmonizeError


def processes(*, cpu: bool = False) -> PartialState:
    """Join the other processes on the first call; return this one's rank and their number.

    With ``cpu``, the CPU is used even where there is a GPU. Processes that ``torchrun`` started on
    a machine without one are told so to Accelerate 1.15, which else takes each for the only one.

    Raises:
        HarmonizeError: the device has no float64, which sums and scores need, or the launcher was
            told to shard networks itself.
    """
    if os.environ.get("ACCELERATE_USE_FSDP", "false").lower() in ("true", "1"):
        raise HarmonizeError(
            "accelerate launch --use_fsdp: leave it out (ACCELERATE_USE_FSDP=false), and say "
            "model.shard=true to shard the network"
        )
    try:
        cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or cpu
    except ValueError as error:
        raise HarmonizeError(f"ACCELERATE_USE_CPU: {error}; say true or false") from None
    launched = int(os.environ.get("WORLD_SIZE") or 1) > 1
    state = PartialState(cpu=cpu or (launched and not torch.accelerator.is_available()))
    if state.device is not None and state.device.type == "mps":
        raise HarmonizeError("Apple GPUs are not supported: set ACCELERATE_USE_CPU=true")
    if state.num_processes == 1 and not on_cuda(state):
        _use_all_cores()
    return state


def _use_all_cores() -> None:
    """Use all cores, although ``accelerate launch`` sets one thread for a single CPU process."""
    launched = "ACCELERATE_MIXED_PRECISION" in os.environ
    if launched and os.environ.get("OMP_NUM_THREADS") == "1":
        torch.set_num_threads(os.cpu_count() or 1)


def on_cuda(state: PartialState) -> bool:
    """Return whether this process computes on a CUDA device."""
    return state.device is not None and state.device.type == "cuda"
