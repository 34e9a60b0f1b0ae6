"""Pictures of pairs of classes: where the one is labelled and the other answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray
from PIL import Image

from harmonize.data.bad_samples import BadSample
from harmonize.report.inline_images import InlineImage, photograph
from harmonize.tools.joining.contingency import Crossing
from harmonize.tools.joining.gathering import Looking, Onlooker, Side, open_for_looking
from harmonize.tools.joining.join_files import Looked
from harmonize.tools.joining.pairs import Pair
from harmonize.tools.refine.complete_labels import FullPicture

# Letters of shapes: H x W pixels of a label, h x w of what is shown.

_MOST = 48
"""Pictures on a page."""
_SIDE = 220
_FEWEST = 10
"""Pixels of a pair from which on a picture is worth looking at."""
_COLORS = {"both": (40, 180, 90), "labelled": (60, 110, 230), "answered": (235, 140, 30)}


@dataclass(frozen=True)
class _PairPlace:
    """A picture to be shown for a pair: of which set, by which set's network."""

    pair: Pair
    looker: int
    seen: int
    place: int


@dataclass(frozen=True)
class ShownPair:
    """A picture with what is labelled and answered of a pair.

    Attributes:
        image: the picture; green where both, blue where only labelled, orange where only answered.
        path: of the picture.
        labelled, answered: the classes.
    """

    image: InlineImage
    path: str
    labelled: str
    answered: str


def best_places(
    pairs: Sequence[Pair], crossings: Sequence[Crossing], *, most: int = 3
) -> dict[Pair, tuple[list[int], list[int]]]:
    """Find the pictures of either set in which most pixels are of both classes."""
    known = {(one.a.name, one.b.name): one for one in crossings}
    found: dict[Pair, tuple[list[int], list[int]]] = {}
    for pair in pairs:
        one = known[pair.a[0], pair.b[0]]
        i, j = one.a.classes.index(pair.a[1]), one.b.classes.index(pair.b[1])
        on_a, on_b = one.on_a[:, i, j], one.on_b[:, j, i]
        if not (on_a >= _FEWEST).any() and not (on_b >= _FEWEST).any():  # where either is at all
            on_a, on_b = one.on_a[:, i].sum(1), one.on_b[:, j].sum(1)
        found[pair] = _largest(on_a, most), _largest(on_b, most)
    return found


def _largest(pixels: ndarray, most: int) -> list[int]:
    order = np.argsort(-pixels, kind="stable")[:most].tolist()
    return [n for n in order if pixels[n] >= _FEWEST]


def paths_of(
    places: Mapping[Pair, tuple[list[int], list[int]]], sides: Sequence[Side]
) -> dict[Pair, Looked]:
    """Name the pictures of each pair."""
    by_name = {side.spec.name: side for side in sides}
    return {
        pair: Looked(
            tuple(by_name[pair.a[0]].path(n) for n in on_a),
            tuple(by_name[pair.b[0]].path(n) for n in on_b),
        )
        for pair, (on_a, on_b) in places.items()
    }


def show_pairs(
    pairs: Sequence[Pair],
    places: Mapping[Pair, tuple[list[int], list[int]]],
    sides: Sequence[Side],
    looking: Looking,
) -> dict[Pair, list[ShownPair]]:
    """Draw the best picture of either set for each pair, as many as a page can hold."""
    number = {side.spec.name: n for n, side in enumerate(sides)}
    wanted: list[_PairPlace] = []
    for pair in pairs:
        a, b = number[pair.a[0]], number[pair.b[0]]
        on_a, on_b = places[pair]
        wanted += [_PairPlace(pair, b, a, place) for place in on_a[:1]]
        wanted += [_PairPlace(pair, a, b, place) for place in on_b[:1]]
    found: dict[Pair, list[ShownPair]] = {}
    for looker in {one.looker: None for one in wanted[:_MOST]}:
        with open_for_looking(sides[looker].run, looking) as scoring:
            network = Onlooker(scoring, sides[looker])
            mine = [one for one in wanted[:_MOST] if one.looker == looker]
            for one in mine:
                (item,) = network.pictures(sides[one.seen], [one.place])
                if not isinstance(item, BadSample):
                    shown = _show(one, item, network, sides)
                    found.setdefault(one.pair, []).append(shown)
    return found


def _show(
    one: _PairPlace, item: FullPicture, network: Onlooker, sides: Sequence[Side]
) -> ShownPair:
    side, own = sides[one.seen], sides[one.looker]
    ends = (one.pair.a, one.pair.b)
    labelled, answered = ends if ends[0][0] == side.spec.name else ends[::-1]
    labels = side.unit[item.classes.numpy().astype(np.int64)]
    is_labelled = labels == side.classes.index(labelled[1])
    is_answered = network.answer(item) == own.classes.index(answered[1])
    pixels = item.picture.permute(1, 2, 0).numpy()
    image = photograph(_painted(pixels, is_labelled, is_answered))
    return ShownPair(image, side.path(one.place), ":".join(labelled), ":".join(answered))


def _painted(
    pixels: UInt8[ndarray, "H0 W0 3"],
    labelled: Bool[ndarray, "H W"],
    answered: Bool[ndarray, "H W"],
) -> UInt8[ndarray, "h w 3"]:
    scale = min(_SIDE / max(labelled.shape), 1.0)
    height, width = (max(round(side * scale), 1) for side in labelled.shape)
    rows = ((np.arange(height) + 0.5) * labelled.shape[0] / height).astype(int)[:, None]
    columns = ((np.arange(width) + 0.5) * labelled.shape[1] / width).astype(int)[None]
    one, other = labelled[rows, columns], answered[rows, columns]
    image = Image.fromarray(np.ascontiguousarray(pixels))
    shown = np.asarray(image.resize((width, height), Image.Resampling.BOX)).astype(float)
    masks = {"both": one & other, "labelled": one & ~other, "answered": other & ~one}
    for name, mask in masks.items():
        shown[mask] = 0.4 * shown[mask] + 0.6 * np.array(_COLORS[name])
    return shown.round().astype(np.uint8)
