"""Batch norms exchanged for other norms."""

import sys

from torch import nn

from harmonize.errors import HarmonizeError
from harmonize.models.unet import NORM_GROUPS


def replace_batch_norms(module: nn.Module) -> None:
    """Put a group norm in the place of every batch norm.

    Raises:
        HarmonizeError: channels that the groups do not divide.
    """
    for name, child in module.named_children():
        if not isinstance(child, nn.BatchNorm2d):
            replace_batch_norms(child)
            continue
        if child.num_features % NORM_GROUPS:
            raise HarmonizeError(
                f"model.norm: group needs layers of a multiple of {NORM_GROUPS} channels, got "
                f"{child.num_features}; say norm: batch"
            )
        group = nn.GroupNorm(NORM_GROUPS, child.num_features)
        rest = [getattr(child, part) for part in ("drop", "act") if hasattr(child, part)]
        # timm's batch norm is followed by its activation, in one module.
        setattr(module, name, nn.Sequential(group, *rest) if rest else group)


def has_batch_norm(module: nn.Module) -> bool:
    """Say whether a network has batch norms, of whatever kind."""
    return any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules())


def synchronise_batch_norms(network: nn.Module) -> nn.Module:
    """Make batch norms share their statistics between GPUs.

    torch's own conversion would drop the activation that timm's batch norms hold.
    """
    if "timm" in sys.modules:
        from timm.layers.norm_act import convert_sync_batchnorm

        return convert_sync_batchnorm(network)
    return nn.SyncBatchNorm.convert_sync_batchnorm(network)
