"""Look at pictures in several views, and count how steady a network's answers are."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Num
from torch import Tensor

from harmonize.calibration.back_off import judge
from harmonize.data.resizing import resize, shorter_side
from harmonize.data.transforms import centre_square
from harmonize.decoding.tiled_network import TiledNetwork
from harmonize.decoding.views import Views
from harmonize.evaluation.sampling import pixel_grid
from harmonize.inference.answer_space import AnswerSpace
from harmonize.unseen.picture_sums import SeenPixels, count_picture
from harmonize.unseen.unlabelled_pictures import Read

# Letters of shapes: N bands, K leaves, C answers, L classes of a label, P pixels, H x W pixels of a
# picture.

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
        views: that it looks at, mirrored as well; the first gives the answers.
        crop: whether only the centre squares of pictures are looked at.
    """

    network: TiledNetwork
    space: AnswerSpace
    mirror: Int[Tensor, " K"]
    views: Views
    crop: bool

    @property
    def least(self) -> float:
        """What the shorter side of a picture needs."""
        return math.inf if self.crop else self.views.largest

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
        picture: Num[Tensor, "N h w"],
        full: tuple[int, int],
        rows: Int[Tensor, " P"],
        columns: Int[Tensor, " P"],
    ) -> SeenPixels:
        """Answer some pixels in every view."""
        answers: list[Int[Tensor, " P"]] = []
        confidence: Tensor | None = None
        for logits in self._views(picture, full, rows, columns):
            answers.append(self.space.decide(logits)[0].long())
            if confidence is None:
                probabilities = self.space.probabilities(logits)[:, 0]
                confidence = probabilities.gather(0, answers[0][None])[0]
        assert confidence is not None
        same = torch.stack([one == answers[0] for one in answers])
        return SeenPixels(answers[0], confidence, same[1], same.all(0))

    def _views(
        self,
        picture: Num[Tensor, "N h w"],
        full: tuple[int, int],
        rows: Int[Tensor, " P"],
        columns: Int[Tensor, " P"],
    ) -> Iterator[Float[Tensor, "K 1 P"]]:
        """Yield the logits of some pixels in each view: each size, and mirrored."""
        for side in self.views.sizes(min(full)):
            seen = resize(picture, shorter_side(*full, side))
            yield self._logits(seen, full, rows, columns)
            mirrored = self._logits(seen.flip(-1), full, rows, full[1] - 1 - columns)
            yield mirrored[self.mirror]

    def _logits(
        self,
        seen: Num[Tensor, "N h w"],
        full: tuple[int, int],
        rows: Int[Tensor, " P"],
        columns: Int[Tensor, " P"],
    ) -> Float[Tensor, "K 1 P"]:
        """Return the logits of some pixels, as scoring has them; their rows ascend."""
        found: list[Float[Tensor, "K _"]] = []
        with torch.inference_mode():
            for first, strip in self.network.scaled_logits(seen, full, tile=self.views.tile):
                here = (rows >= first) & (rows < first + strip.shape[1])
                found.append(strip[:, rows[here] - first, columns[here]].cpu())
        return torch.cat(found, 1)[:, None]
