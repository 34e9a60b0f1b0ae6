"""What Parquet files hold that can be read as files: their columns, by split."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harmonize.errors import HarmonizeError
from harmonize.stores.stored_path import StoredPath


@dataclass
class ParquetSplit:
    """The Parquet files of a split.

    Attributes:
        folder: that they lie in.
        shards: their paths.
        ends: rows of the first, of the first two, and so on.
        groups: for each, the rows at which its row groups end.
        columns: that hold files, each with where its bytes are.
    """

    folder: str
    shards: list[Path] = field(default_factory=list[Path])
    ends: list[int] = field(default_factory=list[int])
    groups: list[list[int]] = field(default_factory=list[list[int]])
    columns: dict[str, str] = field(default_factory=dict[str, str])


def file_columns(schema: Any) -> dict[str, str]:
    """Return the columns that hold files, each with how: ``struct``, ``bytes`` or ``text``."""
    from pyarrow import types

    kinds: dict[str, str] = {}
    for one in schema:
        kind = one.type
        if types.is_struct(kind):
            inner = {kind.field(n).name: kind.field(n).type for n in range(kind.num_fields)}
            if "bytes" in inner and _is_bytes(inner["bytes"]):
                kinds[one.name] = "struct"
        elif _is_bytes(kind):
            kinds[one.name] = "bytes"
        elif types.is_string(kind) or types.is_large_string(kind):
            kinds[one.name] = "text"
    kinds = {name: kind for name, kind in kinds.items() if "/" not in name}
    return kinds if set(kinds.values()) - {"text"} else {}


def _is_bytes(kind: Any) -> bool:
    from pyarrow import types

    return types.is_binary(kind) or types.is_large_binary(kind)


def unreadable(shard: Path, error: Exception) -> HarmonizeError:
    reason = str(error).partition("\n")[0] or type(error).__name__
    return HarmonizeError(f"{shard}: not a readable Parquet file: {reason}")


def stamp_of(shard: Path) -> str:
    """Return another text wherever a file is another; empty where nothing tells."""
    if isinstance(shard, StoredPath):
        facts = shard.store.facts(shard.inside)
        return "" if facts is None else facts.stamp
    status = shard.stat()
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
