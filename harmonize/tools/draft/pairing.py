"""Which files are the pictures and which their labels."""

from collections.abc import Sequence
from pathlib import Path

from harmonize.errors import HarmonizeError
from harmonize.tools.draft.content import KINDS
from harmonize.tools.draft.file_groups import Group
from harmonize.tools.draft.folder_layout import Layout, make_layout
from harmonize.tools.draft.merging import find_groups
from harmonize.tools.draft.name_words import label_rank, picture_rank

_MANY = 12  # groups shown
_MOST_TRIED = 60  # groups of labels, and of pictures


def find_layout(root: Path, images: list[str]) -> tuple[Layout, list[Group]]:
    """Return how pictures and labels lie, and the groups of files that are neither.

    Raises:
        HarmonizeError: nothing pairs up; says what was seen.
    """
    seen: list[Group] = []
    for with_prefixes in (False, True):
        best: tuple[Layout, list[Group]] | None = None
        for added in (False, True):
            groups = find_groups(root, images, with_prefixes=with_prefixes, added=added)
            seen = seen or groups
            layout = _best(groups)
            if layout is not None and (best is None or len(layout.pairs) > len(best[0].pairs)):
                taken = (layout.picture_group, layout.label_group)
                best = layout, [one for one in groups if all(one is not used for used in taken)]
            if best is not None and not best[1]:  # nothing is left over that could be paired
                break
        if best is not None:
            return best
    raise HarmonizeError(*_nothing_pairs(root, seen))


def _best(groups: Sequence[Group]) -> Layout | None:
    """Return the best pairing of a group of labels with a group of pictures."""
    photos = [group for group in groups if group.kind == "photo"]
    labels = [group for group in groups if group.kind not in ("photo", "unreadable")]
    if not photos:  # drawings look like labels; go by their names
        photos = [group for group in labels if picture_rank(group.name) > 0 and not group.classes]
        labels = [group for group in labels if picture_rank(group.name) <= 0]
    labels, photos = (
        sorted(groups, key=lambda group: -len(group.files))[:_MOST_TRIED]
        for groups in (labels, photos)
    )
    found: list[Layout] = []
    for label in labels:
        layouts = [make_layout(label, photo) for photo in photos]
        found += [layout for layout in layouts if layout is not None]
    if not found:
        return None
    most = max(len(layout.pairs) for layout in found)
    return max(found, key=lambda layout: _merit(layout, most))


def _merit(layout: Layout, most: int) -> tuple[float, ...]:
    """Rate a pairing: enough pairs first, then what the names and the pixels say."""
    label, picture = layout.label_group, layout.picture_group
    ranks = {"ids": 3, "rgb": 2, "soft": 1, "binary": 1}
    rank = ranks.get(label.kind, 0) + bool(label.classes)
    return (
        len(layout.pairs) >= 0.5 * most,
        min(label_rank(label.name), 0),
        rank,
        label_rank(label.name),
        picture_rank(picture.name),
        len(layout.pairs),
        -label.content.largest,
    )


def describe(group: Group) -> str:
    """Say in a few words what a group holds."""
    kind = KINDS[group.kind]
    if group.classes:
        kind = f"{kind}, one file for each of {len(group.classes)} classes"
    return f"{group.name}: {len(group.files)} files, {kind}"


def _nothing_pairs(root: Path, groups: Sequence[Group]) -> list[str]:
    kinds = {group.kind for group in groups}
    shown = sorted(groups, key=lambda group: -len(group.files))[:_MANY]
    lines = [f"{root}: {describe(group)}" for group in shown]
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
