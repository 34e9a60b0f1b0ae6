"""ONNX files of exported networks: written with what they say of themselves, and read with care."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harmonize import __version__
from harmonize.errors import HarmonizeError
from harmonize.exporting.facts import KEY, Facts, opened, sealed
from harmonize.stores.plain_files import open_plain
from harmonize.system.extras import need

_LARGEST = (1 << 31) - 1
"""Bytes of a file, as the format has it."""
_DOMAINS = ("", "ai.onnx")
"""Of operators; others could be anything."""


def finish_onnx(model: Any, facts: Facts, legend: str) -> bytes:
    """Return the bytes of an ONNX file with its metadata.

    What the exporter notes of each operator, such as paths of this machine, is left out.
    """
    for node in _nodes(model.graph):
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    model.producer_name, model.producer_version = KEY, __version__  # stands first in the file
    for key, value in sealed(facts, model.SerializeToString(deterministic=True), legend).items():
        model.metadata_props.add(key=key, value=value)
    return model.SerializeToString(deterministic=True)


def read_onnx(data: bytes, path: Path) -> Facts:
    """Read what an exported file says of itself.

    Nothing that it names is opened, and only operators of ONNX itself are taken.

    Raises:
        HarmonizeError: it is no file of ``harmonize export``, or is damaged.
    """
    onnx: Any = need("onnx", extra="export", key=str(path))
    try:
        model = onnx.load_model_from_string(data)
    except Exception:  # of the library that reads it
        raise HarmonizeError(
            f"{path}: is neither a run folder nor a whole ONNX file of `harmonize export`"
        ) from None
    metadata: dict[str, str] = {}
    for entry in model.metadata_props:
        if entry.key in metadata:
            raise HarmonizeError(f"{path}: says {entry.key!r} twice; export the run again")
        metadata[entry.key] = entry.value
    del model.metadata_props[:]
    facts = opened(metadata, model.SerializeToString(deterministic=True), path)
    _check_graph(model, onnx.TensorProto.EXTERNAL, path)
    return facts


def read_file(path: Path) -> bytes:
    """Read an exported file of any format.

    Raises:
        HarmonizeError: it cannot be read, or is too large.
    """
    try:
        with open_plain(path) as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise HarmonizeError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(data) > _LARGEST:
        raise HarmonizeError(f"{path}: is larger than an exported file can be")
    return data


def _check_graph(model: Any, external: int, path: Path) -> None:
    """Refuse a graph that has parts elsewhere: in other files, or in other operators' code."""
    foreign = {node.domain for node in _nodes(model.graph)} - {*_DOMAINS}
    if foreign or len(model.functions):
        names = ", ".join(sorted(foreign)) or model.functions[0].name
        raise HarmonizeError(f"{path}: has operators that are not ONNX's own: {names}")
    if any(tensor.data_location == external for tensor in _tensors(model.graph)):
        raise HarmonizeError(f"{path}: keeps numbers in another file, which is not opened")


def _nodes(graph: Any) -> Iterator[Any]:
    for node in graph.node:
        yield node
        for inner in _graphs(node):
            yield from _nodes(inner)


def _graphs(node: Any) -> Iterator[Any]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
        for inner in _graphs(node):
            yield from _tensors(inner)
