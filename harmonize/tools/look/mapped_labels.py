"""The labels of a data set as the tree sees them: for each class some pictures, rarest first."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Integer, UInt8
from numpy import ndarray
from PIL import Image

from harmonize.data.bad_samples import BadSampleError
from harmonize.data.dataset import SegmentationDataset
from harmonize.errors import HarmonizeError
from harmonize.labels.ontology import Ontology
from harmonize.labels.palette import Color, color_of_leaves, node_colors

# Letters of shapes: C classes, K leaves, P pictures, h x w pixels of what is shown.

MOST_READ = 400
"""Label files that are read to find pictures of each class."""


@dataclass(frozen=True)
class Painted:
    """How the classes of a data set are drawn at one depth.

    Attributes:
        title: of the depth.
        names: of what each class is there; void without a name.
        colors: likewise; None for void.
    """

    title: str
    names: tuple[str, ...]
    colors: tuple[Color | None, ...]


@dataclass(frozen=True)
class Example:
    """A picture that has a class.

    Attributes:
        path: of the picture in the data set's folder.
        picture: RGB, 0..255.
        classes: the class number of each pixel, or the number of classes where there is none.
        share: of the pixels that are of the class.
    """

    path: str
    picture: UInt8[ndarray, "h w 3"]
    classes: Integer[ndarray, "h w"]
    share: float


@dataclass(frozen=True)
class SeenClass:
    """A class of a data set.

    Attributes:
        name: of it.
        nodes: that it means; none if it is ignored.
        pixels: of those that were read.
        pictures: how many of those that were read have it.
        examples: pictures with it, those first in which it is largest.
    """

    name: str
    nodes: tuple[str, ...]
    pixels: int
    pictures: int
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class SeenDataset:
    """The labels of one data set.

    Attributes:
        name, split: of it.
        read: how many label files were read, of how many.
        painted: the depths of the tree from coarse to fine, and the classes' own meaning last.
        classes: the rarest first; those that were never met last.
        bad: what is wrong with files that cannot be used.
    """

    name: str
    split: str
    read: tuple[int, int]
    painted: tuple[Painted, ...]
    classes: tuple[SeenClass, ...]
    bad: tuple[str, ...]

    @property
    def pixels(self) -> int:
        """The pixels that were read."""
        return sum(one.pixels for one in self.classes)


def see_dataset(
    dataset: SegmentationDataset, ontology: Ontology, *, number: int, side: int
) -> SeenDataset:
    """Read labels of a data set, and find pictures that have each class.

    Args:
        dataset: whose mapping serves the tree.
        ontology: the tree.
        number: how many pictures to show of each class.
        side: pixels of their longer side.

    Raises:
        HarmonizeError: not one label can be used.
    """
    spec = dataset.spec
    count = min(MOST_READ, len(dataset))
    places = [place * len(dataset) // count for place in range(count)]
    counts = np.zeros((count, len(spec.classes)), dtype=np.int64)
    bad: list[str] = []
    for row, place in enumerate(places):
        try:
            classes = dataset.label(place)
            counts[row] = np.bincount(classes[classes >= 0], minlength=len(spec.classes))
        except BadSampleError as error:
            bad.append(error.sample.reason)
    if not counts.any():
        raise HarmonizeError(f"{spec.name}: no label can be used: {'; '.join(bad[:3])}")
    masks = spec.leaf_masks(ontology)
    seen = [
        SeenClass(
            name,
            tuple(ontology.describe(mask)) if mask.any() else (),
            int(pixels.sum()),
            int((pixels > 0).sum()),
            tuple(_examples(dataset, places, counts, one, number=number, side=side)),
        )
        for one, (name, mask, pixels) in enumerate(zip(spec.classes, masks, counts.T, strict=True))
    ]
    seen.sort(key=lambda one: one.pixels or np.inf)
    return SeenDataset(
        spec.name,
        dataset.split,
        (count - len(bad), len(dataset)),
        tuple(_paint(ontology, masks)),
        tuple(seen),
        tuple(bad),
    )


def _examples(
    dataset: SegmentationDataset,
    places: list[int],
    counts: Integer[ndarray, "P C"],
    one: int,
    *,
    number: int,
    side: int,
) -> Iterator[Example]:
    """Yield pictures that have a class, those first in which it is largest."""
    rows = [row for row in np.argsort(-counts[:, one], kind="stable") if counts[row, one]]
    for row in rows[:number]:
        try:
            pair = dataset[places[row]]
        except BadSampleError:
            continue
        picture = pair.picture.permute(1, 2, 0).numpy()
        classes = pair.classes.numpy()
        scale = min(side / max(classes.shape), 1.0)
        height, width = (max(round(length * scale), 1) for length in classes.shape)
        image = Image.fromarray(np.ascontiguousarray(picture))
        rows_of = ((np.arange(height) + 0.5) * classes.shape[0] / height).astype(int)
        columns = ((np.arange(width) + 0.5) * classes.shape[1] / width).astype(int)
        yield Example(
            dataset.files.picture(places[row]),
            np.asarray(image.resize((width, height), Image.Resampling.BOX)),
            classes[rows_of[:, None], columns[None]],
            float(counts[row, one] / max(counts[row].sum(), 1)),
        )


def _paint(ontology: Ontology, masks: Bool[ndarray, "C K"]) -> Iterator[Painted]:
    """Yield how classes are drawn: as the groups that they meet at each depth, then as they are."""
    nodes = node_colors(ontology)
    for depth in range(1, ontology.depth + 2):
        last = depth > ontology.depth
        names: list[str] = []
        colors: dict[bytes, Color] = {}
        drawn: list[Color | None] = []
        for mask in masks:
            shown = mask if last or not mask.any() else ontology.grow(mask)[depth]
            names.append(" + ".join(ontology.describe(shown)) if shown.any() else "void")
            if not shown.any():
                drawn.append(None)
                continue
            key = shown.tobytes()
            if key not in colors:
                colors[key] = color_of_leaves(ontology, shown, nodes, colors.values())
            drawn.append(colors[key])
        title = "as labelled" if last else f"depth {depth}"
        yield Painted(title, tuple(names), tuple(drawn))
