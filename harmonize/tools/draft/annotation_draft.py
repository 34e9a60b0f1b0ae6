"""A mapping of a folder whose labels an annotation tool wrote."""

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from harmonize.config.strict_yaml import Value, load_text
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.plurals import counted
from harmonize.system.progress import tell
from harmonize.tools.draft.by_name import Proposal, by_name
from harmonize.tools.draft.draft_classes import ClassDraft
from harmonize.tools.draft.mapping_text import YamlLine, aligned, commented, quoted
from harmonize.tools.draft.name_words import canonical, split_order, split_word
from harmonize.tools.draft.picture_annotations import PER_PICTURE, AnnotationFile
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
class _AnnotatedSplit:
    """A split: its name, and what stands for each field in its paths."""

    name: str
    pairs: Sequence[tuple[str, str]]
    fields: dict[str, str]


@dataclass
class AnnotatedDraft:
    """What a drafted mapping of annotation files says.

    Attributes:
        name, root: of the data set.
        encoding: of all its files.
        classes: one for each name in the files, and one for what no annotation covers.
        lists: the lists of splits that are written beside the mapping, by name.
        tree, tree_note: the tree and why this one.
        meaning: what each class may mean.
    """

    name: str
    root: str
    encoding: str
    classes: list[ClassDraft]
    templates: dict[str, str]
    splits: dict[str, tuple[dict[str, Value], int]]
    lists: dict[str, str]
    tree: str | None = None
    tree_note: str = ""
    meaning: dict[str, Proposal] = field(default_factory=dict[str, Proposal])
    remarks: list[str] = field(default_factory=list[str])

    @property
    def num_pictures(self) -> int:
        """How many pictures have a label."""
        return sum(number for _, number in self.splits.values())

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
            YamlLine(f"about: {quoted(f'{self.num_pictures} labelled pictures')}"),
            YamlLine(f"root: {quoted(self.root)}"),
            *(YamlLine(f"{key}: {quoted(text)}") for key, text in self.templates.items()),
            YamlLine(f"encoding: {self.encoding}", _BY[self.encoding]),
        ]
        if self.encoding == "coco":
            head.append(YamlLine("order: area", "guess: where two overlap, the smaller is on top"))
        splits = [
            YamlLine(f"{quoted(name)}: {quoted(keys)}", counted(number, "picture"))
            for name, (keys, number) in self.splits.items()
        ]
        classes = [YamlLine(f"{quoted(one.name)}: {one.value}", one.note) for one in self.classes]
        note = self.tree_note if self.tree else "TODO: a tree, such as roads for trees/roads.txt"
        meaning = [YamlLine(f"{quoted(self.tree or 'TODO_tree')}:", note)]
        for one in self.classes:
            nodes: list[Value] = list(self.meaning[one.name].nodes)
            shown = quoted(nodes[0] if len(nodes) == 1 else nodes)
            meaning.append(YamlLine(f"  {quoted(one.name)}: {shown}", self.meaning[one.name].note))
        remarks = [f"# {commented(one)}" for one in self.remarks]
        blocks = [
            [
                "# Drafted by `harmonize new`. Every guess wants a look, every TODO an answer;",
                "# nothing can be trained on while a class means TODO.",
                *aligned(head),
            ],
            ["splits:", *aligned(splits, indent=2)],
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
            *self.templates.items(),
            ("encoding", self.encoding),
            *((split, counted(number, "picture")) for split, number in counts.items()),
            ("to do", f"{counted(open_, 'meaning')} of {total}{on_tree}"),
        ]
        width = max(len(label) for label, _ in rows)
        lines = [f"{self.name}: {counted(self.num_pictures, 'picture')} with labels"]
        lines += [f"  {label:<{width}}  {commented(text)}" for label, text in rows]
        tell("\n".join(lines))
        for problem in problems[:10]:
            print(f"to mend: {commented(problem)}")
        tell(f"{output} is written. Look at every guess, answer every TODO, then:")
        tell(f"  harmonize check {shlex.join(check)}")


def draft_annotated(
    name: str, root: str, found: Sequence[AnnotationFile], images: Sequence[str]
) -> AnnotatedDraft:
    """Return the draft of a folder's annotation files, which are of one encoding."""
    encoding = found[0].encoding
    classes = _classes(found)
    splits = [_split(one) for one in found]
    _name_apart(splits)
    splits.sort(key=lambda one: split_order(one.name))
    templates = _templates(splits, encoding)
    drafted: dict[str, tuple[dict[str, Value], int]] = {}
    lists: dict[str, str] = {}
    for one in splits:
        picture = _filled(templates["picture"], one.fields)
        keys: dict[str, Value] = {"glob": picture}
        if _matching(images, one.fields) != {image for image, _ in one.pairs}:
            file = f"{name}_{one.name}.txt"
            lists[file] = "".join(f"{PurePosixPath(image).stem}\n" for image, _ in one.pairs)
            keys = {"list": file, "separator": "\t"}
        kept: dict[str, Value] = {
            key: text for key, text in one.fields.items() if f"{{{key}}}" in str(templates)
        }
        if kept:
            keys["fields"] = kept
        drafted[one.name] = keys, len(one.pairs)
    return AnnotatedDraft(name, root, encoding, classes, templates, drafted, lists)


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


def _split(one: AnnotationFile) -> _AnnotatedSplit:
    """Find the folders of a file's pictures and labels; those not in the usual one are left out."""
    kinds = Counter(_kind(image) for image, _ in one.pairs)
    (folder, suffix), _ = kinds.most_common(1)[0]
    fields = {"folder": folder, "ending": suffix}
    pairs = [pair for pair in one.pairs if _kind(pair[0]) == (folder, suffix)]
    if any(label for _, label in pairs):
        fields["labels"] = Counter(_folder(label) for _, label in pairs).most_common(1)[0][0]
    if one.encoding not in PER_PICTURE:
        fields["annotations"] = one.path
    words = (split_word(part) for part in [*one.path.split("/")[::-1], *folder.split("/")[::-1]])
    name = next((canonical(word[1]) for word in words if word), "all")
    return _AnnotatedSplit(name, pairs, fields)


def _name_apart(splits: Sequence[_AnnotatedSplit]) -> None:
    """Give splits of one name a number."""
    seen: Counter[str] = Counter()
    for one in splits:
        seen[one.name] += 1
        one.name += f"_{seen[one.name]}" if seen[one.name] > 1 else ""


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _kind(picture: str) -> tuple[str, str]:
    return _folder(picture), PurePosixPath(picture).suffix


def _templates(splits: Sequence[_AnnotatedSplit], encoding: str) -> dict[str, str]:
    """Return the path templates: what all splits have in common is written out."""
    same = {
        key: splits[0].fields[key]
        for key in splits[0].fields
        if len({one.fields.get(key) for one in splits}) == 1
    }
    found = {"picture": "{folder}/{id}{ending}"}
    if encoding in PER_PICTURE:
        found["label"] = f"{{labels}}/{PER_PICTURE[encoding]}"
    elif encoding == "coco_panoptic":
        found |= {"label": "{labels}/{id}.png", "annotations": "{annotations}"}
    else:
        found["label"] = "{annotations}"
    return {key: _filled(text, same).lstrip("/") for key, text in found.items()}


def _filled(template: str, fields: dict[str, str]) -> str:
    for key, text in fields.items():
        template = template.replace(f"{{{key}}}", text.replace("{", "{{").replace("}", "}}"))
    return template.lstrip("/")


def _matching(images: Sequence[str], fields: dict[str, str]) -> set[str]:
    """Return the pictures that a split's pattern finds."""
    usual = fields["folder"], fields["ending"]
    return {image for image in images if _kind(image) == usual}
