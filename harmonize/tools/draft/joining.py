"""Which label belongs to which picture, by what their paths share."""

from collections.abc import Callable, Hashable, Sequence

from harmonize.tools.draft.file_groups import File, Group
from harmonize.tools.draft.merging import class_of
from harmonize.tools.draft.name_words import canonical

MOST = 0.98
"""The share of files that a rule has to hold for."""

Pair = tuple[File, File]
"""A label and its picture."""
_Key = Callable[[File], Hashable]


def join(label: Group, picture: Group) -> list[Pair]:
    """Pair the files of two groups by their ids, and by their folders where ids recur.

    Of masks of several classes, one stands for all: the most common class's where there is one.
    """
    number = all(file.core.isascii() and file.core.isdecimal() for file in label.files)
    keys = [(_core(number), _core(number)), (_placed(label, number), _placed(picture, number))]
    keys += [(_in_split(one), _in_split(other)) for one, other in keys]
    common = most_common_class(label)
    labels = sorted(label.files, key=lambda file: class_of(label, file.path) != common)
    best: list[Pair] = []
    for label_key, picture_key in keys:
        pictures = {picture_key(file): file for file in picture.files}
        if len(pictures) < MOST * len(picture.files):  # several pictures have the same key
            continue
        found = _joined(labels, label_key, pictures)
        several = not label.classes and len({one.path for one, _ in found}) < MOST * sum(
            label_key(file) in pictures for file in labels
        )
        if not several and len(found) > len(best):
            best = found
    return best


def _joined(labels: Sequence[File], key: _Key, pictures: dict[Hashable, File]) -> list[Pair]:
    """Give each picture the first label with its key."""
    found: dict[Hashable, Pair] = {}
    for file in labels:
        if key(file) in pictures:
            found.setdefault(key(file), (file, pictures[key(file)]))
    return list(found.values())


def _core(number: bool) -> _Key:
    def key(file: File) -> Hashable:
        decimal = number and file.core.isascii() and file.core.isdecimal()
        return int(file.core) if decimal else file.core

    return key


def _placed(group: Group, number: bool) -> _Key:
    places, core = group.variables(), _core(number)
    return lambda file: (tuple(file.folders[place] for place in places), core(file))


def _in_split(key: _Key) -> _Key:
    return lambda file: (canonical(file.split), key(file))


def most_common_class(label: Group) -> str:
    """Return the class with the most masks; empty for labels that are no masks of classes."""
    return max(label.classes, key=lambda name: label.classes[name], default="")


def num_ids(group: Group) -> int:
    """Return how many pictures a group of labels speaks of."""
    return (
        len({(*file.folders, file.core) for file in group.files})
        if group.classes
        else len(group.files)
    )
