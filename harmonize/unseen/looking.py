"""Look at pictures in several views, and count how steady a network's answers are."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from harmonize.calibration.back_off import judge
from harmonize.data.transforms import centre_square, shorter_side
from harmonize.evaluation.sampling import logits_at, pixel_grid
from harmonize.inference.answer_space import AnswerSpace
from harmonize.inference.tiled_network import TiledNetwork
from harmonize.unseen.picture_sums import SeenPixels, count_picture
from harmonize.unseen.reading import Read

# Letters of shapes: K leaves, C answers, L classes of a label, P pixels, H x W pixels of a picture.

SCALES = (1.0, 0.75, 1.25)
"""Sizes of the views, relative to the run's; each is looked at mirrored as well."""
POINTS = 8192
"""Pixels of a picture that are counted, about, from a regular grid."""


@dataclass(frozen=True)
class Judge:
    """What the labels of a data set say of answers.

    Attributes:
        right: whether an answer is right (column) where a class is true (row).
        counts: whether it is counted: the class means something, and the set judges the answer.
    """

    right: Bool[Tensor, "L C"]
    counts: Bool[Tensor, "L C"]

    @classmethod
    def of(cls, labels: Bool[Tensor, "L K"], answers: Bool[Tensor, "C K"]) -> "Judge":
        """Say what labels judge: answers of which each label that meets them lies inside.

        Where a label only overlaps with an answer, or is coarser, it would show wrong answers alone
        and not those that are right.
        """
        verdicts = judge(labels, answers)
        known = labels.any(1)[:, None]
        right = verdicts.right & ~verdicts.finer
        judged = (right | verdicts.wrong | ~known).all(0) & (right & known).any(0)
        return cls(right & known, known & judged)


@dataclass(frozen=True)
class Looker:
    """A network that looks at pictures in several views.

    Attributes:
        network: it.
        space: the possible answers, and the temperatures of their probabilities.
        mirror: the leaf that each leaf becomes in a mirrored picture.
        size: the shorter side of the first view.
        crop: whether only the centre squares of pictures are looked at.
        tile: see ``TiledNetwork.answer``.
    """

    network: TiledNetwork
    space: AnswerSpace
    mirror: Int[Tensor, " K"]
    size: int
    crop: bool
    tile: int

    @property
    def least(self) -> float:
        """What the shorter side of a picture needs."""
        return math.inf if self.crop else self.size * max(SCALES)

    def count(self, read: Read, judge: Judge | None = None) -> Float[Tensor, "C 5"]:
        """Count the pixels of a picture; see ``count_picture``."""
        assert read.picture is not None
        picture, classes = read.picture, read.classes
        if self.crop:
            picture = centre_square(picture)
            classes = None if classes is None else centre_square(classes)
        height, width = picture.shape[1:] if classes is None else classes.shape
        rows, columns = pixel_grid(height, width, POINTS)
        seen = self._see(picture, (height, width), rows, columns)
        num = len(self.space.labels)
        if judge is None or classes is None:
            return count_picture(seen, num)
        cells = (classes[rows, columns].long(), seen.answers)
        return count_picture(seen, num, judge.right[cells], judge.counts[cells])

    def _see(
        self,
        picture: UInt8[Tensor, "3 h w"],
        full: tuple[int, int],
        rows: Int[Tensor, " P"],
        columns: Int[Tensor, " P"],
    ) -> SeenPixels:
        """Answer some pixels in every view."""
        views: list[Int[Tensor, " P"]] = []
        confidence: Tensor | None = None
        for logits in self._views(picture, full):
            pixels = logits_at(logits, rows, columns, full).T[:, None].cpu()  # (K, 1, P)
            views.append(self.space.decide(pixels)[0].long())
            if confidence is None:
                probabilities = self.space.probabilities(pixels)[:, 0]
                confidence = probabilities.gather(0, views[0][None])[0]
        assert confidence is not None
        same = torch.stack([view == views[0] for view in views])
        return SeenPixels(views[0], confidence, same[1], same.all(0))

    def _views(
        self, picture: UInt8[Tensor, "3 h w"], full: tuple[int, int]
    ) -> Iterator[Float[Tensor, "K _ _"]]:
        """Yield the logits of each view: each size, and mirrored."""
        for scale in SCALES:
            size = shorter_side(*full, max(round(self.size * scale), 1))
            seen = F.resize(picture, list(size), antialias=True)
            yield self._logits(seen)
            mirrored = self._logits(seen.flip(-1))
            yield mirrored[self.mirror.to(mirrored.device)].flip(-1)

    def _logits(self, seen: UInt8[Tensor, "3 h w"]) -> Float[Tensor, "K h w"]:
        size = (seen.shape[1], seen.shape[2])
        with torch.inference_mode():
            strips = self.network.scaled_logits(seen, size, tile=self.tile)
            return torch.cat([strip for _, strip in strips], 1)
