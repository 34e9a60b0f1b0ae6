"""Picture files gathered by what their paths have in common."""

import dataclasses
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from harmonize.labels.palette_order import find_conflict
from harmonize.plurals import counted
from harmonize.tools.draft.affixes import shared_affixes
from harmonize.tools.draft.draft_pixels import KINDS, Content, Kind, are_lossy_colors, look
from harmonize.tools.draft.name_words import is_number, sounds_like_role, split_word

CLASS = "{class}"
INFIX = re.compile(
    r"(?i)([^/]*?[^/_\-.])([_\-.](?:camera|cam|label|mask|image|img|seg|gt|rgb|semantic|lidar)[_\-.])(.+)"
)
"""A role in the middle of a name, with what comes before and after it."""
BREAK = "\0"
"""Stands in a core for the infix."""
SAMPLES = 6
"""Files of a group that are looked at."""
_FEW_SIBLINGS = 12
"""Among more folders than these a split's word counts only if it is the whole name."""

_DIGIT = re.compile(r"\d")

T = TypeVar("T")
Parts = tuple[str, ...]
"""The names of the folders that a file lies in."""


@dataclass(frozen=True)
class File:
    """A picture file and the parts of its path that differ within its group.

    Attributes:
        path: relative to the data set's folder.
        folders: the names of the folders that it lies in.
        core: its stem without the group's prefix and suffix.
        split: the split's word in a folder's name, as written; empty if there is none.
    """

    path: str
    folders: tuple[str, ...]
    core: str
    split: str = ""


@dataclass(frozen=True)
class FileGroup:
    """Files whose paths follow one pattern.

    Attributes:
        folders: the text of each folder in a template; None where it varies.
        prefix, suffix: what stems begin and end with, as the text of a template.
        extension: with its dot; ``.*`` where it varies.
        infix: what stems have in the middle; cores have a ``BREAK`` there.
        files: the files; with classes, those of all of them.
        classes: the texts of the field ``{class}`` with the number of files of each.
        content: what a few of the files look like.
    """

    folders: tuple[str | None, ...]
    prefix: str
    suffix: str
    extension: str
    infix: str = ""
    files: tuple[File, ...] = field(default=(), repr=False)
    classes: dict[str, int] = field(default_factory=dict[str, int])
    content: Content = field(default_factory=lambda: Content("unreadable"))

    @property
    def kind(self) -> Kind:
        """What the files look like."""
        return self.content.kind

    @property
    def name(self) -> str:
        """The pattern for people: varying parts are written ``*``."""
        core = "*" if any(file.core for file in self.files) else ""
        core = f"*{self.infix}*" if self.infix else core
        return self.template(["*"] * len(self.variables), core)

    @property
    def variables(self) -> list[int]:
        """The positions of the folders that vary."""
        return [place for place, folder in enumerate(self.folders) if folder is None]

    @property
    def ending(self) -> tuple[str, str, str, str]:
        """What makes up file names beside the part that differs."""
        return self.prefix, self.suffix, self.extension, self.infix

    @property
    def most_common_class(self) -> str:
        """The class with the most masks; empty for labels that are no masks of classes."""
        return max(self.classes, key=lambda name: self.classes[name], default="")

    @property
    def num_ids(self) -> int:
        """How many pictures the files belong to, as masks of classes or one by one."""
        return len(
            {(*file.folders, file.core) for file in self.files} if self.classes else self.files
        )

    @property
    def encoding(self) -> str:
        """The mapping's ``encoding``, if these are labels."""
        if self.classes:
            covered = self.kind == "soft" and any(map(_is_zero, self.classes))
            return "soft_masks" if covered and all(map(is_number, self.classes)) else "masks"
        return "rgb" if self.kind == "rgb" else "ids"

    def template(self, folders: Iterable[str], core: str) -> str:
        """Write the path template with these texts for the varying folders and the core."""
        given = iter(folders)
        parts = [next(given) if folder is None else folder for folder in self.folders]
        return "/".join([*parts, f"{self.prefix}{core}{self.suffix}{self.extension}"])

    def describe(self) -> str:
        """Say in a few words what the group holds."""
        return f"{self.name}: {counted(len(self.files), 'file')}, {self.describe_kind()}"

    def describe_kind(self) -> str:
        """Say what the files look like, and of how many classes they are masks."""
        of_classes = (
            f", one file for each of {counted(len(self.classes), 'class', 'classes')}"
            if self.classes
            else ""
        )
        return f"{KINDS[self.kind]}{of_classes}"

    def class_of(self, path: str) -> str:
        """Return the text of ``{class}`` in a file's path; empty if the group has none."""
        if CLASS in self.folders:
            return path.split("/")[self.folders.index(CLASS)]
        before, marked, after = self.suffix.partition(CLASS)
        if not marked:
            return ""
        stem = path.rpartition("/")[2].rpartition(".")[0].removesuffix(after)
        names = [name for name in self.classes if stem.endswith(before + name)]
        return max(names, key=len, default="")


def _is_zero(text: str) -> bool:
    return is_number(text) and int(text) == 0


def escape(text: str) -> str:
    """Write text so that a template takes it as it is."""
    return text.replace("{", "{{").replace("}", "}}")


def evenly(items: Sequence[T], number: int) -> list[T]:
    """Return up to so many items, evenly spaced."""
    count = min(number, len(items))
    return [items[place * len(items) // count] for place in range(count)]


def joined(groups: Sequence[FileGroup], **changes: object) -> FileGroup:
    """Join groups into one, which takes the first one's pattern but for the changes."""
    files = tuple(sorted((f for g in groups for f in g.files), key=lambda file: file.path))
    return dataclasses.replace(groups[0], files=files, **changes)


def leaf_groups(
    images: Sequence[str],
    *,
    with_prefixes: bool = False,
    added: bool = False,
    infixes: bool = False,
) -> list[FileGroup]:
    """Gather files that lie in the same folder, but for the split, and end alike.

    Args:
        images: their paths.
        with_prefixes: and begin alike.
        added: take for endings only what is added to other files' names.
        infixes: or have the same word for a role in the middle.
    """
    paths = [image.rpartition("/") for image in images]
    parted = [
        (folder, *os.path.splitext(name))  # noqa: PTH122 (fast)
        for folder, _, name in paths
    ]
    stems = [(folder, stem) for folder, stem, _ in parted]
    suffix_of = shared_affixes(stems, first=False, added=added)
    rests = {stem: stem.removesuffix(suffix_of.get(stem, "")) for _, stem in stems}
    prefix_of: dict[str, str] = {}
    if with_prefixes:
        named = [(folder, rests[stem]) for folder, stem in stems]
        prefix_of = shared_affixes(named, first=True)
    parts_of = {folder: tuple(folder.split("/")) if folder else () for folder, _ in stems}
    patterns = _folder_patterns({*parts_of.values()})
    constant = _constant_stems([(parts_of[folder], stem) for folder, stem in stems])
    members: defaultdict[tuple[Parts, str, str, str, str], list[File]] = defaultdict(list)
    for image, (folder, stem, extension) in zip(images, parted, strict=True):
        parts = parts_of[folder]
        folders, word = patterns[parts]
        if (parts[:-1], stem) in constant:
            key = (folders, escape(stem), "", extension, "")
            members[key].append(File(image, parts, "", word))
            continue
        if infixes and (match := INFIX.fullmatch(stem)):
            key = (folders, "", "", extension, escape(match[2]))
            members[key].append(File(image, parts, f"{match[1]}{BREAK}{match[3]}", word))
            continue
        prefix = prefix_of.get(rests[stem], "")
        core = rests[stem].removeprefix(prefix)
        key = (folders, escape(prefix), escape(suffix_of.get(stem, "")), extension, "")
        members[key].append(File(image, parts, core, word))
    return [FileGroup(*key, files=tuple(files)) for key, files in members.items()]


def _constant_stems(files: Sequence[tuple[Parts, str]]) -> set[tuple[Parts, str]]:
    """Return the names that files have in every one of sibling folders: image, mask.

    With the folders' parent; such a name tells a role, and the folder's name is the picture's.
    """
    siblings: defaultdict[Parts, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for parts, stem in files:
        if parts:
            siblings[parts[:-1]][stem].add(parts[-1])
    constant: set[tuple[Parts, str]] = set()
    for parent, stems in siblings.items():
        names = set[str]().union(*stems.values())
        number = len(names)
        everywhere = all(len(folders) >= 0.8 * number for folders in stems.values())
        roles = any(map(sounds_like_role, stems)) and not any(map(_DIGIT.search, stems))
        apart = not any(map(sounds_like_role, names))  # the same names in images/ and labels/
        if number > 2 and 1 < len(stems) <= number and everywhere and roles and apart:
            constant |= {(parent, stem) for stem in stems}
    return constant


def _folder_patterns(
    folders: set[tuple[str, ...]],
) -> dict[tuple[str, ...], tuple[tuple[str, ...], str]]:
    """Return each folder's parts with ``{split}`` for a split's word, and the word."""
    children: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    for parts in folders:
        for depth, name in enumerate(parts):
            children[parts[:depth]].add(name)
    patterns: dict[tuple[str, ...], tuple[tuple[str, ...], str]] = {}
    for parts in folders:
        written: list[str] = []
        word = ""
        for depth, name in enumerate(parts):
            found = split_word(name)
            crowded = len(children[parts[:depth]]) > _FEW_SIBLINGS
            if found is None or (crowded and found[1] != name) or word not in ("", found[1]):
                written.append(escape(name))
                continue
            before, word, after = found
            written.append(f"{escape(before)}{{split}}{escape(after)}")
        patterns[parts] = tuple(written), word
    return patterns


def with_content(root: Path, group: FileGroup) -> FileGroup:
    """Look at a few files of a group."""
    seen = [look(root / file.path) for file in evenly(group.files, SAMPLES)]
    readable = [content for content in seen if content.kind != "unreadable"]
    if not readable:
        return group
    kind = _common_kind([content.kind for content in readable])
    files = ((str(number), content.colors) for number, content in enumerate(readable))
    if kind in ("ids", "binary") and find_conflict(files) is not None:
        return dataclasses.replace(group, content=Content("rgb", single=False))
    content = dataclasses.replace(
        next((one for one in readable if one.kind == kind), readable[0]),
        kind=kind,
        grey_in_color=all(one.grey_in_color for one in readable),
        alpha=any(one.alpha for one in readable),
        blurred=any(one.blurred for one in readable),
        largest=max(one.largest for one in readable),
    )
    return dataclasses.replace(group, content=content)


def with_losses(root: Path, group: FileGroup) -> FileGroup | None:
    """Look again at files that look like photographs: they may be labels saved as JPEGs.

    Returns:
        The group as one of colours; None if it is not.
    """
    if group.kind != "photo" or group.classes:
        return None
    if not all(are_lossy_colors(root / file.path) for file in evenly(group.files, SAMPLES)):
        return None
    return dataclasses.replace(group, content=Content("rgb", single=False, lossy=True))


def _common_kind(kinds: Sequence[Kind]) -> Kind:
    """Return the kind that fits all samples; a label may look like a mask by chance."""
    if 2 * kinds.count("photo") >= len(kinds):
        return "photo"
    labels = [kind for kind in kinds if kind != "photo"]
    if "rgb" in labels:
        return "rgb"
    if "ids" in labels:
        return "soft" if 2 * labels.count("soft") > len(labels) else "ids"
    return "soft" if "soft" in labels else "binary"
