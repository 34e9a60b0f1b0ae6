"""Load the weights that a config names into the part of a network that they are for."""

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from harmonize.config.model_config import ModelConfig
from harmonize.errors import HarmonizeError
from harmonize.models.norms import has_batch_norm
from harmonize.models.weight_files import HUB, KEY, OTHER_WAYS, find_weights, read_weights
from harmonize.models.weight_matching import load_matching


def load_pretrained(
    encoder: nn.Module,
    config: ModelConfig,
    name: str,
    *,
    hub: Callable[[], dict[str, Tensor]] | None = None,
    whole: Mapping[str, Tensor] | None = None,
) -> None:
    """Load the weights of ``model.weights`` into an encoder.

    Args:
        encoder: whose weights are replaced.
        config: of the network.
        name: of the encoder, for messages.
        hub: downloads the weights, where there is a hub.
        whole: see ``load_matching``.

    Raises:
        HarmonizeError: they are missing or do not fit.
    """
    assert config.weights is not None
    if config.norm == "group" and has_batch_norm(encoder):
        raise HarmonizeError(
            f"model.norm: group would throw away the pretrained batch norms of {name}; "
            "say norm: batch, or weights: null"
        )
    if config.weights == HUB:
        if hub is None:
            raise HarmonizeError(f"{KEY}: hub: there is none for {name}; {OTHER_WAYS}")
        if any(parameter.is_meta for parameter in encoder.parameters()):
            return  # a config is checked, for which nothing is downloaded
        weights = hub()
    else:
        weights = read_weights(find_weights(config.weights))
    load_matching(
        encoder,
        weights,
        where=config.weights,
        name=name,
        partial=config.weights_partial,
        whole=whole,
        channels=config.num_channels,
    )
