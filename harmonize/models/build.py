"""Build a network by its config."""

import dataclasses
import inspect
from collections.abc import Callable, Sequence

import torch
from torch import nn

from harmonize.config.model_config import ModelConfig
from harmonize.errors import HarmonizeError, near_matches, raise_all
from harmonize.models.dataset_norms import PER_DATASET, norm_per_dataset
from harmonize.models.norms import replace_batch_norms
from harmonize.models.own_code import PASSED, build_segmenter, call_own_code
from harmonize.models.pretrained import load_pretrained
from harmonize.models.segmenter import IMAGENET_MEAN, IMAGENET_STD, Segmenter, Traits, for_channels
from harmonize.models.stages import find_stages
from harmonize.models.unet import LEVELS, NORM_GROUPS, REACH, UNet
from harmonize.models.with_encoder import DECODERS, build_with_encoder
from harmonize.models.with_transformers import PREFIX, build_with_transformers

# Letters of shapes: B pictures, C channels, K leaves, H x W pixels.

DEFAULT_WIDTH = 64

_TAKERS = {
    "width": ("unet",),
    "encoder": ("a decoder",),
    "weights": ("a decoder", "torchvision", "transformers"),
    "weights_partial": ("a decoder", "torchvision", "transformers"),
    "checkpointing": ("a decoder", "transformers"),
    "args": ("a decoder", "torchvision", "transformers", "own code"),
    "stride": ("a decoder", "transformers", "own code"),
}
"""The keys of a network's config that only some kinds of network take."""


def build_model(
    num_leaves: int,
    config: ModelConfig = ModelConfig(),
    *,
    pretrained: bool = True,
    datasets: Sequence[str] = (),
) -> Segmenter:
    """Build the network of a config: pictures (B, C, H, W) of 0..255 to logits (B, K, H, W).

    Args:
        num_leaves: K.
        config: of the network.
        pretrained: load the weights that it names; not wanted where a checkpoint's follow.
        datasets: names of those that are trained on, for ``norm: batch_per_dataset``.

    Raises:
        HarmonizeError: a network that cannot be built, or weights that do not fit it.
    """
    kind = _kind(config)
    _check_keys(kind, config)
    if kind == "own code":
        with torch.device("cpu"):  # such code may compute while it builds, and is tried out
            network = call_own_code(num_leaves, config)
            if config.norm == "group":
                replace_batch_norms(network)
            return build_segmenter(network, num_leaves, config, datasets=datasets)
    if kind in _BUILT_IN:
        network, traits = _BUILT_IN[kind](num_leaves, config)
    else:
        network, traits = _OF_LIBRARIES[kind](num_leaves, config, pretrained=pretrained)
    if config.norm == "group":
        replace_batch_norms(network)
    if config.reach is not None:
        traits = dataclasses.replace(traits, reach=config.reach)
    segmenter = Segmenter(network, traits)
    if config.norm == PER_DATASET:
        segmenter.shown = norm_per_dataset(network, datasets, config.title)
    return segmenter


def _kind(config: ModelConfig) -> str:
    if config.name == PASSED:
        raise HarmonizeError(
            f"model.name: {PASSED}: the network was passed from Python; pass it again"
        )
    if ":" in config.name:
        return "own code"
    if config.name.startswith(PREFIX):
        return "transformers"
    if config.name in DECODERS and (config.encoder is not None or config.name not in _BUILT_IN):
        return "a decoder"
    if config.name in _BUILT_IN:
        return config.name
    from torchvision.models import list_models, segmentation  # slow to import

    names = list_models(module=segmentation)
    if config.name in names:
        return "torchvision"
    advice = near_matches(config.name, dict.fromkeys([*_BUILT_IN, *names, *DECODERS]))
    raise HarmonizeError(f"model.name: no network {config.name!r}; {advice}")


def _check_keys(kind: str, config: ModelConfig) -> None:
    """Refuse keys that mean nothing to a kind of network, so that none is passed over."""
    plain = ModelConfig()
    raise_all(
        f"model.{key}: belongs to {', '.join(takers)}, not to {config.title}; remove it"
        for key, takers in _TAKERS.items()
        if kind not in takers and getattr(config, key) != getattr(plain, key)
    )
    if kind == "a decoder" and config.encoder is None:
        raise HarmonizeError(
            f"model.encoder: {config.name} needs one, such as resnet50 or tf_efficientnet_lite0"
        )


def _unet(num_leaves: int, config: ModelConfig) -> tuple[nn.Module, Traits]:
    width = DEFAULT_WIDTH if config.width is None else config.width
    if config.norm == "group" and width % NORM_GROUPS:
        raise HarmonizeError(
            f"model.width: group norm needs a multiple of {NORM_GROUPS}, got {width}"
        )
    norm = "group" if config.norm == "group" else "batch"
    network = UNet(num_leaves, width, norm=norm, channels=config.num_channels)
    return network, Traits(
        mean=for_channels(IMAGENET_MEAN, config.channels),
        std=for_channels(IMAGENET_STD, config.channels),
        stride=2 ** (LEVELS - 1),
        reach=REACH[norm],
    )


def _of_torchvision(
    num_leaves: int, config: ModelConfig, *, pretrained: bool
) -> tuple[nn.Module, Traits]:
    from torchvision.models import get_model, get_model_builder  # slow to import

    if config.num_channels != 3:
        raise HarmonizeError(
            f"model.channels: {config.name} takes 3 bands, got {config.num_channels}"
        )
    decided = {"weights": None, "weights_backbone": None, "num_classes": num_leaves}
    for key in config.args.keys() & decided.keys():
        raise HarmonizeError(f"model.args.{key}: is decided by weights and the tree; remove it")
    known = inspect.signature(get_model_builder(config.name)).parameters.keys() & {"aux_loss"}
    for key in config.args.keys() - known:  # which torchvision itself would pass over
        advice = near_matches(key, known)
        raise HarmonizeError(f"model.args.{key}: {config.name} has no such argument; {advice}")
    network = get_model(config.name, **{**config.args, **decided})
    if pretrained and config.weights is not None:
        load_pretrained(network.get_submodule("backbone"), config, f"the backbone of {config.name}")
    return network, Traits(stages=find_stages(network.get_submodule("backbone"), "backbone"))


_BUILT_IN: dict[str, Callable[[int, ModelConfig], tuple[nn.Module, Traits]]] = {"unet": _unet}
"""The networks that are written here, by name: each is a kind of its own."""

_OF_LIBRARIES = {
    "a decoder": build_with_encoder,
    "torchvision": _of_torchvision,
    "transformers": build_with_transformers,
}
"""What builds the networks of a library, by kind."""
