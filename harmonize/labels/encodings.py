"""What stands for a class in the label files: ids, colours or parts of file names."""

import ast
import json
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Integer
from numpy import ndarray

from harmonize.config.strict_yaml import Value, read_text
from harmonize.errors import HarmonizeError, near_matches

Encoding = Literal["ids", "rgb", "soft_masks", "masks"]
MAX_ID = (1 << 32) - 1
_LONGEST_FORMULA = 200  # characters

WANTED = {
    "ids": "an id of at least 0 or a list of ids",
    "rgb": "a colour such as [255, 0, 0] or '#ff0000', or a list of colours",
    "soft_masks": "the one id that stands in the mask's file name",
    "masks": "the text that stands in the mask's file name, or ~ for what no mask covers",
}
"""What each encoding expects of a class."""

_HEX_COLOR = re.compile(r"#[0-9a-fA-F]{6}(?:[0-9a-fA-F]{2})?")
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


def parse_values(encoding: Encoding, value: Value) -> tuple[int, ...] | None:
    """Return the numbers that stand for a class, or None if the value is not what is ``WANTED``.

    A colour is the number ``65536 R + 256 G + B``, with ``A << 24`` added where it has four parts.
    """
    if encoding == "rgb":
        return _colors(value)
    ids = _ids(value)
    return None if ids is not None and encoding == "soft_masks" and len(ids) != 1 else ids


def write_value(encoding: Encoding, number: int) -> str:
    """Write a number as a user does: an id, or a colour."""
    if encoding != "rgb":
        return str(number)
    return f"#{number & 0xFFFFFF:06x}" + (f"{number >> 24:02x}" if number >> 24 else "")


def _ids(value: Value) -> tuple[int, ...] | None:
    items = value if isinstance(value, list) else [value]
    numbers = tuple(item for item in items if type(item) is int and 0 <= item <= MAX_ID)
    return numbers if numbers and len(numbers) == len(items) else None


def _colors(value: Value) -> tuple[int, ...] | None:
    items: list[Value] = [value]
    if isinstance(value, list) and value and isinstance(value[0], list | str):
        items = value
    colors = [_color(item) for item in items]
    numbers = tuple(color for color in colors if color is not None)
    return numbers if numbers and len(numbers) == len(colors) else None


def _color(value: Value) -> int | None:
    if isinstance(value, str):
        if not _HEX_COLOR.fullmatch(value):
            return None
        parts = list(bytes.fromhex(value[1:]))
    elif isinstance(value, list):
        parts = [part for part in value if type(part) is int and 0 <= part <= 255]
        if len(parts) != len(value) or len(parts) not in (3, 4):
            return None
    else:
        return None
    red, green, blue, *alpha = parts
    return (red << 16) | (green << 8) | blue | (alpha[0] << 24 if alpha else 0)


class ValueFormula:
    """Arithmetic that turns a label picture's channels into ids, such as ``R + 256*G + 65536*B``.

    Names: ``V``, the value of a single channel; ``R``, ``G``, ``B``, ``A`` of a colour picture.
    Operators: ``+ - * // %`` with whole numbers; the last two by a number above 0.
    """

    def __init__(self, text: str, *, where: str) -> None:
        """Parse a formula; ``where`` names it in errors."""
        self.text = text
        try:
            self._tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise HarmonizeError(f"{where}: not a formula, got {text!r}") from None
        nodes = list(ast.walk(self._tree))
        self.names = {node.id for node in nodes if isinstance(node, ast.Name)}
        if not self.names or not all(self._allowed(node) for node in nodes):
            raise HarmonizeError(
                f"{where}: a formula is made of V or R, G, B, A, whole numbers and + - * // %, "
                f"got {text!r}"
            )
        if len(text) > _LONGEST_FORMULA or self._largest(self._tree) >= 1 << 63:
            raise HarmonizeError(
                f"{where}: a formula too long or beyond 64 bits, got {text[:60]!r}"
            )

    def __call__(self, channels: dict[str, Integer[ndarray, "H W"]]) -> Integer[ndarray, "H W"]:
        """Work out the formula; every name it uses must be a channel."""
        return np.asarray(self._work_out(self._tree, channels))

    @staticmethod
    def _allowed(node: ast.AST) -> bool:
        if isinstance(node, ast.BinOp):
            divides = isinstance(node.op, ast.FloorDiv | ast.Mod)
            divisor = node.right.value if isinstance(node.right, ast.Constant) else None
            return type(node.op) in _OPERATORS and (not divides or bool(divisor))
        if isinstance(node, ast.Constant):
            return type(node.value) is int and node.value <= MAX_ID
        if isinstance(node, ast.Name):
            return node.id in {"V", "R", "G", "B", "A"}
        return isinstance(node, ast.operator | ast.expr_context)

    def _largest(self, node: ast.AST) -> int:
        """Return a bound of the formula's absolute value; a channel has at most 32 bits."""
        if isinstance(node, ast.BinOp):
            left, right = self._largest(node.left), self._largest(node.right)
            if isinstance(node.op, ast.Mult):
                return left * right
            return left + right if isinstance(node.op, ast.Add | ast.Sub) else max(left, right)
        if isinstance(node, ast.Constant):
            assert isinstance(node.value, int)
            return node.value
        return MAX_ID

    def _work_out(self, node: ast.AST, channels: dict[str, Any]) -> Any:
        if isinstance(node, ast.BinOp):
            left, right = (self._work_out(side, channels) for side in (node.left, node.right))
            return _OPERATORS[type(node.op)](left, right)
        if isinstance(node, ast.Name):
            return channels[node.id].astype(np.int64)
        assert isinstance(node, ast.Constant)
        return node.value


@dataclass(frozen=True)
class ClassFile:
    """A data set's own JSON file, which gives the ids of its classes by their names."""

    json: str
    """The file, relative to the data set's folder."""
    items: str = "labels"
    """The key of the list of classes; empty where the file is the list."""
    name: str = "name"
    """The key of a class's name."""
    id: str | None = None
    """The key of a class's id; its position in the list unless given."""

    def ids(self, root: Path) -> dict[str, int]:
        """Read the id of each class.

        Raises:
            HarmonizeError: the file does not look like this.
        """
        path = root / self.json
        try:
            content: Any = json.loads(read_text(path))
            items = content[self.items] if self.items else content
            pairs = [
                (str(item[self.name]), position if self.id is None else item[self.id])
                for position, item in enumerate(items)
            ]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            if isinstance(error, HarmonizeError):
                raise
            raise HarmonizeError(
                f"{path}: expected classes under {self.items!r} with the key {self.name!r}; "
                "check the mapping's `class_file`"
            ) from None
        ids: dict[str, int] = {}
        for name, number in pairs:
            if type(number) is not int or not 0 <= number <= MAX_ID:
                raise HarmonizeError(f"{path}: the class {name!r} has no usable id, got {number!r}")
            if name in ids or number in ids.values():
                raise HarmonizeError(f"{path}: {name!r} or its id {number} stands there twice")
            ids[name] = number
        return ids

    def look_up(self, root: Path, names: list[str]) -> list[int]:
        """Return the ids of classes by name.

        Raises:
            HarmonizeError: a name is not in the file, or one of the file's is not in ``names``.
        """
        ids = self.ids(root)
        path = root / self.json
        problems = [
            f"{path}: no class {name!r}, which the mapping has; {near_matches(name, ids)}"
            for name in names
            if name not in ids
        ]
        problems += [
            f"{path}: the class {name!r} is not in the mapping; add it to `classes`"
            for name in ids
            if name not in names
        ]
        if problems:
            raise HarmonizeError(*problems)
        return [ids[name] for name in names]
