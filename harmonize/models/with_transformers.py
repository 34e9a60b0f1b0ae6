"""Segmentation networks of transformers that give one logit per class and pixel."""

import copy
import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from harmonize.config.model_config import ModelConfig
from harmonize.errors import HarmonizeError, near_matches
from harmonize.models.probing import find_multiple, set_unused_aside
from harmonize.models.segmenter import IMAGENET_MEAN, IMAGENET_STD, Traits, for_channels
from harmonize.models.stages import find_stages
from harmonize.models.weight_files import KEY
from harmonize.models.weight_matching import load_matching
from harmonize.system.extras import need

PREFIX = "transformers/"
CONFIG = "config.json"
_PICTURES = "preprocessor_config.json"
_NOT_OURS = (
    *("id2label", "label2id", "num_labels", "num_channels", "architectures", "auto_map"),
    *("torch_dtype", "dtype", "transformers_version", "model_type", "_name_or_path"),
)
"""Keys of a folder's config that say nothing of the network, or are decided by the run's config."""


def with_folder_args(config: ModelConfig) -> ModelConfig:
    """Take the config of a transformers folder into ``args``, so that a run stands without it.

    Raises:
        HarmonizeError: ``weights`` is no such folder, or one of another network.
    """
    if not config.name.startswith(PREFIX) or config.weights is None:
        return config
    folder = _folder(config.weights)
    kind = config.name.removeprefix(PREFIX)
    values = _read_json(folder / CONFIG)
    if values.get("model_type") != kind:
        raise HarmonizeError(
            f"{KEY}: {folder / CONFIG}: is of {values.get('model_type')!r}; write model.name: "
            f"{PREFIX}{values.get('model_type')}"
        )
    kept = {key: value for key, value in values.items() if key not in _NOT_OURS}
    return dataclasses.replace(config, args={**kept, **config.args})


def build_with_transformers(
    num_leaves: int, config: ModelConfig, *, pretrained: bool
) -> tuple[nn.Module, Traits]:
    """Build a network of transformers, with the weights of a local folder if asked for.

    Raises:
        HarmonizeError: the extra is missing, or there is no such network or folder.
    """
    core, values = _core(num_leaves, config)
    network = TransformersLogits(core)
    backbone = core.base_model_prefix or "backbone"
    pictures: dict[str, Any] = {}
    if pretrained and config.weights is not None:
        folder = _folder(config.weights)
        pictures = _read_json(folder / _PICTURES) if (folder / _PICTURES).is_file() else {}
        load_matching(
            core,
            _read(type(core), values, folder),
            where=str(folder),
            name=config.name,
            partial=config.weights_partial,
            needed=f"{backbone}.",
            channels=config.num_channels,
        )
    stride, least = find_multiple(network, config, on_meta=True)
    set_unused_aside(network, config.num_channels, max(stride, least))
    if config.checkpointing:
        _switch_checkpointing(core, config.name)
    return network, Traits(
        mean=for_channels(pictures.get("image_mean", IMAGENET_MEAN), config.channels),
        std=for_channels(pictures.get("image_std", IMAGENET_STD), config.channels),
        stride=stride,
        least=least,
        stages=find_stages(core.get_submodule(backbone), f"core.{backbone}"),
    )


def _core(num_leaves: int, config: ModelConfig) -> tuple[Any, Any]:
    """Return a network of transformers with weights of its own, and its config.

    Raises:
        HarmonizeError: the extra is missing, or there is no such network.
    """
    need("transformers", extra="transformers", key="model.name")
    from transformers.models.auto import modeling_auto as auto
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    kind = config.name.removeprefix(PREFIX)
    if kind in auto.MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING_NAMES:
        raise HarmonizeError(
            f"model.name: {config.name} answers with masks and a class for each, not with logits "
            "for each pixel; a function of your own, package.module:function, can add up "
            "p(class) x mask over its queries and return the logarithm"
        )
    names = list(auto.MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES)
    if kind not in names:
        advice = near_matches(kind, names)
        raise HarmonizeError(f"model.name: transformers has no network {kind!r}; {advice}")
    if config.args.get("use_pretrained_backbone"):
        raise HarmonizeError(
            "model.args.use_pretrained_backbone: downloads; give a folder by model.weights"
        )
    try:
        values = CONFIG_MAPPING[kind](**{**config.args, "num_labels": num_leaves})
        _set_up(values, config)
        classes: Any = auto.MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING
        core: Any = classes[type(values)](values)
    except HarmonizeError:
        raise
    except Exception as error:  # of its own checks, about what goes with what
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise HarmonizeError(f"model.args: {config.name} cannot be built so: {reason}") from None
    return core, values


class TransformersLogits(nn.Module):
    """A network of transformers that returns its logits alone."""

    def __init__(self, core: nn.Module) -> None:
        super().__init__()
        self.core = core

    def forward(self, pictures: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K h w"]:
        """Return logits for normalised pictures."""
        return self.core(pixel_values=pictures).logits


def _set_up(values: Any, config: ModelConfig) -> None:
    """Say how many bands a picture has; leave out heads whose logits are never returned."""
    if hasattr(values, "num_channels"):
        values.num_channels = config.num_channels
    elif config.num_channels != 3:
        raise HarmonizeError(
            f"model.channels: {config.name} takes 3 bands, got {config.num_channels}"
        )
    if hasattr(values, "use_auxiliary_head"):
        values.use_auxiliary_head = False


def _folder(source: str) -> Path:
    folder = Path(os.path.expanduser(source))  # noqa: PTH111  leaves an unknown ~user alone
    if (folder / CONFIG).is_file():
        return folder
    raise HarmonizeError(
        f"{KEY}: {source}: no folder with a {CONFIG}, as transformers' save_pretrained writes it"
    )


def _read(kind: Any, values: Any, folder: Path) -> dict[str, Tensor]:
    """Read a folder's weights by transformers' own code, which knows the names of older versions.

    Raises:
        HarmonizeError: they cannot be read.
    """
    try:
        with torch.device("cpu"):
            network, found = kind.from_pretrained(
                folder,
                config=copy.deepcopy(values),
                local_files_only=True,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except Exception as error:  # of its many ways to read
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise HarmonizeError(f"{KEY}: {folder}: cannot be read: {reason}") from None
    made_up = {*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])}
    return {key: item for key, item in network.state_dict().items() if key not in made_up}


def _switch_checkpointing(network: Any, name: str) -> None:
    switch = getattr(network, "activation_checkpointing_enable", None)  # the name since 5.20
    try:
        (switch or network.gradient_checkpointing_enable)()
    except ValueError:
        raise HarmonizeError(
            f"model.checkpointing: {name} cannot compute its activations anew; remove it"
        ) from None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise HarmonizeError(f"{KEY}: {path}: cannot be read: {error}") from None
