"""The text of a drafted mapping."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harmonize.config.strict_yaml import Value
from harmonize.tools.draft.content import KINDS
from harmonize.tools.draft.draft_classes import ClassDraft
from harmonize.tools.draft.file_groups import Group
from harmonize.tools.draft.folder_layout import Layout
from harmonize.tools.draft.label_values import Scan
from harmonize.tools.draft.meaning import Proposal
from harmonize.tools.draft.pairing import describe
from harmonize.tools.draft.splits import Splits
from harmonize.tools.draft.yaml_text import Line, aligned, commented, quoted

TODO_TREE = "TODO_tree"


@dataclass
class Draft:
    """Everything that a drafted mapping says.

    Attributes:
        name: of the data set.
        root: its folder, as the user wrote it.
        layout, splits, scan, classes: what was found in the folder.
        resize: why pictures are scaled to their labels; empty if they are not.
        others: groups of files that are neither pictures nor labels.
        tree: the name of the tree; None if it is left to the user.
        tree_note: why this tree.
        meaning: what each class may mean.
        remarks: what else the user should know about the meaning.
    """

    name: str
    root: str
    layout: Layout
    splits: Splits
    scan: Scan
    classes: list[ClassDraft]
    resize: str = ""
    others: list[Group] = field(default_factory=list[Group])
    tree: str | None = None
    tree_note: str = ""
    meaning: dict[str, Proposal] = field(default_factory=dict[str, Proposal])
    remarks: list[str] = field(default_factory=list[str])

    @property
    def encoding(self) -> str:
        """The mapping's ``encoding``."""
        group = self.layout.label_group
        if group.classes:
            return "soft_masks" if group.kind == "soft" else "masks"
        return "rgb" if group.kind == "rgb" else "ids"

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
            *_unused(draft.others),
            *_head(draft),
        ],
        _splits(draft.splits),
        _classes(draft),
        _meaning(draft),
    ]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _unused(others: Sequence[Group]) -> list[str]:
    if not others:
        return []
    shown = [f"#   {commented(describe(group))}" for group in others[:12]]
    return ["# Not used:", *shown] + (["#   ..."] if len(others) > 12 else [])


def _head(draft: Draft) -> list[str]:
    layout = draft.layout
    sizes = sorted(draft.scan.sizes)
    size = f"{sizes[0][0]} x {sizes[0][1]}" if len(sizes) == 1 else f"{len(sizes)} sizes"
    about = f"{len(layout.pairs)} labelled pictures" + ("" if draft.resize else f" of {size}")
    plain = f"; {layout.plain} more have no label" if layout.plain else ""
    lines = [
        Line(f"name: {quoted(draft.name)}"),
        Line(f"about: {quoted(about)}"),
        Line(f"root: {quoted(draft.root)}"),
        Line(f"picture: {quoted(layout.picture)}", f"guess: {len(layout.pairs)} pair up{plain}"),
        Line(f"label: {quoted(draft.label)}", f"guess: {_label_note(layout)}"),
        Line(f"encoding: {draft.encoding}"),
    ]
    if draft.scan.formula is not None:
        soft = "//" in draft.scan.formula
        why = "a grey mask, parted in the middle" if soft else "its channels are equal"
        lines.append(Line(f"value: {draft.scan.formula}", f"guess: {why}"))
    if draft.scan.tolerance:
        why = "rarer colours are mixtures of these"
        lines.append(Line(f"tolerance: {draft.scan.tolerance}", f"guess: {why}"))
    if draft.resize:
        lines.append(Line("resize_picture: true", f"guess: {draft.resize}"))
    return aligned(lines)


def _label_note(layout: Layout) -> str:
    group = layout.label_group
    if group.classes:
        return f"{KINDS[group.kind]}, one file for each of {len(group.classes)} classes"
    return f"{len(layout.pairs)} files of {KINDS[group.kind]}"


def _splits(splits: Splits) -> list[str]:
    lines = [Line(f"{quoted(one.name)}: {quoted(one.keys)}", one.why) for one in splits.drafts]
    remarks = [f"# {commented(remark)}" for remark in splits.remarks]
    return [*remarks, "splits:", *aligned(lines, indent=2)]


def _classes(draft: Draft) -> list[str]:
    labels = len(draft.layout.pairs)
    head = [
        "# With each: its share of all pixels, the labels that hold it, the one with most of it."
    ]
    if draft.scan.files < labels:
        head += [
            f"# Only {draft.scan.files} of {labels} labels were read; a value of the others that",
            f"# has no class here is an error when it is met. `--scan {labels}` reads all.",
        ]
    if draft.encoding == "masks":
        head.append("# guess: the wider come first; where masks overlap, the later one counts.")
    lines = [Line(f"{quoted(one.name)}: {_value(one)}", one.note) for one in draft.classes]
    return [*head, "classes:", *aligned(lines, indent=2)]


def _value(one: ClassDraft) -> str:
    if isinstance(one.value, str) and one.value.isascii() and one.value.isdecimal():
        return f'"{one.value}"'
    return quoted(one.value)


def _meaning(draft: Draft) -> list[str]:
    tree = draft.tree or TODO_TREE
    note = draft.tree_note if draft.tree else "TODO: a tree, such as roads for trees/roads.txt"
    lines = [Line(f"{quoted(tree)}:", note)]
    lines += [_meant(one, draft.meaning) for one in draft.classes]
    return [
        *(f"# {commented(one)}" for one in draft.remarks),
        "meaning:",
        *aligned(lines, indent=2),
    ]


def _meant(one: ClassDraft, meaning: Mapping[str, Proposal]) -> Line:
    proposal = meaning[one.name]
    nodes: list[Value] = list(proposal.nodes)
    shown = quoted(nodes[0]) if len(nodes) == 1 else quoted(nodes)
    return Line(f"  {quoted(one.name)}: {shown}", proposal.note)
