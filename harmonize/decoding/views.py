"""A network that looks at each picture several times: at several sizes, and mirrored."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Integer, Num
from numpy import ndarray
from torch import Tensor

from harmonize.data.resizing import resize, shorter_side
from harmonize.data.windows import LargePicture
from harmonize.decoding.tiled_network import DEFAULT_TILE, Answering, TiledNetwork

# Letters of shapes: N bands, K leaves, C answers, H x W pixels of a label, h x w of a picture, R
# rows.


Seen = Num[Tensor, "N h w"] | LargePicture


def resized(picture: Seen, size: tuple[int, int]) -> Num[Tensor, "N h2 w2"] | LargePicture:
    """Return a picture at a height and width; one that is large only becomes a tensor then."""
    if not isinstance(picture, LargePicture):
        return resize(picture, size)
    if picture.shape[1:] == size:
        return picture
    return resize(picture.reduced(min(size)), size)


@dataclass(frozen=True)
class Views:
    """How pictures are looked at.

    Attributes:
        size: their shorter side in pixels, or ``full`` for their own.
        scales: factors of it, one for each view.
        flip: whether each is looked at mirrored as well.
        tile: see ``TiledNetwork.answer``.
    """

    size: int | str
    scales: Sequence[float] = (1.0,)
    flip: bool = False
    tile: int = DEFAULT_TILE

    def __len__(self) -> int:
        return len(self.scales) * (1 + self.flip)

    @property
    def is_one(self) -> bool:
        """Whether pictures are looked at once, at their size."""
        return tuple(self.scales) == (1.0,) and not self.flip

    @property
    def largest(self) -> float:
        """The shorter side of the largest view, in pixels; infinite for a picture's own."""
        return math.inf if self.read_at is None else self.read_at

    @property
    def read_at(self) -> int | None:
        """The shorter side that pictures are read at, in pixels; None for their own."""
        return None if self.size == "full" else max(self.sizes(0))

    @property
    def text(self) -> str:
        """The sizes, in words."""
        if self.size == "full":
            return " and ".join(f"{scale:g} x their own size" for scale in self.scales)
        return " and ".join(f"{size} px" for size in self.sizes(0))

    def sizes(self, own: int) -> tuple[int, ...]:
        """Return the shorter side of each view, in pixels, of a picture with its own one."""
        size = own if self.size == "full" else int(self.size)
        return tuple(max(round(size * scale), 1) for scale in self.scales)


@dataclass(frozen=True)
class ViewedNetwork:
    """A network that looks at each picture several times.

    Attributes:
        network: it.
        views: how it looks.
        mirror: the leaf that each leaf becomes in a mirrored picture.
        soften: makes of logits those whose probabilities are averaged; themselves unless given.
    """

    network: TiledNetwork
    views: Views
    mirror: Int[Tensor, " K"]
    soften: Callable[[Float[Tensor, "K R W"]], Float[Tensor, "K R W"]] | None = None

    @torch.inference_mode()
    def look(self, picture: Seen, size: tuple[int, int]) -> list[Float[Tensor, "K H W"]]:
        """Return the probabilities of leaves in each view, in the pixels of the label.

        Args:
            picture: at least as large as the largest view, but for one that enlarges it.
            size: H and W.
        """
        found = self._views(picture, size)
        return [torch.cat([strip.exp().cpu() for strip in view], 1) for view in found]

    def averaged(
        self, picture: Seen, size: tuple[int, int]
    ) -> Iterator[tuple[int, Float[Tensor, "K R W"]]]:
        """Yield log p of leaves, p being the mean over the views, in strips of rows.

        Yields:
            The number of a strip's first row, and log p; both views and strips are never in memory
            as a whole.
        """
        views = self._views(picture, size)
        strips = [next(view) for view in views]
        first = 0
        while True:
            rows = min(strip.shape[1] for strip in strips)
            total = strips[0][:, :rows]
            for strip in strips[1:]:
                total = torch.logaddexp(total, strip[:, :rows])
            yield first, total - math.log(len(strips))
            first += rows
            if first == size[0]:
                return
            strips = [
                strip[:, rows:] if strip.shape[1] > rows else next(view)
                for strip, view in zip(strips, views, strict=True)
            ]

    def strips(
        self, picture: Seen, size: tuple[int, int]
    ) -> Iterator[tuple[int, Float[Tensor, "K R W"]]]:
        """Yield the logits of an answer of a size, or what is averaged of several views, as strips.

        See ``averaged``.
        """
        if not self.views.is_one:
            yield from self.averaged(picture, size)
            return
        (side,) = self.views.sizes(min(size))
        seen = resized(picture, shorter_side(*size, side))
        yield from self.network.scaled_logits(seen, size, tile=self.views.tile)

    @torch.inference_mode()
    def answer(
        self, picture: Seen, size: tuple[int, int], space: Answering
    ) -> Integer[ndarray, "H W"]:
        """Return the number of each pixel's answer.

        Args:
            picture: as large as the only view, or at least as large as the largest of several.
            size: H and W.
            space: the possible answers.
        """
        if self.views.is_one:
            if isinstance(picture, LargePicture):
                (side,) = self.views.sizes(min(size))
                picture = resized(picture, shorter_side(*size, side))
            return self.network.answer(picture, size, space, tile=self.views.tile)
        found = [space.decide(strip).cpu().numpy() for _, strip in self.averaged(picture, size)]
        return np.concatenate(found).astype(np.uint8 if space.num <= 256 else np.uint16)

    @torch.inference_mode()
    def probabilities(
        self,
        picture: Seen,
        size: tuple[int, int],
        space: Answering,
        kind: type[np.floating] = np.float32,
    ) -> Float[ndarray, "C H W"]:
        """Return the probability of each possible answer at each pixel, of a kind of numbers.

        See ``answer``.
        """
        found = np.empty((space.num, *size), dtype=kind)
        for first, strip in self.strips(picture, size):
            found[:, first : first + strip.shape[1]] = space.probabilities(strip).cpu().numpy()
        return found

    def _views(
        self, picture: Seen, size: tuple[int, int]
    ) -> list[Iterator[Float[Tensor, "K R W"]]]:
        found: list[Iterator[Float[Tensor, "K R W"]]] = []
        for side in self.views.sizes(min(size)):
            seen = resized(picture, shorter_side(*size, side))
            found.append(self._log_probabilities(seen, size))
            if self.views.flip:
                found.append(self._mirrored(seen, size))
        return found

    def _mirrored(self, seen: Seen, size: tuple[int, int]) -> Iterator[Float[Tensor, "K R W"]]:
        for strip in self._log_probabilities(seen.flip(-1), size):
            yield strip[self.mirror.to(strip.device)].flip(-1)

    def _log_probabilities(
        self, seen: Seen, size: tuple[int, int]
    ) -> Iterator[Float[Tensor, "K R W"]]:
        for _, strip in self.network.scaled_logits(seen, size, tile=self.views.tile):
            logits = strip if self.soften is None else self.soften(strip)
            yield logits.float().log_softmax(0)
