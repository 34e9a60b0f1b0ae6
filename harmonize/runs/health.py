"""Count the steps that went wrong, and notice when training diverges."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from harmonize.errors import HarmonizeError

MOST_IN_A_ROW = 10
"""Steps with bad numbers that may follow each other."""

_LINES = 5
"""Lines of metrics that a running mean is taken over."""
_TIMES = 10
"""How many times its best a running mean becomes when training diverges."""
_NO_LABELS = (
    "warning: step {}: no pixel of the batches since the last line of metrics was labelled, so "
    "nothing was learned from them; `harmonize look CONFIG --augment` shows the samples"
)


@dataclass
class RunHealth:
    """The counts and losses of a run so far; part of its checkpoints, so that resuming is exact.

    Attributes:
        skipped: the steps that were not taken, since their numbers were bad.
        in_a_row: those of them just before now.
        losses: of the newest lines of metrics.
        first, best: the first and the least running mean of the loss.
        warned: whether it was said that training diverges.
        unlabelled: the lines of metrics whose batches had no labelled pixel.
    """

    skipped: int = 0
    in_a_row: int = 0
    losses: list[float] = field(default_factory=list[float])
    first: float | None = None
    best: float | None = None
    warned: bool = False
    unlabelled: int = 0

    def state(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what ``state`` returned."""
        vars(self).update(vars(RunHealth(**state)))

    def refuse(self, problem: str, where: str, on_bad: Literal["stop", "skip"]) -> None:
        """Count a step that is not taken.

        Args:
            problem: of the step.
            where: its samples are.
            on_bad: what the config says to do.

        Raises:
            HarmonizeError: it says to stop, or too many steps in a row were bad.
        """
        end = f"{problem}, and is not taken" + (f"; {where}" if where else "")
        if on_bad == "stop":
            raise HarmonizeError(
                f"{end}; go on without such steps by train.on_bad_numbers=skip train.resume=true, "
                "or lower optim.lr in a new run"
            )
        self.skipped += 1
        self.in_a_row += 1
        if self.in_a_row > MOST_IN_A_ROW:
            raise HarmonizeError(
                f"{end}; nor were the {MOST_IN_A_ROW} before it: training has diverged; lower "
                "optim.lr in a new run"
            )

    def check_labels(self) -> None:
        """Make sure at the end that something was labelled.

        Raises:
            HarmonizeError: no pixel was, in the whole run.
        """
        if self.unlabelled and not self.losses:
            raise HarmonizeError(
                "not one pixel of the whole run was labelled, so nothing was learned; `harmonize "
                "look CONFIG --augment` shows its samples, `harmonize check CONFIG` its labels"
            )

    def add_loss(self, loss: object, step: int) -> str | None:
        """Add the loss of a line of metrics; return a warning, once, if it shows divergence.

        There is a warning too, once, if no pixel was labelled.

        That is a running mean above its first and ten times its best.
        """
        if not isinstance(loss, float):
            self.unlabelled += 1
            return _NO_LABELS.format(step) if self.unlabelled == 1 else None
        self.losses = [*self.losses, loss][-_LINES:]
        if len(self.losses) < _LINES:
            return None
        mean = sum(self.losses) / _LINES
        self.first = mean if self.first is None else self.first
        self.best = mean if self.best is None else min(mean, self.best)
        if self.warned or mean <= max(_TIMES * self.best, self.first):
            return None
        self.warned = True
        return (
            f"warning: step {step}: the loss is {mean:.4g} over the last {_LINES} lines of metrics "
            f"and was {self.best:.4g} at its best: training diverges; lower optim.lr in a new run"
        )
