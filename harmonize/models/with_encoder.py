"""Networks of segmentation-models-pytorch, with an encoder of timm."""

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from harmonize.config.run_config import ModelConfig
from harmonize.errors import HarmonizeError, near_matches
from harmonize.models.extras import need
from harmonize.models.norms import has_batch_norm
from harmonize.models.probing import MULTIPLES, find_multiple, try_on_meta, trying
from harmonize.models.segmenter import IMAGENET_MEAN, IMAGENET_STD, Traits
from harmonize.models.stages import find_stages
from harmonize.models.weight_files import HUB, KEY, OTHER_WAYS, find_weights, read_weights
from harmonize.models.weight_matching import load_matching

DECODERS = {
    "unet": "Unet",
    "unetplusplus": "UnetPlusPlus",
    "manet": "MAnet",
    "linknet": "Linknet",
    "fpn": "FPN",
    "pspnet": "PSPNet",
    "deeplabv3": "DeepLabV3",
    "deeplabv3plus": "DeepLabV3Plus",
    "pan": "PAN",
    "upernet": "UPerNet",
    "segformer": "Segformer",
    "dpt": "DPT",
}
"""The classes of segmentation-models-pytorch, by name."""

_OURS = ("encoder_name", "encoder_weights", "in_channels", "classes")


def build_with_encoder(
    num_leaves: int, config: ModelConfig, *, pretrained: bool
) -> tuple[nn.Module, Traits]:
    """Build a decoder upon an encoder, with its pretrained weights if asked for.

    Raises:
        HarmonizeError: an extra, the encoder, or its weights are missing or do not fit.
    """
    assert config.encoder is not None
    smp = need("segmentation_models_pytorch", extra="encoders", key="model.encoder")
    timm = need("timm", extra="encoders", key="model.encoder")
    name = config.encoder
    is_timm = timm.is_model(name)
    if not is_timm and name not in _native(smp):
        known = [*timm.list_models(), *_native(smp)]
        raise HarmonizeError(f"model.encoder: no encoder {name!r}; {near_matches(name, known)}")
    network = _build(smp, num_leaves, config, f"tu-{name}" if is_timm else name)
    encoder: nn.Module = network.encoder
    facts: dict[str, Any] = timm.get_pretrained_cfg(name).to_dict() if is_timm else {}
    whole = _classifier(timm, name) if is_timm else None
    if pretrained and config.weights is not None:
        _load(timm, encoder, config, whole.state_dict() if whole else None)
    if config.checkpointing:
        switch_checkpointing(encoder, name)
    with trying(network):
        known = network.encoder.output_stride
        multiples = [number for number in MULTIPLES if number % known == 0]
        stride, least = find_multiple(try_on_meta(network, config.channels), multiples)
    traits = Traits(
        stride=stride,
        least=least,
        mean=for_channels(facts.get("mean", IMAGENET_MEAN), config.channels),
        std=for_channels(facts.get("std", IMAGENET_STD), config.channels),
        stages=find_stages(encoder, "encoder", whole),
    )
    return network, traits


def _native(smp: Any) -> list[str]:
    """Return the encoders that segmentation-models-pytorch has and timm lacks, or names anew."""
    return [name for name in smp.encoders.encoders if not name.startswith(("tu-", "timm-"))]


def _build(smp: Any, num_leaves: int, config: ModelConfig, encoder: str) -> Any:
    taken = [key for key in _OURS if key in config.args]
    if taken:
        raise HarmonizeError(
            f"model.args.{taken[0]}: is decided by model.encoder, weights, channels and the tree; "
            "remove it"
        )
    make: Callable[..., Any] = getattr(smp, DECODERS[config.name])
    try:
        return make(
            encoder_name=encoder,
            encoder_weights=None,
            in_channels=config.channels,
            classes=num_leaves,
            **config.args,
        )
    except Exception as error:  # of two libraries, about what goes with what
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise HarmonizeError(
            f"model.encoder: {config.name} cannot be built upon {config.encoder}"
            f"{' with model.args' if config.args else ''}: {reason}"
        ) from None


def _classifier(timm: Any, name: str) -> nn.Module:
    """Return the classifier that an encoder is part of, without memory for its weights."""
    with torch.device("meta"):
        return timm.create_model(name)


def _load(
    timm: Any, encoder: nn.Module, config: ModelConfig, whole: Mapping[str, Tensor] | None
) -> None:
    assert config.encoder is not None
    assert config.weights is not None
    if config.norm == "group" and has_batch_norm(encoder):
        raise HarmonizeError(
            f"model.norm: group would throw away the pretrained batch norms of {config.encoder}; "
            "say norm: batch, or weights: null"
        )
    if config.weights == HUB:
        weights, where = _from_hub(timm, config.encoder), HUB
    else:
        path = find_weights(config.weights)
        weights, where = read_weights(path), str(path)
    load_matching(
        encoder,
        weights,
        where=where,
        name=config.encoder,
        partial=config.weights_partial,
        whole=whole,
    )


def _from_hub(timm: Any, name: str) -> dict[str, Tensor]:
    """Download a classifier's weights, or take them from the cache of an earlier download.

    Raises:
        HarmonizeError: there are none, or the hub cannot be reached.
    """
    try:
        with torch.device("cpu"):
            return timm.create_model(name, pretrained=True).state_dict()
    except Exception as error:  # of timm, of the hub's client, of its network
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise HarmonizeError(
            f"{KEY}: hub: no weights of {name} could be had: {reason}; {OTHER_WAYS}"
        ) from None


def switch_checkpointing(encoder: nn.Module, name: str) -> None:
    """Compute an encoder's activations anew in the backward pass, which saves memory.

    Raises:
        HarmonizeError: it cannot.
    """
    target = getattr(encoder, "model", encoder)
    switch = getattr(target, "set_grad_checkpointing", None)
    try:
        assert callable(switch)
        switch(True)
    except (AssertionError, RuntimeError, NotImplementedError):
        raise HarmonizeError(
            f"model.checkpointing: {name} cannot compute its activations anew; remove it"
        ) from None


def for_channels(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """Repeat the statistics of three bands for more, as weights are; one band has their mean."""
    if channels == 1:
        return (sum(values) / len(values),)
    return tuple(values[channel % len(values)] for channel in range(channels))
