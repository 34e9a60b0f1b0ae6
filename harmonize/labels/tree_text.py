"""The text of a tree: one node per line, indented below its parent, and its declarations."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, cast

from anytree import NodeMixin, PreOrderIter  # pyright: ignore[reportMissingTypeStubs]

from harmonize.errors import HarmonizeError, raise_all, wrong_characters

ROOT = "(root)"
MIRROR = "@mirror"
LEFT = "@left"
WAS = "@was"
MAX_DEPTH = 255  # the agreement table holds depths as uint8


class TreeNode(NodeMixin):
    """A named node of the tree."""

    def __init__(self, name: str, parent: "TreeNode | None" = None) -> None:
        self.name = name
        self.parent = parent

    def walk(self) -> Iterator["TreeNode"]:
        """Iterate over this node and all nodes below it, in file order."""
        return cast("Iterator[TreeNode]", PreOrderIter(self))


@dataclass
class TreeText:
    """What a tree's text says.

    Attributes:
        root: of the tree.
        places: where each node stands, as ``file:line:column``.
        mirrors: the leaves of each mirror declaration, with its place.
        left: whose left the names mean.
        former: the names that a node had in an earlier tree, with the declaration's place.
    """

    root: TreeNode = field(default_factory=lambda: TreeNode(ROOT))
    places: dict[str, str] = field(default_factory=dict[str, str])
    mirrors: list[tuple[str, list[str]]] = field(default_factory=list[tuple[str, list[str]]])
    left: Literal["viewer", "subject"] | None = None
    former: dict[str, tuple[str, tuple[str, ...]]] = field(
        default_factory=dict[str, tuple[str, tuple[str, ...]]]
    )


def parse_tree(text: str, source: str) -> TreeText:
    """Read the lines of a tree.

    Raises:
        HarmonizeError: with ``source`` and the line of each mistake.
    """
    parsed = TreeText()
    path = [parsed.root]  # from the root down to the latest node
    unit = ""  # what one level is indented by
    problems: list[str] = []
    for number, raw in enumerate(text.splitlines(), 1):
        content = raw.split("#", 1)[0].rstrip()
        name = content.strip()
        if not name:
            continue
        indent = content[: len(content) - len(name)]
        place = f"{source}:{number}:{len(indent) + 1}"
        if name.startswith("@"):
            problems += _declare(name.split(), place, parsed)
            continue
        unit = unit or ("\t" if indent.startswith("\t") else indent)
        level, wrong = _level(indent, unit, len(path) - 1)
        if wrong:  # what follows cannot be placed either
            raise HarmonizeError(*problems, f"{place}: {name!r} {wrong}")
        wrong = _wrong_name(name, parsed.places)
        if wrong:
            problems.append(f"{place}: {wrong}")
        parsed.places.setdefault(name, place)
        del path[level + 1 :]
        path.append(TreeNode(name, parent=path[level]))
    if parsed.root.is_leaf and not problems:
        problems.append(f"{source}:1: the tree is empty; write one node per line")
    raise_all(problems)
    return parsed


def _declare(words: list[str], place: str, parsed: TreeText) -> list[str]:
    """Take in a line that starts with @; return what is wrong with it."""
    if words[0] == MIRROR and len(words) in (2, 3):
        parsed.mirrors.append((place, words[1:]))
    elif words[0] == WAS and len(words) > 2:
        if words[1] in parsed.former:
            return [f"{place}: what {words[1]!r} was is declared already; name all in one line"]
        parsed.former[words[1]] = (place, tuple(dict.fromkeys(words[2:])))
    elif parsed.left and words[0] == LEFT:
        return [f"{place}: {LEFT} is declared already"]
    elif words in ([LEFT, "viewer"], [LEFT, "subject"]):
        parsed.left = "viewer" if words[1] == "viewer" else "subject"
    else:
        return [
            f"{place}: expected `@mirror LEAF LEAF`, `@mirror LEAF`, `@left viewer`, "
            f"`@left subject` or `@was NODE OLD_NAME`, got {' '.join(words)!r}"
        ]
    return []


def _level(indent: str, unit: str, deepest: int) -> tuple[int, str | None]:
    """Return the level that an indentation stands for, and what is wrong with it if anything is."""
    if len(set(indent + unit)) > 1 or set(indent) - {" ", "\t"}:
        return 0, "has mixed tabs and spaces before it; indent the whole file with one kind"
    level, rest = divmod(len(indent), len(unit) or 1)
    if rest:
        return 0, (
            f"is indented by {len(indent)} spaces, which is no multiple of {len(unit)}, "
            "the first indentation of the file"
        )
    if level > deepest:
        return 0, (
            f"is indented by {level} levels, where at most {deepest} can be; "
            "indent one level at a time"
        )
    if level >= MAX_DEPTH:
        return 0, f"is deeper than {MAX_DEPTH} levels"
    return level, None


def _wrong_name(name: str, places: dict[str, str]) -> str | None:
    if len(name.split()) > 1:
        return f"a name has no spaces, got {name!r}; write {'_'.join(name.split())}"
    if name in (ROOT, "ignore"):
        return f"{name!r} is a reserved name; choose another"
    if wrong := wrong_characters(name):
        return wrong
    if name in places:
        line = places[name].split(":")[-2]
        return f"{name!r} stands on line {line} already; names are unique"
    return None
