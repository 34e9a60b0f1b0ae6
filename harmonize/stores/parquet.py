"""The cells of Parquet files as files: ``train/image/0000012`` is row 12 of the column image.

So Hugging Face's `datasets` writes pictures: a column of bytes and the name that they had.
"""

import functools
import io
import os
import re
from bisect import bisect_right
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from harmonize.errors import HarmonizeError
from harmonize.stores.addresses import parquet_parts
from harmonize.stores.file_table import MOST_FILES, FileTable, Opened, StoredFacts
from harmonize.stores.parquet_splits import ParquetSplit, file_columns, stamp_of, unreadable
from harmonize.stores.stored_path import StoredPath
from harmonize.system.extras import need

_SHARD = re.compile(r"(.*?)[-_.]?\d+(?:-of-\d+)?")
_BESIDE = (".txt", ".json", ".csv", ".tsv", ".md", ".yaml", ".yml", ".lst", ".names")
"""Files beside the Parquet files that may tell of classes and splits."""
_MOST_BESIDE = 1000
_KEPT = 1 << 26
"""Bytes of the cells read last that are kept; those of one row group are in any case."""
_MOST = 1 << 30
"""Bytes of the cells of a row group."""
_OPEN = 32
"""Parquet files that a process has open at a time."""


class ParquetFiles:
    """The cells of all Parquet files that a pattern fits, and the text files that lie beside."""

    def __init__(self, address: str) -> None:
        """Look at the files' schemas.

        Raises:
            HarmonizeError: they cannot be read, or do not belong together.
            FileNotFoundError: there are none.
        """
        from harmonize.stores.open_store import open_root  # which opens Parquet files as well

        need("pyarrow", extra="parquet", key=address)
        self.address = address
        folder, pattern = parquet_parts(address)
        base = open_root(folder)
        if base is None:
            raise FileNotFoundError(folder)
        self._base = base
        self._splits: dict[str, ParquetSplit] = {}
        self._open: OrderedDict[str, Any] = OrderedDict()
        self._cells: OrderedDict[tuple[str, int, str], Any] = OrderedDict()
        self._process = os.getpid()
        shards = sorted(self._base.glob(pattern))
        for shard in shards:
            self._add(shard)
        if not shards:
            raise FileNotFoundError(address)
        self._beside = self._find_beside()
        self._table = FileTable.of([*self._names(), *self._beside])
        self._version = repr([stamp_of(shard) for shard in shards])

    @property
    def table(self) -> FileTable:
        return self._table

    @property
    def version(self) -> str:
        return self._version

    def facts(self, name: str) -> StoredFacts | None:
        if self._table.find(name) is None:
            return None
        if name in self._beside:
            status = (self._base / name).stat()
            return StoredFacts(status.st_size, f"{status.st_mtime_ns} {status.st_ino}")
        split, column, row = name.split("/")
        found = self._splits[split]
        shard = found.shards[bisect_right(found.ends, int(row))]
        stamp = stamp_of(shard)
        return StoredFacts(0, f"{stamp} {column} {row}" if stamp else "")

    def open(self, name: str) -> Opened:
        if self._table.find(name) is None:
            raise FileNotFoundError(f"{self.address}: {name}")
        if name in self._beside:
            return (self._base / name).open("rb")
        return io.BytesIO(self._cell(name))

    def start(self, name: str, number: int) -> bytes:
        with self.open(name) as file:
            return file.read(number)

    @functools.cached_property
    def pictures(self) -> frozenset[str]:
        """The columns that hold bytes; others hold text."""
        return frozenset(
            column
            for split in self._splits.values()
            for column, inside in split.columns.items()
            if inside != "text"
        )

    def _add(self, shard: Path) -> None:
        """Take up a Parquet file."""
        base = str(self._base).rstrip("/")
        folder, _, stem = str(shard).removeprefix(base).strip("/").rpartition("/")
        match = _SHARD.fullmatch(stem.removesuffix(".parquet"))
        name = match[1] if match else stem.removesuffix(".parquet")
        name = name or folder.rpartition("/")[2] or "train"
        split = self._splits.setdefault(name, ParquetSplit(folder))
        if split.folder != folder:
            raise HarmonizeError(
                f"{self.address}: two sets of files hold a split {name!r}, in "
                f"{split.folder or '.'}/ and in {folder or '.'}/; name one folder in `root`"
            )
        data = self._reader(shard)
        columns = file_columns(data.schema_arrow)
        if split.shards and columns != split.columns:
            raise HarmonizeError(
                f"{shard}: its columns of files are {', '.join(columns) or 'none'}, those of "
                f"{split.shards[0]} {', '.join(split.columns) or 'none'}; take one of them away"
            )
        if not columns:
            raise HarmonizeError(
                f"{shard}: no column holds files (bytes, or a struct with bytes and path), only "
                f"{', '.join(data.schema_arrow.names)}; write pictures as datasets.Image"
            )
        rows = [data.metadata.row_group(n).num_rows for n in range(data.metadata.num_row_groups)]
        split.columns = columns
        split.shards.append(shard)
        split.ends.append((split.ends[-1] if split.ends else 0) + sum(rows))
        split.groups.append(np.cumsum(rows).tolist())

    def _names(self) -> list[str]:
        number = sum(len(one.columns) * (one.ends[-1]) for one in self._splits.values())
        if number > MOST_FILES:
            raise HarmonizeError(f"{self.address}: holds more than {MOST_FILES} cells; name fewer")
        return [
            f"{name}/{column}/{row:07d}"
            for name, split in self._splits.items()
            for column in split.columns
            for row in range(split.ends[-1])
        ]

    def _find_beside(self) -> frozenset[str]:
        """Return the text files that lie in the folder or in its folders."""
        found = [
            path.relative_to(self._base).as_posix()
            for pattern in ("*", "*/*")
            for path in self._base.glob(pattern)
            if path.suffix.lower() in _BESIDE
        ]
        kept = [name for name in found if name.partition("/")[0] not in self._splits]
        return frozenset(sorted(kept)[:_MOST_BESIDE])

    def _cell(self, name: str) -> bytes:
        """Return the bytes of a cell."""
        split, column, written = name.split("/")
        found, row = self._splits[split], int(written)
        number = bisect_right(found.ends, row)
        inside = row - (found.ends[number - 1] if number else 0)
        group = bisect_right(found.groups[number], inside)
        place = inside - (found.groups[number][group - 1] if group else 0)
        shard = found.shards[number]
        kind = found.columns[column]
        value = self._group(shard, group, column, kind)[place].as_py()
        if isinstance(value, dict):
            value = value["bytes"]
        if value is None:
            raise HarmonizeError(
                f"{self.address}: {name}: {shard} holds no bytes in that row, at most the name of "
                "a file; write the pictures themselves (datasets embeds them in push_to_hub)"
            )
        return value.encode() if isinstance(value, str) else value

    def _group(self, shard: Path, group: int, column: str, kind: str) -> Any:
        """Return the cells of a column in a row group."""
        key = str(shard), group, column
        if os.getpid() != self._process or key not in self._cells:
            data = self._reader(shard)
            leaf = f"{column}.bytes" if kind == "struct" else column
            about = data.metadata.row_group(group)
            size = sum(
                about.column(n).total_uncompressed_size
                for n in range(about.num_columns)
                if about.column(n).path_in_schema.startswith(leaf)
            )
            if size > _MOST:
                raise HarmonizeError(
                    f"{shard}: a row group holds {size / 2**30:.1f} GiB of {column}, and is read "
                    "as a whole; write it with row_group_size=100"
                )
            try:
                read = data.read_row_group(group, columns=[leaf], use_threads=False)
            except HarmonizeError:
                raise
            except Exception as error:  # a damaged file can raise anything
                raise unreadable(shard, error) from None
            self._cells[key] = read.column(0)
        self._cells.move_to_end(key)
        while len(self._cells) > 1 and sum(one.nbytes for one in self._cells.values()) > _KEPT:
            self._cells.popitem(last=False)
        return self._cells[key]

    def _reader(self, shard: Path) -> Any:
        """Open a Parquet file; each process for itself."""
        from pyarrow import parquet

        if os.getpid() != self._process:
            self._open, self._cells, self._process = OrderedDict(), OrderedDict(), os.getpid()
        key = str(shard)
        if key not in self._open:
            try:
                if isinstance(shard, StoredPath):
                    self._open[key] = parquet.ParquetFile(shard.open("rb"), pre_buffer=False)
                else:
                    self._open[key] = parquet.ParquetFile(key, memory_map=True, pre_buffer=False)
            except HarmonizeError:
                raise
            except Exception as error:  # a damaged file can raise anything
                raise unreadable(shard, error) from None
        self._open.move_to_end(key)
        while len(self._open) > _OPEN:
            self._open.popitem(last=False)
        return self._open[key]

    def __getstate__(self) -> dict[str, object]:
        kept = {key: value for key, value in self.__dict__.items() if key != "pictures"}
        return {**kept, "_open": OrderedDict(), "_cells": OrderedDict(), "_process": -1}
