"""A mapping of a folder whose labels an annotation tool wrote."""

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harmonize.config.strict_yaml import Value, load_text
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.mapping import TODO_TREE
from harmonize.labels.ontology import Ontology
from harmonize.plurals import counted
from harmonize.system.progress import tell
from harmonize.tools.draft.annotated_parts import add_parts
from harmonize.tools.draft.annotated_splits import AnnotatedSplits, lay_out
from harmonize.tools.draft.annotation_files import Annotations
from harmonize.tools.draft.by_name import Proposal, by_name
from harmonize.tools.draft.draft_classes import ClassDraft
from harmonize.tools.draft.folder_files import Files
from harmonize.tools.draft.left_out import left_out
from harmonize.tools.draft.mapping_text import YamlLine, aligned, commented, quoted
from harmonize.tools.draft.picture_annotations import AnnotationFile
from harmonize.tools.draft.trial import try_splits

if TYPE_CHECKING:
    from harmonize.tools.draft.overlap import LeafPredictor

_REST = "background"
_BY = {
    "coco": "COCO's JSON of objects",
    "coco_panoptic": "COCO's JSON of segments, and PNG files",
    "labelme": "LabelMe's JSON files",
    "cvat": "CVAT's XML",
    "label_studio": "Label Studio's JSON",
    "supervisely": "Supervisely's JSON files",
    "yolo": "YOLO's polygons",
}


@dataclass
class AnnotatedDraft:
    """What a drafted mapping of annotation files says.

    Attributes:
        name, root: of the data set.
        encoding: of all its files.
        classes: one for each name in the files, and one for what no annotation covers.
        splits: the path templates, and the pictures of each split.
        left_out: what of the folder is not used, a line each.
        tree, tree_note: the tree and why this one.
        meaning: what each class may mean.
    """

    name: str
    root: str
    encoding: str
    classes: list[ClassDraft]
    splits: AnnotatedSplits
    left_out: list[str]
    tree: str | None = None
    tree_note: str = ""
    meaning: dict[str, Proposal] = field(default_factory=dict[str, Proposal])
    remarks: list[str] = field(default_factory=list[str])

    @property
    def lists(self) -> dict[str, str]:
        """The lists of splits that are written beside the mapping, by name."""
        return self.splits.lists

    def mean(self, ontology: Ontology | None, note: str) -> None:
        """Propose what the classes mean on a tree."""
        self.tree, self.tree_note = (None, note) if ontology is None else (ontology.name, note)
        self.meaning = by_name(self.classes, ontology)

    def ask(self, network: "LeafPredictor", folder: Path, number: int) -> None:
        """Let a network propose what the classes mean, and print its table."""
        from harmonize.tools.draft.by_network import left_out, overlaps, propose, table

        spec = DatasetSpec.from_document(load_text(self.text(), "the drafted mapping"))
        found, counts = overlaps(network, spec, folder, self.classes, number=number)
        self.meaning = propose(found, self.classes, self.meaning)
        self.remarks = left_out(found, self.classes, counts, network.ontology)
        print(table(found, self.classes, self.meaning), end="\n\n")

    def text(self) -> str:
        """Return the mapping's text."""
        head = [
            YamlLine(f"name: {quoted(self.name)}"),
            YamlLine(f"about: {quoted(counted(self.splits.num_pictures, 'labelled picture'))}"),
            YamlLine(f"root: {quoted(self.root)}"),
            *(YamlLine(f"{key}: {quoted(text)}") for key, text in self.splits.templates.items()),
            YamlLine(f"encoding: {self.encoding}", _BY[self.encoding]),
        ]
        if self.encoding == "coco":
            head.append(YamlLine("order: area", "guess: where two overlap, the smaller is on top"))
        splits = [
            YamlLine(f"{quoted(name)}: {quoted(keys)}", note)
            for name, (keys, note) in self.splits.splits.items()
        ]
        classes = [YamlLine(f"{quoted(one.name)}: {one.value}", one.note) for one in self.classes]
        note = self.tree_note if self.tree else "TODO: a tree, such as roads for trees/roads.txt"
        meaning = [YamlLine(f"{quoted(self.tree or TODO_TREE)}:", note)]
        for one in self.classes:
            nodes: list[Value] = list(self.meaning[one.name].nodes)
            shown = quoted(nodes[0] if len(nodes) == 1 else nodes)
            meaning.append(YamlLine(f"  {quoted(one.name)}: {shown}", self.meaning[one.name].note))
        remarks = [f"# {commented(one)}" for one in self.remarks]
        blocks = [
            [
                "# Drafted by `harmonize new`. Every guess wants a look, every TODO an answer;",
                "# nothing can be trained on while a class means TODO.",
                *(f"# not used: {commented(line)}" for line in self.left_out),
                *aligned(head),
            ],
            [
                *(f"# {commented(one)}" for one in self.splits.remarks),
                "splits:",
                *aligned(splits, indent=2),
            ],
            ["# With each, its annotations.", "classes:", *aligned(classes, indent=2)],
            [*remarks, "meaning:", *aligned(meaning, indent=2)],
        ]
        return "\n\n".join("\n".join(block) for block in blocks) + "\n"

    def tell(self, spec: DatasetSpec, folder: Path, output: Path, check: Sequence[str]) -> None:
        """Read a few pictures of every split; say what is there and to be done."""
        counts, problems = try_splits(spec, folder)
        open_, total = sum(one.is_open for one in self.meaning.values()), len(self.classes)
        on_tree = f" on {self.tree}" if self.tree else "; the tree is to be chosen"
        rows = [
            *self.splits.templates.items(),
            ("encoding", self.encoding),
            *((split, counted(number, "picture")) for split, number in counts.items()),
            ("to do", f"{counted(open_, 'meaning')} of {total}{on_tree}"),
        ]
        width = max(len(label) for label, _ in rows)
        lines = [f"{self.name}: {counted(self.splits.num_pictures, 'picture')} with labels"]
        lines += [f"  {label:<{width}}  {commented(text)}" for label, text in rows]
        lines += [f"  not used: {commented(line)}" for line in self.left_out]
        tell("\n".join(lines))
        for problem in problems[:10]:
            print(f"to mend: {commented(problem)}")
        tell(f"{output} is written. Look at every guess, answer every TODO, then:")
        tell(f"  harmonize check {shlex.join(check)}")


def draft_annotated(
    name: str, root: str, annotations: Annotations, folder: Path, files: Files
) -> AnnotatedDraft:
    """Return the draft of a folder's annotation files, of which there are some."""
    found = annotations.files
    splits = lay_out(name, found, files.images)
    add_parts(splits, name, folder, files)
    return AnnotatedDraft(
        name,
        root,
        found[0].encoding,
        _classes(found),
        splits,
        left_out(annotations, files.images),
    )


def _classes(found: Sequence[AnnotationFile]) -> list[ClassDraft]:
    """Return what no annotation covers, and the classes by how many annotations they have."""
    used: Counter[str] = Counter()
    for one in found:
        used.update(one.used)
    if all(one.all_read for one in found):
        used += Counter()  # without those that none is of
    values = found[0].values
    rest = _REST if _REST not in used else "rest"
    of_rest = ClassDraft(rest, "~" if values else "[]", "what no annotation covers", named=True)
    return [
        of_rest,
        *(
            ClassDraft(one, str(values.get(one, "~")), counted(number, "annotation"), named=True)
            for one, number in used.most_common()
        ),
    ]
