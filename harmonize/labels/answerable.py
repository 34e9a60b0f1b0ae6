"""Which classes of a data set a trained network can answer, from the labels alone."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology

# Letters of shapes: K leaves.

Status = Literal["answerable", "overlapping", "coarser", "never"]


@dataclass(frozen=True)
class Answerable:
    """Whether a network can answer one asked class.

    Attributes:
        name: of the class.
        status: ``answerable``; ``overlapping``: separable as a set of leaves, but another class
            of the same data set takes its leaves; ``coarser``: only as part of a larger set of
            leaves; ``never``.
        reason: why the class is left out; of an answerable class what is lost all the same, or
            nothing.
        leaves: the class's leaves that training has labels for.
        closure: what can be answered in its place; ``leaves`` themselves if they can.
    """

    name: str
    status: Status
    reason: str
    leaves: Bool[ndarray, " K"]
    closure: Bool[ndarray, " K"]


def class_leaves(ontology: Ontology, spec: DatasetSpec) -> dict[str, Bool[ndarray, " K"]]:
    """Return the leaves of each class of a data set, the ignored classes left out.

    A data set without labels has none.
    """
    if not spec.has_labels:
        return {}
    masks = zip(spec.classes, spec.leaf_masks(ontology), strict=True)
    return {name: mask for name, mask in masks if mask.any()}


def unanswerable(answers: Iterable[Answerable]) -> dict[str, str]:
    """Return the classes that cannot be answered, each with its reason."""
    return {answer.name: answer.reason for answer in answers if answer.status != "answerable"}


def find_answers(
    ontology: Ontology,
    trained: Sequence[Bool[ndarray, "_ K"]],
    asked: Mapping[str, Bool[ndarray, " K"]],
) -> tuple[Answerable, ...]:
    """Say of each asked class whether a network taught the trained classes can answer it.

    A label T on a pixel of leaf l says no more than that the answer lies in T. So with every label
    obeyed, the pixel may still be answered as any leaf of M(l): the intersection, over the trained
    sets that label l, of what l is called there, which is the class that has l or, where several
    have it, the union of those that contain no other of them. A leaf in no trained class is
    *untaught*. *Twins* are leaves in the same trained classes: nothing tells them apart. A set of
    leaves *holds* l if M(l) lies in it. A class with the leaves S, S' of them taught, is

    - ``never`` answered if S' is empty;
    - separable if S' has all twins of its leaves, and holds at least one of them. What it does not
      hold (untaught leaves, and those that labels name only along with better known ones outside
      S) it may miss, and other classes may then be answered there;
    - ``coarser`` otherwise. Its closure is then what can be answered in its place: S' with all
      twins if that holds a leaf, else the union of M(l) over S'. If the closure is all that was
      taught, the class is ``never`` answered.

    Of classes that share leaves, one always loses to another that contains it. So the separable
    ones are gone through from few taught leaves to many, ties in the order given; one is
    ``answerable`` if then each class kept has a taught leaf that no other has, else
    ``overlapping``.

    The own classes of a set that was trained on are all answerable, but for those that share each
    of their leaves. Where every trained set has just one class for each taught leaf, a class is
    separable if it is a union of sets of twins.

    Args:
        ontology: names the leaves.
        trained: for each trained set the leaves of its classes, at least one each.
        asked: the leaves of each class of one data set by name, at least one each.
    """
    classes = np.concatenate([np.zeros((0, len(ontology.leaves)), dtype=bool), *trained])
    taught: Bool[ndarray, " K"] = np.any(classes, axis=0)
    twins = _in_the_same(classes) & taught
    may = _may_be_answered_as(trained, taught)
    found = [_answer(ontology, name, mask, twins=twins, may=may) for name, mask in asked.items()]
    return _settle_rivals(ontology, found)


def merge_for(answer: Answerable, answers: Iterable[Answerable]) -> tuple[str, ...]:
    """Name the classes that, made one, would be answerable in a coarser one's place, if any are."""
    sized = [other for other in answers if other.leaves.any()]
    inside = [other for other in sized if not (other.leaves & ~answer.closure).any()]
    one_is_all = any((other.leaves == answer.closure).all() for other in inside)
    union = np.any([answer.leaves, *(other.leaves for other in inside)], axis=0)
    if answer.status != "coarser" or one_is_all or (union != answer.closure).any():
        return ()
    return tuple(other.name for other in inside)


def name_leaves(ontology: Ontology, mask: Bool[ndarray, " K"]) -> str:
    """Write a set of leaves as nodes, or as all nodes but some where that is much shorter."""
    nodes, others = ontology.describe(mask), ontology.describe(~mask)
    if 3 * len(others) < len(nodes):
        return f"all but {' + '.join(others)}"
    return " + ".join(nodes)


def _in_the_same(classes: Bool[ndarray, "_ K"]) -> Bool[ndarray, "K K"]:
    """Mark the pairs of leaves that are in the same classes."""
    together = classes.T.astype(np.float32) @ classes.astype(np.float32)
    alone = together.diagonal()
    return (together == alone) & (together == alone[:, None])


def _may_be_answered_as(
    trained: Sequence[Bool[ndarray, "_ K"]], taught: Bool[ndarray, " K"]
) -> Bool[ndarray, "K K"]:
    """Mark for each leaf l (row) the leaves of M(l); none for an untaught one."""
    may: Bool[ndarray, "K K"] = np.repeat(taught[:, None], len(taught), axis=1)
    for classes in trained:
        counts = classes.astype(np.float32)  # whole numbers all the same, and far faster to add up
        contains = counts @ (1 - counts).T == 0  # (inner, outer) classes
        inside = (contains & ~contains.T).astype(np.float32)  # but not equal
        finest = classes & (inside.T @ counts == 0)
        called = finest.T.astype(np.float32) @ counts > 0  # (K, K)
        may &= called | ~np.any(classes, axis=0)[:, None]
    return may


def _closure(
    leaves: Bool[ndarray, " K"], *, twins: Bool[ndarray, "K K"], may: Bool[ndarray, "K K"]
) -> Bool[ndarray, " K"]:
    """Return the taught leaves with all twins if that holds one, else the union of their M."""
    whole: Bool[ndarray, " K"] = np.any(twins[leaves], axis=0)
    reached: Bool[ndarray, " K"] = np.any(may[leaves], axis=0)
    holds = ~np.any(may[leaves] & ~whole, axis=1)
    return whole if holds.any() else reached


def _answer(
    ontology: Ontology,
    name: str,
    mask: Bool[ndarray, " K"],
    *,
    twins: Bool[ndarray, "K K"],
    may: Bool[ndarray, "K K"],
) -> Answerable:
    """Judge a class alone, whatever its rivals."""
    taught = twins.diagonal()
    leaves = mask & taught
    closure = _closure(leaves, twins=twins, may=may)
    if not leaves.any():
        status, reason = "never", "no trained set labels it"
    elif (closure == leaves).all():
        missed = mask & (~taught | (may & ~mask).any(1))
        status = "answerable"
        reason = f"may miss {name_leaves(ontology, missed)}" if missed.any() else ""
    elif (closure == taught).all():
        status, reason = "never", "the trained sets tell it from nothing else"
    else:
        status, reason = "coarser", f"only as {name_leaves(ontology, closure)}"
    return Answerable(name, status, reason, leaves, closure)


def _settle_rivals(ontology: Ontology, answers: list[Answerable]) -> tuple[Answerable, ...]:
    """Leave out classes that would rob another, or be robbed, of all leaves of their own."""
    alone = [answer for answer in answers if answer.status == "answerable"]
    if (np.sum([answer.leaves for answer in alone], axis=0) <= 1).all():
        return tuple(answers)  # no leaf is in two
    kept: list[Answerable] = []
    settled: dict[str, Answerable] = {}
    for answer in sorted(alone, key=lambda answer: int(answer.leaves.sum())):
        owners = np.sum([other.leaves for other in (*kept, answer)], axis=0)
        if all((owners[other.leaves] == 1).any() for other in (*kept, answer)):
            kept.append(answer)
        else:
            reason = _shared(ontology, answer, kept)
            settled[answer.name] = dataclasses.replace(answer, status="overlapping", reason=reason)
    for answer in kept:
        rivals = [other for other in kept if other is not answer]
        reason = "; ".join(filter(None, (answer.reason, _shared(ontology, answer, rivals))))
        settled[answer.name] = dataclasses.replace(answer, reason=reason)
    return tuple(settled.get(answer.name, answer) for answer in answers)


def _shared(ontology: Ontology, answer: Answerable, rivals: Iterable[Answerable]) -> str:
    """Say which leaves a class shares with which others; nothing if there are none."""
    sharing = [rival for rival in rivals if (answer.leaves & rival.leaves).any()]
    for rival in sharing:
        if (answer.leaves == rival.leaves).all():
            return f"the same leaves as {rival.name}"
    if not sharing:
        return ""
    shared = answer.leaves & np.any([rival.leaves for rival in sharing], axis=0)
    return f"shares {name_leaves(ontology, shared)} with {', '.join(r.name for r in sharing)}"
