"""Answers for pictures too large for memory: decided and written a few rows at a time."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Integer
from numpy import ndarray

from harmonize.data.windows import LargePicture
from harmonize.decoding.views import ViewedNetwork
from harmonize.inference.answer_space import AnswerSpace
from harmonize.inference.drawing import draw_answer, draw_overlay
from harmonize.inference.inputs import Wanted
from harmonize.inference.read_pictures import SeenPicture
from harmonize.inference.write_answers import Output

# Letters of shapes: R rows, W pixels across, h x w pixels of a drawing.


@torch.inference_mode()  # what gradients need of each strip would stay until the last one
def answer_large(
    network: ViewedNetwork, wanted: Wanted, seen: SeenPicture, space: AnswerSpace, output: Output
) -> None:
    """Answer a picture of which rows are read as they are needed, and write what it is answered.

    The drawing is made of the picture as small as it is shown.

    Raises:
        HarmonizeError: the picture is damaged, or a file cannot be written.
    """
    assert isinstance(seen.scaled, LargePicture)
    shown: list[ndarray] = []
    rows = _small_too(_decided(network, seen, space), seen, shown)
    if output.is_tiff(wanted):
        output.write_rows(wanted, rows, seen.size, space)
    else:
        output.write_answer(wanted, draw_answer(np.concatenate(list(rows)), space))
    if seen.shown is not None:
        output.write_overlay(wanted, draw_overlay(seen.shown, np.concatenate(shown), space))


def _decided(
    network: ViewedNetwork, seen: SeenPicture, space: AnswerSpace
) -> Iterator[Integer[ndarray, "R W"]]:
    kind = np.uint8 if space.num <= 256 else np.uint16
    for _, strip in network.strips(seen.scaled, seen.size):
        yield space.decide(strip).cpu().numpy().astype(kind)


def _small_too(
    found: Iterator[Integer[ndarray, "R W"]], seen: SeenPicture, small: list[ndarray]
) -> Iterator[Integer[ndarray, "R W"]]:
    """Pass rows on, and collect the pixels that a drawing shows."""
    if seen.shown is None:
        yield from found
        return
    (height, width), (across, down) = seen.size, seen.shown.size
    wanted = (2 * np.arange(down) + 1) * height // (2 * down)
    columns = (2 * np.arange(across) + 1) * width // (2 * across)
    first = 0
    for rows in found:
        here = wanted[(wanted >= first) & (wanted < first + len(rows))] - first
        small.append(rows[here][:, columns])
        first += len(rows)
        yield rows
