"""Which pictures make which split: by folders, by lists, or by their numbers."""

import re
from dataclasses import dataclass
from pathlib import Path

from harmonize.config.strict_yaml import Value
from harmonize.plurals import counted
from harmonize.tools.draft.folder_templates import PICTURE_SPLIT, FolderLayout
from harmonize.tools.draft.name_words import canonical, split_order
from harmonize.tools.draft.split_lists import SplitList, find_lists

_TRAIN_SHARE = 0.8
_FEWEST = 5  # pictures that are worth parting
_ADVICE = [
    "TODO: nothing tells which pictures to train on and which to score; write lists with one",
    "picture per line, then: train: {list: train.txt}, val: {list: val.txt}",
]


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


def find_splits(
    root: Path, layout: FolderLayout, texts: list[str]
) -> tuple[list[SplitDraft], list[str]]:
    """Guess the splits of a data set, and say what the user should know about them."""
    words = {word for word in layout.splits if word}
    if "{split}" in layout.base and len(words) > 1:
        return _by_folder(layout, words), []
    # The one split's word that all paths hold, if there is one.
    word: dict[str, Value] = {"fields": {"split": next(iter(words))}} if len(words) == 1 else {}
    lists, remarks = find_lists(root, layout, texts)
    if lists:
        return [_by_list(one, word) for one in lists], remarks
    base = layout.base.replace("{split}", next(iter(words), ""))
    everything = SplitDraft(
        "all", {"glob": globbed(base), **word}, f"guess: {counted(len(layout.pairs), 'picture')}"
    )
    parts = _by_number(layout, everything, word)
    return [*parts, everything], remarks if parts else [*remarks, *_ADVICE]


def globbed(text: str) -> str:
    """Write a template so that it can be globbed: what is special there becomes ``*``."""
    return re.sub(r"\*+", "*", re.sub(r"[\[\]?*]", "*", text))


def _by_folder(layout: FolderLayout, words: set[str]) -> list[SplitDraft]:
    """Make a split of every split's word in the folders' names."""
    drafts: dict[str, SplitDraft] = {}
    # Of several words for one split, the usual one first: it needs the name.
    order = {word: (split_order(canonical(word)), word != canonical(word), word) for word in words}
    for word in sorted(words, key=lambda word: order[word]):
        name = canonical(word) if canonical(word) not in drafts else word
        keys: dict[str, Value] = {"glob": globbed(layout.base.replace("{split}", word))}
        fields: dict[str, Value] = {"split": word} if word != name else {}
        if f"{{{PICTURE_SPLIT}}}" in layout.picture:
            pictures = [picture for _, picture in layout.pairs]
            fields[PICTURE_SPLIT] = pictures[layout.splits.index(word)].split
        if fields:
            keys["fields"] = fields
        count = layout.splits.count(word)
        drafts[name] = SplitDraft(name, keys, f"guess: {counted(count, 'picture')}, by the folder")
    return list(drafts.values())


def _by_list(one: SplitList, word: dict[str, Value]) -> SplitDraft:
    """Make a split of a list."""
    keys: dict[str, Value] = {"list": one.path}
    if one.columns != ["id"]:
        keys["columns"] = list[Value](one.columns)
    if one.separator is not None:
        keys["separator"] = one.separator
    if one.skip:
        keys["skip"] = one.skip
    return SplitDraft(
        one.name, keys | word, f"guess: {counted(len(one.rows), 'picture')}, by the file"
    )


def _by_number(
    layout: FolderLayout, everything: SplitDraft, word: dict[str, Value]
) -> list[SplitDraft]:
    """Part pictures by their numbers; none where they have no number of their own."""
    columns = layout.fields.columns
    name = next((name for name in ("id", "number") if name in layout.fields.formats), None)
    if name is None or len(columns) > 1 or len(layout.pairs) < _FEWEST:
        return []
    numbers = sorted(int(value) for value in columns[name])
    first_val = numbers[int(_TRAIN_SHARE * len(numbers))]
    last_train = max(number for number in numbers if number < first_val)
    whole = numbers[-1] - numbers[0] + 1 == len({*numbers}) == len(numbers) and name == "id"
    drafts: list[SplitDraft] = []
    for split, low, high, share in (
        ("train", numbers[0], last_train, "the first 80 % of the numbers"),
        ("val", first_val, numbers[-1], "the rest"),
    ):
        limits: list[Value] = [low, high]
        listed: dict[str, Value] = {"range": limits, **word}
        if not whole:
            listed = {**everything.keys, "where": {name: limits}}
        count = sum(low <= number <= high for number in numbers)
        drafts.append(SplitDraft(split, listed, f"guess: {share}, {counted(count, 'picture')}"))
    return drafts
