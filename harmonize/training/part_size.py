"""Whether the parts of a batch are large enough for the norms of a network."""

import copy

import torch
from torch.nn.modules.instancenorm import _InstanceNorm  # pyright: ignore[reportPrivateUsage]

from harmonize.config.run_config import RunConfig
from harmonize.errors import HarmonizeError
from harmonize.models.own_code import needs_code
from harmonize.models.segmenter import Segmenter
from harmonize.plurals import counted
from harmonize.training.freezing import hold

_COMPLAINT = "Expected more than 1"
"""What torch's norms begin with where a channel has one value."""


def check_parts(
    config: RunConfig, network: Segmenter, *, num_processes: int = 1, shared: bool = False
) -> None:
    """Make sure that every norm has more than one value per channel, by working out shapes alone.

    Args:
        config: of the run.
        network: of the run; is left as it was.
        num_processes: that share a batch.
        shared: batch norms share their statistics between the processes.

    Raises:
        HarmonizeError: one has a single value.
    """
    pictures = config.data.batch_size // (num_processes * config.train.accumulate)
    together = pictures * num_processes if shared else pictures
    if pictures and not _has_values(network, config, together):
        side = config.data.size
        many = counted(pictures, "picture")
        raise HarmonizeError(
            f"data.batch_size: a part of a batch is {many} of {side} x {side} pixels here, but "
            "batch norm needs more than one value per channel; raise data.batch_size, lower "
            "train.accumulate, or say model.norm=group"
        )


def _has_values(network: Segmenter, config: RunConfig, pictures: int) -> bool:
    """Say whether the network can be trained on so many pictures at a time; if unknown, yes."""
    alone = any(isinstance(module, _InstanceNorm) for module in network.modules())
    if pictures > 1 and not alone and not needs_code(config.model):
        return True  # one value of each picture; a pass loads much of torch
    side = config.data.size
    frozen = config.model.freeze != "none" and config.train.unfreeze_at is None
    try:
        tried = copy.deepcopy(network).to("meta")  # a network may keep what it is given
        hold(tried, config.model, frozen=frozen)
        batch = torch.zeros(pictures, network.in_channels, side, side, device="meta")
        with torch.no_grad():
            tried(batch, auxiliary=True)
    except Exception as error:  # of others training tells
        return _COMPLAINT not in str(error)
    return True
