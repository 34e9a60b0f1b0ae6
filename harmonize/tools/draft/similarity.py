"""How alike the name of a class and that of a node are."""

import difflib
import itertools
import re
from collections.abc import Iterable
from functools import lru_cache

from harmonize.labels.ontology import Ontology

ALIKE = 0.75
"""From this score on a node is proposed."""

_WORDS: dict[str, str] = {
    "pavement": "sidewalk",
    "footpath": "sidewalk",
    "brow": "eyebrow",
    "interior": "inner",
    "inside": "inner",
    "top": "upper",
    "bottom": "lower",
    "cloth": "clothing",
    "clothe": "clothing",
    "hat": "headwear",
    "cap": "headwear",
    "helmet": "headwear",
    "eyeglass": "glass",
    "spectacle": "glass",
    "pedestrian": "person",
    "people": "person",
    "human": "person",
    "automobile": "car",
    "motorbike": "motorcycle",
    "bike": "bicycle",
    "cyclist": "bicyclist",
    "airplane": "aeroplane",
    "plane": "aeroplane",
    "bg": "background",
    "lawn": "grass",
    "woman": "person",
    "man": "person",
    "street": "road",
    "carriageway": "road",
    "symbol": "sign",
    "tv": "tvmonitor",
}
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


def best_node(name: str, ontology: Ontology) -> tuple[str, float]:
    """Return the node whose name is most like a class's, and how alike they are in [0, 1]."""
    scored = [(similarity(name, node), _written(name, node), node) for node in ontology.nodes]
    score, _, node = max(scored, key=lambda one: one[:2])
    return node, score


def _written(name: str, node: str) -> float:
    """Rate how alike two names are as they are written, where their words are the same."""
    return difflib.SequenceMatcher(None, name.lower(), node.lower()).ratio()


@lru_cache(maxsize=200_000)
def similarity(name: str, node: str) -> float:
    """Rate how alike two names are: 1 for the same words, in [0, 1]."""
    wanted = _tokens(node)
    return max((_rate(tokens, wanted) - cost for tokens, cost in _readings(name)), default=0.0)


def mean_similarity(names: Iterable[str], ontology: Ontology) -> float:
    """Return how well a tree's nodes fit the names of classes, in [0, 1]."""
    scores = [best_node(name, ontology)[1] for name in names]
    good = [score if score >= ALIKE else 0.0 for score in scores]
    return sum(good) / len(good) if good else 0.0


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
    if last and (ours < theirs or theirs < ours):  # a kind of it: column_pole, pole
        return 0.75 + 0.1 * len(ours & theirs) / len(ours | theirs)
    common = len(ours & theirs) / len(ours | theirs)
    one, other = " ".join(tokens), " ".join(wanted)
    written = difflib.SequenceMatcher(None, one, other).ratio()
    misspelt = written if written >= 0.85 and min(len(one), len(other)) >= 6 else 0.7 * written
    return max(0.7 * common, misspelt if not _opposed(ours, theirs) else 0.0)


def _opposed(ours: set[str], theirs: set[str]) -> bool:
    """Say whether two names speak of opposite sides, as left_eye and right_eye do."""
    pairs = (("left", "right"), ("upper", "lower"), ("front", "back"), ("inner", "outer"))
    return any((a in ours and b in theirs) or (b in ours and a in theirs) for a, b in pairs)
