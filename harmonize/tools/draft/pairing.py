"""Which files are the pictures, which their labels, and which label belongs to which picture."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from harmonize.errors import HarmonizeError
from harmonize.plurals import counted
from harmonize.tools.draft.file_groups import FileGroup, with_losses
from harmonize.tools.draft.folder_templates import MOST, FilePair, FolderLayout, make_layout
from harmonize.tools.draft.group_merging import find_groups
from harmonize.tools.draft.name_words import canonical, is_number, label_rank, picture_rank
from harmonize.tools.draft.rivals import find_rivals

_MANY = 12  # groups shown
_MOST_TRIED = 60  # groups of labels, and of pictures
_KIND_RANKS = {"ids": 3, "rgb": 2, "soft": 1, "binary": 1}


@dataclass(frozen=True)
class Only:
    """Where the user says that the labels and the pictures lie: folders with a slash, or None."""

    labels: str | None = None
    images: str | None = None

    def keep(self, paths: list[str]) -> list[str]:
        """Return the files that may be either."""
        if self.labels is None or self.images is None:
            return paths
        return [path for path in paths if path.startswith((self.labels, self.images))]

    def part(self, groups: Sequence[FileGroup]) -> tuple[list[FileGroup], list[FileGroup]]:
        """Part groups into those that may be labels and pictures; what is named needs no look."""
        readable = [group for group in groups if group.kind != "unreadable"]
        labels = [g for g in readable if self._fits(self.labels, g, photo=False)]
        photos = [g for g in readable if self._fits(self.images, g, photo=True)]
        if self.labels is not None and self.images is None:
            photos = [g for g in photos if not g.files[0].path.startswith(self.labels)]
        if self.labels is None:
            labels = self.unnamed(labels)
        return labels, photos

    def unnamed(self, groups: Sequence[FileGroup]) -> list[FileGroup]:
        """Return the groups that are not named as pictures."""
        if self.images is None:
            return list(groups)
        return [group for group in groups if not group.files[0].path.startswith(self.images)]

    @staticmethod
    def _fits(folder: str | None, group: FileGroup, *, photo: bool) -> bool:
        if folder is None:
            return (group.kind == "photo") == photo
        return all(file.path.startswith(folder) for file in group.files)


def find_layout(
    root: Path, images: list[str], only: Only = Only()
) -> tuple[FolderLayout, list[FolderLayout], list[FileGroup]]:
    """Return how pictures and labels lie, how else they may, and the files that are neither.

    Raises:
        HarmonizeError: nothing pairs up; says what was seen.
    """
    images = only.keep(images)
    if not images:
        raise HarmonizeError(f"{root}: no pictures in {only.labels} and {only.images}")
    found = _search(root, images, only, lossy=False)
    if found.best is None:  # JPEGs are labels only where nothing else is
        found = _search(root, images, only, lossy=True)
    if found.best is None:
        raise HarmonizeError(*_nothing_pairs(root, found.seen))
    return found.best, find_rivals(root, found.best, found.layouts), found.rest


@dataclass
class _Found:
    """What pairs up: the best pairing, all there are, the groups beside the best, and all seen."""

    best: FolderLayout | None = None
    layouts: list[FolderLayout] = field(default_factory=list[FolderLayout])
    rest: list[FileGroup] = field(default_factory=list[FileGroup])
    seen: list[FileGroup] = field(default_factory=list[FileGroup])


def _search(root: Path, images: list[str], only: Only, *, lossy: bool) -> _Found:
    """Group files in ever more ways until a group of labels pairs up with one of pictures."""
    all_found = _Found()
    for with_prefixes, infixes in ((False, False), (True, False), (False, True)):
        for added in (False, True):
            groups = find_groups(
                root, images, with_prefixes=with_prefixes, added=added, infixes=infixes
            )
            all_found.seen = all_found.seen or groups
            layout, found = _best(root, groups, only, lossy=lossy)
            all_found.layouts += found
            best = all_found.best
            if layout is not None and (best is None or len(layout.pairs) > len(best.pairs)):
                used = layout.picture_group.files, layout.label_group.files
                all_found.best = layout
                all_found.rest = [group for group in groups if group.files not in used]
            if all_found.best is not None and not all_found.rest:
                break  # nothing is left over that could be paired
        if all_found.best is not None and (not all_found.rest or not with_prefixes):
            break
    return all_found


def _best(
    root: Path, groups: Sequence[FileGroup], only: Only, *, lossy: bool
) -> tuple[FolderLayout | None, list[FolderLayout]]:
    """Return the best pairing of a group of labels with a group of pictures, and all there are."""
    labels, photos = only.part(groups)
    if only.labels is not None:
        labels = [with_losses(root, group) or group for group in labels]
    elif lossy:
        known = {
            id(group): found
            for group in only.unnamed(groups)
            if label_rank(group.name) > 0 and (found := with_losses(root, group)) is not None
        }
        labels += known.values()
        photos = [group for group in photos if id(group) not in known]
    if not photos:  # drawings look like labels; go by their names
        photos = [group for group in labels if picture_rank(group.name) > 0 and not group.classes]
        labels = [group for group in labels if picture_rank(group.name) <= 0]
    labels, photos = (
        sorted(some, key=lambda group: -len(group.files))[:_MOST_TRIED] for some in (labels, photos)
    )
    keys = _Keys()
    layouts = (
        make_layout(label, photo, join(label, photo, keys))
        for label, photo in product(labels, photos)
    )
    found = [layout for layout in layouts if layout is not None]
    most = max((len(layout.pairs) for layout in found), default=0)
    return max(found, key=lambda layout: _merit(layout, most), default=None), found


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


def join(label: FileGroup, picture: FileGroup, keys: "_Keys | None" = None) -> list[FilePair]:
    """Pair the files of two groups by their ids, and by their folders where ids recur.

    Of masks of several classes, one stands for all: the most common class's where there is one.
    """
    keys = keys or _Keys()
    numbered = keys.are_numbers(label)
    common = label.most_common_class
    order = sorted(
        range(len(label.files)), key=lambda place: label.class_of(label.files[place].path) != common
    )
    best: list[FilePair] = []
    for by_split, by_folder in product((False, True), repeat=2):
        rule = numbered, by_split, by_folder
        pictures = keys.places(picture, rule)
        if len(pictures) < MOST * len(picture.files):  # several pictures have the same key
            continue
        own = keys.of(label, rule)
        if len(keys.places(label, rule).keys() & pictures.keys()) <= len(best):
            continue
        firsts: dict[Hashable, int] = {}
        count = 0
        for place in order:
            if own[place] in pictures:
                count += 1
                firsts.setdefault(own[place], place)
        several = not label.classes and len(firsts) < MOST * count
        if not several and len(firsts) > len(best):
            best = [(label.files[p], picture.files[pictures[key]]) for key, p in firsts.items()]
    return best


class _Keys:
    """What files of groups are paired by, found once for each group and rule."""

    def __init__(self) -> None:
        self._keys: dict[Hashable, list[Hashable]] = {}
        self._places: dict[Hashable, dict[Hashable, int]] = {}
        self._numbers: dict[int, bool] = {}

    def are_numbers(self, group: FileGroup) -> bool:
        """Say whether all ids of a group are numbers."""
        if id(group) not in self._numbers:
            self._numbers[id(group)] = all(is_number(file.core) for file in group.files)
        return self._numbers[id(group)]

    def of(self, group: FileGroup, rule: tuple[bool, bool, bool]) -> list[Hashable]:
        """Return the key of each file: its id, as a number if asked; its split; its folders."""
        numbered, by_split, by_folder = rule
        where = id(group), rule
        if where not in self._keys:
            variables = group.variables if by_folder else []
            self._keys[where] = [
                (
                    int(file.core) if numbered and is_number(file.core) else file.core,
                    tuple(file.folders[place] for place in variables),
                    canonical(file.split) if by_split else "",
                )
                for file in group.files
            ]
        return self._keys[where]

    def places(self, group: FileGroup, rule: tuple[bool, bool, bool]) -> dict[Hashable, int]:
        """Return the place of the last file with each key."""
        where = id(group), rule
        if where not in self._places:
            self._places[where] = {key: place for place, key in enumerate(self.of(group, rule))}
        return self._places[where]


def _nothing_pairs(root: Path, groups: Sequence[FileGroup]) -> list[str]:
    kinds = {group.kind for group in groups}
    shown = sorted(groups, key=lambda group: -len(group.files))[:_MANY]
    lines = [f"{root}: {group.describe()}" for group in shown]
    if len(groups) > _MANY:
        more = counted(len(groups) - _MANY, "more kind", "more kinds")
        lines.append(f"{root}: and {more} of file")
    if kinds == {"unreadable"}:
        return [*lines, f"{root}: no picture can be read; check the files"]
    if "photo" not in kinds:
        reason = "none of these look like photographs; name the folder that holds them as well"
    elif kinds <= {"photo", "unreadable"}:
        reason = (
            "none of these look like labels (ids, colours or masks in a lossless file, or colours "
            "in JPEGs in a folder called labels); name the folder that holds them as well"
        )
    else:
        reason = (
            "no labels have the names of the photographs; give a picture and its label the same "
            "name but for a common ending or beginning, or write the mapping by hand"
        )
    return [*lines, f"{root}: nothing pairs up: {reason}"]
