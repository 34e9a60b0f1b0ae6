"""Save the state of a run in checkpoints, and restore it from the newest."""

import dataclasses
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor

from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import load_file
from harmonize.errors import HarmonizeError, printable
from harmonize.labels.sources import Sources
from harmonize.models.sharding import is_sharded, whole_state
from harmonize.runs import checkpoints
from harmonize.runs.checkpoint import Checkpoint, load, restore_model, save
from harmonize.runs.health import RunHealth
from harmonize.runs.identity import (
    check_same_config,
    check_same_pictures,
    check_same_run,
    describe_run,
)
from harmonize.runs.lost_checkpoints import refuse_lost
from harmonize.runs.optimizer_shares import (
    new_folder,
    optimizer_state,
    settle_shares,
    shared_tensors,
    without_shared,
    write_shares,
)
from harmonize.runs.run_folder import CONFIG
from harmonize.runs.standing import Standing
from harmonize.system.agreement import together
from harmonize.training.bad_numbers import check_weights
from harmonize.training.completing import Completing
from harmonize.training.depth_weighting import DepthWeightings
from harmonize.training.learner import Learner
from harmonize.training.tracking import LossMeter


def has_checkpoint(output: Path, accelerator: Accelerator) -> bool:
    """Say whether a run folder holds a checkpoint, as the main process finds it."""
    found = [accelerator.is_main_process and checkpoints.newest(output) is not None]
    broadcast_object_list(found)
    return found[0]


@dataclass
class _Shares:
    """What the processes have written of a sharded run's optimizer, or why they could not."""

    folder: Path
    tensors: dict[str, Tensor]
    problem: HarmonizeError | None = None

    def settled(self) -> dict[str, str]:
        """Return the checksum of each file.

        Raises:
            HarmonizeError: they were not all written.
        """
        if self.problem is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise self.problem
        return settle_shares(self.folder, self.tensors)


@dataclass
class Checkpointing:
    """The parts of a run that have a state, and where it is saved.

    Attributes:
        config, sources: of the run.
        output: the run folder.
        accelerator: whose main process writes.
        learner: the network, its average and its optimizer.
        meter: the losses since the last line of metrics.
        health: what the run remembers of bad steps.
        depths: the weights of the depths.
        completing: the teacher that completes labels.
        pictures: that the run is trained and scored on: ``describe_pictures``.
        unsaved: why the last checkpoint could not be written, in the main process.
    """

    config: RunConfig
    sources: Sources
    output: Path
    accelerator: Accelerator
    learner: Learner
    meter: LossMeter
    health: RunHealth
    depths: DepthWeightings
    completing: Completing
    pictures: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    unsaved: HarmonizeError | None = None

    def save_step(self, step: int, standing: Standing) -> None:
        """Save the state after a step, and remove old checkpoints once it is safe.

        Raises:
            HarmonizeError: it cannot be written, unless the config says to go on.
        """
        self._save(checkpoints.step_path(self.output, step), step, standing)

    def save_best(self, step: int, standing: Standing) -> bool:
        """Save the state as that of the best network; say whether it is safe.

        Raises:
            HarmonizeError: it cannot be written, unless the config says to go on.
        """
        return self._save(checkpoints.best_path(self.output), step, standing, resumable=False)

    def raise_unsaved(self) -> None:
        """Raise in all processes what the newest checkpoint could not be written for."""
        with together():
            if self.unsaved is not None:
                raise self.unsaved

    def restore(self) -> tuple[int, Standing] | None:
        """Restore the newest whole checkpoint; return its step and what was found up to it.

        None if there is no checkpoint yet.

        Raises:
            HarmonizeError: the run is another one, or all its checkpoints are damaged.
        """
        found: list[tuple[str, Standing] | None] = [None]  # the main process's choice
        with together():
            if self.accelerator.is_main_process:
                found = [self._find()]
        broadcast_object_list(found)
        if found[0] is None:
            return None
        name, standing = found[0]
        with together():
            path = Path(name)
            state = load(path)
            self._load(state, path)
        return state.step, standing

    def _find(self) -> tuple[str, Standing] | None:
        found = checkpoints.newest_whole(self.output, resumable=True)
        if found is None:  # interrupted before its first checkpoint: start again
            path = self.output / CONFIG
            check_same_config(self.config, RunConfig.from_document(load_file(path)), path)
            refuse_lost(self.output, self.config.train.checkpoint_every)
            return None
        path, state = found
        check_same_run(self.config, self.sources, state, path)
        check_same_pictures(self.pictures, state, path)
        return str(path), checkpoints.standing_at(self.output, state)

    def _load(self, state: Checkpoint, path: Path) -> None:
        restore_model(self.learner.network, state, path, weights="raw")
        try:
            if self.learner.average is not None:
                self.learner.average.restore(state.ema)
        except (KeyError, RuntimeError) as error:
            raise HarmonizeError(f"{path}: its average is of another network: {error}") from None
        groups = self.learner.optimizer.param_groups
        parameters = [parameter for group in groups for parameter in group["params"]]
        try:
            self.learner.optimizer.load_state_dict(optimizer_state(path, state, parameters))
        except (ValueError, LookupError) as error:
            raise HarmonizeError(f"{path}: belongs to another optimizer: {error}") from None
        if self.accelerator.scaler is not None and state.scaler is not None:
            self.accelerator.scaler.load_state_dict(state.scaler)
        self.depths.restore(state.depths)
        try:
            self.completing.restore(state.teacher)
        except RuntimeError as error:
            raise HarmonizeError(f"{path}: its teacher is of another network: {error}") from None
        self.meter.restore(state.meter, self.accelerator)
        self.health.restore(state.health)

    def _write_shares(self, path: Path) -> _Shares | None:
        """Write each process's share of the optimizer's state, if the network is sharded."""
        tensors = shared_tensors(self.learner.optimizer.state_dict())
        if not tensors or not is_sharded(self.learner.network):
            return None
        folder = [str(new_folder(path))]  # the main process's choice
        broadcast_object_list(folder)
        written = _Shares(Path(folder[0]), tensors)
        try:
            write_shares(tensors, written.folder)
        except HarmonizeError as error:
            written.problem = error
        return written

    def _save(self, path: Path, step: int, standing: Standing, *, resumable: bool = True) -> bool:
        meter = self.meter.state(self.accelerator)
        states = self.learner.optimizer.state_dict()["state"].values()
        numbers = [
            value for state in states for value in state.values() if isinstance(value, Tensor)
        ]
        check_weights([*self.learner.network.parameters(), *numbers], step)
        state = self._state(step, standing, meter)
        shares = self._write_shares(path) if resumable else None
        with together() as shared:
            if self.accelerator.is_main_process:
                shared.news = int(not self._write(path, state, shares))
        return not shared.news

    def _write(self, path: Path, state: Checkpoint, shares: _Shares | None) -> bool:
        try:
            if shares is not None:
                state = dataclasses.replace(state, shares=shares.settled())
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

    def _state(self, step: int, standing: Standing, meter: Tensor) -> Checkpoint:
        """Return what the main process saves; the others have nothing of what is sharded."""
        scaler, learner = self.accelerator.scaler, self.learner
        keep = self.accelerator.is_main_process
        optimizer = learner.optimizer.state_dict()
        return Checkpoint(
            step=step,
            model=whole_state(learner.network.state_dict(), keep=keep),
            ema={} if learner.average is None else whole_state(learner.average.state(), keep=keep),
            optimizer=without_shared(optimizer) if is_sharded(learner.network) else optimizer,
            scaler=None if scaler is None else scaler.state_dict(),
            depths=self.depths.state(),
            teacher=self.completing.state(),
            meter=meter,
            health=self.health.state(),
            standing=standing,
            pictures=dict(self.pictures),
            **describe_run(self.config, self.sources),
        )
