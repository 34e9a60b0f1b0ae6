"""Peak memory of one forward and backward pass, beyond what its input takes.

On CUDA torch's allocator counts. On a CPU a process of its own does the pass, and the operating
system says how much memory it had at most:

    python -m harmonize.tools.benchmark.peak_memory CASE CANDIDATE THREADS
"""

import dataclasses
import json
import subprocess
import sys

import torch

from harmonize.tools.benchmark.candidates import Case, candidate, make_inputs
from harmonize.tools.benchmark.machine import status_bytes
from harmonize.tools.benchmark.timing import settle, start_peak

_WARM_UP = 16
"""Side of the pictures, in pixels, whose pass loads the libraries and starts the threads."""


def extra_peak(name: str, case: Case, device: torch.device) -> int | None:
    """Return the most bytes that a candidate takes beyond its input; None if unknown."""
    if device.type == "cuda":
        inputs = make_inputs(case, device)
        action = candidate(name, inputs)
        action()
        settle(device)
        before = start_peak(device)
        action()
        settle(device)
        assert before is not None
        return torch.cuda.max_memory_allocated(device) - before
    if status_bytes("VmHWM") is None:
        return None
    facts = json.dumps(dataclasses.asdict(case))
    command = [sys.executable, "-m", __name__, facts, name, str(torch.get_num_threads())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 else None


def _main(facts: str, name: str, threads: str) -> None:
    torch.set_num_threads(int(threads))
    case = Case(**json.loads(facts))
    cpu = torch.device("cpu")
    candidate(name, make_inputs(dataclasses.replace(case, batch=1, size=_WARM_UP), cpu))()
    action = candidate(name, make_inputs(case, cpu))
    before = status_bytes("VmRSS")
    action()
    after = status_bytes("VmHWM")
    assert before is not None
    assert after is not None
    print(after - before)


if __name__ == "__main__":
    _main(*sys.argv[1:])
