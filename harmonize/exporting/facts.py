"""What an exported file says of itself: written into its metadata, and read back strictly."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harmonize.config.saved_json import from_json, to_json
from harmonize.config.schema import Count, Fraction
from harmonize.config.train_config import Decode
from harmonize.errors import HarmonizeError

KEY = "harmonize"
"""Of the metadata that ``predict`` reads."""
LEGEND = "legend"
"""Of the metadata that says what the numbers of the answers mean, for people and programs."""
VERSION = 1
_LONGEST = 1 << 26
"""Bytes of a text that is read."""


@dataclass(frozen=True)
class Facts:
    """What an exported file was made from.

    Attributes:
        version: of this description.
        made_by: the version of harmonize.
        run: the run folder.
        checkpoint: the name of its checkpoint.
        weights: SHA-256 of the checkpoint's file.
        step: optimizer steps.
        config: of the run, as YAML.
        ontology: the name of the tree.
        tree: its text.
        mappings: the YAML of each data set's mapping, the trained ones first.
        mapping: of a data set that is not of the run, whose words the file answers in.
        calibration: of the run, as ``calibration.json`` holds it, if it is of this checkpoint.
        depth: of the groups that the file answers with.
        dataset: whose words it answers in.
        confidence: that its answers back off to; without these three it answers with leaves.
        like: the data set whose temperatures or statistics it has.
        calibrated: whether the calibration is used.
        decode: how pixels are decided.
        size: the shorter side that its network sees.
        least: the least side, in pixels, that its network is given.
        largest: likewise, where there is a limit.
        stride: of its network.
        reach: of its network; None if it is infinite.
        precision: that it computes in.
        quantized_on: the data set and split that it was made int8 with.
    """

    version: Count
    made_by: str
    run: str
    checkpoint: str
    weights: str
    step: Count
    config: str
    ontology: str
    tree: str
    mappings: tuple[str, ...]
    decode: Decode
    size: Count | Literal["full"]
    least: Count
    stride: Count
    precision: Literal["float32", "int8"]
    mapping: str | None = None
    calibration: dict[str, Any] | None = None
    depth: Count | None = None
    dataset: str | None = None
    confidence: Fraction | None = None
    like: str | None = None
    calibrated: bool = True
    reach: float | None = None
    largest: Count | None = None
    quantized_on: str | None = None


def sealed(facts: Facts, graph: bytes, legend: str) -> dict[str, str]:
    """Return the metadata of a file; a checksum of all of it is part of that."""
    text = json.dumps(to_json(facts))
    return {KEY: f"{_checksum(text, graph, legend)} {text}", LEGEND: legend}


def opened(metadata: Mapping[str, str], graph: bytes, path: Path) -> Facts:
    """Read what a file says of itself.

    Args:
        metadata: of the file.
        graph: the rest of it.
        path: of the file.

    Raises:
        HarmonizeError: it is not from ``harmonize export``, or is not as that left it.
    """
    again = "export the run again"
    if KEY not in metadata:
        raise HarmonizeError(
            f"{path}: is an ONNX file, but not from `harmonize export`; it does not say what its "
            "answers mean"
        )
    checksum, _, text = metadata[KEY].partition(" ")
    if len(text) > _LONGEST:
        raise HarmonizeError(f"{path}: its description is longer than {_LONGEST} bytes; {again}")
    if checksum != _checksum(text, graph, metadata.get(LEGEND, "")):
        raise HarmonizeError(f"{path}: is damaged or was changed since its export; {again}")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise HarmonizeError(f"{path}: its description is no JSON; {again}") from None
    version = value.get("version") if isinstance(value, dict) else None
    if version != VERSION:
        raise HarmonizeError(
            f"{path}: is of version {version!r}, and this harmonize reads {VERSION}; {again}"
        )
    try:
        return from_json(Facts, value, f"{path}: its description")
    except HarmonizeError as error:
        raise HarmonizeError(f"{error.problems[0]}; {again}") from None


def _checksum(text: str, graph: bytes, legend: str) -> str:
    parts = (text.encode(errors="surrogatepass"), legend.encode(errors="surrogatepass"), graph)
    total = hashlib.sha256()
    for part in parts:
        total.update(f"{len(part)}\n".encode())
        total.update(part)
    return total.hexdigest()
