"""What a run's loss is balanced by, in its folder: how often it meets what its labels mean."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from harmonize.config.loss_config import LossConfig
from harmonize.config.saved_json import read_saved, to_json
from harmonize.errors import HarmonizeError
from harmonize.labels.target_space import TargetSpace
from harmonize.loss.balance import balance_weights
from harmonize.system.atomic_files import write_whole, writing

# Letters of shapes: N codes.

BALANCE = "balance.json"


@dataclass(frozen=True)
class BalancedSet:
    """A set of leaves that labels resolve at a depth.

    Attributes:
        depth: from 1 on.
        nodes: that make up the set.
        share: of the pixels that resolve the depth, from 0 to 1.
        factor: of the terms of these labels at this depth.
    """

    depth: int
    nodes: tuple[str, ...]
    share: float
    factor: float


@dataclass(frozen=True)
class BalanceFile:
    """What ``balance.json`` holds.

    Attributes:
        sets: with their factors, the rarest of each depth last.
        pixels: of each code of the target space, as a share of all pixels that the run sees.
    """

    sets: tuple[BalancedSet, ...]
    pixels: tuple[float, ...]


def write_balance(
    space: TargetSpace, config: LossConfig, pixels: Float[ndarray, " N"], output: Path
) -> None:
    """Write the file.

    Raises:
        HarmonizeError: it cannot be written.
    """
    weights = balance_weights(space, pixels, by=config.balance, cap=config.balance_cap)
    agreement, resolved = space.agreement, space.num_resolved
    sets: list[BalancedSet] = []
    for depth in range(1, space.ontology.depth + 1):
        shares: dict[tuple[str, ...], float] = {}
        factors: dict[tuple[str, ...], float] = {}
        for code in np.flatnonzero((resolved[: len(pixels)] >= depth) & (pixels > 0)).tolist():
            nodes = space.ontology.describe(agreement[code] >= depth)
            shares[nodes] = shares.get(nodes, 0.0) + float(pixels[code])
            factors[nodes] = float(weights[code, depth - 1])
        whole = sum(shares.values())
        for nodes in sorted(shares, key=lambda nodes: -shares[nodes]):
            sets.append(BalancedSet(depth, nodes, shares[nodes] / whole, factors[nodes]))
    file = BalanceFile(tuple(sets), tuple(pixels.tolist()))
    path = output / BALANCE
    with writing(path):
        write_whole(path, (json.dumps(to_json(file), indent=1) + "\n").encode())


def read_balance(space: TargetSpace, output: Path) -> Float[ndarray, " N"] | None:
    """Return the pixels of each code that a run began with; None if it has no such file yet.

    Raises:
        HarmonizeError: the file is damaged, or of other labels.
    """
    path = output / BALANCE
    if not path.exists():
        return None
    advice = f"remove it to have {output} count its labels anew"
    pixels = np.array(read_saved(BalanceFile, path, advice).pixels)
    if len(pixels) != space.num_codes:
        raise HarmonizeError(f"{path}: is of {len(pixels)} codes, not {space.num_codes}; {advice}")
    return pixels
