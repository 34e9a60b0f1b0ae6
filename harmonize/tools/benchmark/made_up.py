"""Made-up input: trees of any number of leaves, codes and label maps."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Integer
from numpy import ndarray

from harmonize.config.run_config import find_file
from harmonize.errors import HarmonizeError
from harmonize.labels.ontology import Ontology
from harmonize.labels.target_space import TargetSpace

TREES = {11: "trees/faces.txt", 66: "trees/vistas.txt", 150: "trees/ade20k.txt"}
"""The shipped tree that stands for each number of leaves."""
BRANCHING = 10
IGNORED = -100
"""What ``F.cross_entropy`` leaves out."""
MAX_LEAVES = 10_000
_BLOB = 16
"""Side of the patches of one class in a label map, in pixels."""
_SETS = 12
"""Inner nodes, and unions of two nodes, that labels mean beside leaves."""
_SHARES = {"leaf": 0.7, "inner node": 0.15, "union": 0.1, "ignore": 0.05}


def tree_of(leaves: int) -> Ontology:
    """Return a shipped tree with so many leaves, or else a balanced one of ten children per node.

    Raises:
        HarmonizeError: too few or too many leaves.
    """
    if leaves in TREES:
        return Ontology.from_file(find_file(TREES[leaves]))
    if not 2 <= leaves <= MAX_LEAVES:
        raise HarmonizeError(f"--leaves: must be in 2..{MAX_LEAVES}, got {leaves}")
    levels = next(n for n in range(1, leaves) if BRANCHING**n >= leaves)
    lines: list[str] = []
    for leaf in range(leaves):
        for level in range(1, levels + 1):
            number, rest = divmod(leaf, BRANCHING ** (levels - level))
            if rest == 0:
                lines.append("\t" * (level - 1) + f"node_{level}_{number}")
    return Ontology("\n".join(lines) + "\n", name=f"balanced_{leaves}")


@dataclass(frozen=True)
class MixedLabels:
    """Codes for leaves, inner nodes, unions of nodes and pixels without a label.

    Attributes:
        space: the target space that they are of.
        codes: the N codes that labels may have.
        shares: how much of the pixels each has.
    """

    space: TargetSpace
    codes: Int[ndarray, " N"]
    shares: Float[ndarray, " N"]

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Integer[ndarray, "..."]:
        """Draw label maps (..., height, width) in the space's own type."""
        return blobs(rng, self.codes.astype(self.space.dtype), shape, self.shares)


def mixed_labels(tree: Ontology, rng: np.random.Generator) -> MixedLabels:
    """Give codes to some inner nodes of a tree and to some unions of two of its nodes."""
    space = TargetSpace(tree, [])
    inner = [node for node in tree.nodes if node not in tree.leaves]
    some = rng.permutation(inner)[:_SETS].tolist()
    pairs = [rng.choice(tree.nodes, 2, replace=False).tolist() for _ in range(_SETS)]
    kinds = {
        "leaf": list(range(len(tree.leaves))),
        "inner node": [space.code(node) for node in some],
        "union": [space.code(pair) for pair in pairs],
        "ignore": [space.ignore],
    }
    codes = [code for kind in kinds.values() for code in kind]
    shares = [_SHARES[kind] / len(members) for kind, members in kinds.items() for _ in members]
    return MixedLabels(space, np.array(codes), np.array(shares) / sum(shares))


def blobs(
    rng: np.random.Generator,
    values: Integer[ndarray, " N"],
    shape: tuple[int, ...],
    shares: Float[ndarray, " N"] | None = None,
) -> Integer[ndarray, "..."]:
    """Draw maps (..., height, width) of square patches, each of one of the values."""
    *batch, height, width = shape
    coarse = rng.choice(values, size=(*batch, -(-height // _BLOB), -(-width // _BLOB)), p=shares)
    return coarse.repeat(_BLOB, -2).repeat(_BLOB, -1)[..., :height, :width].copy()


def leaf_labels(
    space: TargetSpace, codes: Integer[ndarray, "..."], *, ignored: int = IGNORED
) -> Int[ndarray, "..."]:
    """Return leaf labels as close to codes as there are: each set's first leaf.

    Args:
        space: the target space of the codes.
        codes: of the space, or its ignore.
        ignored: what stands for ignore.
    """
    table = np.full(space.ignore + 1, ignored)
    table[: space.num_codes] = space.masks.argmax(1)
    return table[codes]
