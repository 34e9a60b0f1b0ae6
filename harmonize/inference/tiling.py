"""Logits of a picture of any size: from the whole of it, or from overlapping tiles, blended."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

# Letters of shapes: C channels, K leaves, H x W pixels of the answer, h x w of the network, R rows.

Run = Callable[[Shaped[Tensor, "C h w"]], Float[Tensor, "K h w"]]
"""A network applied to one picture."""

RAMP = 32
"""Pixels over which a tile fades into the next."""
_GRID = 32
"""Tiles begin at multiples of this, so that a network's poolings fall on the same pixels."""
_MARGIN = 112
"""Pixels beside a cut that any tile can spare. Where a network sees further, a quarter of the tile
is spared: as much again would make it compute four times as much."""
_STRIP = {"cpu": 1 << 19, "cuda": 1 << 26}
"""Logits that are scaled and answered together."""


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
    run: Run, picture: Shaped[Tensor, "C h w"], tiling: Tiling
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
        yield 0, run(picture)
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


def strips(
    found: Iterable[tuple[int, Float[Tensor, "K R w"]]],
    height: int,
    full: tuple[int, int],
) -> Iterator[tuple[int, Float[Tensor, "K R W"]]]:
    """Scale logits to the answer's size, in strips of rows of bounded memory.

    Bilinearly, pixel by pixel as evaluation does it.

    Args:
        found: bands that make up a picture; see ``bands``.
        height: h, their rows without repetition.
        full: the answer's height and width.

    Yields:
        The number of a strip's first row, and its logits.
    """
    rows, columns = full
    places = ((torch.arange(rows) + 0.5) * (height / rows) - 0.5).clamp(min=0)
    low = places.long().clamp(max=height - 1)
    high = (low + 1).clamp(max=height - 1)
    part = (places - low)[:, None]
    done = 0
    for top, band in found:
        leaves, here, width = band.shape
        last = top + here - 1
        end = int((high <= last).sum())
        size = _STRIP.get(band.device.type, _STRIP["cuda"])
        count = max(size // (leaves * max(columns, width)), 1)
        for first in range(done, end, count):
            chosen = slice(first, min(first + count, end))
            if rows == height:
                strip = band[:, chosen.start - top : chosen.stop - top].float()
            else:
                above = band[:, (low[chosen] - top).to(band.device)].float()
                below = band[:, (high[chosen] - top).to(band.device)].float()
                strip = above.lerp(below, part[chosen].to(band.device))
            if columns != width:
                size_now = (strip.shape[1], columns)
                strip = nn.functional.interpolate(strip[None], size=size_now, mode="bilinear")[0]
            yield first, strip
            del strip
        done = end
        del band  # before the next one is made
