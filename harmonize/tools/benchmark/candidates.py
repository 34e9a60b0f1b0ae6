"""The losses that are compared, each as a call that goes forward and backward; and their memory.

On CUDA torch's allocator counts the peak of memory. On a CPU a process of its own does one pass,
and the operating system says how much memory it had at most:

    python -m harmonize.tools.benchmark.candidates CASE CANDIDATE THREADS
"""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor

from harmonize.labels.ontology import Ontology
from harmonize.labels.target_space import TargetSpace
from harmonize.loss.hierarchical import HierarchicalLoss
from harmonize.tools.benchmark.machine import extra_gpu_memory, status_bytes
from harmonize.tools.benchmark.made_up import leaf_labels, mixed_labels, tree_of
from harmonize.tools.benchmark.paper_listing import listing_loss, precomputed_hierarchy

# Letters of shapes: B pictures, K leaves, H x W pixels.

DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
MemoryLayout = Literal["NCHW", "channels_last"]
LAYOUTS: tuple[MemoryLayout, ...] = ("NCHW", "channels_last")
COPY, BASELINE, LISTING = "copy", "cross_entropy", "paper's listing"
OURS, IN_PYTORCH = "HierarchicalLoss", "HierarchicalLoss, compile=False"
OPTIONS: dict[str, dict[str, Any]] = {
    "focal=2": {"focal": 2.0},
    "dice=0.5": {"dice": 0.5},
    "hardest=0.25": {"hardest": 0.25},
    "smoothing=0.1": {"smoothing": 0.1},
}
"""Options of the loss that change what is computed; a balance only changes the weights."""
_WARM_UP = 16
"""Side of the pictures, in pixels, whose pass loads the libraries and starts the threads."""


@dataclass(frozen=True)
class Case:
    """The size and the form of a batch of logits."""

    leaves: int
    batch: int
    size: int
    """Side of the pictures, in pixels."""
    dtype: str = "float32"
    layout: MemoryLayout = "NCHW"

    @property
    def bytes(self) -> int:
        """The size of the logits."""
        return self.batch * self.size**2 * self.leaves * DTYPES[self.dtype].itemsize


@dataclass(frozen=True)
class Inputs:
    """A batch of logits with the same labels in three forms.

    Attributes:
        tree: of the logits' leaves.
        space: of the codes.
        logits: that a gradient is wanted of.
        codes: leaves, inner nodes, unions and ignored pixels.
        targets: leaf labels as ``F.cross_entropy`` takes them, with the same pixels ignored.
        leaves: leaf labels for every pixel.
    """

    tree: Ontology
    space: TargetSpace
    logits: Float[Tensor, "B K H W"]
    codes: Integer[Tensor, "B H W"]
    targets: Int[Tensor, "B H W"]
    leaves: Int[Tensor, "B H W"]


def make_inputs(case: Case, device: torch.device) -> Inputs:
    """Draw the input of a case; the same at every call."""
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    tree = tree_of(case.leaves)
    labels = mixed_labels(tree, rng)
    codes = labels.draw(rng, (case.batch, case.size, case.size))
    targets = torch.from_numpy(leaf_labels(labels.space, codes)).to(device)
    # The logits come last and are never copied: peaks of memory are measured from here.
    draw = partial(torch.randn, dtype=DTYPES[case.dtype], device=device)
    if case.layout == "channels_last":
        logits = draw(case.batch, case.size, case.size, case.leaves).permute(0, 3, 1, 2)
    else:
        logits = draw(case.batch, case.leaves, case.size, case.size)
    return Inputs(
        tree=tree,
        space=labels.space,
        logits=logits.requires_grad_(),
        codes=torch.from_numpy(codes).to(device),
        targets=targets,
        leaves=targets.clamp(min=0),
    )


def candidate(name: str, inputs: Inputs) -> Callable[[], object]:
    """Return a call that works out a loss and its gradient, or copies the logits."""
    logits = inputs.logits
    if name == COPY:
        return partial(torch.empty_like(logits).copy_, logits.detach())
    if name == BASELINE:
        loss = partial(torch.nn.functional.cross_entropy, logits, inputs.targets)
    elif name in (OURS, IN_PYTORCH, *OPTIONS):
        compiled = False if name == IN_PYTORCH else None
        module = HierarchicalLoss(inputs.space, compile=compiled, **OPTIONS.get(name, {}))
        loss = partial(module.to(logits.device), logits, inputs.codes)
    else:
        hierarchy = precomputed_hierarchy(inputs.tree)
        loss = partial(listing_loss, logits, inputs.leaves, hierarchy)
    return lambda: torch.autograd.grad(loss(), logits)


def memory_needed(name: str, case: Case, depth: int) -> int:
    """Estimate the bytes that a candidate needs, logits and labels included.

    A cross-entropy keeps the logits, their logarithmic softmax and both gradients, and the copy
    has its own; the listing keeps several copies for every depth.
    """
    copies = 4 * depth + 12 if name == LISTING else 5
    return copies * case.bytes + 64 * case.batch * case.size**2


def extra_peak(name: str, case: Case, device: torch.device) -> int | None:
    """Return the most bytes that a candidate takes beyond its input; None if unknown."""
    if device.type == "cuda":
        action = candidate(name, make_inputs(case, device))
        action()
        return extra_gpu_memory(action, device)
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
