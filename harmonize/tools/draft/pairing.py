"""Which files are the pictures, which their labels, and which label belongs to which picture."""

from collections.abc import Hashable, Sequence
from itertools import product
from pathlib import Path

from harmonize.errors import HarmonizeError
from harmonize.tools.draft.file_groups import File, Group
from harmonize.tools.draft.folder_templates import MOST, FilePair, FolderLayout, make_layout
from harmonize.tools.draft.group_merging import find_groups
from harmonize.tools.draft.name_words import canonical, is_number, label_rank, picture_rank

_MANY = 12  # groups shown
_MOST_TRIED = 60  # groups of labels, and of pictures
_KIND_RANKS = {"ids": 3, "rgb": 2, "soft": 1, "binary": 1}


def find_layout(root: Path, images: list[str]) -> tuple[FolderLayout, list[Group]]:
    """Return how pictures and labels lie, and the groups of files that are neither.

    Raises:
        HarmonizeError: nothing pairs up; says what was seen.
    """
    seen: list[Group] = []
    for with_prefixes in (False, True):
        best: tuple[FolderLayout, list[Group]] | None = None
        for added in (False, True):
            groups = find_groups(root, images, with_prefixes=with_prefixes, added=added)
            seen = seen or groups
            layout = _best(groups)
            if layout is not None and (best is None or len(layout.pairs) > len(best[0].pairs)):
                used = {id(layout.picture_group), id(layout.label_group)}
                best = layout, [group for group in groups if id(group) not in used]
            if best is not None and not best[1]:  # nothing is left over that could be paired
                break
        if best is not None:
            return best
    raise HarmonizeError(*_nothing_pairs(root, seen))


def _best(groups: Sequence[Group]) -> FolderLayout | None:
    """Return the best pairing of a group of labels with a group of pictures."""
    photos = [group for group in groups if group.kind == "photo"]
    labels = [group for group in groups if group.kind not in ("photo", "unreadable")]
    if not photos:  # drawings look like labels; go by their names
        photos = [group for group in labels if picture_rank(group.name) > 0 and not group.classes]
        labels = [group for group in labels if picture_rank(group.name) <= 0]
    labels, photos = (
        sorted(some, key=lambda group: -len(group.files))[:_MOST_TRIED] for some in (labels, photos)
    )
    layouts = (
        make_layout(label, photo, join(label, photo)) for label, photo in product(labels, photos)
    )
    found = [layout for layout in layouts if layout is not None]
    most = max((len(layout.pairs) for layout in found), default=0)
    return max(found, key=lambda layout: _merit(layout, most), default=None)


def _merit(layout: FolderLayout, most: int) -> tuple[float, ...]:
    """Rate a pairing: enough pairs first, then what the names and the pixels say."""
    label, picture = layout.label_group, layout.picture_group
    return (
        len(layout.pairs) >= 0.5 * most,
        min(label_rank(label.name), 0),
        _KIND_RANKS.get(label.kind, 0) + bool(label.classes),
        label_rank(label.name),
        picture_rank(picture.name),
        len(layout.pairs),
        -label.content.largest,
    )


def join(label: Group, picture: Group) -> list[FilePair]:
    """Pair the files of two groups by their ids, and by their folders where ids recur.

    Of masks of several classes, one stands for all: the most common class's where there is one.
    """
    numbered = all(is_number(file.core) for file in label.files)
    common = label.most_common_class
    labels = sorted(label.files, key=lambda file: label.class_of(file.path) != common)

    def key(group: Group, file: File, *, by_split: bool, by_folder: bool) -> Hashable:
        return (
            int(file.core) if numbered and is_number(file.core) else file.core,
            tuple(file.folders[place] for place in group.variables) if by_folder else (),
            canonical(file.split) if by_split else "",
        )

    best: list[FilePair] = []
    for by_split, by_folder in product((False, True), repeat=2):
        rule = {"by_split": by_split, "by_folder": by_folder}
        pictures = {key(picture, file, **rule): file for file in picture.files}
        if len(pictures) < MOST * len(picture.files):  # several pictures have the same key
            continue
        keyed = [(key(label, file, **rule), file) for file in labels]
        keyed = [(own, file) for own, file in keyed if own in pictures]
        firsts: dict[Hashable, File] = {}
        for own, file in keyed:
            firsts.setdefault(own, file)
        several = not label.classes and len(firsts) < MOST * len(keyed)
        if not several and len(firsts) > len(best):
            best = [(file, pictures[own]) for own, file in firsts.items()]
    return best


def _nothing_pairs(root: Path, groups: Sequence[Group]) -> list[str]:
    kinds = {group.kind for group in groups}
    shown = sorted(groups, key=lambda group: -len(group.files))[:_MANY]
    lines = [f"{root}: {group.describe()}" for group in shown]
    if len(groups) > _MANY:
        lines.append(f"{root}: and {len(groups) - _MANY} more kinds of file")
    if kinds == {"unreadable"}:
        return [*lines, f"{root}: no picture can be read; check the files"]
    if "photo" not in kinds:
        reason = "none of these look like photographs; name the folder that holds them as well"
    elif kinds <= {"photo", "unreadable"}:
        reason = (
            "none of these look like labels (ids, colours or masks in a lossless file); name the "
            "folder that holds them as well"
        )
    else:
        reason = (
            "no labels have the names of the photographs; give a picture and its label the same "
            "name but for a common ending or beginning, or write the mapping by hand"
        )
    return [*lines, f"{root}: nothing pairs up: {reason}"]
