"""Label maps by hand: holes, single pixels, diagonals, many components, one class everywhere."""

import numpy as np


def _rows(*rows: str) -> np.ndarray:
    return np.array([[int(sign) for sign in row] for row in rows])


def _rings(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(rows - height / 2, columns - width / 2)
    return (distance // 4).astype(int) % 4


def _noise(height: int, width: int, classes: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, classes, (height, width))


def _blocks(height: int, width: int) -> np.ndarray:
    blocks = _noise(height // 5 + 1, width // 7 + 1, 4)
    return np.kron(blocks, np.ones((5, 7), dtype=int))[:height, :width]


LABEL_MAPS = {
    "everything is the rest": np.zeros((5, 7), dtype=int),
    "one class everywhere": np.full((9, 3), 2),
    "one pixel in all": np.full((1, 1), 1),
    "one row": _noise(1, 37, 4),
    "one column": _noise(41, 1, 4),
    "single pixels": _rows("0102030", "3020103", "0000000", "1231231"),
    "diagonals": np.eye(19, dtype=int) + 2 * np.eye(19, dtype=int)[::-1],
    "a thick diagonal": sum(np.eye(23, k=k, dtype=int) for k in range(-2, 3)),
    "corners that touch": np.kron(np.indices((4, 4)).sum(0) % 2 + 1, np.ones((5, 5), dtype=int)),
    "holes in holes": _rings(31, 27),
    "holes without the rest": _rings(31, 27) % 3 + 1,
    "a hole of the rest": np.pad(np.pad(np.zeros((4, 5), dtype=int), 3, constant_values=1), 2),
    "a closed corner": np.kron(_rows("1111", "1001", "1011", "1100"), np.ones((6, 6), dtype=int)),
    "many components": _noise(33, 47, 4),
    "blocks": _blocks(37, 41),
    "three wide": _noise(29, 3, 4),
    "four wide": _noise(50, 4, 3),
}
"""Of the class numbers 0 to 3, of which 0 is the rest; the sizes are odd."""
