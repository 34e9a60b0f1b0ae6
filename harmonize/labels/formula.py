"""Formulas that turn the channels of a label picture into ids, such as ``R + 256*G + 65536*B``."""

import ast
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Num
from numpy import ndarray

from harmonize.errors import HarmonizeError

MAX_ID = (1 << 32) - 1
MIN_ID = -(1 << 31)
_LONGEST_FORMULA = 200  # characters
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


class ValueFormula:
    """Arithmetic that turns a label picture's channels into ids, such as ``R + 256*G + 65536*B``.

    Names: ``V``, the value of a single channel; ``R``, ``G``, ``B``, ``A`` of a colour picture.
    Operators: ``+ - * // %`` with whole numbers; the last two by a number above 0.
    """

    def __init__(self, text: str, *, where: str) -> None:
        """Parse a formula; ``where`` names it in errors."""
        self.text = text
        if len(text) > _LONGEST_FORMULA:  # a parser may take its time, or all of the stack
            raise HarmonizeError(_too_long(where, text))
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
        if self._largest(self._tree) >= 1 << 63:
            raise HarmonizeError(_too_long(where, text))

    def __repr__(self) -> str:
        return f"ValueFormula({self.text!r})"

    def __call__(self, channels: dict[str, Num[ndarray, "H W"]]) -> Num[ndarray, "H W"]:
        """Work out the formula; every name it uses must be a channel. Fractions stay fractions."""
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
            channel = channels[node.id]
            return channel.astype(np.float64 if channel.dtype.kind == "f" else np.int64)
        assert isinstance(node, ast.Constant)
        return node.value


def _too_long(where: str, text: str) -> str:
    return f"{where}: a formula too long or beyond 64 bits, got {text[:60]!r}"
