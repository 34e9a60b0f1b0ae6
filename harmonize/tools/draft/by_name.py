"""What each class of a draft may mean on a tree, by how alike its name and a node's are."""

import difflib
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from harmonize.config.run_config import SHIPPED, find_file
from harmonize.errors import HarmonizeError
from harmonize.labels.mapping import IGNORE, TODO
from harmonize.labels.ontology import Ontology
from harmonize.tools.draft.draft_classes import ClassDraft

ALIKE = 0.75
"""From this score on a node is proposed."""
_GOOD_TREE = 0.6
_NEAR = 0.5
_RESIDUE_SCORE = 0.7
"""Of a leaf for what is left of a class: no meaning, but a sign that the tree fits."""

_SYNONYMS = {
    "aeroplane": "airplane plane",
    "background": "bg",
    "bicycle": "bike",
    "bicyclist": "cyclist",
    "car": "automobile",
    "clothing": "cloth clothe",
    "eyebrow": "brow",
    "glass": "eyeglass spectacle",
    "grass": "lawn",
    "headwear": "hat cap helmet",
    "inner": "interior inside",
    "lower": "bottom",
    "motorcycle": "motorbike",
    "person": "pedestrian people human woman man",
    "road": "street carriageway",
    "sidewalk": "pavement footpath",
    "sign": "symbol",
    "tvmonitor": "tv",
    "upper": "top",
}
_WORDS = {word: usual for usual, words in _SYNONYMS.items() for word in words.split()}
_PHRASES: dict[str, str] = {
    "eye g": "glasses",
    "ear r": "earring",
    "neck l": "necklace",
    "facial hair": "beard",
    "mouth": "inner mouth",
    "sign symbol": "traffic sign",
    "tv monitor": "tvmonitor",
    "potted plant": "pottedplant",
    "dining table": "diningtable",
    "train": "on rails",
    "signal": "traffic light",
}
"""Other names for whole classes; tried beside the name itself."""
_SHORT: dict[str, tuple[str, ...]] = {"l": ("left", "lower"), "r": ("right",), "u": ("upper",)}
_SYNONYM_COST = 0.05
_RESIDUE = frozenset(("misc", "miscellaneous", "other", "rest", "unknown", "unlabeled", "void"))
"""Words for what is left of something: ``other_ground`` is all ground but road, sidewalk and so
on, which a class called ground holds as well."""
_OPPOSITES = (("left", "right"), ("upper", "lower"), ("front", "back"), ("inner", "outer"))


@dataclass(frozen=True)
class Proposal:
    """What a class may mean.

    Attributes:
        nodes: the nodes; ``ignore`` or ``TODO`` alone.
        note: the reason, or what the user has to find out.
    """

    nodes: tuple[str, ...]
    note: str

    @property
    def is_open(self) -> bool:
        """Whether it is left to the user."""
        return self.nodes == (TODO,)


def choose_tree(tree: Path | None, classes: Sequence[ClassDraft]) -> tuple[Ontology | None, str]:
    """Return the tree that is named, else the shipped one that the classes' names fit, and why.

    Raises:
        HarmonizeError: the tree that is named cannot be used.
    """
    if tree is not None:
        path = find_file(str(tree))
        if path.suffix.lower() in (".yaml", ".yml"):
            raise HarmonizeError(f"--tree {tree}: a tree is a text file; see trees/ for some")
        return Ontology.from_file(path), ""
    names = [one.name for one in classes if one.named and not one.void and one.value is not None]
    if len(names) < 2:
        return None, ""
    trees = [Ontology.from_file(path) for path in sorted((SHIPPED / "trees").glob("*.txt"))]
    rated = [(mean_similarity(names, one), -len(one.leaves), one) for one in trees]
    score, _, best = max(rated, key=lambda item: item[:2], default=(0.0, 0, None))
    if best is None or score < _GOOD_TREE:
        return None, ""
    return best, f"guess: of the shipped trees its names fit best ({score:.2f})"


def by_name(classes: Sequence[ClassDraft], ontology: Ontology | None) -> dict[str, Proposal]:
    """Propose the node with the most similar name for every class that has a name of its own."""
    proposals: dict[str, Proposal] = {}
    for one in classes:
        if one.question:
            proposals[one.name] = Proposal((TODO,), one.question)
        elif one.void:
            proposals[one.name] = Proposal((IGNORE,), f"guess: {one.void}")
        elif not one.named or ontology is None:
            proposals[one.name] = Proposal((TODO,), "")
        else:
            proposals[one.name] = _nearest(one.name, ontology)
    return _apart(proposals, ontology) if ontology is not None else proposals


def left_open(proposals: dict[str, Proposal], why: str) -> dict[str, Proposal]:
    """Leave every meaning to the user, with what was proposed in the note."""
    return {
        name: Proposal(
            (TODO,), why if one.is_open else f"{why}; {', '.join(one.nodes)}: {one.note}"
        )
        for name, one in proposals.items()
    }


def _nearest(name: str, ontology: Ontology) -> Proposal:
    node, score = best_node(name, ontology)
    if score < ALIKE:
        near = f"nearest name: {node} ({score:.2f})"
        return Proposal((TODO,), near if score >= _NEAR else "no node has such a name")
    side = "; check whose side it is" if "left" in node or "right" in node else ""
    return Proposal((node,), f"guess: similar name ({score:.2f}){side}")


def _apart(proposals: dict[str, Proposal], ontology: Ontology) -> dict[str, Proposal]:
    """Take from a class what another one means more exactly: classes of one set exclude others."""
    masks = {
        name: ontology.leaf_mask(one.nodes)
        for name, one in proposals.items()
        if one.nodes[0] in ontology.nodes
    }
    result = dict(proposals)
    for name, mask in masks.items():
        inner = [other for other, m in masks.items() if m.sum() < mask.sum() and (m & mask).any()]
        if not inner:
            continue
        rest = mask & ~np.logical_or.reduce([masks[other] for other in inner])
        if rest.any():
            less = f"{', '.join(inner)} mean{'s' if len(inner) == 1 else ''}"
            note = f"{proposals[name].note}, less what {less}"
            result[name] = Proposal(ontology.describe(rest), note)
        else:
            result[name] = Proposal((TODO,), f"{proposals[name].nodes[0]} is what others mean")
    return result


def best_node(name: str, ontology: Ontology) -> tuple[str, float]:
    """Return the node whose name is most like a class's, and how alike they are in [0, 1]."""
    best = max(  # where the words are the same, the spelling decides
        ontology.nodes, key=lambda n: (similarity(name, n), _spelling(name.lower(), n.lower()))
    )
    return best, similarity(name, best)


def _spelling(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


@lru_cache(maxsize=200_000)
def similarity(name: str, node: str) -> float:
    """Rate how alike two names are: 1 for the same words, in [0, 1]."""
    wanted = _tokens(node)
    return max((_rate(tokens, wanted) - cost for tokens, cost in _readings(name)), default=0.0)


def mean_similarity(names: Iterable[str], ontology: Ontology) -> float:
    """Return how well a tree's nodes fit the names of classes, in [0, 1]."""
    scores = [best_node(name, ontology)[1] for name in names]
    return sum(score for score in scores if score >= _RESIDUE_SCORE) / max(len(scores), 1)


def _readings(name: str) -> list[tuple[tuple[str, ...], float]]:
    """Return what a name may say, each with what is taken off its score."""
    whole = _tokens(name)
    last = _tokens(re.split(r"--|/|>", name)[-1])  # of a path such as object--sign--back
    first = _tokens(re.split(r"[,;(]", name)[0])  # of names such as: road, route
    readings = [(whole, 0.0)] + [(one, 0.03) for one in (last, first) if one != whole]
    for tokens, cost in list(readings):
        phrase = _PHRASES.get(" ".join(tokens))
        if phrase is not None:
            readings.append((_tokens(phrase), cost + _SYNONYM_COST))
        if len(tokens) > 1 and any(token in _SHORT for token in tokens):
            choices = [_SHORT.get(token, (token,)) for token in tokens]
            readings += [(one, cost + 0.02) for one in itertools.product(*choices)]
    return readings


def _tokens(name: str) -> tuple[str, ...]:
    """Return the words of a name in lower case and in the singular."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    words = re.findall(r"[^\W_]+", parted.lower())
    return tuple(_singular(word) for word in words)


def _singular(word: str) -> str:
    if len(word) > 3 and word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith("sses"):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us")):
        return word[:-1]
    return word


def _rate(tokens: tuple[str, ...], wanted: tuple[str, ...]) -> float:
    if not tokens or not wanted:
        return 0.0
    if tokens == wanted or "".join(tokens) == "".join(wanted):
        return 1.0
    ours = {_WORDS.get(token, token) for token in tokens}
    theirs = {_WORDS.get(token, token) for token in wanted}
    if ours == theirs:
        return 1.0 - _SYNONYM_COST
    last = _WORDS.get(tokens[-1], tokens[-1]) == _WORDS.get(wanted[-1], wanted[-1])
    if theirs & _RESIDUE and theirs - _RESIDUE == ours:
        return _RESIDUE_SCORE
    contained = (ours < theirs or theirs < ours) and not (ours <= _RESIDUE or theirs <= _RESIDUE)
    if last and contained:  # a kind of it: column_pole, pole
        return 0.75 + 0.1 * len(ours & theirs) / len(ours | theirs)
    common = len(ours & theirs) / len(ours | theirs)
    one, other = " ".join(tokens), " ".join(wanted)
    spelling = _spelling(one, other)
    misspelt = spelling if spelling >= 0.85 and min(len(one), len(other)) >= 6 else 0.7 * spelling
    return max(0.7 * common, misspelt if not _opposed(ours, theirs) else 0.0)


def _opposed(ours: set[str], theirs: set[str]) -> bool:
    """Say whether two names speak of opposite sides, as left_eye and right_eye do."""
    return any((a in ours and b in theirs) or (b in ours and a in theirs) for a, b in _OPPOSITES)
