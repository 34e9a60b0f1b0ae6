"""The loss that a config asks for."""

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from harmonize.config.loss_config import LossConfig
from harmonize.labels.sources import Sources
from harmonize.labels.target_space import TargetSpace
from harmonize.loss.balance import balance_weights
from harmonize.loss.hierarchical import HierarchicalLoss
from harmonize.loss.several import SeveralLosses

# Letters of shapes: N codes, M of them of one tree.


def build_losses(
    sources: Sources, config: LossConfig, pixels: Float[ndarray, " N"] | None = None
) -> HierarchicalLoss | SeveralLosses:
    """Return the loss of a run, of one tree or of several; see ``build_loss``."""
    if not sources.trees:
        return build_loss(sources.space, config, pixels)
    codes = [torch.as_tensor(its) for its in sources.codes_of_trees]
    losses = [
        build_loss(its.space, config.of_tree(its.ontology.name), its_pixels)
        for (_, its), its_pixels in zip(
            sources.of_trees, pixels_of_trees(sources, pixels), strict=True
        )
    ]
    return SeveralLosses(losses, codes, config.ontology_weights or (1.0,) * len(losses))


def pixels_of_trees(
    sources: Sources, pixels: Float[ndarray, " N"] | None
) -> list[Float[ndarray, " M"] | None]:
    """Return for each tree the pixels of its codes from those of the run's codes."""
    if pixels is None or not sources.trees:
        return [pixels] * len(sources.of_trees)
    found: list[Float[ndarray, " M"] | None] = []
    for codes, (_, its) in zip(sources.codes_of_trees, sources.of_trees, strict=True):
        own = np.zeros(its.space.ignore + 1)
        np.add.at(own, codes[: len(pixels)], pixels)
        found.append(own[: its.space.num_codes])
    return found


def build_loss(
    space: TargetSpace, config: LossConfig, pixels: Float[ndarray, " N"] | None = None
) -> HierarchicalLoss:
    """Return the loss of a config.

    Args:
        space: gives the codes.
        config: what is asked for.
        pixels: of each code, as often as the run meets them; for ``balance``, which has no effect
            without them.

    Raises:
        HarmonizeError: depth weights that do not fit, or nothing that could compile it.
    """
    balance = None
    if config.balance != "none" and pixels is not None:
        balance = balance_weights(space, pixels, by=config.balance, cap=config.balance_cap)
    return HierarchicalLoss(
        space,
        terms=config.terms,
        weighting=config.weighting,
        coarse=config.coarse,
        depth_weights=config.depth_weights_of_one,
        balance=balance,
        focal=config.focal,
        smoothing=config.smoothing,
        hardest=config.hardest,
        dice=config.dice,
        tversky=config.tversky,
        compile=config.compile,
    )
