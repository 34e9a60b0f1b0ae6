"""The stages of an encoder, from its input to its deepest features."""

import re
from typing import Any, cast

from torch import nn

from harmonize.models.weight_matching import plain_name

Stages = tuple[tuple[str, ...], ...]


def find_stages(encoder: nn.Module, prefix: str, classifier: Any = None) -> Stages:
    """Return the names of an encoder's modules with weights of their own, stage by stage.

    Args:
        encoder: of the network.
        prefix: its name in the network.
        classifier: of timm, which the encoder is part of: it knows its stages. Others are told by
            their names: what comes before the first block is the stem, and numbers tell the blocks.
    """
    if classifier is not None and hasattr(classifier, "group_matcher"):
        groups = _groups_of(classifier)
        number = {plain_name(name): group for name, group in groups.items()}
    else:
        number = _by_name(encoder)
    stages: dict[int, dict[str, None]] = {}
    last = 0
    for name, _ in encoder.named_parameters():
        last = number.get(plain_name(name), last)
        module = name.rpartition(".")[0]
        stages.setdefault(last, {})[f"{prefix}.{module}" if module else prefix] = None
    return tuple(tuple(stages[key]) for key in sorted(stages))


def _groups_of(classifier: Any) -> dict[str, int]:
    from timm.models import group_parameters

    layers = group_parameters(classifier, classifier.group_matcher(coarse=True), reverse=True)
    return {str(name): int(cast("int", group)) for name, group in layers.items()}


def _by_name(encoder: nn.Module) -> dict[str, int]:
    """Number the stages by the numbers at the end of the outer names, else inside the names."""
    containers = {name for name, child in encoder.named_children() if any(child.children())}
    number: dict[str, int] = {}
    stage, stem = -1, True
    for name, _ in encoder.named_parameters():
        top, *inner = name.split(".")
        stem = stem and top not in containers
        digits = (
            [] if stem else re.findall(r"\d+$", top) or [part for part in inner if part.isdigit()]
        )
        stage = int(digits[0]) if digits else stage
        number[plain_name(name)] = stage
    return number
