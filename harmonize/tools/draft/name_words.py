"""Words in the names of folders and files: which split, which role."""

import re
from collections.abc import Sequence

_SPLITS = {
    "train": ("train", "training", "exemplars"),
    "val": ("val", "valid", "validation", "dev", "tuning"),
    "test": ("test", "testing"),
}
_CANONICAL = {word: split for split, words in _SPLITS.items() for word in words}
_ORDER = {split: place for place, split in enumerate(_SPLITS)}
_LONGEST_FIRST = "|".join(sorted(_CANONICAL, key=len, reverse=True))
_SPLIT = re.compile(
    r"(?:(?<![A-Za-z])|(?<=[a-z])(?=[A-Z]))"
    rf"(?i:({_LONGEST_FIRST}))"
    r"(?i:(?=$|[^a-z]|annot|label|mask|image|img|seg|gt|set|data|rgb|pic|photo))"
)
_LABEL = re.compile(r"(?i)manual|label|mask|seg|gt|annot|truth|lbl|trimap|class|parts|parsing|_L\b")
_PICTURE = re.compile(r"(?i)image|img|photo|pict|jpeg|rgb|raw|left|frame|funneled")
_OTHER = re.compile(
    r"(?i)instance|colou?r|panoptic|depth|vi[sz](?!it)|preview|overlay|edge|contour|object|disparity"
    r"|train_?ids|polygon|bound|right|(?<![a-z])(?:fov|roi)(?![a-z])"
)
_ROLE = re.compile(
    r"(?i)label|mask|seg|gt|annot|truth|image|img|photo|rgb|raw|instance|colou?r|panoptic|depth"
    r"|vi[sz](?!it)|edge|contour"
)


_ORDINAL = re.compile(
    r"(?i)(?<!\d)\d+(?:st|nd|rd|th)?|(?<![a-z])(?:first|second|third|[a-d])(?![a-z])"
)
_ANNOTATOR = re.compile(
    r"(?i)manual|expert|annotat|observer|rater|reader|grader|labell?er|coder|(?<![a-z])(?:obs|anno)"
    r"|(?<=[a-z\d])HO(?![a-z])|(?:first|second|1st|2nd)"
)


def are_annotators(names: Sequence[str]) -> bool:
    """Say whether names differ by a count alone and speak of people: ``1st_manual``."""
    plain = {_ORDINAL.sub("#", name) for name in names}
    return len({*names}) > 1 and len(plain) == 1 and all(map(_ANNOTATOR.search, names))


def split_word(name: str) -> tuple[str, str, str] | None:
    """Return what comes before a split's word in a name, the word, and what comes after it."""
    match = _SPLIT.search(name)
    return (name[: match.start(1)], match[1], name[match.end(1) :]) if match else None


def canonical(word: str) -> str:
    """Return ``train``, ``val`` or ``test`` for a split's word, else the word itself."""
    return _CANONICAL.get(word.lower(), word)


def split_order(name: str) -> int:
    """Return the place of a split: train, val, test, then all others."""
    return _ORDER.get(name, len(_ORDER))


def label_rank(path: str) -> int:
    """Rate how much the names in a path sound like class labels; the higher, the more."""
    return bool(_LABEL.search(path)) - 2 * bool(_OTHER.search(path))


def picture_rank(path: str) -> int:
    """Rate how much the names in a path sound like photographs; the higher, the more."""
    return bool(_PICTURE.search(path)) - 2 * bool(_OTHER.search(path)) - bool(_LABEL.search(path))


def sounds_like_role(name: str) -> bool:
    """Say whether a folder's name or a file's ending tells what kind of file it is."""
    return bool(_ROLE.search(name))


def is_number(text: str) -> bool:
    """Say whether a text is made of the digits 0 to 9 alone."""
    return text.isascii() and text.isdecimal()
