"""The first training samples of a run: drawn, named, and what was done to each in words."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Integer, UInt8
from numpy import ndarray
from PIL import Image

from harmonize.config.augment_config import AugmentConfig
from harmonize.config.run_config import RunConfig
from harmonize.data.drawn_picture import DrawnPicture
from harmonize.data.looks import Looks
from harmonize.data.samples import MixedSamples
from harmonize.data.styles import DrawnStyle
from harmonize.data.training_samples import samples_alone
from harmonize.data.transforms import Augmentation
from harmonize.data.warping import Warp
from harmonize.inference.answer_space import AnswerLabel
from harmonize.inference.drawing import tint
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.palette import Color, color_of_leaves, node_colors
from harmonize.labels.sources import Sources, load_sources
from harmonize.labels.target_space import TargetSpace
from harmonize.pictures.banded import as_colors

# Letters of shapes: S the side of a training sample.

VOID = "void"
"""What pixels without a label are called."""
VOID_COLORS: tuple[Color, Color] = ((30, 30, 30), (74, 74, 74))
"""Of the stripes they are drawn in."""
_STRIPE = 40
"""Stripes, dark and light together, along a side."""


@dataclass(frozen=True)
class SeenSample:
    """A training sample.

    Attributes:
        dataset: its name.
        path: of the picture in the data set's folder.
        done: what was done to it, in words.
        picture: RGB, 0..255.
        overlay: the same with the label over it.
        classes: the label's, the largest first, each with its percentage of the pixels.
    """

    dataset: str
    path: str
    done: tuple[str, ...]
    picture: UInt8[ndarray, "S S 3"]
    overlay: UInt8[ndarray, "S S 3"]
    classes: tuple[tuple[AnswerLabel, float], ...]


def see_samples(config: RunConfig, number: int, *, augmented: bool) -> list[SeenSample]:
    """Return the first samples of a run; no network is built.

    Args:
        config: of the run.
        number: how many.
        augmented: changed as the config says, or only cropped and resized.

    Raises:
        HarmonizeError: what is wrong with the config or its data.
    """
    if not augmented:
        entries = tuple(dataclasses.replace(entry, augment=None) for entry in config.datasets)
        plain = AugmentConfig(flip=0.0)
        config = dataclasses.replace(config, augment=plain, datasets=entries)
    sources = load_sources(config)
    samples = samples_alone(config, sources)
    labels = _Labels(sources)
    return [_seen(samples, position, labels, augmented=augmented) for position in range(number)]


class _Labels:
    """How codes are drawn and called.

    Args:
        sources: whose target space the codes are of.
    """

    def __init__(self, sources: Sources) -> None:
        self._space: TargetSpace = sources.space
        self._masks = sources.space.masks
        self._specs = {spec.name: spec for spec in sources.taught}
        self._nodes = node_colors(sources.ontology)
        self._colors: dict[int, Color] = {self._space.ignore: VOID_COLORS[0]}
        for code in range(self._space.num_codes):
            taken = self._colors.values()
            mask = self._masks[code]
            self._colors[code] = color_of_leaves(sources.ontology, mask, self._nodes, taken)

    def of(self, dataset: str, code: int) -> AnswerLabel:
        """Return how a data set calls a code and what it means."""
        if code == self._space.ignore:
            return AnswerLabel(VOID, code, (), None, VOID_COLORS[0])
        nodes = tuple(self._space.ontology.describe(self._masks[code]))
        name = _class_name(self._specs[dataset], self._space, code) or " + ".join(nodes)
        return AnswerLabel(name, code, nodes, None, self._colors[code])


def _class_name(spec: DatasetSpec, space: TargetSpace, code: int) -> str:
    """Return a data set's classes with a code; none has a code that only flips give."""
    codes = space.class_codes(spec.name).tolist()
    return ", ".join(name for name, own in zip(spec.classes, codes, strict=True) if own == code)


def _seen(samples: MixedSamples, position: int, labels: _Labels, *, augmented: bool) -> SeenSample:
    found, batch = samples.find(position), samples[position]
    dataset = samples.datasets[found.draw.dataset]
    picture = as_colors(batch.pictures[0].permute(1, 2, 0).numpy(), dataset.bands)
    codes, inverse, counts = np.unique(batch.codes[0], return_inverse=True, return_counts=True)
    known = [labels.of(dataset.spec.name, int(code)) for code in codes]
    numbers = inverse.reshape(picture.shape[:2])
    overlay = tint(Image.fromarray(np.ascontiguousarray(picture)), numbers, known)
    for number, label in enumerate(known):
        if not label.nodes:
            _stripe(overlay, numbers, number)
    order = np.argsort(-counts, kind="stable").tolist()
    shares = tuple((known[n], 100 * int(counts[n]) / numbers.size) for n in order)
    given, pasted = samples.donation(found), ""
    if given is not None and found.donor is not None:
        name = labels.of(dataset.spec.name, given[1]).name
        pasted = f"{name} pasted from {dataset.files.picture(found.donor.picture)}"
    done = list(_said(found, pasted)) if augmented else [_crop(found)]
    if found.style is not None:
        done.append(_style(found.style, samples))
    if found.rare is not None:
        names = list(dataset.spec.classes)
        sought = " or ".join(names[number] for number in found.rare.classes)
        done.insert(0, f"looks for {sought}")
    return SeenSample(
        dataset.spec.name,
        dataset.files.picture(found.draw.picture),
        tuple(done),
        picture,
        overlay,
        shares,
    )


def _stripe(overlay: UInt8[ndarray, "S S 3"], numbers: Integer[ndarray, "S S"], void: int) -> None:
    """Draw stripes where there is no label."""
    rows, columns = np.indices(numbers.shape)
    wide = max(len(numbers) // _STRIPE, 3)
    light = (rows + columns) // wide % 2
    stripes = np.array(VOID_COLORS, dtype=np.uint8)[light]
    np.copyto(overlay, stripes, where=(numbers == void)[..., None])


def _said(found: DrawnPicture, pasted: str) -> Iterator[str]:
    """Say what was done to a sample."""
    choices = found.choices
    yield _crop(found)
    yield from _said_of_warp(choices.warp or Warp())
    if choices.flip:
        yield "flipped"
    if choices.holes:
        yield f"{len(choices.holes)} cut out"
    if pasted:
        yield pasted
    yield from _said_of_looks(choices)


def _crop(found: DrawnPicture) -> str:
    height, width = found.pixels.shape
    return f"crop of {found.choices.crop[2]} from {width} x {height} pixels"


def _said_of_warp(warp: Warp) -> Iterator[str]:
    if warp.angle:
        yield f"turned {abs(warp.angle):.0f}° {'left' if warp.angle > 0 else 'right'}"
    if warp.shear:
        yield f"sheared {warp.shear:+.0f}°"
    if warp.stretch > 1:
        yield f"{warp.stretch:.2f} times as high"
    if warp.stretch < 1:
        yield f"{1 / warp.stretch:.2f} times as wide"
    if any(map(any, warp.corners)):
        yield "tilted"


def _said_of_looks(choices: Augmentation) -> Iterator[str]:
    for name in ("brightness", "contrast", "saturation"):
        if getattr(choices, name) != 1:
            yield f"{name} x {getattr(choices, name):.2f}"
    looks = choices.looks or Looks()
    if looks.gamma != 1:
        yield f"gamma {looks.gamma:.2f}"
    if looks.grey:
        yield "grey"
    if looks.blur:
        yield f"blur {looks.blur:.1f}"
    if looks.noise:
        yield f"noise {looks.noise:.0f}"


def _style(drawn: DrawnStyle, samples: MixedSamples) -> str:
    """Say whose style a sample has taken."""
    donor = samples.datasets[drawn.dataset]
    what = {"color": "colours", "fourier": "low frequencies"}[drawn.style.by]
    return f"{what} of {donor.spec.name} {donor.files.picture(drawn.picture)}"


def shrunk(pixels: UInt8[ndarray, "S S 3"], side: int) -> UInt8[ndarray, "s s 3"]:
    """Make a picture no larger than ``side`` pixels."""
    if len(pixels) <= side:
        return pixels
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(image.resize((side, side), Image.Resampling.BOX))
