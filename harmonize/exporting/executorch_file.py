"""Files with a program of ExecuTorch: written with what they say of themselves, and read back."""

import json
from collections.abc import Mapping
from pathlib import Path

from harmonize.errors import HarmonizeError
from harmonize.exporting.facts import Facts, opened, sealed

EXTRA = "executorch"
"""Of this package, that brings ExecuTorch."""
_END = b"harmonize"
"""Of the file; before it are the length of the metadata in 8 bytes, and the metadata."""
_MAGIC = b"ET"
"""Within a program, four bytes after its start."""


def finish_executorch(program: bytes, facts: Facts, legend: str) -> bytes:
    """Return the bytes of a file: the program and, where its runtimes do not look, the metadata."""
    metadata = json.dumps(sealed(facts, program, legend)).encode()
    return program + metadata + len(metadata).to_bytes(8, "little") + _END


def is_executorch(data: bytes) -> bool:
    """Say whether a file is a program of ExecuTorch."""
    return data[4:6] == _MAGIC


def read_executorch(data: bytes, path: Path) -> tuple[Facts, bytes]:
    """Read an exported file: what it says of itself, and its program.

    Raises:
        HarmonizeError: it is no file of ``harmonize export``, or is damaged.
    """
    end = len(data) - len(_END) - 8
    length = int.from_bytes(data[max(end, 0) : -len(_END)], "little")
    if not data.endswith(_END) or not 0 < length < end:
        raise HarmonizeError(
            f"{path}: is a program of ExecuTorch, but no whole one of `harmonize export`; it does "
            "not say what its answers mean"
        )
    program = data[: end - length]
    try:
        metadata = json.loads(data[end - length : end])
    except (ValueError, RecursionError):
        metadata = None
    if not isinstance(metadata, Mapping) or not all(
        isinstance(value, str) for value in metadata.values()
    ):
        raise HarmonizeError(
            f"{path}: is damaged or was changed since its export; export the run again"
        )
    return opened(metadata, program, path), program
