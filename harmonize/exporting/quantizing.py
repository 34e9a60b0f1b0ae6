"""Exported networks in int8, by the numbers that occur in the pictures of a data set."""

import logging
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from torch import Tensor

from harmonize.config.run_config import find_file
from harmonize.data.open_datasets import open_datasets
from harmonize.errors import HarmonizeError, near_matches
from harmonize.inference.read_pictures import read_to_see
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.runs.opened import OpenedRun
from harmonize.system.extras import need
from harmonize.system.progress import ProgressLine

MOST = 100
"""Pictures that are looked at, spread over the split."""
_ERRORS = 3
"""onnxruntime's severity of errors."""
_QUANTIZED = ("Conv", "ConvTranspose", "Gemm", "Relu", "MaxPool", "Concat", "Add", "Clip")
"""Operators of networks; those around them, which scale and decide, stay in float32."""


@dataclass(frozen=True)
class CalibrationPictures:
    """Pictures that say which numbers occur in a network.

    Attributes:
        dataset: their data set.
        split: of it.
        paths: the files.
        size: the shorter side that the network sees; None for their own.
    """

    dataset: str
    split: str
    paths: tuple[Path, ...]
    size: int | None

    def read(self, number: int) -> UInt8[ndarray, "1 3 h w"]:
        """Return a picture as the network sees it."""
        seen = read_to_see(self.paths[number], size=self.size, show=False)
        assert isinstance(seen.scaled, Tensor)  # as it is read as colours
        return seen.scaled.numpy()[None]


def calibration_pictures(
    opened: OpenedRun, name: str, split: str | None, size: int | str, roots: dict[str, str]
) -> CalibrationPictures:
    """Find the pictures of a data set of the run, or of a mapping file.

    Raises:
        HarmonizeError: there is no such data set or split, or its files are missing.
    """
    sources = opened.sources
    known = {spec.name: (entry, spec) for entry, spec in (*sources.trained, *sources.also)}
    if name in known:
        entry, spec = known[name]
        split = split or entry.train or entry.evaluate
    elif find_file(name).is_file():
        spec = DatasetSpec.from_file(find_file(name))
    else:
        raise HarmonizeError(
            f"--int8 {name}: neither a data set of this run nor a mapping file; "
            f"{near_matches(name, known)}"
        )
    split = split or "train"
    (dataset,) = open_datasets([(spec, split)], {**opened.config.data.roots, **roots})
    total = len(dataset)
    chosen = sorted({number * total // min(total, MOST) for number in range(min(total, MOST))})
    if not chosen:
        raise HarmonizeError(f"--int8 {name}: its split {split} has no pictures")
    paths = tuple(dataset.paths(number)[0] for number in chosen)
    return CalibrationPictures(spec.name, split, paths, None if size == "full" else int(size))


def quantized(model: Any, pictures: CalibrationPictures) -> Any:
    """Return an ONNX model whose convolutions compute in int8, with a scale for each channel."""
    onnx: Any = need("onnx", extra="export", key="--int8")
    runtime: Any = need("onnxruntime", extra="export", key="--int8")
    from onnxruntime import quantization as tools
    from onnxruntime.quantization.shape_inference import quant_pre_process

    logging.getLogger("onnxruntime.quantization").setLevel(logging.ERROR)
    runtime.set_default_logger_severity(_ERRORS)  # it warns of what is meant so
    with TemporaryDirectory(prefix="harmonize-") as folder:
        plain, ready, done = (str(Path(folder) / f"{name}.onnx") for name in ("a", "b", "c"))
        onnx.save_model(model, plain)
        quant_pre_process(plain, ready, skip_symbolic_shape=True)
        tools.quantize_static(
            ready,
            done,
            _Reader(pictures),  # pyright: ignore[reportArgumentType]  its package is optional
            quant_format=tools.QuantFormat.QDQ,
            op_types_to_quantize=[*_QUANTIZED],
            nodes_to_exclude=_outside(onnx.load_model(ready)),
            per_channel=True,
            activation_type=tools.QuantType.QUInt8,
            weight_type=tools.QuantType.QInt8,
            extra_options={"CalibMovingAverage": True, "QuantizeBias": True},
        )
        return onnx.load_model(done)


def _outside(model: Any) -> list[str]:
    """Return the names of the operators before the first and after the last of the network."""
    network = ("Conv", "ConvTranspose")
    places = [number for number, node in enumerate(model.graph.node) if node.op_type in network]
    first, last = (min(places), max(places)) if places else (0, -1)
    nodes = enumerate(model.graph.node)
    return [node.name for number, node in nodes if not first <= number <= last]


class _Reader:
    """Gives pictures one by one, as onnxruntime asks for them."""

    def __init__(self, pictures: CalibrationPictures) -> None:
        self._pictures = pictures
        self._number = 0
        self._bar = ProgressLine(len(pictures.paths), "looking", "pictures")

    def get_next(self) -> dict[str, ndarray] | None:
        """Return the next inputs, None at the end."""
        if self._number == len(self._pictures.paths):
            return None
        picture = self._pictures.read(self._number)
        self._number += 1
        return {"pictures": picture, "size": np.array(0, dtype=np.int64)}

    def __iter__(self) -> "_Reader":
        return self

    def __next__(self) -> dict[str, ndarray]:
        following = self.get_next()
        if following is None:
            raise StopIteration
        return following
