"""Networks that are code of one's own: a function named in a config, or a module from Python."""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from harmonize.config.model_config import ModelConfig
from harmonize.errors import HarmonizeError, near_matches
from harmonize.models.dataset_norms import PER_DATASET, forget_sets, norm_per_dataset
from harmonize.models.probing import find_multiple, num_logits
from harmonize.models.segmenter import IMAGENET_MEAN, IMAGENET_STD, Segmenter, Traits, for_channels

PASSED = "passed"
"""What ``model.name`` is for a network that was passed from Python."""


def needs_code(config: ModelConfig) -> bool:
    """Say whether a network's code is not harmonize's own, nor of the libraries that it knows."""
    return ":" in config.name or config.name == PASSED


def call_own_code(num_leaves: int, config: ModelConfig) -> nn.Module:
    """Import the function that ``model.name`` names, and call it.

    It is looked for in the working directory too, as Python's own interpreter does.

    Raises:
        HarmonizeError: it cannot be imported or called, or returns no module.
    """
    make = _find(config.name)
    try:
        network = make(num_leaves, **config.args)
    except HarmonizeError:
        raise
    except Exception as error:  # one's own code may raise anything
        raise HarmonizeError(
            f"model.name: {config.name}: calling it with {num_leaves} leaves"
            f"{' and model.args' if config.args else ''} fails: {_first_line(error)}"
        ) from error
    if isinstance(network, nn.Module):
        return network
    raise HarmonizeError(
        f"model.name: {config.name}: must return a torch.nn.Module, got {type(network).__name__}"
    )


def _find(name: str) -> Any:
    module_name, _, attribute = name.partition(":")
    if str(Path.cwd()) not in sys.path and "" not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise HarmonizeError(
            f"model.name: {name}: the module {module_name} cannot be imported: {_first_line(error)}"
        ) from error
    make = getattr(module, attribute, None)
    if callable(make):
        return make
    known = [key for key, value in vars(module).items() if callable(value) and key[0] != "_"]
    raise HarmonizeError(
        f"model.name: {name}: {module_name} has no function {attribute!r}; "
        f"{near_matches(attribute, known)}"
    )


def build_segmenter(
    network: nn.Module,
    num_leaves: int,
    config: ModelConfig = ModelConfig(name=PASSED),
    *,
    datasets: Sequence[str] = (),
) -> Segmenter:
    """Make a network of one's own take pictures of any size, and normalise them.

    Args:
        network: normalised pictures (B, C, H, W) to logits (B, leaves, h, w), or several such; or a
            ``Segmenter``, which says itself what it is. If it has a ``pretrained_cfg`` as timm's
            have, its ``mean`` and ``std`` are used, else ImageNet's.
        num_leaves: that there must be logits for.
        config: its ``channels``, ``stride`` and ``reach`` are declared rather than found.
        datasets: names of those that are trained on, for ``norm: batch_per_dataset``.

    Raises:
        HarmonizeError: it takes no size that was tried, gives other logits, or has no such norms.
    """
    forget_sets(network)
    if isinstance(network, Segmenter):
        segmenter = network
    else:
        stride, least = find_multiple(network, config)
        given = getattr(network, "pretrained_cfg", None)
        facts: dict[str, Any] = given if isinstance(given, dict) else {}
        segmenter = Segmenter(
            network,
            Traits(
                mean=for_channels(facts.get("mean", IMAGENET_MEAN), config.channels),
                std=for_channels(facts.get("std", IMAGENET_STD), config.channels),
                stride=stride,
                least=least,
                reach=config.reach,
            ),
        )
    found = num_logits(segmenter, segmenter.in_channels, segmenter.stride)
    if found != num_leaves:
        raise HarmonizeError(
            f"model.name: {config.title} must give a logit for each of {num_leaves} leaves, "
            f"got {found}"
        )
    if config.norm == PER_DATASET:
        segmenter.shown = norm_per_dataset(segmenter, datasets, config.title)
    return segmenter


def _first_line(error: Exception) -> str:
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"
