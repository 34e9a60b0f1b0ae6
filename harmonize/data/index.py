"""Which picture and label files a split consists of."""

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy import ndarray

from harmonize.config.strict_yaml import read_text
from harmonize.data.folder_listings import FolderListings, matching_files
from harmonize.data.missing_files import MissingFiles, UnlocatedLabels
from harmonize.data.unknown_fields import unknown_fields
from harmonize.errors import HarmonizeError, raise_all
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.mapping import Split
from harmonize.labels.path_matching import PathPattern
from harmonize.labels.path_template import Fields, Template, inside_root
from harmonize.plurals import counted
from harmonize.stores.stored_path import StoredPath

_SHOWN = 20
"""Problems of one split that are listed."""
_BLOCK = 1 << 14
"""Paths that are held as objects, of six times the size of their text; characters of a list."""


@dataclass(frozen=True)
class FileIndex:
    """The files of a split, relative to the data set's folder, as arrays of encoded paths.

    Arrays rather than lists keep the memory of loader processes from growing. Where a label
    has one file per class, it still holds the placeholder ``{class...}``.
    """

    pictures: ndarray
    labels: ndarray

    def __len__(self) -> int:
        return len(self.pictures)

    def part(self, low: float, high: float, *, seed: int) -> "FileIndex":
        """Return the files from one share to another of a random order, in their own order.

        The random order depends on the seed and on the number of files alone.
        """
        order = np.random.default_rng((seed, len(self))).permutation(len(self))
        chosen = np.sort(order[round(low * len(self)) : round(high * len(self))])
        return FileIndex(self.pictures[chosen], self.labels[chosen])

    def picture(self, number: int) -> str:
        """Return the relative path of a picture."""
        return os.fsdecode(self.pictures[number])

    def label(self, number: int) -> str:
        """Return the relative path of a label."""
        return os.fsdecode(self.labels[number])


def index_files(spec: DatasetSpec, split_name: str, root: Path) -> FileIndex:
    """List a split's files and make sure that all of them are there.

    Raises:
        HarmonizeError: a list that does not fit its columns, no pictures, or missing files.
    """
    index, problems = list_files(spec, split_name, root)
    raise_all(problems)
    return index


def list_files(spec: DatasetSpec, split_name: str, root: Path) -> tuple[FileIndex, list[str]]:
    """List those of a split's pictures that have all their files, and say what is wrong.

    Raises:
        HarmonizeError: a list that does not fit its columns, or no pictures.
    """
    where = spec.document.where(("splits", split_name))
    folders = FolderListings(root)
    rows: Iterable[Fields] = _rows(spec, split_name, root, where)
    if not folders.are_listed:
        rows = [*rows]
        _look_up(spec, rows, folders)
    split = spec.split(split_name)
    pictures, labels, without = _Paths(), _Paths(), UnlocatedLabels()
    missing = MissingFiles(listed=split.list is not None)
    problems: dict[str, None] = {}  # each once
    number, unknown = 0, list[str]()
    for number, row in enumerate(rows, 1):
        if number == 1:
            unknown = unknown_fields(spec, split, row, folders, where)
        if unknown:  # in every row
            continue
        try:
            picture = _picture_file(spec, row, folders)
            label, files = _label_files(spec, row, folders, picture)
        except HarmonizeError as error:
            problems |= dict.fromkeys(error.problems)
            continue
        absent = [file for file in (picture, *files) if not folders.has(file)]
        if absent:
            missing.add(absent)
        elif without.has_label(spec, root, label):
            pictures.append(picture)
            labels.append(label)
    if not number:
        raise HarmonizeError(f"{where}: no pictures in {root}; check the split's list or pattern")
    listed = [*unknown, *problems][:_SHOWN]
    if missing.number:
        told = missing.describe(number)
        listed.append(f"{where}: {missing.count(spec.name, number)} missing from {root}: {told}")
    listed += without.problems(where)
    return FileIndex(pictures.as_array(), labels.as_array()), listed


@dataclass
class _Paths:
    """Paths on their way into an array, a block at a time."""

    blocks: list[ndarray] = field(default_factory=list[ndarray])
    last: list[str] = field(default_factory=list[str])

    def append(self, path: str) -> None:
        self.last.append(path)
        if len(self.last) == _BLOCK:
            self._pack()

    def as_array(self) -> ndarray:
        """Return all paths as one array of bytes; they are not kept."""
        self._pack()
        blocks, self.blocks = self.blocks, []
        return np.concatenate(blocks)

    def _pack(self) -> None:
        encoding, errors = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
        encoded = [path.encode(encoding, errors) for path in self.last]  # as os.fsencode, but quick
        self.blocks.append(np.array(encoded, dtype=np.bytes_))
        self.last = []


def _look_up(spec: DatasetSpec, rows: Sequence[Fields], folders: FolderListings) -> None:
    """Ask for all files at once where folders cannot be listed."""
    wanted: list[str] = []
    for row in rows:
        with contextlib.suppress(HarmonizeError):  # told below
            label = spec.encoding.fill(spec.label, row)
            files = spec.encoding.files(label, spec.class_entries)
            wanted += [spec.picture.fill(row), *(file for _, file in files)]
    folders.look_up(dict.fromkeys(file for file in wanted if "*" not in file))


def unlabelled_pictures(spec: DatasetSpec, root: Path) -> list[str]:
    """Return the files that fit the mapping's `picture`, but are in no split and have no label.

    Only where a picture's path gives all the fields that the label's path needs.
    """
    if not spec.has_labels or (isinstance(root, StoredPath) and not root.is_listed):
        return []
    folders = FolderListings(root)
    label = spec.label.pattern()
    found: dict[str, list[str]] = {}  # by pattern
    used: set[str] = set()
    candidates: set[str] = set()
    for name, split in spec.splits.items():
        fixed: dict[str, str | int] = {"split": name, **split.fields}
        used |= _listed_pictures(spec, name, root, folders)
        try:
            picture = spec.picture.filled_in(fixed)  # a field may stand for several folders
        except HarmonizeError:  # which is told of the split
            continue
        pattern, glob = picture.pattern(), picture.glob()
        if glob not in found:
            found[glob] = matching_files(root, glob)
        known = False  # that the picture's path gives all fields
        for path in found[glob]:
            if known and path in used:
                continue
            fields = _fields(pattern, path, fixed)
            if fields is None or _fields(label, path, fixed) is not None:
                continue  # labels may lie among the pictures
            if not spec.label.names <= {*fields, "class"}:
                return []
            known = True
            try:
                text, files = _label_files(spec, fields, folders, path)
            except HarmonizeError:  # the label's path needs another kind of field, or is not unique
                continue
            has_label = any(folders.has(file) for file in files) and _is_in_file(spec, root, text)
            (used if has_label else candidates).add(path)
    return sorted(path for path in candidates - used if (root / path).is_file())


def _is_in_file(spec: DatasetSpec, root: Path, label: str) -> bool:
    """Say whether a file that holds many labels holds this one."""
    try:
        spec.encoding.locate(root, label)
    except HarmonizeError:
        return False
    return True


def _rows(spec: DatasetSpec, split_name: str, root: Path, where: str) -> Iterator[Fields]:
    """Yield the fields of each picture of a split; raise at the end if its list is wrong."""
    split = spec.split(split_name)
    fixed: dict[str, str | int] = {"split": split_name, **split.fields}
    if split.list is not None:
        name = Template(split.list, where=where).fill(fixed)
        in_full = name.startswith("/")  # it may lie anywhere
        rows = _listed(split, fixed, Path(name) if in_full else root / _inside(spec, name, where))
    elif split.range is not None:
        rows = ({**fixed, "id": number} for number in range(split.range[0], split.range[1] + 1))
    else:
        rows = _globbed(split, fixed, root, where)
    yield from (row for row in rows if _wanted(split, row, where)) if split.where else rows


def _fields(pattern: PathPattern, path: str, fixed: Fields) -> Fields | None:
    """Return the fields of a path together with those that the split gives; None if they differ."""
    fields = pattern.fields(path)
    if fields is None:
        return None
    agree = all(str(fixed[name]) == fields.get(name, str(fixed[name])) for name in fixed)
    return {**fixed, **fields} if agree else None


def _listed_pictures(
    spec: DatasetSpec, split: str, root: Path, folders: FolderListings
) -> set[str]:
    """Return a split's pictures, those without a label too; none if it cannot be read."""
    try:
        rows = _rows(spec, split, root, spec.document.where(("splits", split)))
        return {_picture_file(spec, row, folders) for row in rows}
    except HarmonizeError:
        return set()


def _picture_file(spec: DatasetSpec, row: Fields, folders: FolderListings) -> str:
    return folders.complete(_inside(spec, spec.picture.fill(row), spec.picture.where))


def _label_files(
    spec: DatasetSpec, row: Fields, folders: FolderListings, picture: str
) -> tuple[str, list[str]]:
    """Return what the index keeps of a picture's label, and the files that must be there."""
    encoding = spec.encoding
    label = encoding.fill(spec.label, row)
    files = encoding.files(label, spec.class_entries)
    if not spec.has_labels:
        return label, []
    if not encoding.per_class and label == files[0][1]:
        label = folders.complete(_inside(spec, label, spec.label.where))
        return encoding.of_picture(label, picture), [label]
    inside = [_inside(spec, file, spec.label.where) for _, file in files]
    return label, list(encoding.needed(inside, folders.find))


def _wanted(split: Split, row: Fields, where: str) -> bool:
    for name, (low, high) in split.where.items():
        try:
            number = int(row[name])
        except (KeyError, ValueError):
            raise HarmonizeError(
                f"{where}: `where` needs a whole number in the field {name!r}, "
                f"got {row.get(name)!r}"
            ) from None
        if not low <= number <= high:
            return False
    return True


def _inside(spec: DatasetSpec, path: str, where: str) -> str:
    if ".." not in path and not path.startswith("/"):  # as nearly all, of which there are millions
        return path
    return inside_root(path, where, outside=spec.outside_root)


def _listed(split: Split, fixed: Fields, path: Path) -> Iterator[Fields]:
    problems: list[str] = []
    columns, separator, skip = split.columns, split.separator, split.skip
    for number, line in enumerate(_lines(read_text(path)), 1):
        if number <= skip:
            continue
        values = line.split(separator)
        if separator is not None:
            values = [value.strip() for value in values]
        if not any(values):
            continue
        if len(values) != len(columns):
            problems.append(
                f"{path}:{number}: expected {counted(len(split.columns), 'column')} "
                f"({', '.join(split.columns)}), got {len(values)}: {line.strip()[:60]!r}"
            )
        yield {**fixed, **dict(zip(columns, values, strict=False))}
    raise_all(problems[:_SHOWN])


def _lines(text: str) -> Iterator[str]:
    """Yield what ``splitlines`` returns, without a list of it."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + _BLOCK) + 1 or len(text)
        yield from text[start:end].splitlines()
        start = end


def _globbed(split: Split, fixed: Fields, root: Path, where: str) -> Iterator[Fields]:
    assert split.glob is not None
    template = Template(split.glob, where=where)
    pattern = template.pattern()
    rows = (_fields(pattern, path, fixed) for path in matching_files(root, template.glob()))
    return (row for row in rows if row is not None)
