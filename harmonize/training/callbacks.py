"""What a training tells the functions that follow it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from harmonize.config.strict_yaml import Value


@dataclass(frozen=True)
class Progress:
    """How far a training has come; one is handed out for every line of metrics.

    Attributes:
        step: optimizer steps taken so far.
        steps: that the run will take in all.
        metrics: the line, as metrics.jsonl holds it: ``event`` is ``train`` or ``evaluation``.
        network: pictures of 0..255 to logits, as it is at this step. It is the run's own: look at
            it, but do not change it. With ``model.shard`` and several processes this process has
            only a part of its weights, and must not call it; open the run's checkpoint instead.
        folder: of the run.
    """

    step: int
    steps: int
    metrics: Mapping[str, Value]
    network: nn.Module
    folder: Path


Callback = Callable[[Progress], object]
"""Called in the main process; what it returns is not used, and an error of it ends the run."""
