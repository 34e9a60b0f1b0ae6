"""The answers that a picture can get: leaves, groups, nodes, or a data set's own classes."""

import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Integer
from numpy import ndarray
from torch import Tensor

from harmonize.calibration.back_off import Nodes, deepest
from harmonize.calibration.calibration_file import Temperatures
from harmonize.calibration.temperatures import scaled
from harmonize.config.train_config import Decode
from harmonize.decoding.answers import Answers
from harmonize.decoding.decoder import Decoder
from harmonize.decoding.decoding_tree import decoding_tree
from harmonize.errors import HarmonizeError
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.encoding import Encoding
from harmonize.labels.encodings import ENCODINGS
from harmonize.labels.ontology import Ontology
from harmonize.labels.palette import UNKNOWN as UNKNOWN_COLOR
from harmonize.labels.palette import Color, class_colors, color_of_leaves, node_colors
from harmonize.labels.same_meaning import short_name
from harmonize.labels.scored_classes import scored_classes
from harmonize.labels.separable import Separable, answer_nodes, separable_leaves
from harmonize.labels.sources import Sources
from harmonize.labels.tree_text import ROOT

# Letters of shapes: K leaves, C answers, R x W pixels.

UNKNOWN = "unknown"
"""What the root is called where it is an answer."""
_SHOWN = 3
"""Reasons that an error lists."""


@dataclass(frozen=True)
class AnswerLabel:
    """One possible answer.

    Attributes:
        name: of the leaf, group, node or class.
        value: what stands for it in the pictures: an id, or a colour as mappings number it.
        nodes: what it means.
        depth: of the node that it means; None where it means several.
        color: how it is drawn.
        classes: of a data set, that it stands for, where these are several; its value is that of
            the first.
    """

    name: str
    value: int
    nodes: tuple[str, ...]
    depth: int | None
    color: Color
    classes: tuple[str, ...] = ()

    @property
    def short_name(self) -> str:
        """The name for a picture or a line: of several classes the first few."""
        return short_name(self.name, {self.name: self.classes or (self.name,)})


@dataclass(frozen=True)
class AnswerSpace:
    """All possible answers, and how a pixel's is found.

    Attributes:
        title: what they are, for people.
        labels: the answers.
        masks: the leaves of each; a label without leaves is never answered.
        decoder: decides pixels, from which their answers follow.
        is_classes: whether they are a data set's own classes, and not nodes.
        encoding: of the pictures that hold their values.
        nodes: that answers back off to, in the order of the labels, if they do.
        confidence: the probability that an answer must reach then; the deepest that does is given,
            and the first label, which has all leaves, if none does.
        temperatures: what logits are divided by before, by their most probable leaf.
        unanswerable: classes that are not answered, each with the reason.
        approximate: classes that are answered by other leaves than they mean, and how these differ.
    """

    title: str
    labels: tuple[AnswerLabel, ...]
    masks: Bool[ndarray, "C K"]
    decoder: Decoder
    is_classes: bool = False
    encoding: Encoding = ENCODINGS["ids"]
    nodes: Nodes | None = None
    confidence: float = 1.0
    temperatures: Float[ndarray, " K"] | None = None
    unanswerable: Mapping[str, str] = field(default_factory=dict[str, str])
    approximate: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def num(self) -> int:
        """Of the answers."""
        return len(self.labels)

    def decide(
        self, logits: Float[Tensor, "K R W"], units: Integer[Tensor, "R W"] | None = None
    ) -> Int[Tensor, "R W"]:
        """Return the number of each pixel's label.

        Args:
            logits: of the pixels.
            units: what the decoder decides of them, if that is known.
        """
        if units is None:
            units = self.decoder.picture(logits)
        if self.nodes is None:
            return self._answers.picture(self.decoder, logits, units=units)
        known = self.temperatures
        temperatures = None if known is None else torch.from_numpy(known).to(logits)
        return deepest(logits, self.nodes, self.confidence, temperatures, units)

    def decide_scaled(
        self, logits: Float[Tensor, "K h w"], size: tuple[int, int]
    ) -> Int[Tensor, "R W"] | None:
        """Return the number of each label of a picture of a size; see ``Decoder.picture``.

        None where answers need the scaled logits themselves.
        """
        if self.nodes is not None or not self.decoder.scales(logits):
            return None
        return self._answers.picture(self.decoder, logits, size)

    @functools.cached_property
    def _answers(self) -> Answers:
        return Answers.of(self.decoder.tree, self.masks)

    def probabilities(self, logits: Float[Tensor, "K R W"]) -> Float[Tensor, "C R W"]:
        """Return the sum of the probabilities of each answer's leaves, in [0, 1]."""
        if self.temperatures is not None:
            logits = scaled(logits, torch.from_numpy(self.temperatures).to(logits))
        masks = torch.from_numpy(self.masks).to(logits)
        return torch.tensordot(masks, logits.softmax(0), dims=1)


def decoder_of(sources: Sources, decode: Decode) -> Decoder:
    """Return what decides the pixels of a run's network."""
    return Decoder(decoding_tree(sources.ontology, sources.taught), decode)


def leaves(sources: Sources, decoder: Decoder) -> AnswerSpace:
    """Return the leaves of a run's tree as answers; those that no label tells apart are one."""
    return _at_depth(sources, decoder, "leaves", sources.ontology.depth)


def groups(sources: Sources, decoder: Decoder, depth: int) -> AnswerSpace:
    """Return the groups at a depth as answers, each named by its node.

    Leaves of several groups that no label tells apart are an answer of their own. They are numbered
    in file order of their first leaves.

    Raises:
        HarmonizeError: the tree has no such depth.
    """
    ontology = sources.ontology
    if not 1 <= depth <= ontology.depth:
        raise HarmonizeError(
            f"--depth {depth}: {ontology.name} has the depths 1 to {ontology.depth}"
        )
    return _at_depth(sources, decoder, f"groups at depth {depth}", depth)


def confident_nodes(
    sources: Sources,
    decoder: Decoder,
    confidence: float,
    temperatures: Temperatures | None = None,
) -> AnswerSpace:
    """Return all nodes as answers, of which the deepest that is probable enough is given.

    Args:
        sources: of the run.
        decoder: of the run's network.
        confidence: the probability that is enough.
        temperatures: make probabilities as high as labels bear out; the network's own unless given.

    Raises:
        HarmonizeError: the confidence is no probability above 0.
    """
    ontology = sources.ontology
    if not 0 < confidence <= 1:
        raise HarmonizeError(f"--confidence {confidence:g}: a probability above 0, up to 1")
    separable = separable_leaves(sources.ontology, sources.taught)
    answers = answer_nodes(ontology, separable)
    colors = node_colors(ontology)
    labels = [AnswerLabel(UNKNOWN, 0, (ROOT,), 0, colors[ROOT])]
    for answer in answers[1:]:
        color = (
            colors[answer.nodes[0]]
            if len(answer.nodes) == 1
            else color_of_leaves(ontology, answer.leaves, colors, [label.color for label in labels])
        )
        name = "+".join(answer.nodes)
        labels.append(AnswerLabel(name, len(labels), answer.nodes, answer.depth, color))
    kind = "probability" if temperatures is None else "calibrated probability"
    like = "" if temperatures is None else f", as for {' and '.join(temperatures.like)}"
    return AnswerSpace(
        f"nodes of {kind} {confidence:g} and more{like}",
        tuple(labels),
        np.stack([answer.leaves for answer in answers]),
        decoder,
        nodes=Nodes.of(answers, decoder),
        confidence=confidence,
        temperatures=None if temperatures is None else temperatures.by_leaf,
        unanswerable=_untaught(separable),
    )


def classes_of(
    sources: Sources, decoder: Decoder, spec: DatasetSpec, roots: dict[str, str]
) -> AnswerSpace:
    """Return a data set's classes as answers, written as its own labels are if that is one picture.

    That is: by their colours, or by their ids (the first of several) of 0 to 65535. Otherwise by
    their position among the mapping's classes. Ignored classes, and those that the run's labels do
    not teach, are never answered.

    Args:
        sources: of the run.
        decoder: of the run's network.
        spec: the data set's mapping.
        roots: folders of data sets, for a mapping that has its ids from a file there.

    Raises:
        HarmonizeError: none of its classes can be answered, or its ids are not found.
    """
    ontology = sources.ontology
    scored = scored_classes(ontology, spec, sources.taught)
    masks, missing = scored.masks, scored.left_out
    if not masks.any():
        reasons = [f"{name}: {reason}" for name, reason in missing.items()]
        more = "; ..." if len(reasons) > _SHOWN else ""
        raise HarmonizeError(
            f"--as {spec.name}: what the run was trained on teaches none of its classes "
            f"({'; '.join(reasons[:_SHOWN]) + more or 'it ignores all'}); choose another"
        )
    if spec.class_file is not None:
        spec = spec.with_ids(spec.folder(roots))
    encoding = ENCODINGS[spec.encoding.written_as]
    values = _values(spec, np.any(masks, axis=1), encoding.highest_written)
    labels: list[AnswerLabel] = []
    colors = class_colors(ontology, spec)
    for name, value, mask, color in zip(scored.names, values, masks, colors, strict=True):
        nodes, shown = ontology.describe(mask), color or UNKNOWN_COLOR
        members = scored.merged.get(name, ())
        labels.append(AnswerLabel(name, value, nodes, _depth(ontology, nodes), shown, members))
    return AnswerSpace(
        f"classes of {spec.name}",
        tuple(labels),
        masks,
        decoder,
        is_classes=True,
        encoding=encoding,
        unanswerable=missing,
        approximate=scored.approximate,
    )


def _values(spec: DatasetSpec, answered: Bool[ndarray, " C"], highest: int) -> list[int]:
    """Return what stands for each class of a data set in one picture.

    These are the values of its labels, unless an answered class has none that a picture can hold.
    """
    values = [entry.values[0] if entry.values else -1 for entry in spec.classes.values()]
    written = np.array(values)[answered]
    if written.min() < 0 or written.max() > highest:
        return list(range(len(spec.classes)))
    free = (number for number in itertools.count() if number not in values)
    known = [bool(entry.values) for entry in spec.classes.values()]
    return [value if has else next(free) for value, has in zip(values, known, strict=True)]


def _at_depth(sources: Sources, decoder: Decoder, title: str, depth: int) -> AnswerSpace:
    ontology, separable = sources.ontology, separable_leaves(sources.ontology, sources.taught)
    colors = node_colors(ontology)
    labels: list[AnswerLabel] = []
    for named in decoder.tree.names[depth - 1]:
        color = color_of_leaves(ontology, ontology.leaf_mask(named), colors, ())
        labels.append(
            AnswerLabel("+".join(named), len(labels), named, _depth(ontology, named), color)
        )
    masks = decoder.tree.masks_at(depth)
    return AnswerSpace(title, tuple(labels), masks, decoder, unanswerable=_untaught(separable))


def _depth(ontology: Ontology, nodes: Sequence[str]) -> int | None:
    return ontology.depth_of(nodes[0]) if len(nodes) == 1 else None


def _untaught(separable: Separable) -> dict[str, str]:
    return dict.fromkeys(separable.untaught, "no trained set labels it")
