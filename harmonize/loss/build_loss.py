"""The loss that a config asks for."""

from jaxtyping import Float
from numpy import ndarray

from harmonize.config.loss_config import LossConfig
from harmonize.labels.sources import Sources
from harmonize.labels.target_space import TargetSpace
from harmonize.loss.balance import balance_weights
from harmonize.loss.hierarchical import HierarchicalLoss
from harmonize.loss.several import SeveralLosses

# Letters of shapes: N codes.


def build_losses(
    sources: Sources, config: LossConfig, pixels: Float[ndarray, " N"] | None = None
) -> HierarchicalLoss | SeveralLosses:
    """Return the loss of a run, of one tree or of several; see ``build_loss``."""
    if not sources.trees:
        return build_loss(sources.space, config, pixels)
    spaces = [its.space for _, its in sources.of_trees]
    losses = [build_loss(space, config) for space in spaces]
    weights = config.ontology_weights or (1.0,) * len(losses)
    return SeveralLosses(sources.space, spaces, losses, weights)


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
        depth_weights=config.depth_weights,
        balance=balance,
        focal=config.focal,
        smoothing=config.smoothing,
        hardest=config.hardest,
        dice=config.dice,
        tversky=config.tversky,
        compile=config.compile,
    )
