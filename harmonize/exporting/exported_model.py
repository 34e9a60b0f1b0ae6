"""A network in a file of ``harmonize export``, and all that the file says of it."""

import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from harmonize.calibration.calibration_file import CalibrationFile, calibration_from
from harmonize.config.data_config import DatasetEntry
from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import load_text
from harmonize.errors import HarmonizeError
from harmonize.exporting.executorch_file import is_executorch, read_executorch
from harmonize.exporting.executorch_network import ExecutorchNetwork
from harmonize.exporting.facts import Facts
from harmonize.exporting.onnx_file import read_file, read_onnx
from harmonize.exporting.onnx_network import OnnxNetwork
from harmonize.inference.calibrated import FoundCalibration, Use, use_calibration
from harmonize.inference.predict_options import PredictOptions
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.labels.sources import Sources
from harmonize.models.dataset_norms import PER_DATASET
from harmonize.plurals import counted

Network = OnnxNetwork | ExecutorchNetwork


@dataclass(frozen=True)
class ExportedModel:
    """An exported file; see ``Trained``.

    Attributes:
        path: of the file.
        facts: what it says of itself.
        graph: its bytes, without what it says of itself if that is no part of it.
        runtime: that its network is for.
    """

    path: Path
    facts: Facts
    graph: bytes
    runtime: type[Network] = OnnxNetwork

    @functools.cached_property
    def config(self) -> RunConfig:
        """The config of the run."""
        where = f"{self.path}: config"
        return RunConfig.from_document(load_text(self.facts.config, where))

    @functools.cached_property
    def sources(self) -> Sources:
        """The tree and the mappings of the run, and that of the file's own words."""
        texts = [*self.facts.mappings]
        specs = [self._spec(text) for text in texts]
        config, number = self.config, len(self.config.datasets)
        if len(specs) != number + len(config.evaluate_also):
            raise HarmonizeError(f"{self.path}: has not as many mappings as its config has sets")
        also = [*zip(config.evaluate_also, specs[number:], strict=True)]
        if self.facts.mapping is not None:
            spec = self._spec(self.facts.mapping)
            also.append((DatasetEntry(spec=f"{spec.name}.yaml"), spec))
        name = self.facts.ontology
        return Sources(
            Ontology(self.facts.tree, name=name, source=f"{self.path}: {name}"),
            tuple(zip(config.datasets, specs[:number], strict=True)),
            tuple(also),
            config.train.complete is not None,
        )

    @property
    def step(self) -> int:
        """Optimizer steps that the network was trained for."""
        return self.facts.step

    @property
    def origin(self) -> dict[str, str | int]:
        """What a legend says of where answers are from."""
        facts = self.facts
        origin: dict[str, str | int] = {"run": facts.run, "checkpoint": facts.checkpoint}
        return origin | {"step": facts.step, "file": str(self.path), "precision": facts.precision}

    @property
    def title(self) -> str:
        """What answers are by, for people."""
        return f"{self.path}, of {self.facts.run} after {counted(self.step, 'step')}"

    def completed(self, options: PredictOptions) -> PredictOptions:
        """Return options with what the file was exported for where nothing is asked.

        Raises:
            HarmonizeError: the file cannot do what they ask.
        """
        facts = self.facts
        self._refuse(options)
        kept: dict[str, Any] = {}
        if (options.depth, options.dataset, options.confidence) == (None, None, None):
            kept = {"depth": facts.depth, "dataset": facts.dataset, "confidence": facts.confidence}
            if facts.confidence is not None and options.calibrated and options.like is None:
                kept |= {"calibrated": facts.calibrated, "like": facts.like}
        if self.config.model.norm == PER_DATASET:
            kept["like"] = facts.like
        if options.size is None:
            kept["size"] = facts.size
        if options.decode is None:
            kept["decode"] = facts.decode
        return dataclasses.replace(options, precision="float32", **kept)

    def _refuse(self, options: PredictOptions) -> None:
        """Refuse what an exported file has decided already."""
        facts = self.facts
        decided = {
            "--checkpoint best": options.checkpoint != "last",
            f"--precision {options.precision}": options.precision not in (None, "auto", "float32"),
            "--trust-code": options.trust_code,
            f"--like {options.like}": self.config.model.norm == PER_DATASET
            and options.like not in (None, facts.like),
        }
        for option, is_asked in decided.items():
            if is_asked:
                raise HarmonizeError(
                    f"{option}: was decided when {self.path} was exported; leave it out, or "
                    "export the run again"
                )

    def calibration(self, use: Use) -> FoundCalibration:
        """Return the calibration that answers go by; see ``find_calibration``."""
        file: CalibrationFile | None = None
        if self.facts.calibration is not None:
            file = calibration_from(self.facts.calibration, self.path)
        run = self.facts.run
        way_out = f"{self.path} has none; run `harmonize calibrate {run}` and export it again"
        return use_calibration(file, self.sources.ontology.leaves, use, way_out)

    def network(self, device: torch.device) -> Network:  # noqa: ARG002  runtimes have their own
        """Return the network, which computes on the CPU."""
        leaves = len(self.sources.ontology.leaves)
        return self.runtime(self.graph, self.facts, leaves, self.path)

    def _spec(self, text: str) -> DatasetSpec:
        return DatasetSpec.from_document(load_text(text, f"{self.path}: mapping"))


def open_model(path: Path) -> ExportedModel:
    """Open a file of ``harmonize export``.

    Raises:
        HarmonizeError: it is no such file, or is damaged.
    """
    data = read_file(path)
    if is_executorch(data):
        return ExportedModel(path, *read_executorch(data, path), ExecutorchNetwork)
    return ExportedModel(path, read_onnx(data, path), data)
