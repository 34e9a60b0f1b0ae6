"""The machine that is measured: which device, what it is, how much memory is free."""

import os
import platform
from collections.abc import Callable
from pathlib import Path

import accelerate
import torch
import torchvision
from accelerate import Accelerator, PartialState

from harmonize.errors import HarmonizeError, near_matches
from harmonize.runs.precision import ACCELERATE_NAMES, choose_precision
from harmonize.system.processes import on_cuda, processes
from harmonize.tools.benchmark.measurements import Cell

DEVICES = ("auto", "cpu", "cuda")
GIB = 1 << 30
MIB = 1 << 20
_USABLE = 0.6
"""The part of the free memory that a measurement may take."""


def choose_device(name: str) -> torch.device:
    """Return the device of a name; ``auto`` is CUDA where there is a GPU.

    Raises:
        HarmonizeError: an unknown device, or CUDA without a GPU.
    """
    if name not in DEVICES:
        raise HarmonizeError(f"--device: no device {name!r}; {near_matches(name, DEVICES)}")
    if name == "cuda" and not torch.cuda.is_available():
        raise HarmonizeError("--device cuda: there is no GPU that this torch can use; say cpu")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def join_processes(device: torch.device) -> PartialState:
    """Return which process this is of how many; all of them compute on such a device.

    Raises:
        HarmonizeError: the processes were told to use another device.
    """
    state = processes(cpu=device.type == "cpu")
    if device.type == "cuda" and not on_cuda(state):
        raise HarmonizeError("--device cuda: ACCELERATE_USE_CPU says otherwise; unset one of them")
    return state


def start_accelerator(precision: str = "auto") -> Accelerator:
    """Compute in a run's precision, with the processes that were joined."""
    cuda = on_cuda(PartialState())
    return Accelerator(mixed_precision=choose_precision(precision, cuda=cuda))


def precision_name(accelerator: Accelerator) -> str:
    """Return what configs call the precision that an accelerator computes in."""
    names = {accelerates: ours for ours, accelerates in ACCELERATE_NAMES.items()}
    return names[accelerator.mixed_precision]


def describe(device: torch.device) -> dict[str, Cell]:
    """Return what a device is, with the versions of what runs on it."""
    gpu: dict[str, Cell] = {}
    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory
        gpu = {
            "gpu": torch.cuda.get_device_name(device),
            "gpu memory": f"{memory / GIB:.1f} GiB",
            "cuda": torch.version.cuda,
        }
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        **gpu,
        "device": device.type,
        "system": platform.platform(),
        "versions": f"python {platform.python_version()}, torch {torch.__version__}, "
        f"torchvision {torchvision.__version__}, accelerate {accelerate.__version__}",
    }


def usable_memory(device: torch.device) -> int:
    """Return the bytes that a measurement may take: a part of those that are free."""
    if device.type == "cuda":
        torch.cuda.empty_cache()  # what torch keeps for itself would not count as free
        return int(_USABLE * torch.cuda.mem_get_info(device)[0])
    available = status_bytes("MemAvailable", Path("/proc/meminfo"))
    return int(_USABLE * (4 * GIB if available is None else available))


def settle(device: torch.device) -> None:
    """Wait until a device has done all that it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def extra_gpu_memory(action: Callable[[], object], device: torch.device) -> int | None:
    """Do something; return the most bytes of a GPU that it took at a time beside those in use.

    None on a CPU.
    """
    if device.type != "cuda":
        action()
        return None
    settle(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    action()
    settle(device)
    return torch.cuda.max_memory_allocated(device) - before


def in_mib(size: int | None) -> float | None:
    """Return bytes as MiB."""
    return None if size is None else size / MIB


def status_bytes(key: str, path: Path = Path("/proc/self/status")) -> int | None:
    """Read a size from a status file of Linux; None where there is no such file or line."""
    if not path.is_file():
        return None
    for line in path.read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    return None


def _cpu_model() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
