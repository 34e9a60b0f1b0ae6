"""Build a network by its config."""

import torch
from torch import nn
from torchvision.models import get_model, list_models, segmentation

from harmonize.config.run_config import ModelConfig
from harmonize.errors import HarmonizeError, near_matches
from harmonize.models.norms import replace_batch_norms
from harmonize.models.probing import find_multiple
from harmonize.models.segmenter import Segmenter, Traits
from harmonize.models.unet import LEVELS, NORM_GROUPS, UNet
from harmonize.models.with_encoder import DECODERS, build_with_encoder

# Letters of shapes: B pictures, K leaves, H x W pixels.

DEFAULT_WIDTH = 64


def build_model(
    num_leaves: int,
    config: ModelConfig = ModelConfig(),  # noqa: B008  frozen
    *,
    pretrained: bool = True,
) -> Segmenter:
    """Build the network of a config: pictures (B, C, H, W) of 0..255 to logits (B, K, H, W).

    Args:
        num_leaves: K.
        config: of the network.
        pretrained: load the weights that it names; not wanted where a checkpoint's follow.

    Raises:
        HarmonizeError: a network that cannot be built, or weights that do not fit it.
    """
    if config.encoder is not None:
        network, traits = build_with_encoder(num_leaves, config, pretrained=pretrained)
    elif config.name == "unet":
        return Segmenter(_unet(num_leaves, config), Traits(stride=2 ** (LEVELS - 1)))
    else:
        network, traits = _of_torchvision(num_leaves, config), Traits()
    if config.norm == "group":
        replace_batch_norms(network)
    return Segmenter(network, traits)


def _unet(num_leaves: int, config: ModelConfig) -> UNet:
    width = DEFAULT_WIDTH if config.width is None else config.width
    if config.norm == "group" and width % NORM_GROUPS:
        raise HarmonizeError(
            f"model.width: group norm needs a multiple of {NORM_GROUPS}, got {width}"
        )
    return UNet(num_leaves, width, norm=config.norm)


def _of_torchvision(num_leaves: int, config: ModelConfig) -> nn.Module:
    names = list_models(module=segmentation)
    if config.name not in names:
        advice = near_matches(config.name, ["unet", *names, *DECODERS])
        raise HarmonizeError(f"model.name: no network {config.name!r}; {advice}")
    if config.width is not None:
        raise HarmonizeError(f"model.width: belongs to unet, not to {config.name}; remove it")
    return get_model(config.name, weights=None, weights_backbone=None, num_classes=num_leaves)
