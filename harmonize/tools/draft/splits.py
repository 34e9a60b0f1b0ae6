"""Which pictures make which split: by folders, by lists, or by their numbers."""

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harmonize.config.strict_yaml import Value
from harmonize.plurals import counted
from harmonize.tools.draft.file_groups import escape
from harmonize.tools.draft.folder_files import Files
from harmonize.tools.draft.folder_templates import PICTURE_SPLIT, FolderLayout, numbered
from harmonize.tools.draft.name_words import canonical, split_order
from harmonize.tools.draft.picture_names import PictureNames
from harmonize.tools.draft.split_draft import SplitDraft, by_new_list, left_out, only_word
from harmonize.tools.draft.split_lists import SplitList, few_per_folder, find_lists
from harmonize.tools.draft.split_tables import find_split_tables

_TRAIN_SHARE = 0.8
_FEWEST = 5  # pictures that are worth parting


@dataclass(frozen=True)
class FoundSplits:
    """The splits of a data set.

    Attributes:
        splits: as the mapping writes them.
        remarks: what the user should know about them.
        files: the texts of the lists that are written beside the mapping, by name.
        asked: the splits that tell the pictures while these lists are not there yet.
    """

    splits: list[SplitDraft]
    remarks: list[str]
    files: dict[str, str] = field(default_factory=dict[str, str])
    asked: list[SplitDraft] = field(default_factory=list[SplitDraft])

    @property
    def are_told(self) -> bool:
        """Whether folders or files of the data set tell the splits."""
        return self.splits[-1].name != "all"


def find_splits(
    root: Path, layout: FolderLayout, files: Files, name: str
) -> tuple[FolderLayout, FoundSplits]:
    """Guess the splits of a data set of this name.

    Returns:
        The layout, which is another one where ids are numbers by which pictures are parted, and
        the splits.
    """
    names = PictureNames(layout)
    found = _by_folder_or_list(root, names, files.texts, name)
    if not found.are_told:
        texts = [*files.yamls, *few_per_folder(files.texts)]
        drafts, lists, remarks = find_split_tables(root, names, texts, name)
        by_number = numbered(layout) if len(found.splits) == 1 else None
        if drafts:
            found = FoundSplits(drafts, remarks, lists, found.splits[-1:])
        elif by_number is not None:
            parted = _by_folder_or_list(root, PictureNames(by_number), files.texts, name)
            if len(parted.splits) > 1:
                layout, found = by_number, parted
    return layout, found


def _by_folder_or_list(root: Path, names: PictureNames, texts: list[str], name: str) -> FoundSplits:
    """Find the splits that folders or lists tell, else part pictures by their numbers."""
    layout = names.layout
    words = {word for word in layout.splits if word}
    if "{split}" in layout.base and len(words) > 1:
        return FoundSplits(_by_folder(layout, words), [])
    base = layout.base.replace("{split}", next(iter(words), ""))
    word = only_word(layout)
    everything = SplitDraft(
        "all", {"glob": globbed(base), **word}, f"guess: {counted(len(layout.pairs), 'picture')}"
    )
    lists, remarks = find_lists(root, names, texts)
    if lists:
        return by_lists(layout, lists, remarks, everything, name)
    parts = _by_number(layout, everything, word)
    return FoundSplits([*parts, everything], remarks if parts else [*remarks, *advice()])


def advice(more: str = "") -> list[str]:
    """Say what to do where nothing tells the splits; ``more`` are further keys of lists."""
    return [
        "TODO: nothing tells which pictures to train on and which to score; write lists with one",
        f"picture per line, then: train: {{list: train.txt{more}}}, val: {{list: val.txt{more}}}",
    ]


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


def by_lists(
    layout: FolderLayout,
    lists: list[SplitList],
    remarks: list[str],
    everything: SplitDraft,
    name: str,
) -> FoundSplits:
    """Make a split of each list; those that do not serve as they are, are written anew."""
    found = FoundSplits([], remarks)
    for one in lists:
        if not one.anew:
            found.splits.append(_by_list(one, only_word(layout)))
            continue
        file = f"{name}_{one.name}.txt"
        draft, found.files[file] = by_new_list(layout, one.name, one.anew, file, one.path)
        found.splits.append(draft)
        if one.left_out:
            number = len(one.anew) + len(one.left_out)
            found.remarks.append(left_out(one.path, one.left_out, number, file))
    return dataclasses.replace(found, asked=[everything]) if found.files else found


def _by_list(one: SplitList, word: dict[str, Value]) -> SplitDraft:
    """Make a split of a list."""
    keys: dict[str, Value] = {"list": escape(one.path)}
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
    whole = numbers[-1] - numbers[0] + 1 == len({*numbers}) == len(numbers) and name == "id"
    drafts: list[SplitDraft] = []
    for split, low, high, why in number_ranges(numbers):
        limits: list[Value] = [low, high]
        listed: dict[str, Value] = {"range": limits, **word}
        if not whole:
            listed = {**everything.keys, "where": {name: limits}}
        drafts.append(SplitDraft(split, listed, why))
    return drafts


def number_ranges(numbers: Sequence[int]) -> list[tuple[str, int, int, str]]:
    """Part numbers of pictures: by split the first, the last and why; none of too few."""
    if len({*numbers}) < _FEWEST:
        return []
    ordered = sorted(numbers)
    first_val = ordered[int(_TRAIN_SHARE * len(ordered))]
    before = [number for number in ordered if number < first_val]
    after = len(ordered) - len(before)
    share = f"guess: the first 80 % of the numbers, {counted(len(before), 'picture')}"
    return [
        ("train", before[0], before[-1], share),
        ("val", first_val, ordered[-1], f"guess: the rest, {counted(after, 'picture')}"),
    ]
