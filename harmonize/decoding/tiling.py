"""Logits of a picture of any size: from the whole of it, or from overlapping tiles, blended."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from harmonize.data.windows import LargePicture

# Letters of shapes: C channels, K leaves, h x w pixels of the network, R rows.

Run = Callable[[Shaped[Tensor, "C h w"]], Float[Tensor, "K h w"]]
"""A network applied to one picture."""

RAMP = 32
"""Pixels over which a tile fades into the next."""
_GRID = 32
"""Tiles begin at multiples of this, so that a network's poolings fall on the same pixels."""
_MARGIN = 112
"""Pixels beside a cut that any tile can spare. Where a network sees further, a quarter of the tile
is spared: as much again would make it compute four times as much."""


@dataclass(frozen=True)
class Span:
    """One tile along one axis: what the network sees, and what of that is used.

    Attributes:
        start, stop: of what is seen.
        first, last: of what is used, the last one not included.
    """

    start: int
    stop: int
    first: int
    last: int


@dataclass(frozen=True)
class Tiling:
    """How a picture is cut into tiles.

    Attributes:
        tile: the side of a tile.
        margin: pixels beside a cut that are not used.
        grid: tiles begin at multiples of this.
    """

    tile: int
    margin: int = _MARGIN
    grid: int = _GRID

    @classmethod
    def fit(cls, tile: int, *, reach: float, stride: int) -> "Tiling":
        """Return the tiling for a network; see ``Segmenter.reach`` and ``stride``.

        If all that a network sees fits into the margin, its tiles and the whole picture give the
        same logits.
        """
        margin = _MARGIN
        if math.isfinite(reach):
            margin = min(math.ceil(reach / 16) * 16, max(_MARGIN, tile // 64 * 16))
        return cls(tile, margin, math.lcm(_GRID, stride))

    @staticmethod
    def least_tile(stride: int) -> int:
        """Return the least side of a tile for a network of a stride."""
        return 2 * _MARGIN + RAMP + math.lcm(_GRID, stride)

    @property
    def overlap(self) -> int:
        """Pixels that a tile and the next have in common."""
        return 2 * self.margin + RAMP

    def cut(self, length: int) -> list[Span]:
        """Cut an axis into tiles whose used parts overlap by RAMP."""
        if length <= self.tile:
            return [Span(0, length, 0, length)]
        step = (self.tile - self.overlap) // self.grid * self.grid
        spans: list[Span] = []
        for start in range(0, length - self.overlap, step):
            stop = min(start + step + self.overlap, length)
            first = start + self.margin if start else 0
            last = length if stop == length else stop - self.margin
            spans.append(Span(start, stop, first, last))
        return spans


def bands(
    run: Run, picture: Shaped[Tensor, "C h w"] | LargePicture, tiling: Tiling
) -> Iterator[tuple[int, Float[Tensor, "K R w"]]]:
    """Run a network over a picture, in tiles if it has more pixels than a tile.

    Where two tiles overlap, their probabilities are mixed, from all of the one to all of the other.
    At any time no more than a row of tiles is in memory.

    Yields:
        The number of a band's first row, and its logits. Each band begins with the last row of the
        one before.
    """
    height, width = picture.shape[1:]
    if height * width <= tiling.tile**2:
        yield 0, run(picture[:, 0:height])
        return
    columns = tiling.cut(width)
    ramp: Tensor | None = None  # the last rows of the band before
    last_row: Tensor | None = None
    for span in tiling.cut(height):
        band = _row_of_tiles(run, picture[:, span.start : span.stop], columns, span)
        if ramp is not None:
            band[:, 1 : 1 + RAMP] = _blend(ramp, band[:, 1 : 1 + RAMP], dim=1)
            assert last_row is not None
            band[:, 0] = last_row
        end = band.shape[1] if span.stop == height else band.shape[1] - RAMP
        ramp, last_row = band[:, end:].clone(), band[:, end - 1].clone()
        yield (span.first - 1, band[:, :end]) if span.first else (0, band[:, 1:end])
        del band  # before the next one is made


def _row_of_tiles(
    run: Run, picture: Shaped[Tensor, "C h w"], columns: list[Span], row: Span
) -> Float[Tensor, "K R w"]:
    """Return the used rows of a row of tiles as log p, with room for one row before them."""
    width = columns[-1].stop
    rows = slice(row.first - row.start, row.last - row.start)
    band: Tensor | None = None
    for span in columns:
        used = slice(span.first - span.start, span.last - span.start)
        logits = run(picture[:, :, span.start : span.stop])[:, rows, used]
        part = logits.float().contiguous().log_softmax(0)  # far quicker than channels last
        if band is None:
            band = part.new_empty(len(part), 1 + row.last - row.first, width)
        if span.first:
            here = slice(span.first, span.first + RAMP)
            part[:, :, :RAMP] = _blend(band[:, 1:, here], part[:, :, :RAMP], dim=2)
        band[:, 1:, span.first : span.last] = part
        del logits, part  # before the network needs the memory
    assert band is not None
    return band


def _blend(
    before: Float[Tensor, "K h w"], after: Float[Tensor, "K h w"], *, dim: int
) -> Float[Tensor, "K h w"]:
    """Mix the probabilities of two overlapping tiles, given and returned as log p."""
    share = (torch.arange(RAMP, device=after.device) + 0.5) / RAMP
    share = share[:, None] if dim == 1 else share
    return torch.logaddexp(before + (1 - share).log(), after + share.log())
