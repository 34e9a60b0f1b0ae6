"""Logits scaled to the size of a label or an answer, a few rows at a time."""

from collections.abc import Iterable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

# Letters of shapes: K leaves, H x W pixels of the label or answer, h x w of the network, R rows.

STRIP = {"cpu": 1 << 18, "cuda": 1 << 26}
"""Logits that are scaled together: what a CPU keeps in its caches, or enough for a GPU."""


def strips(
    found: Iterable[tuple[int, Float[Tensor, "K R w"]]],
    height: int,
    full: tuple[int, int],
) -> Iterator[tuple[int, Float[Tensor, "K R W"]]]:
    """Scale a picture's logits bilinearly, in strips of rows of bounded memory.

    Args:
        found: bands that make up the picture, each with the number of its first row; one may begin
            with the last row of the one before.
        height: h, their rows without repetition.
        full: H and W.

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
        size = STRIP.get(band.device.type, STRIP["cuda"])
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
