"""A page of labels before and after they were completed, the most doubtful first."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Integer, UInt8
from numpy import ndarray
from PIL import Image

from harmonize.inference.drawing import percent
from harmonize.report.inline_images import InlineImage, label_map, photograph
from harmonize.report.templates import template_environment
from harmonize.system.atomic_files import write_whole, writing
from harmonize.tools.refine.complete_labels import CompletedLabel, FullPicture
from harmonize.tools.refine.label_sets import LabelSets
from harmonize.tools.refine.refine_results import RefineResults

if TYPE_CHECKING:
    from harmonize.tools.refine.refined_set import RefinedSet

# Letters of shapes: H x W pixels of a label, h x w of what is shown.

_SIDE = 360
"""Pixels of the longer side of what is shown."""


@dataclass(frozen=True)
class ShownLabel:
    """A label before and after, small.

    Attributes:
        number: of the picture.
        picture: RGB, 0..255.
        before, after: the number of each pixel's set, -1 for void.
        completed: share of the pixels that could become finer which did.
        agreement: see ``BecameRow``; 1 where nothing did.
    """

    number: int
    picture: UInt8[ndarray, "h w 3"]
    before: Integer[ndarray, "h w"]
    after: Integer[ndarray, "h w"]
    completed: float
    agreement: float

    @classmethod
    def of(cls, item: FullPicture, completed: CompletedLabel, sets: LabelSets) -> "ShownLabel":
        """Take a picture and its label down for the page."""
        first = torch.tensor([one[0] if one else -1 for one in sets.finer.choices])
        own = np.where(sets.finer.masks[first.numpy()].all(1), -1, first.numpy())
        before = own[item.classes.numpy().astype(np.int64)]
        finer = completed.sets != before
        pixels, agreed = int(finer.sum()), int(completed.tally.agreed.sum())
        same = int(completed.tally.agreed[torch.arange(len(first)), first].sum())
        may = np.array([len(one) > 1 for one in sets.finer.choices])
        open_pixels = max(int(may[item.classes.numpy().astype(np.int64)].sum()), 1)
        scale = min(_SIDE / max(before.shape), 1.0)
        size = (max(round(before.shape[1] * scale), 1), max(round(before.shape[0] * scale), 1))
        image = Image.fromarray(np.ascontiguousarray(item.picture.permute(1, 2, 0).numpy()))
        return cls(
            item.number,
            np.asarray(image.resize(size, Image.Resampling.BOX)),
            _nearest(before, size),
            _nearest(completed.sets, size),
            pixels / open_pixels,
            (agreed - same) / (completed.views * pixels) if pixels else 1.0,
        )


def _nearest(numbers: Integer[ndarray, "H W"], size: tuple[int, int]) -> Integer[ndarray, "h w"]:
    rows = (np.arange(size[1]) + 0.5) * numbers.shape[0] / size[1]
    columns = (np.arange(size[0]) + 0.5) * numbers.shape[1] / size[0]
    return numbers[rows.astype(int)[:, None], columns.astype(int)[None]]


@dataclass(frozen=True)
class _Row:
    """What the page shows of a picture."""

    path: str
    picture: InlineImage
    before: InlineImage
    after: InlineImage
    completed: float
    agreement: float


def write_page(
    path: Path,
    title: str,
    target: "RefinedSet",
    results: RefineResults,
    shown: Sequence[ShownLabel],
) -> None:
    """Write the page.

    Raises:
        HarmonizeError: it cannot be written.
    """
    names = [*target.sets.names, "void"]
    colors = [*target.colors, None]
    rows = [
        _Row(
            target.dataset.files.picture(one.number),
            photograph(one.picture),
            label_map(one.before % len(names), names, colors),
            label_map(one.after % len(names), names, colors),
            one.completed,
            one.agreement,
        )
        for one in sorted(shown, key=lambda one: one.agreement)
    ]
    template = template_environment(Path(__file__).parent).get_template("refined.html.jinja")
    text = template.render(title=title, results=results, rows=rows, percent=percent)
    with writing(path):
        write_whole(path, text.encode(errors="backslashreplace"))
