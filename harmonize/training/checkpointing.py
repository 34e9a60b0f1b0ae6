"""Saving the state of a run, and restoring it."""

import sys
from dataclasses import dataclass
from pathlib import Path

from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn

from harmonize.config.run_config import RunConfig
from harmonize.errors import HarmonizeError, printable
from harmonize.labels.sources import Sources
from harmonize.runs import checkpoints
from harmonize.runs.checkpoint import Checkpoint, load, restore_model, save
from harmonize.runs.health import Watch
from harmonize.runs.identity import check_same_config, check_same_run, describe_run
from harmonize.runs.run_folder import CONFIG
from harmonize.system.agreement import together
from harmonize.training.bad_numbers import check_weights
from harmonize.training.tracking import LossMeter


@dataclass
class Keeper:
    """What of a run is saved, and where.

    Attributes:
        config, sources: of the run.
        output: the run folder.
        accelerator: whose main process writes.
        model: the network, wrapped or not.
        optimizer: the optimizer.
        meter: the losses since the last line of metrics.
        watch: what the run remembers of bad steps.
        unsaved: why the last checkpoint could not be written, in the main process.
    """

    config: RunConfig
    sources: Sources
    output: Path
    accelerator: Accelerator
    model: nn.Module
    optimizer: AcceleratedOptimizer
    meter: LossMeter
    watch: Watch
    unsaved: HarmonizeError | None = None

    def network(self) -> nn.Module:
        """Return the network without what the processes and the compiler wrap it in."""
        return self.accelerator.unwrap_model(self.model, keep_torch_compile=False)

    def save_step(self, step: int, best: float | None) -> None:
        """Save the state after a step, and remove old checkpoints once it is safe.

        Raises:
            HarmonizeError: it cannot be written, unless the config says to go on.
        """
        self._save(checkpoints.step_path(self.output, step), step, best)

    def save_best(self, step: int, best: float) -> bool:
        """Save the state as that of the best network; say whether it is safe.

        Raises:
            HarmonizeError: it cannot be written, unless the config says to go on.
        """
        return self._save(checkpoints.best_path(self.output), step, best)

    def raise_unsaved(self) -> None:
        """Raise in all processes what the newest checkpoint could not be written for."""
        with together():
            if self.unsaved is not None:
                raise self.unsaved

    def restore(self) -> tuple[int, float | None]:
        """Restore the newest whole checkpoint; return its step and the best score so far.

        Raises:
            HarmonizeError: the run is another one, or all its checkpoints are damaged.
        """
        found: list[tuple[str | None, float | None]] = [(None, None)]  # the main process's choice
        with together():
            if self.accelerator.is_main_process:
                found = [self._find()]
        broadcast_object_list(found)
        name, best = found[0]
        if name is None:
            return 0, None
        with together():
            path = Path(name)
            state = load(path)
            self._load(state, path)
        return state.step, best

    def _find(self) -> tuple[str | None, float | None]:
        found = checkpoints.newest_whole(self.output)
        if found is None:  # interrupted before its first checkpoint: start again
            path = self.output / CONFIG
            check_same_config(self.config, RunConfig.from_file(path), path)
            return None, None
        path, state = found
        check_same_run(self.config, self.sources, state, path)
        return str(path), checkpoints.best_so_far(self.output, state)

    def _load(self, state: Checkpoint, path: Path) -> None:
        restore_model(self.network(), state, path)
        try:
            self.optimizer.load_state_dict(state.optimizer)
        except (ValueError, KeyError) as error:
            raise HarmonizeError(f"{path}: belongs to another optimizer: {error}") from None
        if self.accelerator.scaler is not None and state.scaler is not None:
            self.accelerator.scaler.load_state_dict(state.scaler)
        self.meter.restore(state.meter, self.accelerator)
        self.watch.restore(state.watch)

    def _save(self, path: Path, step: int, best: float | None) -> bool:
        meter = self.meter.state(self.accelerator)
        states = self.optimizer.state_dict()["state"].values()
        numbers = [
            value for state in states for value in state.values() if isinstance(value, Tensor)
        ]
        check_weights([*self.network().parameters(), *numbers], step)
        with together() as shared:
            if self.accelerator.is_main_process:
                shared.news = int(not self._write(path, self._state(step, best, meter)))
        return not shared.news

    def _write(self, path: Path, state: Checkpoint) -> bool:
        try:
            save(state, path)
            checkpoints.remove_old(self.output)
        except HarmonizeError as error:
            newest = checkpoints.newest(self.output)
            kept = "there is none before it" if newest is None else f"{newest.name} stays"
            failure = HarmonizeError(
                f"{error}; {kept}; make room, then go on with train.resume=true"
            )
            if self.config.train.on_failed_checkpoint == "stop":
                raise failure from None
            warning = f"warning: {error}; {kept}; training goes on"
            print(printable(warning), file=sys.stderr)
            if path.name != checkpoints.BEST:
                self.unsaved = failure
            return False
        if path.name != checkpoints.BEST:
            self.unsaved = None
        return True

    def _state(self, step: int, best: float | None, meter: Tensor) -> Checkpoint:
        scaler = self.accelerator.scaler
        return Checkpoint(
            step=step,
            model=self.network().state_dict(),
            optimizer=self.optimizer.state_dict(),
            scaler=None if scaler is None else scaler.state_dict(),
            meter=meter,
            watch=self.watch.state(),
            best=best,
            **describe_run(self.config, self.sources),
        )
