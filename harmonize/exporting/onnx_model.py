"""A network in a file of ``harmonize export``, which answers by onnxruntime."""

import dataclasses
import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from harmonize.calibration.calibration_file import CalibrationFile, calibration_from
from harmonize.config.data_config import DatasetEntry
from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import load_text
from harmonize.errors import HarmonizeError
from harmonize.exporting.exported_network import INPUTS, OUTPUTS
from harmonize.exporting.facts import Facts
from harmonize.exporting.onnx_file import read_onnx
from harmonize.inference.calibrated import FoundCalibration, Use, use_calibration
from harmonize.inference.predict_options import PredictOptions
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.labels.sources import Sources
from harmonize.models.dataset_norms import PER_DATASET
from harmonize.system.extras import need

# Letters of shapes: B pictures, K leaves, h x w pixels of the network.


class OnnxNetwork:
    """Runs a graph with as many threads as PyTorch has.

    Args:
        model: the file's bytes.
        facts: what the file says of itself.
        leaves: K, of its tree.
        path: of the file.

    Raises:
        HarmonizeError: onnxruntime cannot run it, or it does not give logits of the tree's leaves.
    """

    def __init__(self, model: bytes, facts: Facts, leaves: int, path: Path) -> None:
        runtime: Any = need("onnxruntime", extra="export", key=str(path))
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4  # what fails is raised
        self._path = path
        self._leaves = leaves
        self.stride = facts.stride
        self.reach = math.inf if facts.reach is None else facts.reach
        try:
            self._session = runtime.InferenceSession(
                model, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # of its many kinds
            raise HarmonizeError(f"{path}: onnxruntime cannot load it: {_first(error)}") from None
        inputs = tuple(one.name for one in self._session.get_inputs())
        known = {one.name for one in self._session.get_outputs()}
        initial = {one.name for one in self._session.get_overridable_initializers()}
        if not {*inputs, *initial} >= {*INPUTS} or not known >= {*OUTPUTS}:
            raise HarmonizeError(f"{path}: has other inputs and outputs than an exported network")
        self._run_options = runtime.RunOptions()
        self._run_options.only_execute_path_to_fetches = True

    def __call__(self, pictures: UInt8[Tensor, "B 3 h w"]) -> Float[Tensor, "B K h w"]:
        """Return the logits of pictures as the network is to see them.

        Raises:
            HarmonizeError: the graph fails, or gives something else.
        """
        given = {"pictures": pictures.cpu().numpy(), "size": np.array(0, dtype=np.int64)}
        try:
            (logits,) = self._session.run(["logits"], given, self._run_options)
        except Exception as error:
            raise HarmonizeError(f"{self._path}: onnxruntime fails: {_first(error)}") from None
        wanted = (len(pictures), self._leaves, *pictures.shape[2:])
        if logits.shape != wanted or logits.dtype != np.float32:
            raise HarmonizeError(
                f"{self._path}: gives logits {logits.dtype} {logits.shape}, expected float32 "
                f"{wanted}; export the run again"
            )
        return torch.from_numpy(logits)


@dataclass(frozen=True)
class OnnxModel:
    """An exported file; see ``Trained``.

    Attributes:
        path: of the file.
        facts: what it says of itself.
        graph: its bytes.
    """

    path: Path
    facts: Facts
    graph: bytes

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
        return f"{self.path}, of {self.facts.run} after {self.step} steps"

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

    def network(self, device: torch.device) -> OnnxNetwork:  # noqa: ARG002  onnxruntime has its own
        """Return the network, which computes on the CPU."""
        leaves = len(self.sources.ontology.leaves)
        return OnnxNetwork(self.graph, self.facts, leaves, self.path)

    def _spec(self, text: str) -> DatasetSpec:
        return DatasetSpec.from_document(load_text(text, f"{self.path}: mapping"))


def open_model(path: Path) -> OnnxModel:
    """Open a file of ``harmonize export``.

    Raises:
        HarmonizeError: it is no such file, or is damaged.
    """
    facts, graph = read_onnx(path)
    return OnnxModel(path, facts, graph)


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
