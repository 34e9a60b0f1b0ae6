"""What answers pictures: the network of a run folder, or that of an exported file."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from harmonize.config.run_config import RunConfig
from harmonize.decoding.tiled_network import Network
from harmonize.inference.calibrated import FoundCalibration, Use, find_calibration
from harmonize.labels.sources import Sources
from harmonize.plurals import counted
from harmonize.runs.opened import OpenedRun

Origin = dict[str, str | int]


@runtime_checkable
class Trained(Protocol):
    """A trained network, and what it was trained with."""

    @property
    def config(self) -> RunConfig:
        """The config of the run."""
        ...

    @property
    def sources(self) -> Sources:
        """The tree and the mappings of the run."""
        ...

    @property
    def step(self) -> int:
        """Optimizer steps that the network was trained for."""
        ...

    @property
    def origin(self) -> Origin:
        """What a legend says of where answers are from."""
        ...

    @property
    def title(self) -> str:
        """What answers are by, for people."""
        ...

    def calibration(self, use: Use) -> FoundCalibration:
        """Return the calibration that answers go by; see ``find_calibration``."""
        ...

    def network(self, device: torch.device) -> Network:
        """Return the network, on the device if it is PyTorch's."""
        ...


@dataclass(frozen=True)
class TrainedRun:
    """The network of a run folder."""

    run: OpenedRun

    @property
    def config(self) -> RunConfig:
        """The config of the run."""
        return self.run.config

    @property
    def sources(self) -> Sources:
        """The tree and the mappings of the run."""
        return self.run.sources

    @property
    def step(self) -> int:
        """Optimizer steps that the network was trained for."""
        return self.run.state.step

    @property
    def origin(self) -> Origin:
        """What a legend says of where answers are from."""
        run = self.run
        origin: Origin = {"run": str(run.folder), "checkpoint": run.path.name, "step": self.step}
        return origin if run.tree is None else origin | {"ontology": run.tree}

    @property
    def title(self) -> str:
        """What answers are by, for people."""
        return f"{self.run.path} after {counted(self.step, 'step')}"

    def calibration(self, use: Use) -> FoundCalibration:
        """Return the calibration that answers go by; see ``find_calibration``."""
        return find_calibration(self.run.folder, self.sources.ontology.leaves, use, self.run.tree)

    def network(self, device: torch.device) -> Network:
        """Return the network on a device."""
        return self.run.network(device)
