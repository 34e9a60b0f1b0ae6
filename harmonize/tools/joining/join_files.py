"""The files of a joined tree: the tree, a mapping for each data set, the evidence."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harmonize.config.saved_json import to_json
from harmonize.config.strict_yaml import Value, dump, load_text, read_text
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.mapping import IGNORE
from harmonize.tools.draft.mapping_text import commented, quoted
from harmonize.tools.joining.assembling import Joined
from harmonize.tools.joining.consistency import show
from harmonize.tools.joining.contingency import ClassSet
from harmonize.tools.joining.gathering import Side
from harmonize.tools.joining.pairs import Class, Pair
from harmonize.tools.joining.verdicts import weak_classes

MADE_BY = "harmonize join"
"""Stands in every file that is written here."""
TREE = "tree"
"""What mappings call the joined tree, whose file is ``tree.txt``."""
_BLOCK = re.compile(r"^meaning:[ \t]*(#.*)?$", re.MULTILINE)


@dataclass(frozen=True)
class Looked:
    """The pictures in which most of a pair can be seen: label of the one, answer of the other."""

    on_a: tuple[str, ...]
    on_b: tuple[str, ...]

    @property
    def text(self) -> str:
        """A few of them, in words."""
        return ", ".join((*self.on_a[:2], *self.on_b[:2])) or "any"


@dataclass(frozen=True)
class MappingText:
    """A mapping's text around the lines that say what its classes mean."""

    head: str
    tail: str
    indent: str


def mapping_around(spec: DatasetSpec, path: Path, lost: Collection[str] = ()) -> MappingText:
    """Part a mapping's text where the meaning for the joined tree goes.

    It stays as it is written, comments included; but for one whose meaning is no block, whose
    paths lie beside it, or that has a meaning for a tree of this name, which is replaced.

    Args:
        spec: the mapping.
        path: its file.
        lost: trees whose meaning is left out.
    """
    text, document = read_text(path), spec.document
    note = f"# With a meaning for {TREE}.txt, by {MADE_BY}.\n"
    block = _BLOCK.search(text)
    as_written = load_text(text, str(path)).value == document.value
    assert isinstance(document.value, dict)
    value: dict[str, Value] = {**document.value}
    meaning = value.pop("meaning", None)
    others: dict[str, Value] = {**meaning} if isinstance(meaning, dict) else {}
    others = {name: nodes for name, nodes in others.items() if name not in lost}
    if block and as_written and TREE not in spec.meaning:
        head, tail = text[: block.end()] + "\n", text[block.end() + 1 :]
        match = re.match(r"(?:[ \t]*(?:#.*)?\n)*([ ]+)", tail)
        indent = match.group(1) if match else "  "
        tail = _without_blocks(tail, lost, indent)
        if (load_text(head + tail, str(path)).get(("meaning",)) or {}) == others:
            return MappingText(note + head, tail, indent)
    others.pop(TREE, None)
    rest = "".join(f"  {line}\n" for line in dump(others).splitlines()) if others else ""
    return MappingText(f"{note}{dump(value)}meaning:\n", rest, "  ")


def _without_blocks(text: str, names: Collection[str], indent: str) -> str:
    """Return lines without the blocks of some keys, each up to the next line as far out."""
    kept: list[str] = []
    leaving = False
    for line in text.splitlines(keepends=True):
        inner = line.removeprefix(indent)
        deeper = not line.strip() or (line.startswith(indent) and inner[:1] in (" ", "\t"))
        if not deeper:
            key = inner.partition(":")[0].strip().strip("\"'")
            leaving = line.startswith(indent) and key in names
        kept += [] if leaving else [line]
    return "".join(kept)


def meaning_lines(
    side: Side, joined: Joined, looked: Mapping[Pair, Looked], indent: str
) -> list[tuple[Class | None, str]]:
    """Write what each class means, with a comment before what is open.

    Returns:
        Lines, those of a class with it.
    """
    lines: list[tuple[Class | None, str]] = [(None, f"{indent}{TREE}:")]
    first = {name: group[0] for group in side.members for name in group}
    for name in side.spec.classes:
        one = (side.spec.name, first.get(name, name))
        nodes = joined.meaning[one[0]].get(one[1], (IGNORE,))
        for pair in joined.doubts.get(one, ()):
            lines.append(
                (one, f"{indent * 2}# TODO: {commented(question(pair, one, looked[pair]))}")
            )
        if one in joined.unknown:
            lines.append((one, f"{indent * 2}# TODO: its leaf is {_leaf(one, joined)}: {_UNKNOWN}"))
        shown = quoted(nodes[0] if len(nodes) == 1 else list(nodes))
        lines.append((one, f"{indent * 2}{quoted(name)}: {shown}"))
    return lines


_UNKNOWN = "no labelled pixel was seen; name it here, and in the classes of other sets that have it"


def _leaf(one: Class, joined: Joined) -> str:
    return ", ".join(joined.own[one])


def question(pair: Pair, one: Class, looked: Looked) -> str:
    """Ask what a class is to the other of a pair."""
    other = pair.b if one == pair.a else pair.a
    seen = {"contains": "is a part of it", "part of": "is a part of it", "same": "is the same"}
    guess = seen.get(pair.relation, "has a part in common with it")
    return f"perhaps {show(other)} {guess} ({pair.why}); look at {looked.text}"


def mapping_text(around: MappingText, lines: Sequence[tuple[Class | None, str]]) -> str:
    """Put a mapping's text together."""
    return around.head + "".join(f"{line}\n" for _, line in lines) + around.tail


def evidence_text(
    sets: Sequence[ClassSet],
    pairs: Sequence[Pair],
    looked: Mapping[Pair, Looked],
    warnings: Sequence[str],
) -> str:
    """Write all that was found out, as JSON."""
    value = {
        "made_by": MADE_BY,
        "warnings": list(warnings),
        "sets": [_set(one) for one in sets],
        "pairs": [
            {**_plain(pair), "look_at": {"on_a": looked[pair].on_a, "on_b": looked[pair].on_b}}
            for pair in pairs
        ],
    }
    return json.dumps(to_json(value), indent=1, ensure_ascii=False) + "\n"


def _plain(pair: Pair) -> dict[str, object]:
    written = to_json(pair)
    assert isinstance(written, dict)
    return dict(written)


def _set(one: ClassSet) -> dict[str, object]:
    weak = weak_classes(one)
    rows = zip(
        one.classes, one.members, one.pixels, one.pictures, one.recall, one.precision, strict=True
    )
    return {
        "name": one.name,
        "pictures": len(one.own),
        "classes": {
            name: {
                "names": members,
                "pixels": int(pixels),
                "pictures": int(pictures),
                "own_recall": round(float(recall), 4),
                "own_precision": round(float(precision), 4),
                "doubtful": weak.get(name, ""),
            }
            for name, members, pixels, pictures, recall, precision in rows
        },
    }
