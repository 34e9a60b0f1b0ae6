"""Colours for the nodes of a tree: hue says which branch, lightness tells neighbours apart."""

import functools
import math
from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.labels.tree_text import ROOT

# Letters of shapes: K leaves.

Color = tuple[int, int, int]

BACKGROUND = "background"
"""A node of this name, or below one, is drawn in grey, and overlays leave it as it is."""
UNKNOWN: Color = (150, 150, 150)
NOT_SCORED: Color = (0, 0, 0)
_BACKGROUND_COLOR: Color = (48, 48, 48)
_KEPT = 0.85
"""Part of a node's range of hues that its children share; the rest keeps cousins apart."""
_LIGHTNESS = (0.70, 0.54, 0.84, 0.62, 0.77)
"""Of leaves that follow each other."""
_FIRST_HUE = 25.0
"""Degrees; where the wheel begins, which is red."""


def node_colors(ontology: Ontology) -> dict[str, Color]:
    """Return a colour for every node and the root, all different.

    The children of a node share its range of hues in proportion to their leaves, so that close
    relatives look alike. Inner nodes are paler than leaves.
    """
    return dict(_node_colors(ontology))


@functools.lru_cache(maxsize=16)
def _node_colors(ontology: Ontology) -> dict[str, Color]:
    """Return the colours, which a report asks for once for every data set and depth."""
    wheel: dict[str, tuple[float, float]] = {}
    tops = [node for node in ontology.nodes if ontology.depth_of(node) == 1]
    _share(ontology, [node for node in tops if node != BACKGROUND], (0.0, 1.0), wheel)
    if BACKGROUND in ontology.nodes:
        wheel.pop(BACKGROUND, None)
    colors: dict[str, Color] = {ROOT: UNKNOWN}
    number = 0
    for node in ontology.nodes:
        if node not in wheel:
            wanted = _BACKGROUND_COLOR
        else:
            low, high = wheel[node]
            hue = 360 * (low + high) / 2 + _FIRST_HUE
            if ontology.children(node):
                wanted = _color(0.78 - 0.03 * ontology.depth_of(node) % 0.2, 0.07, hue)
            else:
                wanted = _color(_LIGHTNESS[number % len(_LIGHTNESS)], 0.17, hue)
                number += 1
        colors[node] = distinct(wanted, colors.values())
    return colors


def color_of_leaves(
    ontology: Ontology, mask: Bool[ndarray, " K"], colors: dict[str, Color], taken: Iterable[Color]
) -> Color:
    """Return a colour for a set of leaves: of the node with most of them that is not taken."""
    used = set(taken)
    nodes = ontology.describe(mask)
    by_size = sorted(nodes, key=lambda node: -int(ontology.leaf_mask(node).sum()))
    free = [colors[node] for node in by_size if colors[node] not in used]
    return free[0] if free else distinct(colors[by_size[0]] if by_size else UNKNOWN, used)


def class_colors(
    ontology: Ontology, spec: DatasetSpec, *, own: bool = True
) -> tuple[Color | None, ...]:
    """Return a colour for each class of a data set; None for one that is ignored.

    Its own where the labels are colours, unless not ``own``. Otherwise that of the node of the same
    name if it means it, else that of its largest node that is not taken.
    """
    nodes, found = node_colors(ontology), list[Color | None]()
    masks = spec.leaf_masks(ontology)
    for (name, entry), mask in zip(spec.classes.items(), masks, strict=True):
        taken = [color for color in found if color is not None]
        if own and (color := spec.encoding.color(entry)) is not None:
            found.append(color)
        elif not mask.any():
            found.append(None)
        elif name in ontology.describe(mask) and nodes[name] not in taken:
            found.append(nodes[name])
        else:
            found.append(color_of_leaves(ontology, mask, nodes, taken))
    return tuple(found)


def distinct(wanted: Color, taken: Iterable[Color]) -> Color:
    """Return a colour or, if it is taken, one near it that is not."""
    used = set(taken)
    tried, step = wanted, 0
    while tried in used:
        step += 1
        shift = (step % 7 * 24, step // 7 % 7 * 24, step // 49 * 24)
        tried = (
            (wanted[0] + shift[0]) % 256,
            (wanted[1] + shift[1]) % 256,
            (wanted[2] + shift[2]) % 256,
        )
    return tried


def _share(
    ontology: Ontology,
    nodes: list[str],
    interval: tuple[float, float],
    wheel: dict[str, tuple[float, float]],
) -> None:
    """Give each node a part of an interval of hues, and its children parts of that."""
    low, high = interval
    sizes = [math.sqrt(ontology.leaf_mask(node).sum()) for node in nodes]
    for node, size in zip(nodes, sizes, strict=True):
        width = (high - low) * size / sum(sizes)
        at = low + (high - low) * sum(sizes[: nodes.index(node)]) / sum(sizes)
        wheel[node] = (at, at + width)
        children = list(ontology.children(node))
        if children:
            spare = 0.0 if len(children) == 1 else (1 - _KEPT) / 2 * width
            _share(ontology, children, (at + spare, at + width - spare), wheel)


def _color(lightness: float, chroma: float, hue: float) -> Color:
    """Turn a colour of OKLCH (Ottosson, 2020) into sRGB, less colourful where it must be."""
    angle = math.radians(hue)
    while True:
        a, b = chroma * math.cos(angle), chroma * math.sin(angle)
        cone = np.array(
            [
                lightness + 0.3963377774 * a + 0.2158037573 * b,
                lightness - 0.1055613458 * a - 0.0638541728 * b,
                lightness - 0.0894841775 * a - 1.2914855480 * b,
            ]
        )
        light = _TO_RGB @ cone**3
        if ((light >= 0).all() and (light <= 1).all()) or chroma < 0.01:
            break
        chroma -= 0.005
    light = light.clip(0, 1)
    coded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    red, green, blue = (255 * coded).round().astype(int).tolist()
    return red, green, blue


_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)
