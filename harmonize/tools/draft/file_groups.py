"""Picture files gathered by what their paths have in common."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from harmonize.tools.draft.affixes import shared_affixes
from harmonize.tools.draft.content import Content, Kind, look
from harmonize.tools.draft.name_words import split_word

_FEW_SIBLINGS = 12
"""Among more folders than these a split's word counts only if it is the whole name."""
_SAMPLES = 6


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
class Group:
    """Files whose paths follow one pattern.

    Attributes:
        folders: the text of each folder in a template; None where it varies.
        prefix, suffix: what stems begin and end with, as the text of a template.
        extension: with its dot; ``.*`` where it varies.
        files: the files; with classes, those of all of them.
        classes: the texts of the field ``{class}`` with the number of files of each.
        content: what a few of the files look like.
    """

    folders: tuple[str | None, ...]
    prefix: str
    suffix: str
    extension: str
    files: tuple[File, ...] = field(repr=False)
    classes: dict[str, int] = field(default_factory=dict[str, int])
    content: Content = field(default_factory=lambda: Content("unreadable"))

    @property
    def kind(self) -> Kind:
        """What the files look like."""
        return self.content.kind

    @property
    def name(self) -> str:
        """The pattern for people: varying parts are written ``*``."""
        stem = f"{self.prefix}*{self.suffix}{self.extension}"
        return "/".join([*(folder or "*" for folder in self.folders), stem])

    def variables(self) -> list[int]:
        """Return the positions of the folders that vary."""
        return [place for place, folder in enumerate(self.folders) if folder is None]


def escape(text: str) -> str:
    """Write text so that a template takes it as it is."""
    return text.replace("{", "{{").replace("}", "}}")


def leaf_groups(
    images: Iterable[str], *, with_prefixes: bool = False, added: bool = False
) -> list[Group]:
    """Gather files that lie in the same folder, but for the split, and end alike.

    Args:
        images: their paths.
        with_prefixes: and begin alike.
        added: take for endings only what is added to other files' names.
    """
    paths = [PurePosixPath(image) for image in images]
    stems = [(str(path.parent), path.stem) for path in paths]
    suffix_of = shared_affixes(stems, first=False, added=added)
    rests = {path.stem: path.stem.removesuffix(suffix_of.get(path.stem, "")) for path in paths}
    prefix_of: dict[str, str] = {}
    if with_prefixes:
        named = [(str(path.parent), rests[path.stem]) for path in paths]
        prefix_of = shared_affixes(named, first=True)
    patterns = _folder_patterns({path.parts[:-1] for path in paths})
    members: defaultdict[tuple[tuple[str, ...], str, str, str], list[File]] = defaultdict(list)
    for path in paths:
        folders, word = patterns[path.parts[:-1]]
        prefix = prefix_of.get(rests[path.stem], "")
        core = rests[path.stem].removeprefix(prefix)
        suffix = suffix_of.get(path.stem, "")
        key = (folders, escape(prefix), escape(suffix), path.suffix)
        members[key].append(File(str(path), path.parts[:-1], core, word))
    return [Group(*key, files=tuple(files)) for key, files in members.items()]


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


def joined(groups: Sequence[Group], **changes: object) -> Group:
    """Join groups into one, which takes the first one's pattern but for the changes."""
    files = tuple(sorted((f for g in groups for f in g.files), key=lambda file: file.path))
    return dataclasses.replace(groups[0], files=files, **changes)


def evenly(items: Sequence[File], number: int) -> list[File]:
    """Return up to so many items, evenly spaced."""
    if len(items) <= number:
        return list(items)
    return [items[place * len(items) // number] for place in range(number)]


def with_content(root: Path, group: Group) -> Group:
    """Look at a few files of a group."""
    seen = [look(root / file.path) for file in evenly(group.files, _SAMPLES)]
    readable = [content for content in seen if content.kind != "unreadable"]
    if not readable:
        return group
    kind = _common_kind([content.kind for content in readable])
    content = next((one for one in readable if one.kind == kind), readable[0])
    content = dataclasses.replace(
        content,
        kind=kind,
        grey_in_color=all(one.grey_in_color for one in readable),
        alpha=any(one.alpha for one in readable),
        blurred=any(one.blurred for one in readable),
        largest=max(one.largest for one in readable),
    )
    return dataclasses.replace(group, content=content)


def _common_kind(kinds: Sequence[Kind]) -> Kind:
    """Return the kind that fits all samples; a label may look like a mask by chance."""
    photos = kinds.count("photo")
    if photos:
        return (
            "photo"
            if 2 * photos >= len(kinds)
            else _common_kind([k for k in kinds if k != "photo"])
        )
    if "rgb" in kinds:
        return "rgb"
    if "ids" in kinds:
        return "soft" if 2 * kinds.count("soft") > len(kinds) else "ids"
    return "soft" if "soft" in kinds else "binary"
