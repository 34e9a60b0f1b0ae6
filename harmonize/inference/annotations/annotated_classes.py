"""The classes of a project of annotations, and the mapping that reads it back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from harmonize.config.accept import ALL, Accepted
from harmonize.config.strict_yaml import Value, dump, load_text
from harmonize.inference.answer_space import AnswerSpace
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.mapping import IGNORE
from harmonize.labels.mapping_lint import mapping_findings
from harmonize.labels.ontology import Ontology
from harmonize.labels.palette import BACKGROUND, Color
from harmonize.labels.palette import UNKNOWN as UNKNOWN_COLOR
from harmonize.labels.tree_text import ROOT

# Letters of shapes: C possible answers.

UNLABELLED = "unlabelled"
"""The class of pixels that no annotation covers, where no answer is for the rest."""


@dataclass(frozen=True)
class AnnotatedClass:
    """A class that annotations may have.

    Attributes:
        name: of it.
        color: that tools show it in.
        nodes: what it means; none for what is ignored.
        is_rest: whether it is what no annotation covers.
    """

    name: str
    color: Color
    nodes: tuple[str, ...]
    is_rest: bool = False

    @property
    def hex(self) -> str:
        """The colour as tools write it."""
        return "#{:02x}{:02x}{:02x}".format(*self.color)


@dataclass(frozen=True)
class AnnotatedClasses:
    """All classes that annotations may have.

    Attributes:
        classes: in the order of the mapping; exactly one is the rest.
        numbers: the class of each possible answer.
    """

    classes: tuple[AnnotatedClass, ...]
    numbers: Int[ndarray, " C"]

    @property
    def rest(self) -> int:
        """The number of the class that no annotation covers."""
        return next(number for number, one in enumerate(self.classes) if one.is_rest)

    @property
    def drawn(self) -> list[tuple[int, AnnotatedClass]]:
        """The classes that annotations have, with their numbers."""
        return [(number, one) for number, one in enumerate(self.classes) if not one.is_rest]


def annotated_classes(space: AnswerSpace, spec: DatasetSpec | None, tree: str) -> AnnotatedClasses:
    """Return the classes of answers; of a data set also those that are never answered.

    Args:
        space: the possible answers.
        spec: the data set whose classes they are, if they are that.
        tree: the name of the run's tree.
    """
    meaning = spec.meaning[tree] if spec is not None else {}
    found: dict[str, AnnotatedClass] = {}
    numbers: list[int] = []
    for label, mask in zip(space.labels, space.masks, strict=True):
        own = label.classes[0] if label.classes else label.name
        nodes = meaning.get(own, label.nodes)
        nodes = () if nodes == (ROOT,) else tuple(nodes)
        if mask.any() or spec is not None:
            found.setdefault(label.name, AnnotatedClass(label.name, label.color, nodes))
        numbers.append(list(found).index(label.name) if label.name in found else -1)
    classes = list(found.values())
    rest = next((number for number, one in enumerate(classes) if BACKGROUND in one.nodes), None)
    if rest is None:
        unknown = (number for number, label in enumerate(space.labels) if label.nodes == (ROOT,))
        rest = next(unknown, None)
    if rest is None:
        name = UNLABELLED
        while name in found:
            name = f"_{name}"
        rest = len(classes)
        classes.append(AnnotatedClass(name, UNKNOWN_COLOR, ()))
    one = classes[rest]
    classes[rest] = AnnotatedClass(one.name, one.color, one.nodes, is_rest=True)
    return AnnotatedClasses(tuple(classes), np.array(numbers, dtype=np.int64))


def mapping_text(
    name: str,
    classes: Sequence[AnnotatedClass],
    tree: Ontology,
    files: Mapping[str, Value],
    notes: Sequence[str],
    unseen: Sequence[str] = (),
) -> str:
    """Return the mapping of a project.

    Args:
        name: of the data set.
        classes: that annotations may have.
        tree: whose nodes they mean.
        files: the keys that say where pictures and labels are, and how these are read.
        notes: lines about where the labels are from.
        unseen: the classes that no pixel has.
    """
    head = "".join(f"# {' '.join(note.split())}\n" for note in notes)
    value: dict[str, Value] = {
        "name": name,
        **files,
        "classes": {one.name: [] if one.is_rest else None for one in classes},
        "meaning": {
            tree.name: {one.name: list(one.nodes) if one.nodes else IGNORE for one in classes},
        },
    }
    if accept := _accepted(value, tree, unseen):
        value["accept"] = accept
    return head + dump(value)


def _accepted(value: dict[str, Value], tree: Ontology, unseen: Sequence[str]) -> dict[str, Value]:
    """Return the findings of ``harmonize check`` about a mapping, all of which are meant.

    Answers are of several depths, and not each of them occurs.
    """
    spec = DatasetSpec.from_document(load_text(dump(value), "the mapping of annotations"))
    found = mapping_findings(spec, tree, Accepted({}, spec.document))
    accept: dict[str, Value] = {finding.kind: ALL for finding in found}
    if unseen:
        accept["never-seen"] = list[Value](unseen)
    return accept
