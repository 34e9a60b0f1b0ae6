"""Networks of segmentation-models-pytorch, with an encoder of timm."""

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from harmonize.config.model_config import ModelConfig
from harmonize.errors import HarmonizeError, near_matches
from harmonize.models.pretrained import load_pretrained
from harmonize.models.probing import MULTIPLES, find_multiple, set_unused_aside
from harmonize.models.segmenter import IMAGENET_MEAN, IMAGENET_STD, Traits, for_channels
from harmonize.models.stages import find_stages
from harmonize.models.weight_files import KEY, OTHER_WAYS
from harmonize.system.extras import need

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
        raise HarmonizeError(
            f"model.encoder: no encoder {name!r}; {near_matches(name, dict.fromkeys(known))}"
        )
    whole, options = _classifier(timm, name) if is_timm else (None, {})
    network = _build(smp, num_leaves, config, f"tu-{name}" if is_timm else name, options)
    encoder: nn.Module = network.encoder
    if pretrained and config.weights is not None:
        load_pretrained(
            encoder,
            config,
            name,
            hub=partial(_from_hub, timm, name) if is_timm else None,
            whole=None if whole is None else whole.state_dict(),
        )
    known = network.encoder.output_stride
    multiples = [number for number in MULTIPLES if number % known == 0]
    stride, least = find_multiple(network, config, multiples, on_meta=True)
    set_unused_aside(network, config.num_channels, max(stride, least))
    if config.checkpointing:  # only now: its backward pass would miss the shapes tried above
        _switch_checkpointing(encoder, name)
    facts: dict[str, Any] = timm.get_pretrained_cfg(name).to_dict() if is_timm else {}
    return network, Traits(
        mean=for_channels(facts.get("mean", IMAGENET_MEAN), config.channels),
        std=for_channels(facts.get("std", IMAGENET_STD), config.channels),
        stride=stride,
        least=least,
        stages=find_stages(encoder, "encoder", whole),
        no_compile=_refusal(network, "_is_torch_compilable"),
        no_export=_refusal(network, "_is_torch_exportable"),
    )


def _refusal(network: Any, attribute: str) -> str:
    """Return why a network cannot be compiled or exported, if its authors say so."""
    parts = [part for part in (network, network.encoder) if not getattr(part, attribute, True)]
    return f"segmentation-models-pytorch says so of {type(parts[0]).__name__}" if parts else ""


def _native(smp: Any) -> list[str]:
    """Return the encoders that segmentation-models-pytorch has and timm lacks, or names anew."""
    return [name for name in smp.encoders.encoders if not name.startswith(("tu-", "timm-"))]


def _build(
    smp: Any, num_leaves: int, config: ModelConfig, encoder: str, options: dict[str, Any]
) -> Any:
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
            in_channels=config.num_channels,
            classes=num_leaves,
            **{**options, **config.args},
        )
    except Exception as error:  # of two libraries, about what goes with what
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise HarmonizeError(
            f"model.encoder: {config.name} cannot be built upon {config.encoder}"
            f"{' with model.args' if config.args else ''}: {reason}"
        ) from None


def _classifier(timm: Any, name: str) -> tuple[nn.Module, dict[str, Any]]:
    """Return the classifier that an encoder is part of, and what lets it take any size.

    The classifier has no memory for its weights.
    """
    with torch.device("meta"):
        classifier = timm.create_model(name)
        if hasattr(classifier, "patch_embed"):  # transformers, made for one size unless asked
            for options in ({"strict_img_size": False}, {"dynamic_img_size": True}):
                with contextlib.suppress(TypeError):
                    return timm.create_model(name, **options), options
    return classifier, {}


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


def _switch_checkpointing(encoder: nn.Module, name: str) -> None:
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
