"""What the evaluations of a run have found so far."""

from dataclasses import dataclass
from typing import Literal

Weights = Literal["raw", "ema"]
"""The weights as the last step left them, or their exponential moving average."""


@dataclass(frozen=True)
class Standing:
    """What the evaluations of a run have found so far.

    Attributes:
        best: the best mean IoU over the trained data sets; None before any evaluation.
        best_step: its step.
        answers_with: the weights that were better at the last evaluation; before any, the average
            if there is one.
    """

    best: float | None = None
    best_step: int = 0
    answers_with: Weights = "raw"
