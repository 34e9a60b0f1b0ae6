"""The classes of a draft: their names, what stands for them, and what is known of them."""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from harmonize.labels.encodings import ENCODINGS
from harmonize.labels.formula import MAX_ID
from harmonize.tools.draft.class_tables import FoundClasses
from harmonize.tools.draft.folder_templates import FolderLayout
from harmonize.tools.draft.label_values import LabelScan, LabelValue
from harmonize.tools.draft.name_words import sounds_like_role

_COUNTED = re.compile(r"(.*[^\W\d_])([-_ (]+)\d+\)?")
"""A word, what parts it from a number, and the number."""
_LISTED = 8
"""Masks of a class beyond which a pattern is written."""
_EXPLAINED = 0.9
"""The share of the ids, or of the pixels where a file gives ids, that it has to name."""
_COLORED = 0.5
"""The share of the pixels whose colours it has to name: two data sets rarely share colours."""
_ROOM = (255, 9999, 65535, MAX_ID)
"""Last ids that are left to labels that were not read."""
VOID_ID = 255
_USUAL_IDS = frozenset((0, VOID_ID))
_USUAL_COLORS = frozenset((0, 0xFFFFFF))
"""What often marks pixels of no class, black and white among colours."""
_FEWEST_LABELS = 3
_MOSTLY = 0.7
_THIRDS = ("upper third", "middle", "lower third")
_VOID_NAME = re.compile(r"(?i)\b(void|ignored?|unlabell?ed|unknown|unclassified|undefined)\b")


@dataclass(frozen=True)
class ClassDraft:
    """A class as the mapping will write it.

    Attributes:
        name: its name.
        value: an id, a colour as text, the texts of its masks, or None for what no mask covers.
        note: where the name is from, and how much of the class there is.
        named: whether the data set gives the name; else it is made up.
        void: why it may be void; empty if nothing says so.
        question: what has to be answered before its name can be trusted; empty if nothing.
    """

    name: str
    value: int | str | list[str] | None
    note: str
    named: bool
    void: str = ""
    question: str = ""


def draft_classes(
    layout: FolderLayout, scan: LabelScan, tables: Sequence[FoundClasses]
) -> tuple[list[ClassDraft], list[str]]:
    """Name the values of the labels, by the data set's own files where one explains them.

    Returns:
        The classes, and what the user should know about them.
    """
    encoding = layout.label_group.encoding
    if encoding == "masks":
        return _from_masks(layout, scan), []
    found = {int(key): value.pixels for key, value in scan.values.items()}
    names = best_table(tables, found, colors=encoding == "rgb")
    if encoding == "ids" and scan.are_instances and not names.names:
        return _instances(scan), []
    classes = _from_values(scan, names.names, names.source, encoding=encoding)
    if names.doubt:  # one that is open keeps all from being trained on
        first = next(place for place, one in enumerate(classes) if one.value == min(found))
        question = f"is {min(found)} {classes[first].name}? See above `classes`"
        classes[first] = dataclasses.replace(classes[first], question=question)
    return classes, list(filter(None, (names.doubt, names.unused, instances(scan, encoding))))


def instances(scan: LabelScan, encoding: str) -> str:
    """Say that the values of labels look like those of segments or instances; empty if not."""
    usual = _USUAL_COLORS if encoding == "rgb" else _USUAL_IDS
    values = [value for key, value in scan.values.items() if key not in usual]
    alone = sum(value.files == 1 for value in values)
    many = scan.files >= _FEWEST_LABELS and len(values) >= 2 * scan.files
    if not many or alone < _EXPLAINED * len(values):
        return ""
    kind = "colours" if encoding == "rgb" else "ids"
    return (
        f"{alone} of {len(values)} {kind} are in one label alone: segment or instance ids, not "
        "classes; look for other label files, which say the class of each pixel"
    )


@dataclass(frozen=True)
class TableNames:
    """What a file of the data set calls the values of the labels.

    Attributes:
        names: by value.
        source: the file.
        doubt: how else it can be read; empty if in no other way.
        unused: which file names some of the values, but too few; empty if none does.
    """

    names: dict[int, str] = field(default_factory=dict[int, str])
    source: str = ""
    doubt: str = ""
    unused: str = ""


def best_table(
    tables: Sequence[FoundClasses], found: Mapping[int, int], *, colors: bool
) -> TableNames:
    """Return the names of the file that explains the values found best; none if none does.

    Args:
        tables: of the data set's files.
        found: how many pixels have each value.
        colors: whether the values are colours.
    """
    options: list[tuple[tuple[float, ...], TableNames]] = []
    unused: list[tuple[int, str]] = []
    for table in tables:
        both = table.by_position and not colors
        from_1 = max(found, default=0) == len(table.entries) or 0 not in found
        for shift in (0, 1) if both and from_1 else (0,):
            names = _names(table, found, shift=shift, colors=colors)
            explained, enough = _explained(names, found, table, colors=colors)
            known = len(names.keys() & found.keys())
            if explained >= enough:
                shifted = " (lines from 1)" if shift else ""
                without = len(names) - known
                rank = (explained, known * colors, -shift, not table.by_position, -without)
                sure = explained == 1
                doubt = _doubt(table, found.keys(), shift=shift) if both and sure else ""
                options.append((rank, TableNames(names, f"{table.path}{shifted}", doubt)))
            elif known > 1 and (colors or 2 * known >= len(found)):
                kind = "colours" if colors else "ids"
                told = f"not used: {table.path}: names {known} of {len(found)} {kind} of the labels"
                unused.append((known, told))
    if options:
        return max(options, key=lambda option: option[0])[1]
    return TableNames(unused=max(unused, default=(0, ""))[1])


def _names(
    table: FoundClasses, found: Mapping[int, int], *, shift: int, colors: bool
) -> dict[int, str]:
    """Return what a file calls each value, its ids moved on by the shift."""
    names: dict[int, str] = {}
    for entry in table.entries:
        key = entry.color if colors else entry.id
        if key is not None and (key >= 0 or key in found):
            names.setdefault(key + shift, entry.name)
    return names


def _explained(
    names: Mapping[int, str], found: Mapping[int, int], table: FoundClasses, *, colors: bool
) -> tuple[float, float]:
    """Return the share of the values or pixels that a file names, and the share that is enough."""
    usual = _USUAL_COLORS if colors else _USUAL_IDS
    telling = found.keys() - (usual - names.keys())
    known = telling & names.keys()
    of_values = len(known) / max(len(telling), 1)
    if len(known) < 2 or (table.by_position and not colors):
        return of_values, _EXPLAINED
    of_pixels = sum(found[key] for key in known) / max(sum(found[key] for key in telling), 1)
    if colors and of_values < _EXPLAINED:
        return of_pixels, _COLORED
    return max(of_values, of_pixels), _EXPLAINED


def _doubt(table: FoundClasses, found: Set[int], *, shift: int) -> str:
    """Say that a file without ids can be counted from 0 and from 1; empty if it can not."""
    last, names = len(table.entries), [entry.name for entry in table.entries]
    if shift or last in found or any(_VOID_NAME.search(name) for name in names[:1]):
        return ""
    return (
        f"{table.path} gives no ids: it is read as 0 for {names[0]}, {last - 1} for {names[-1]}; "
        f"1 for {names[0]}, {last} for {names[-1]}, which no label read has, fits as well "
        f"{'with 0 unlabelled' if 0 in found else ''}".rstrip()
    )


def _from_values(
    scan: LabelScan, names: dict[int, str], why: str, *, encoding: str
) -> list[ClassDraft]:
    """Draft a class for each value found, and for each that a file names beside."""
    drafts: list[ClassDraft] = []
    taken: set[str] = set()
    found = {int(key): value for key, value in scan.values.items()}
    order = sorted(found if encoding == "soft_masks" else {*found, *names})
    if encoding == "rgb":  # as in the file, then the most frequent
        places = {key: place for place, key in enumerate(names)}
        pixels = {key: value.pixels for key, value in found.items()}
        order.sort(key=lambda key: (places.get(key, len(places)), -pixels.get(key, 0)))
    for key in order:
        known = key in names
        shown = ENCODINGS["rgb"].write(key) if encoding == "rgb" else key
        name = names.get(key) or f"class_{str(shown).lstrip('#')}"
        void = _void(name, key, names, found, encoding)
        if void and not known:
            name = "void"
        while name in taken:
            name += "_"
        taken.add(name)
        source = f"guess: {why}" if known else "guess" if void else "TODO name"
        if names and not known and not void:
            source += f", which {why} leaves out"
        note = f"{source}; {seen(found.get(key), scan)}"
        drafts.append(ClassDraft(name, shown, note, known or bool(void), void))
    return drafts


def _void(
    name: str, key: int, names: dict[int, str], found: dict[int, LabelValue], encoding: str
) -> str:
    """Say why a class may be void."""
    if _VOID_NAME.search(name.replace("_", " ")):
        return "its name says so"
    if encoding == "ids" and key == VOID_ID and key not in names:
        others = sorted({*found, *names} - {key})
        follow = others == list(range(others[0], others[0] + len(others))) if others else False
        if follow and others[0] in (0, 1) and len(others) > 1:
            return "255 usually marks what is not labelled"
    return ""


def _instances(scan: LabelScan) -> list[ClassDraft]:
    """Draft one class for ids that number objects: of what, only the user knows."""
    last = max(scan.counted_up_to)
    room = next(end for end in _ROOM if last <= end)
    background = scan.values.get(0)
    drafts = [ClassDraft("background", 0, f"guess; {seen(background, scan)}", named=True)]
    note = f"TODO instances of what? each picture numbers its own, up to {last}"
    drafts.append(ClassDraft("objects", [f"1-{room}"], note, named=False))
    return drafts if background else drafts[1:]


def _from_masks(layout: FolderLayout, scan: LabelScan) -> list[ClassDraft]:
    """Draft a class for each kind of mask, the widest first, and one for what none covers."""

    def mean_area(text: str) -> float:
        value = scan.values.get(text, LabelValue())
        return value.pixels / max(value.files, 1)

    rest = "guess: what no mask covers"
    drafts = [ClassDraft("background", None, rest, named=True)]
    groups = same_class(layout.label_group.classes)
    for text in sorted(groups, key=lambda name: max(map(mean_area, groups[name])), reverse=True):
        name = text if text != "background" else "background_mask"
        masks = groups[text]
        note = f"guess: its files' name; {seen(scan.values.get(masks[0]), scan)}"
        value = masks[0] if len(masks) == 1 else _several(masks)
        drafts.append(ClassDraft(name, value, note, named=True))
    return drafts


def same_class(texts: Iterable[str]) -> dict[str, list[str]]:
    """Return the masks of each class: ``tree-0`` and ``tree-1`` are of ``tree``.

    Words that only say that it is a mask are no class, unless one of the masks has no number.
    """
    listed = list(texts)
    groups: dict[str, list[str]] = {}
    for text in listed:
        match = _COUNTED.fullmatch(text)
        word = match[1] if match else text
        counted = match and (word in listed or not sounds_like_role(word))
        groups.setdefault(word if counted else text, []).append(text)
    several = any(len(masks) > 1 for masks in groups.values())
    return {
        name if several else masks[0]: sorted(masks, key=lambda text: (len(text), text))
        for name, masks in groups.items()
    }


def _several(masks: list[str]) -> list[str] | str:
    """Write the masks of a class: all of them, or what fits all if they are many."""
    marks = {match[2] for mask in masks if (match := _COUNTED.fullmatch(mask))}
    match = _COUNTED.fullmatch(masks[-1])
    if len(masks) <= _LISTED or match is None or len(marks) > 1:
        return masks
    bare = [mask for mask in masks if not _COUNTED.fullmatch(mask)]
    pattern = f"{match[1]}{match[2]}*"
    return [*bare, pattern] if bare else pattern


def seen(value: LabelValue | None, scan: LabelScan) -> str:
    """Say how much of a value was found, in how many labels, whereabouts, and where most."""
    if value is None or not value.pixels:
        return "not in the labels read"
    share = 100 * value.pixels / scan.pixels
    amount = (
        f"{share:.1f} %" if share >= 0.1 else f"{share:.2g} %" if share >= 1e-3 else "< 0.001 %"
    )
    place = max(range(3), key=lambda third: value.thirds[third])
    mostly = value.thirds[place] >= _MOSTLY * value.pixels
    plural = "" if value.files == 1 else "s"
    where = f"{_THIRDS[place]}, " if mostly else ""
    return f"{amount}, {value.files} label{plural}, {where}{value.example}"
