"""Which pictures make which split: by folders, by lists, or by their numbers."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from harmonize.config.strict_yaml import Value
from harmonize.tools.draft.folder_layout import PICTURE_SPLIT, Layout
from harmonize.tools.draft.name_words import canonical
from harmonize.tools.draft.split_lists import SplitList, find_lists

_TRAIN_SHARE = 0.8
_FEWEST = 5  # pictures that are worth parting


@dataclass(frozen=True)
class SplitDraft:
    """A split as the mapping writes it.

    Attributes:
        name: its name.
        keys: its keys, as a mapping has them.
        why: what the guess rests on.
    """

    name: str
    keys: dict[str, Value]
    why: str


@dataclass(frozen=True)
class Splits:
    """The splits of a data set.

    Attributes:
        drafts: the splits.
        remarks: what the user should know about all of them.
    """

    drafts: list[SplitDraft]
    remarks: list[str] = field(default_factory=list[str])


def find_splits(root: Path, layout: Layout, texts: list[str]) -> Splits:
    """Guess the splits of a data set."""
    words = {word for word in layout.splits if word}
    if "{split}" in layout.base and len(words) > 1:
        return Splits(_by_folder(layout))
    lists, remarks = find_lists(root, layout, texts)
    if lists:
        return Splits(_by_list(lists, words), remarks)
    return _by_number(layout, words, remarks)


def globbed(text: str) -> str:
    """Write a template so that it can be globbed: what is special there becomes ``*``."""
    return re.sub(r"\*+", "*", re.sub(r"[\[\]?*]", "*", text))


def _by_folder(layout: Layout) -> list[SplitDraft]:
    """Make a split of every split's word in the folders' names."""
    drafts: dict[str, SplitDraft] = {}
    order = {"train": 0, "val": 1, "test": 2}
    words = sorted({*layout.splits} - {""}, key=lambda word: order.get(canonical(word), 3))
    for word in words:
        name = canonical(word) if canonical(word) not in drafts else word
        keys: dict[str, Value] = {"glob": globbed(layout.base.replace("{split}", word))}
        fields: dict[str, Value] = {"split": word} if word != name else {}
        if f"{{{PICTURE_SPLIT}}}" in layout.picture:
            pairs = zip(layout.splits, layout.pairs, strict=True)
            fields[PICTURE_SPLIT] = next(pair[1].split for known, pair in pairs if known == word)
        if fields:
            keys["fields"] = fields
        count = layout.splits.count(word)
        drafts[name] = SplitDraft(name, keys, f"guess: {count} pictures, by the folder")
    return list(drafts.values())


def _by_list(lists: list[SplitList], words: set[str]) -> list[SplitDraft]:
    """Make a split of every list; all of them lie in the folders of one word, if there is one."""
    drafts: list[SplitDraft] = []
    for one in lists:
        keys: dict[str, Value] = {"list": one.path}
        if one.columns != ["id"]:
            keys["columns"] = list[Value](one.columns)
        if one.separator is not None:
            keys["separator"] = one.separator
        if one.skip:
            keys["skip"] = one.skip
        keys |= _fields(words)
        drafts.append(SplitDraft(one.name, keys, f"guess: {one.count} pictures, by the file"))
    return drafts


def _by_number(layout: Layout, words: set[str], remarks: list[str]) -> Splits:
    """Part pictures by their numbers, else put all in one split."""
    base = layout.base.replace("{split}", next(iter(words), ""))
    keys: dict[str, Value] = {"glob": globbed(base), **_fields(words)}
    everything = SplitDraft("all", keys, f"guess: {len(layout.pairs)} pictures")
    columns = layout.fields.columns
    name = next((name for name in ("id", "number") if name in layout.fields.formats), None)
    if name is None or len(columns) > 1 or len(layout.pairs) < _FEWEST:
        return Splits([everything], [*remarks, *_advice()])
    numbers = sorted(int(value) for value in columns[name])
    first_val = numbers[int(_TRAIN_SHARE * len(numbers))]
    last_train = max(number for number in numbers if number < first_val)
    whole = numbers == list(range(numbers[0], numbers[-1] + 1)) and name == "id"
    drafts: list[SplitDraft] = []
    for split, low, high in (("train", numbers[0], last_train), ("val", first_val, numbers[-1])):
        limits: list[Value] = [low, high]
        listed: dict[str, Value] = {"range": limits, **_fields(words)}
        if not whole:
            listed = {**keys, "where": {name: limits}}
        share = "the first 80 % of the numbers" if split == "train" else "the rest"
        count = sum(low <= number <= high for number in numbers)
        drafts.append(SplitDraft(split, listed, f"guess: {share}, {count} pictures"))
    return Splits([*drafts, everything], remarks)


def _fields(words: set[str]) -> dict[str, Value]:
    """Return the field of the one split's word that all paths hold, if there is one."""
    return {"fields": {"split": next(iter(words))}} if len(words) == 1 else {}


def _advice() -> list[str]:
    return [
        "TODO: nothing tells which pictures to train on and which to score; write lists with one",
        "picture per line, then: train: {list: train.txt}, val: {list: val.txt}",
    ]
