"""Groups of files that differ in one folder or ending alone, joined where they play one role."""

import dataclasses
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Literal

from harmonize.system.progress import follow
from harmonize.tools.draft.draft_pixels import look
from harmonize.tools.draft.file_groups import (
    CLASS,
    SAMPLES,
    FileGroup,
    joined,
    leaf_groups,
    with_content,
)
from harmonize.tools.draft.name_words import are_annotators, sounds_like_role

_COUNTED_WORD = re.compile(r"[^\W\d_]{2,}[-_ (]$")
_ROLE_WORD = re.compile(r"(?i)label|mask|seg|gt|annot|truth|lbl|class|part|layer|object|instance")
_MOST_GROUPS = 1000
_LABELS = {"ids", "rgb", "binary", "soft"}


def find_groups(
    root: Path,
    images: list[str],
    *,
    with_prefixes: bool = False,
    added: bool = False,
    infixes: bool = False,
) -> list[FileGroup]:
    """Gather a folder's picture files into groups, and look at a few files of each.

    For the options see ``leaf_groups``.
    """
    groups = leaf_groups(images, with_prefixes=with_prefixes, added=added, infixes=infixes)
    for place in reversed(range(max(len(group.folders) for group in groups))):
        groups = _merge_folders(root, groups, place)
    groups = _merge_chains(root, groups)
    groups = sorted(groups, key=lambda group: -len(group.files))[:_MOST_GROUPS]
    followed = follow(groups, len(groups), "looking into files", "kinds")
    groups = _merge_extensions([with_content(root, group) for group in followed])
    return sorted(_merge_classes(groups), key=lambda group: group.name)


def _clusters(
    groups: Iterable[FileGroup], key: Callable[[FileGroup], Hashable]
) -> list[list[FileGroup]]:
    """Return the groups with the same key together."""
    clusters: defaultdict[Hashable, list[FileGroup]] = defaultdict(list)
    for group in groups:
        clusters[key(group)].append(group)
    return list(clusters.values())


def _merge_folders(root: Path, groups: list[FileGroup], place: int) -> list[FileGroup]:
    """Join the groups that differ in the folder at one place, where it is a variable."""

    def may_vary(group: FileGroup) -> bool:
        return len(group.folders) > place and "{split}" not in str(group.folders[place])

    named = _by_folder(groups)
    merged = [group for group in groups if not may_vary(group)]
    single: list[FileGroup] = []
    for cluster in _clusters(
        filter(may_vary, groups), lambda group: (_with(group, place, None), group.ending)
    ):
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
        fits = _shape(group, place) in shapes or any(_counts_on(group, one, place) for one in joint)
        folders = _with(group, place, None) if fits else group.folders
        merged.append(dataclasses.replace(group, folders=folders))
    return [_unite(cluster) for cluster in _clusters(merged, lambda g: (g.folders, g.ending))]


def _by_folder(groups: Iterable[FileGroup]) -> dict[str | None, list[FileGroup]]:
    """Return the groups below each folder's name."""
    named: defaultdict[str | None, list[FileGroup]] = defaultdict(list)
    for group in groups:
        for folder in {*group.folders}:
            named[folder].append(group)
    return named


def _merge_chains(root: Path, groups: list[FileGroup]) -> list[FileGroup]:
    """Join the groups that differ in several folders at once: ``patient01/2021-02-11``."""
    named = _by_folder(groups)
    merged = groups
    for lead in (0, 1, 2):  # the folders that a set's pictures and labels lie in
        clusters = _clusters(merged, lambda g: (len(g.folders), g.ending, g.folders[:lead]))  # noqa: B023
        merged = [group for cluster in clusters for group in _chain(root, cluster, named)]
    return merged


def _chain(
    root: Path, cluster: list[FileGroup], named: dict[str | None, list[FileGroup]]
) -> list[FileGroup]:
    """Join groups into one where several of their folders differ from group to group."""
    columns = list(zip(*(group.folders for group in cluster), strict=True))
    varying = [place for place, names in enumerate(columns) if len({*names}) > 1]
    texts = [name for place in varying for name in columns[place] if name]
    joins = (
        len(varying) > 1
        and len({*columns[varying[0]]}) == len(cluster)
        and not any("{split}" in text or sounds_like_role(text) for text in texts)
        and _role(root, cluster, varying[0], named) == "variable"
    )
    folders = [None if p in varying else name for p, name in enumerate(cluster[0].folders)]
    return [joined(cluster, folders=tuple(folders))] if joins else cluster


def _role(
    root: Path, cluster: list[FileGroup], place: int, named: dict[str | None, list[FileGroup]]
) -> Literal["variable", "class"] | None:
    """Say what the names of sibling folders with alike files are; None if each means something."""
    sample = cluster[:: max(1, len(cluster) // SAMPLES)][:SAMPLES]
    kinds = {look(root / group.files[len(group.files) // 2].path).kind for group in sample}
    kinds.discard("unreadable")
    if "photo" in kinds and len(kinds) > 1:
        return None
    folders = [named[group.folders[place]] for group in sample]
    if _disjoint(cluster) or all(_of_both_roles(root, groups) for groups in folders):
        return "variable"
    roles = any(sounds_like_role(str(group.folders[place])) for group in cluster)
    roles = roles or are_annotators([str(group.folders[place]) for group in cluster])
    return "class" if kinds and kinds <= {"binary", "soft"} and not roles else None


def _of_both_roles(root: Path, groups: list[FileGroup]) -> bool:
    """Say whether the groups hold photographs as well as labels."""
    kinds = {look(root / group.files[0].path).kind for group in groups[:8]}
    return "photo" in kinds and bool(kinds & _LABELS)


def _disjoint(cluster: Sequence[FileGroup]) -> bool:
    """Say whether hardly any file has the same id as one of another group."""
    ids = [{(file.split, file.core) for file in group.files} for group in cluster]
    return len({one for group in ids for one in group}) >= 0.8 * sum(map(len, ids))


def _merge_extensions(groups: list[FileGroup]) -> list[FileGroup]:
    """Join groups that differ in their extensions alone."""
    merged: list[FileGroup] = []
    for cluster in _clusters(
        groups, lambda g: (g.folders, g.prefix, g.suffix, g.infix, g.kind == "photo")
    ):
        if len(cluster) > 1 and _disjoint(cluster):
            largest = max(cluster, key=lambda group: len(group.files))
            merged.append(joined(cluster, extension=".*", content=largest.content))
        else:
            merged += cluster
    return merged


def _merge_classes(groups: list[FileGroup]) -> list[FileGroup]:
    """Join groups of masks that differ in their suffixes, each of which is a class."""

    def key(group: FileGroup) -> Hashable:
        may_be_class = group.content.single and group.suffix and not group.classes
        return (group.folders, group.prefix, group.extension) if may_be_class else id(group)

    merged: list[FileGroup] = []
    for cluster in _clusters(groups, key):
        merged += [_family(cluster)] if _is_family(cluster) else cluster
    return merged


def _is_family(cluster: list[FileGroup]) -> bool:
    masks = [group for group in cluster if group.kind in ("binary", "soft")]
    if len(cluster) < 2 or are_annotators([group.suffix for group in cluster]):
        return False
    if len(masks) == len(cluster) and len({_uncounted(group.suffix) for group in cluster}) == 1:
        return True  # several masks of one class
    if 3 * len(masks) < 2 * len(cluster) or _disjoint(cluster):
        return False
    return len(cluster) > 3 or not any(sounds_like_role(group.suffix) for group in cluster)


def _family(cluster: list[FileGroup]) -> FileGroup:
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
    after = _common_start([suffix[len(before) :][::-1] for suffix in suffixes])[::-1]
    after = re.sub(r"^[^_\-. ]*", "", after)  # from a separator on
    whole = before.rstrip("0123456789")
    texts = [suffix[len(whole) : len(suffix) - len(after)] for suffix in suffixes]
    if not all(text.isdecimal() for text in texts):
        whole = re.sub(r"[^_\-. ]*$", "", before)  # up to a separator
        texts = [suffix[len(whole) : len(suffix) - len(after)] for suffix in suffixes]
    word = _COUNTED_WORD.search(whole)
    if word and not _ROLE_WORD.search(word[0]) and all(text.isdecimal() for text in texts):
        whole = whole[: word.start()]  # tree-0 and tree-1 say what they are of
        texts = [word[0] + text for text in texts]
    return whole, texts, after


def _uncounted(suffix: str) -> str:
    """Return a suffix without the number at its end: that of ``_mask_1`` is ``_mask``."""
    return re.sub(r"(?<=[^\W\d_])[-_ (]+\d+\)?$", "", suffix)


def _counts_on(group: FileGroup, other: FileGroup, place: int) -> bool:
    """Say whether a group's names are those of another with a number, in one of its folders."""
    prefix, suffix, extension, infix = group.ending
    return (
        _uncounted(suffix) != suffix
        and other.ending == (prefix, _uncounted(suffix), extension, infix)
        and other.folders == _with(group, place, None)
    )


def _common_start(texts: list[str]) -> str:
    """Return the characters that all texts begin with."""
    same = takewhile(lambda letters: len({*letters}) == 1, zip(*texts, strict=False))
    return "".join(letters[0] for letters in same)


def _with(group: FileGroup, place: int, folder: str | None) -> tuple[str | None, ...]:
    return (*group.folders[:place], folder, *group.folders[place + 1 :])


def _shape(group: FileGroup, place: int) -> Hashable:
    """Return what groups share that lie equally deep and have the same part below a place."""
    return group.folders[:1], len(group.folders), group.folders[place + 1 :], group.ending


def _unite(cluster: list[FileGroup]) -> FileGroup:
    """Join groups that have come to the same pattern."""
    if len(cluster) == 1:
        return cluster[0]
    return joined(cluster, classes=dict(sum((Counter(g.classes) for g in cluster), Counter())))
