"""Random trees and label sets for tests."""

import numpy as np


def random_tree_text(rng: np.random.Generator, *, nodes: int = 14) -> str:
    """Write a random tree of up to so many nodes; inner nodes may have a single child."""
    levels = [0]
    for _ in range(int(rng.integers(1, nodes))):
        levels.append(int(rng.integers(0, min(levels[-1] + 1, 4) + 1)))
    return "".join("\t" * level + f"n{number}\n" for number, level in enumerate(levels))


def random_label(rng: np.random.Generator, nodes: tuple[str, ...]) -> list[str]:
    """Choose one to three nodes."""
    return list(rng.choice(nodes, size=min(int(rng.integers(1, 4)), len(nodes)), replace=False))
