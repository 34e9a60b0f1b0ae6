"""The classes of a draft: their names, what stands for them, and what is known of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harmonize.labels.encodings import ENCODINGS
from harmonize.tools.draft.class_tables import Entry, Table
from harmonize.tools.draft.folder_layout import Layout
from harmonize.tools.draft.label_values import Scan, Value

_EXPLAINED = 0.9
VOID_ID = 255
_MOSTLY = 0.7
_THIRDS = ("upper third", "middle", "lower third")
_VOID_NAME = re.compile(r"(?i)\b(void|ignored?|unlabell?ed|unknown|unclassified|undefined)\b")


@dataclass(frozen=True)
class ClassDraft:
    """A class as the mapping will write it.

    Attributes:
        name: its name.
        value: an id, a colour as text, a mask's text, or None for what no mask covers.
        key: its key among the values of the labels.
        note: where the name is from, and how much of the class there is.
        named: whether the data set gives the name; else it is made up.
        void: why it may be void; empty if nothing says so.
    """

    name: str
    value: int | str | None
    key: int | str | None
    note: str
    named: bool
    void: str = ""


def draft_classes(layout: Layout, scan: Scan, tables: Sequence[Table]) -> list[ClassDraft]:
    """Name the values of the labels, by the data set's own files where one explains them."""
    if layout.label_group.kind == "soft" and layout.label_group.classes:
        entries, why = best_table(tables, {int(key) for key in scan.values}, colors=False)
        return _from_values(scan, entries, why, encoding="soft_masks")
    if layout.label_group.classes:
        return _from_masks(layout, scan)
    colors = layout.label_group.kind == "rgb"
    found = {int(key) for key in scan.values}
    entries, why = best_table(tables, found, colors=colors)
    return _from_values(scan, entries, why, encoding="rgb" if colors else "ids")


def best_table(
    tables: Sequence[Table], found: set[int], *, colors: bool
) -> tuple[dict[int, str], str]:
    """Return the names by value of the file that explains the values found, and its path."""
    options: list[tuple[tuple[float, ...], dict[int, str], str]] = []
    for table in tables:
        for names, shift in _readings(table, found, colors=colors):
            telling = found if colors else found - ({0, VOID_ID} - names.keys())
            explained = sum(value in names for value in telling) / max(len(telling), 1)
            unused = len(names.keys() - found)
            if explained >= _EXPLAINED:
                shifted = " (lines from 1)" if shift else ""
                rank = (explained, -shift, not table.by_position, -unused)
                options.append((rank, names, f"{table.path}{shifted}"))
    if not options:
        return {}, ""
    _, names, why = max(options, key=lambda option: option[0])
    return names, why


def _readings(table: Table, found: set[int], *, colors: bool) -> list[tuple[dict[int, str], int]]:
    """Return the ways to read a table: values with names, and the shift of its positions."""
    if colors:
        return [_unique(table.entries, [entry.color for entry in table.entries], 0)]
    ids = [entry.id for entry in table.entries]
    if not table.by_position:
        return [_unique(table.entries, ids, 0)]
    readings = [_unique(table.entries, ids, 0)]
    if max(found, default=0) == len(ids) or 0 not in found:
        readings.append(
            _unique(table.entries, [number + 1 for number in ids if number is not None], 1)
        )
    return readings


def _unique(
    entries: Sequence[Entry], keys: Sequence[int | None], shift: int
) -> tuple[dict[int, str], int]:
    names: dict[int, str] = {}
    for entry, key in zip(entries, keys, strict=True):
        if key is not None and key >= 0:
            names.setdefault(key, entry.name)
    return names, shift


def _from_values(scan: Scan, names: dict[int, str], why: str, *, encoding: str) -> list[ClassDraft]:
    """Draft a class for each value found, and for each that a file names beside."""
    drafts: list[ClassDraft] = []
    taken: set[str] = set()
    found = {int(key): value.pixels for key, value in scan.values.items()}
    order = sorted(found if encoding == "soft_masks" else {*found, *names})
    if encoding == "rgb":  # as in the file, then the most frequent
        places = {key: place for place, key in enumerate(names)}
        order.sort(key=lambda key: (places.get(key, len(places)), -found.get(key, 0)))
    for key in order:
        known = key in names
        shown = ENCODINGS["rgb"].write(key) if encoding == "rgb" else key
        name = names.get(key) or f"class_{str(shown).lstrip('#')}"
        void = _void(name, key, names, scan, encoding)
        if void and not known:
            name = "void"
        while name in taken:
            name += "_"
        taken.add(name)
        source = f"guess: {why}" if known else "guess" if void else "TODO name"
        if names and not known and not void:
            source += f", which {why} leaves out"
        note = f"{source}; {seen(scan.values.get(_key(scan, key)), scan)}"
        drafts.append(ClassDraft(name, shown, _key(scan, key), note, known or bool(void), void))
    return drafts


def _key(scan: Scan, key: int) -> int | str:
    """Return a number as the scan's key: soft masks are counted by the text of their id."""
    return next((text for text in scan.values if isinstance(text, str) and int(text) == key), key)


def _void(name: str, key: int, names: dict[int, str], scan: Scan, encoding: str) -> str:
    """Say why a class may be void."""
    if _VOID_NAME.search(name.replace("_", " ")):
        return "its name says so"
    others = [int(value) for value in scan.values if int(value) != key]
    if encoding == "ids" and key == VOID_ID and key not in names and len(others) > 1:
        return "255 usually marks what is not labelled"
    return ""


def _from_masks(layout: Layout, scan: Scan) -> list[ClassDraft]:
    """Draft a class for each kind of mask, the widest first, and one for what none covers."""

    def mean_area(text: str) -> float:
        value = scan.values.get(text, Value(text))
        return value.pixels / max(value.files, 1)

    rest = "guess: what no mask covers"
    drafts = [ClassDraft("background", None, None, rest, named=True)]
    for text in sorted(layout.label_group.classes, key=mean_area, reverse=True):
        name = text if text != "background" else "background_mask"
        note = f"guess: its files' name; {seen(scan.values.get(text), scan)}"
        drafts.append(ClassDraft(name, text, text, note, named=True))
    return drafts


def seen(value: Value | None, scan: Scan) -> str:
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
