"""Groups of files that differ in one folder or ending alone, joined where they play one role."""

import dataclasses
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from harmonize.tools.draft.content import look
from harmonize.tools.draft.file_groups import Group, joined, leaf_groups, with_content
from harmonize.tools.draft.name_words import sounds_like_role

CLASS = "{class}"
_SAMPLES = 6
_MOST_GROUPS = 1000
_FLAT = ("ids", "rgb", "binary", "soft")


def find_groups(
    root: Path, images: list[str], *, with_prefixes: bool = False, added: bool = False
) -> list[Group]:
    """Gather a folder's picture files into groups, and look at a few files of each.

    For the options see ``leaf_groups``.
    """
    groups = leaf_groups(images, with_prefixes=with_prefixes, added=added)
    deepest = max(len(group.folders) for group in groups)
    for place in reversed(range(deepest)):
        groups = _merge_folders(root, groups, place)
    groups = sorted(groups, key=lambda group: -len(group.files))[:_MOST_GROUPS]
    groups = [with_content(root, group) for group in groups]
    groups = _merge_extensions(groups)
    groups = _merge_classes(groups)
    return sorted(groups, key=lambda group: group.name)


def _merge_folders(root: Path, groups: list[Group], place: int) -> list[Group]:
    """Join the groups that differ in the folder at one place, where it is a variable."""
    named: defaultdict[str, list[Group]] = defaultdict(list)
    clusters: defaultdict[tuple[object, ...], list[Group]] = defaultdict(list)
    merged: list[Group] = []
    for group in groups:
        for folder in {*group.folders} - {None}:
            named[str(folder)].append(group)
        if len(group.folders) > place and "{split}" not in (group.folders[place] or "{split}"):
            clusters[_pattern(group, place)].append(group)
        else:
            merged.append(group)
    single: list[Group] = []
    for cluster in clusters.values():
        role = _role(root, cluster, place, named) if len(cluster) > 1 else None
        if len(cluster) == 1:
            single += cluster
        elif role is None:
            merged += cluster
        elif role == "class":
            names = {str(g.folders[place]): len(g.files) for g in cluster}
            merged.append(joined(cluster, folders=_with(cluster[0], place, CLASS), classes=names))
        else:
            merged.append(joined(cluster, folders=_with(cluster[0], place, None)))
    joint = [group for group in merged if group.folders[place : place + 1] == (None,)]
    shapes = {_shape(group, place) for group in joint}
    for group in single:  # the only city of a split is one among cities
        fits = _shape(group, place) in shapes
        folders = _with(group, place, None) if fits else group.folders
        merged.append(dataclasses.replace(group, folders=folders))
    return _unite(merged)


def _role(
    root: Path, cluster: list[Group], place: int, named: dict[str, list[Group]]
) -> Literal["variable", "class"] | None:
    """Say what the names of sibling folders with alike files are; None if each means something."""
    sample = cluster[:: max(1, len(cluster) // _SAMPLES)][:_SAMPLES]
    kinds = {look(root / group.files[len(group.files) // 2].path).kind for group in sample}
    kinds.discard("unreadable")
    if "photo" in kinds and len(kinds) > 1:
        return None
    if _disjoint(cluster):
        return "variable"
    if _of_both_roles(root, sample, place, named):
        return "variable"
    roles = any(sounds_like_role(str(group.folders[place])) for group in cluster)
    return "class" if kinds and kinds <= {"binary", "soft"} and not roles else None


def _of_both_roles(
    root: Path, sample: list[Group], place: int, named: dict[str, list[Group]]
) -> bool:
    """Say whether folders of these names hold photographs as well as labels."""
    for group in sample:
        others = named[str(group.folders[place])][:8]
        kinds = {look(root / other.files[0].path).kind for other in others}
        if "photo" not in kinds or not kinds & {*_FLAT}:
            return False
    return True


def _disjoint(cluster: Sequence[Group]) -> bool:
    """Say whether hardly any file has the same id as one of another group."""
    ids = [{(file.split, file.core) for file in group.files} for group in cluster]
    total = sum(len(one) for one in ids)
    return len(frozenset[tuple[str, str]]().union(*ids)) >= 0.8 * total


def _merge_extensions(groups: list[Group]) -> list[Group]:
    """Join groups that differ in their extensions alone."""
    clusters: defaultdict[tuple[object, ...], list[Group]] = defaultdict(list)
    for group in groups:
        alike = "photo" if group.kind == "photo" else "flat"
        clusters[group.folders, group.prefix, group.suffix, alike].append(group)
    merged: list[Group] = []
    for cluster in clusters.values():
        if len(cluster) > 1 and _disjoint(cluster):
            largest = max(cluster, key=lambda group: len(group.files))
            merged.append(joined(cluster, extension=".*", content=largest.content))
        else:
            merged += cluster
    return merged


def _merge_classes(groups: list[Group]) -> list[Group]:
    """Join groups of masks that differ in their suffixes, each of which is a class."""
    clusters: defaultdict[tuple[object, ...], list[Group]] = defaultdict(list)
    for group in groups:
        single = group.content.single and group.suffix and not group.classes
        key = (group.folders, group.prefix, group.extension)
        clusters[key if single else (id(group),)].append(group)
    merged: list[Group] = []
    for cluster in clusters.values():
        merged += [_family(cluster)] if _is_family(cluster) else cluster
    return merged


def _is_family(cluster: list[Group]) -> bool:
    masks = [group for group in cluster if group.kind in ("binary", "soft")]
    if len(cluster) < 2 or 3 * len(masks) < 2 * len(cluster) or _disjoint(cluster):
        return False
    return len(cluster) > 3 or not any(sounds_like_role(group.suffix) for group in cluster)


def _family(cluster: list[Group]) -> Group:
    """Join the masks of all classes into one group with the field ``{class}``."""
    before, texts, after = class_texts([group.suffix for group in cluster])
    soft = sum(group.kind == "soft" for group in cluster)
    content = next(group.content for group in cluster if group.kind in ("binary", "soft"))
    kind = "soft" if 2 * soft >= len(cluster) else "binary"
    return joined(
        cluster,
        suffix=f"{before}{CLASS}{after}",
        classes={text: len(g.files) for text, g in zip(texts, cluster, strict=True)},
        content=dataclasses.replace(content, kind=kind),
    )


def class_texts(suffixes: list[str]) -> tuple[str, list[str], str]:
    """Part suffixes into what comes before the class, each one's class, and what comes after it."""
    before = _common_start(suffixes)
    rests = [suffix[len(before) :] for suffix in suffixes]
    after = _common_start([rest[::-1] for rest in rests])[::-1]
    after = re.sub(r"^[^_\-. ]*", "", after)  # from a separator on
    whole = before.rstrip("0123456789")
    texts = [suffix[len(whole) : len(suffix) - len(after)] for suffix in suffixes]
    if not all(text.isdecimal() for text in texts):
        whole = re.sub(r"[^_\-. ]*$", "", before)  # up to a separator
        texts = [suffix[len(whole) : len(suffix) - len(after)] for suffix in suffixes]
    return whole, texts, after


def _common_start(texts: list[str]) -> str:
    """Return the characters that all texts begin with."""
    first, last = min(texts), max(texts)
    same = (place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
    return first[: next(same, min(len(first), len(last)))]


def _with(group: Group, place: int, folder: str | None) -> tuple[str | None, ...]:
    return (*group.folders[:place], folder, *group.folders[place + 1 :])


def _pattern(group: Group, place: int) -> tuple[object, ...]:
    """Return what groups share that differ at one place alone."""
    return (_with(group, place, None), group.prefix, group.suffix, group.extension)


def _shape(group: Group, place: int) -> tuple[object, ...]:
    """Return what groups share that lie equally deep and have the same part below a place."""
    ending = (group.prefix, group.suffix, group.extension)
    return (group.folders[:1], len(group.folders), group.folders[place + 1 :], ending)


def _unite(groups: list[Group]) -> list[Group]:
    """Join the groups that have come to the same pattern."""
    clusters: defaultdict[tuple[object, ...], list[Group]] = defaultdict(list)
    for group in groups:
        key = (group.folders, group.prefix, group.suffix, group.extension)
        clusters[key].append(group)
    united: list[Group] = []
    for cluster in clusters.values():
        counted: dict[str, int] = {}
        for group in cluster:
            for name, count in group.classes.items():
                counted[name] = counted.get(name, 0) + count
        united.append(joined(cluster, classes=counted) if len(cluster) > 1 else cluster[0])
    return united


def class_of(group: Group, path: str) -> str:
    """Return the text of ``{class}`` in a file's path; empty if the group has none."""
    if CLASS in group.folders:
        return path.split("/")[group.folders.index(CLASS)]
    before, marked, after = group.suffix.partition(CLASS)
    if not marked:
        return ""
    stem = path.rpartition("/")[2].rpartition(".")[0].removesuffix(after)
    names = [name for name in group.classes if stem.endswith(before + name)]
    return max(names, key=len, default="")
