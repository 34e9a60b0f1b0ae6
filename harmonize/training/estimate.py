"""Say early in a run how long it will take, as its own first steps measure it."""

import time

from harmonize.config.train_config import TrainConfig
from harmonize.system.progress import about

WARM_UP = 3
"""Steps that are not measured: the first ones compile, and find out what is quick."""
MEASURED = 10


class TimeEstimate:
    """Measures the first steps of a run, or of the rest of one, and says what is left then."""

    def __init__(self, start: int, config: TrainConfig, *, scores: bool) -> None:
        """Begin.

        Args:
            start: the step that the run goes on from.
            config: what its length depends on.
            scores: whether there is any data set to score.
        """
        self._config = config
        self._scores = scores
        self._first = start + WARM_UP
        self._last = self._first + MEASURED
        self._begun = time.perf_counter()
        self._scoring: float | None = None

    def leave_out(self, seconds: float, *, scoring: bool) -> None:
        """Take no account of a time that was no training, or take down what scoring took."""
        self._begun += seconds
        if scoring:
            self._scoring = seconds

    def step(self, step: int) -> str | None:
        """Return the line once enough steps are measured, unless hardly any are left then."""
        now = time.perf_counter()
        if step == self._first:
            self._begun = now
        left = self._config.steps - step
        if step != self._last or left < MEASURED:
            return None
        return self._line(step, left, (now - self._begun) / MEASURED)

    def _line(self, step: int, left: int, each: float) -> str:
        number = self._scorings(step)
        times = f"{number} scoring{'s' if number > 1 else ''}"
        known = 0.0 if self._scoring is None else self._scoring * number
        what = "" if number and self._scoring is not None else " of training"
        speed = f"{1 / each:.1f} steps/s" if each < 1 else f"{each:.1f} s/step"
        line = f"{about(each * left + known)}{what}: {speed} measured over {MEASURED}"
        if number and self._scoring is None:
            line += f"; {times} come{'' if number > 1 else 's'} on top"
        elif number:
            line += f", {times} of {about(self._scoring or 0)}"
        unfreeze = self._config.unfreeze_at
        if unfreeze is not None and unfreeze >= step:
            line += f"; slower from step {unfreeze} on (train.unfreeze_at)"
        if self._config.patience is not None:
            line += "; it may end sooner (train.patience)"
        return line

    def _scorings(self, step: int) -> int:
        """Return how often the run is still scored, the end included."""
        if not self._scores:
            return 0
        steps, every = self._config.steps, self._config.evaluate_every
        if every is None:
            return 1
        return steps // every - step // every + (steps % every > 0)
