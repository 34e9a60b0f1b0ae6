"""Pictures that are in a split twice, or in two splits that should share none."""

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

from harmonize.config.accept import Accepted
from harmonize.data.index import FileIndex
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.tree_lint import Finding
from harmonize.plurals import counted
from harmonize.tools.draft.name_words import canonical

_SHOWN = 3
"""Pictures that a finding names."""
_PARTS = {"train", "val", "test"}
_HEAD = 1 << 14
"""Bytes by which files of equal size are told apart before all of them are read."""

_Group = tuple[list[str], list[str]]
"""Files of two splits."""


def repeated_pictures(
    spec: DatasetSpec,
    lists: Mapping[str, FileIndex],
    root: Path,
    accepted: Accepted,
    *,
    held_out: bool,
    contents: bool,
) -> list[Finding]:
    """Find pictures that are twice in a split, or in two splits by their paths or their bytes.

    Args:
        spec: the mapping.
        lists: the files of each split.
        root: their folder.
        accepted: the findings that are meant.
        held_out: no two of the splits may share a picture; else only those named train, val and
            test, or another word for one of these, may not.
        contents: compare bytes too.
    """
    findings = [_twice(spec, name, files, accepted) for name, files in lists.items()]
    pictures = {name: _pictures(files) for name, files in lists.items()}
    for first, second in combinations(lists, 2):
        if held_out or _apart(first, second):
            pair = {first: pictures[first], second: pictures[second]}
            findings.append(_shared(spec, pair, accepted))
            findings += [_alike(spec, pair, root, accepted)] if contents else []
    return [finding for finding in findings if finding is not None]


def _pictures(files: FileIndex) -> dict[str, None]:
    return dict.fromkeys(files.picture(number) for number in range(len(files)))


def _apart(first: str, second: str) -> bool:
    words = {canonical(first), canonical(second)}
    return len(words) == 2 and words <= _PARTS


def _twice(spec: DatasetSpec, split: str, files: FileIndex, accepted: Accepted) -> Finding | None:
    counts = Counter((files.picture(n), files.label(n)) for n in range(len(files)))
    found = [one for (one, _), number in counts.items() if number > 1]
    return _finding(
        spec, split, "twice-in-split", found, accepted, f"more than once in {split}", "once"
    )


def _shared(
    spec: DatasetSpec, pair: Mapping[str, Mapping[str, None]], accepted: Accepted
) -> Finding | None:
    (first, ours), (second, theirs) = pair.items()
    found = [picture for picture in ours if picture in theirs]
    where = f"both in {first} and in {second}, so scores there say less"
    return _finding(spec, second, "in-two-splits", found, accepted, where, "in one of the two")


def _finding(
    spec: DatasetSpec,
    split: str,
    kind: str,
    found: Sequence[str],
    accepted: Accepted,
    where: str,
    remedy: str,
) -> Finding | None:
    found = [picture for picture in found if not accepted.has(kind, picture)]
    if not found:
        return None
    plural = "picture is" if len(found) == 1 else "pictures are"
    text = f"{len(found)} {plural} {where}: {_some(found)}; list each {remedy}"
    return Finding(kind, spec.document.where(("splits", split)), text, tuple(found))


def _alike(
    spec: DatasetSpec,
    pair: Mapping[str, Mapping[str, None]],
    root: Path,
    accepted: Accepted,
) -> Finding | None:
    """Find different files of two splits that hold the same bytes."""
    (first, ours), (second, theirs) = pair.items()
    both = _same_bytes(root, [one for one in ours if one not in theirs], [*theirs])
    kind = "in-two-splits"
    found = {old: new for old, new in both if not accepted.has(kind, old, new)}
    if not found:
        return None
    shown = _some([f"{old} and {new}" for old, new in found.items()])
    number = counted(len(found), "picture")
    text = (
        f"{number} of {first} with the same bytes as one of {second}, so scores there "
        f"say less: {shown}; take one of each two away"
    )
    return Finding(kind, spec.document.where(("splits", second)), text, tuple(found))


def _same_bytes(
    root: Path, ours: Sequence[str], theirs: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield pairs of files with the same bytes; only those alike so far are read any further."""
    groups: list[_Group] = [([*ours], [*theirs])]
    for key in (_size, _head, _all):
        groups = [part for group in groups for part in _parted(root, *group, key)]
    for first, second in groups:
        yield from ((one, second[0]) for one in first)


def _parted(
    root: Path, ours: Sequence[str], theirs: Sequence[str], key: Callable[[Path], Hashable]
) -> list[_Group]:
    """Part two lists of files by a key, and keep the parts that both have."""
    parts: dict[Hashable, _Group] = {}
    for side, files in enumerate((ours, theirs)):
        for file in files:
            try:
                found = key(root / file)
            except OSError:  # told where it is read
                continue
            parts.setdefault(found, ([], []))[side].append(file)
    return [part for part in parts.values() if all(part)]


def _size(path: Path) -> int:
    return path.stat().st_size


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD)


def _all(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").digest()


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
