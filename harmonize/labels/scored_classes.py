"""The classes that a data set is scored and answered in, given what a network was taught."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from harmonize.labels.answerable import Answerable, class_leaves, find_answers, unanswerable
from harmonize.labels.approximate import approximate_answers
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.labels.same_meaning import same_meaning
from harmonize.labels.separable import separable_leaves

# Letters of shapes: C classes, K leaves.


@dataclass(frozen=True)
class ScoredClasses:
    """The classes of a data set as they are scored and answered.

    Attributes:
        names: of each class of the mapping; those of one meaning share one.
        numbers: the class that each counts as, which is the first one of its meaning.
        masks: the leaves that each is answered by; none for those that count as an earlier one, are
            ignored or left out.
        merged: the names of the mapping behind each joined one.
        left_out: the classes that are not answered, each with the reason.
        approximate: classes that are answered by other leaves than they mean, and how these differ.
        unanswered: classes that nothing answers but whose pixels are scored, each with the reason.
        missed: the leaves that these mean, none for the others; None if there are none.
    """

    names: tuple[str, ...]
    numbers: Int[ndarray, " C"]
    masks: Bool[ndarray, "C K"]
    merged: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    left_out: Mapping[str, str] = field(default_factory=dict[str, str])
    approximate: Mapping[str, str] = field(default_factory=dict[str, str])
    unanswered: Mapping[str, str] = field(default_factory=dict[str, str])
    missed: Bool[ndarray, "C K"] | None = None

    @property
    def truth(self) -> Bool[ndarray, "C K"]:
        """The leaves of each class whose pixels are scored; none for the others."""
        return self.masks if self.missed is None else self.masks | self.missed

    @property
    def is_as_written(self) -> bool:
        """Whether each class counts as itself."""
        return not self.merged


def answers_for(
    ontology: Ontology, trained: Iterable[DatasetSpec], asked: DatasetSpec
) -> tuple[Answerable, ...]:
    """Say of each class of a data set, the ignored ones left out, whether it can be answered.

    Classes of one meaning are one.
    """
    labelled = [spec for spec in trained if spec.has_labels]
    leaves = same_meaning(ontology, asked).leaves if asked.has_labels else {}
    if asked.answers == "approximate":
        separable = separable_leaves(ontology, labelled)
        return approximate_answers(ontology, separable, leaves, _pixels(ontology, asked))
    taught = [np.stack([*class_leaves(ontology, spec).values()]) for spec in labelled]
    return find_answers(ontology, taught, leaves)


def for_benchmark(spec: DatasetSpec) -> DatasetSpec:
    """Return a mapping that ignores what the data set's benchmark does not score.

    Classes that overlap are answered approximately, as a benchmark wants an answer for each.
    """
    scored = spec.benchmark or tuple(spec.classes)
    meaning = {
        tree: {name: nodes if name in scored else () for name, nodes in meant.items()}
        for tree, meant in spec.meaning.items()
    }
    return dataclasses.replace(spec, meaning=meaning, answers="approximate")


def scored_classes(
    ontology: Ontology,
    spec: DatasetSpec,
    trained: Iterable[DatasetSpec] | None = None,
    *,
    whole: bool = False,
) -> ScoredClasses:
    """Return the classes that a data set is scored in.

    Args:
        ontology: the tree.
        spec: of the data set.
        trained: of those that the network is trained on; unless given, it knows all classes.
        whole: score the pixels of classes that cannot be answered too, which then are all wrong.
    """
    same = same_meaning(ontology, spec)
    if trained is None:
        return ScoredClasses(same.names, same.numbers, same.masks, same.merged)
    answers = answers_for(ontology, trained, spec)
    missing = unanswerable(answers)
    masks, meant = same.masks, same.masks.copy()
    masks[[name in missing for name in same.names]] = False
    approximate: dict[str, str] = {}
    if spec.answers == "approximate":
        for answer in answers:
            if answer.status == "answerable":
                masks[same.names.index(answer.name)] = answer.leaves
                approximate |= {answer.name: answer.reason} if answer.reason else {}
    if whole and missing:
        meant[[name not in missing for name in same.names]] = False
        return ScoredClasses(
            same.names, same.numbers, masks, same.merged, {}, approximate, missing, meant
        )
    return ScoredClasses(same.names, same.numbers, masks, same.merged, missing, approximate)


def _pixels(ontology: Ontology, spec: DatasetSpec) -> dict[str, float]:
    """Return how many pixels each class has, as far as the mapping says."""
    found: dict[str, float] = {}
    for name, own in zip(same_meaning(ontology, spec).names, spec.classes, strict=True):
        if own in spec.pixels:
            found[name] = found.get(name, 0.0) + spec.pixels[own]
    return found
