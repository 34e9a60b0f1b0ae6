"""What a run's loss is balanced by, in its folder: how often it meets what its labels mean."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from harmonize.config.loss_config import LossConfig
from harmonize.config.saved_json import read_saved, to_json
from harmonize.config.strict_yaml import Value
from harmonize.errors import HarmonizeError
from harmonize.labels.sources import Sources
from harmonize.labels.target_space import TargetSpace
from harmonize.loss.balance import balance_weights
from harmonize.loss.build_loss import pixels_of_trees
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
        tree: its name, where the run has several.
    """

    depth: int
    nodes: tuple[str, ...]
    share: float
    factor: float
    tree: str | None = None


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
    sources: Sources, config: LossConfig, pixels: Float[ndarray, " N"], output: Path
) -> None:
    """Write the file.

    Raises:
        HarmonizeError: it cannot be written.
    """
    sets: list[BalancedSet] = []
    parts = zip(sources.of_trees, pixels_of_trees(sources, pixels), strict=True)
    for (_, its), its_pixels in parts:
        assert its_pixels is not None
        tree = its.ontology.name if sources.trees else None
        sets += _balanced_sets(its.space, config, its_pixels, tree)
    plain = {"sets": [_plain(one) for one in sets], "pixels": pixels.tolist()}
    path = output / BALANCE
    with writing(path):
        write_whole(path, (json.dumps(plain, indent=1) + "\n").encode())


def _plain(one: BalancedSet) -> Value:
    plain = to_json(one)
    assert isinstance(plain, dict)
    return {key: value for key, value in plain.items() if value is not None}


def _balanced_sets(
    space: TargetSpace, config: LossConfig, pixels: Float[ndarray, " N"], tree: str | None
) -> list[BalancedSet]:
    """Return the sets of one tree, those of each depth from the most common to the rarest."""
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
            share, factor = shares[nodes] / whole, factors[nodes]
            sets.append(BalancedSet(depth, nodes, share, factor, tree))
    return sets


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
