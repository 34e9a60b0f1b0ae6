"""The text of a drafted mapping: YAML with comments, those of a block in one column."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from harmonize.config.strict_yaml import Value, scalar
from harmonize.labels.mapping import TODO_TREE
from harmonize.plurals import counted
from harmonize.tools.draft.by_name import Proposal
from harmonize.tools.draft.draft_classes import ClassDraft
from harmonize.tools.draft.file_groups import FileGroup
from harmonize.tools.draft.folder_templates import FolderLayout
from harmonize.tools.draft.label_values import LabelScan
from harmonize.tools.draft.name_words import is_number
from harmonize.tools.draft.orientations import ExifDraft
from harmonize.tools.draft.rivals import annotators
from harmonize.tools.draft.split_draft import SplitDraft

_PLAIN = re.compile(r"[\w.+/][\w.+/ -]*", re.ASCII)
_WIDEST = 56  # columns that a comment may be moved to


@dataclass
class Draft:
    """Everything that a drafted mapping says.

    Attributes:
        name: of the data set.
        root: its folder, as the user wrote it.
        layout, splits, scan, classes: what was found in the folder.
        split_remarks: what the user should know about the splits.
        lists: the lists of splits that are written beside the mapping, by name.
        asked: the splits that a network looks at while the lists are not there yet.
        class_remarks: what the user should know about the classes.
        resize: why pictures are scaled to their labels; empty if they are not.
        exif: what the pictures' EXIF orientations say; None if they have none.
        rivals: other labels of the same pictures, which may hold the classes as well.
        others: groups of files that are neither pictures nor labels.
        tree: the name of the tree; None if it is left to the user.
        tree_note: why this tree.
        meaning: what each class may mean.
        remarks: what else the user should know about the meaning.
    """

    name: str
    root: str
    layout: FolderLayout
    splits: list[SplitDraft]
    split_remarks: list[str]
    scan: LabelScan
    classes: list[ClassDraft]
    lists: dict[str, str] = field(default_factory=dict[str, str])
    asked: list[SplitDraft] = field(default_factory=list[SplitDraft])
    class_remarks: list[str] = field(default_factory=list[str])
    resize: str = ""
    exif: ExifDraft | None = None
    rivals: list[FolderLayout] = field(default_factory=list[FolderLayout])
    others: list[FileGroup] = field(default_factory=list[FileGroup])
    tree: str | None = None
    tree_note: str = ""
    meaning: dict[str, Proposal] = field(default_factory=dict[str, Proposal])
    remarks: list[str] = field(default_factory=list[str])

    @property
    def encoding(self) -> str:
        """The mapping's ``encoding``."""
        return self.layout.label_group.encoding

    @property
    def unsure_label(self) -> bool:
        """Whether labels of another kind may be the ones that are meant."""
        own = self.layout.label_group
        return any(not annotators(own, one.label_group) for one in self.rivals)

    @property
    def questions(self) -> list[str]:
        """What the user has to decide about the files, as comments."""
        exif: list[str] = []
        if self.exif is not None and self.exif.value is None:
            exif = [
                f"# TODO: exif: apply or ignore? {commented(self.exif.note)}.",
                "#   exif: apply   if labels show pictures upright, as they are seen",
                "#   exif: ignore  if labels lie as the pixels are stored",
            ]
        if not self.rivals:
            return exif
        own = self.layout.label_group
        what = (
            "several files go with each picture; which holds the classes?"
            if self.unsure_label
            else "several annotators labelled the same pictures; choose one."
        )
        listed = [f"{self.label}  ({own.describe_kind()}), drafted"]
        listed += [f"{one.label}  ({one.label_group.describe_kind()})" for one in self.rivals]
        return [f"# TODO: {what}", *(f"#   label: {commented(text)}" for text in listed[:8]), *exif]

    @property
    def label(self) -> str:
        """The mapping's ``label``."""
        texts = self.layout.label_group.classes
        widths = {len(text) for text in texts}
        padded = len(widths) == 1 and any(text.startswith("0") for text in texts)
        if self.encoding == "soft_masks" and padded:
            return self.layout.label.replace("{class}", f"{{class:0{widths.pop()}d}}")
        return self.layout.label


def write_mapping(draft: Draft) -> str:
    """Return the text of a mapping, every guess and everything left open marked in a comment."""
    blocks = [
        [
            "# Drafted by `harmonize new`. Every guess wants a look, every TODO an answer;",
            "# nothing can be trained on while a class means TODO.",
            *draft.questions,
            *_unused(draft.others),
            *_head(draft),
        ],
        _splits(draft),
        _classes(draft),
        _meaning(draft),
    ]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _unused(others: Sequence[FileGroup]) -> list[str]:
    if not others:
        return []
    shown = [f"#   {commented(group.describe())}" for group in others[:12]]
    return ["# Not used:", *shown] + (["#   ..."] if len(others) > 12 else [])


def _head(draft: Draft) -> list[str]:
    layout, group = draft.layout, draft.layout.label_group
    files = "" if group.classes else f"{counted(len(layout.pairs), 'file')} of "
    sizes = sorted(draft.scan.sizes)
    size = f"{sizes[0][0]} x {sizes[0][1]}" if len(sizes) == 1 else f"{len(sizes)} sizes"
    about = f"{len(layout.pairs)} labelled pictures" + ("" if draft.resize else f" of {size}")
    plain = f"; {layout.num_unlabelled} more have no label" if layout.num_unlabelled else ""
    lines = [
        YamlLine(f"name: {quoted(draft.name)}"),
        YamlLine(f"about: {quoted(about)}"),
        YamlLine(f"root: {quoted(draft.root)}"),
        YamlLine(
            f"picture: {quoted(layout.picture)}", f"guess: {len(layout.pairs)} pair up{plain}"
        ),
        YamlLine(f"label: {quoted(draft.label)}", f"guess: {files}{group.describe_kind()}"),
        YamlLine(f"encoding: {draft.encoding}"),
    ]
    if draft.scan.formula is not None:
        soft = "//" in draft.scan.formula
        why = "a grey mask, parted in the middle" if soft else "its channels are equal"
        lines.append(YamlLine(f"value: {draft.scan.formula}", f"guess: {why}"))
    if draft.scan.tolerance:
        why = "rarer colours are mixtures of these"
        if group.content.lossy:
            why = "a JPEG's losses; each colour counts as the nearest of these"
        lines.append(YamlLine(f"tolerance: {draft.scan.tolerance}", f"guess: {why}"))
    if draft.resize:
        lines.append(YamlLine("resize_picture: true", f"guess: {draft.resize}"))
    if draft.exif is not None and draft.exif.value is not None:
        lines.append(YamlLine(f"exif: {draft.exif.value}", draft.exif.note))
    return aligned(lines)


def _splits(draft: Draft) -> list[str]:
    lines = [YamlLine(f"{quoted(one.name)}: {quoted(one.keys)}", one.why) for one in draft.splits]
    remarks = [f"# {commented(remark)}" for remark in draft.split_remarks]
    return [*remarks, "splits:", *aligned(lines, indent=2)]


def _classes(draft: Draft) -> list[str]:
    labels = len(draft.layout.pairs)
    head = [
        "# With each: its share of all pixels, the labels that hold it, the one with most of it."
    ]
    if draft.scan.files < labels:
        taken = "counts as the nearest, or " if draft.scan.tolerance else ""
        head += [
            f"# Only {draft.scan.files} of {labels} labels were read; a value of the others that",
            f"# has no class here {taken}is an error when it is met. `--scan {labels}` reads all.",
        ]
    head += [f"# {commented(remark)}" for remark in draft.class_remarks]
    if draft.encoding == "masks":
        head.append("# guess: the wider come first; where masks overlap, the later one counts.")
    lines = [YamlLine(f"{quoted(one.name)}: {_value(one)}", one.note) for one in draft.classes]
    return [*head, "classes:", *aligned(lines, indent=2)]


def _value(one: ClassDraft) -> str:
    is_text = isinstance(one.value, str) and is_number(one.value)
    value: Value = [*one.value] if isinstance(one.value, list) else one.value
    return f'"{one.value}"' if is_text else quoted(value)


def _meaning(draft: Draft) -> list[str]:
    note = draft.tree_note if draft.tree else "TODO: a tree, such as roads for trees/roads.txt"
    lines = [YamlLine(f"{quoted(draft.tree or TODO_TREE)}:", note)]
    for one in draft.classes:
        nodes: list[Value] = list(draft.meaning[one.name].nodes)
        shown = quoted(nodes[0] if len(nodes) == 1 else nodes)
        lines.append(YamlLine(f"  {quoted(one.name)}: {shown}", draft.meaning[one.name].note))
    remarks = [f"# {commented(one)}" for one in draft.remarks]
    return [*remarks, "meaning:", *aligned(lines, indent=2)]


class YamlLine(NamedTuple):
    """A line of YAML and its comment."""

    text: str
    comment: str = ""


def quoted(value: Value) -> str:
    """Write a value on one line, as YAML that the project's reader reads back unchanged."""
    if value is None:
        return "~"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return f"[{', '.join(quoted(item) for item in value)}]"
    if isinstance(value, dict):
        pairs = (f"{quoted(key)}: {quoted(item)}" for key, item in value.items())
        return f"{{{', '.join(pairs)}}}"
    return str(value)


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and not text.endswith(" ") and isinstance(scalar(text), str):
        return text
    # JSON's form of a text is YAML's too, but for characters beyond 16 bits.
    written = json.dumps(text, ensure_ascii=False)
    codes = ((c, f"{ord(c):x}") for c in written)
    return "".join(
        c if c.isprintable() else rf"\u{code:0>4}" if len(code) <= 4 else rf"\U{code:0>8}"
        for c, code in codes
    )


def aligned(lines: Sequence[YamlLine], *, indent: int = 0) -> list[str]:
    """Write lines with their comments in one column, unless a line is too long for it."""
    lengths = [len(line.text) for line in lines if line.comment]
    column = max((length for length in lengths if length <= _WIDEST), default=0)
    return [
        " " * indent
        + (f"{line.text:<{column}}  # {commented(line.comment)}" if line.comment else line.text)
        for line in lines
    ]


def commented(text: str) -> str:
    """Write text so that it stays on its line."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
