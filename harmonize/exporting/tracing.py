"""Trained networks traced into programs of ``torch.export``."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from harmonize.errors import HarmonizeError
from harmonize.exporting.exported_network import ExportedNetwork
from harmonize.exporting.hushing import hushed
from harmonize.exporting.same_padding import same_padding_of_whole_strides
from harmonize.inference.answer_space import AnswerSpace
from harmonize.models.segmenter import Segmenter

_EXAMPLE = (2, 70, 53)
"""Pictures, height and width of what the network is traced with; any others do as well."""
_SIDE = 128
"""Pixels of a side that is large enough for any network to be traced with."""


def check_exportable(segmenter: Segmenter, title: str) -> None:
    """Make sure that a network's authors let it be exported, and that it takes colours.

    Raises:
        HarmonizeError: it cannot be exported.
    """
    if not segmenter.may_export:
        raise HarmonizeError(f"{title}: cannot be exported: {segmenter.traits.no_export}")
    if segmenter.in_channels != 3:
        raise HarmonizeError(
            f"{title}: takes {segmenter.in_channels} bands; only networks for RGB are exported"
        )


def trace(segmenter: Segmenter, space: AnswerSpace, title: str) -> tuple[ExportedProgram, int]:
    """Return a network as a program, and the least side in pixels that its network is given.

    Raises:
        HarmonizeError: it depends on the size of a picture in a way that no program can.
    """

    def make(strides: int) -> ExportedProgram:
        return _program(ExportedNetwork(segmenter, space, strides=strides))

    return first_that_works(segmenter, title, make)


def first_that_works(
    segmenter: Segmenter, title: str, make: Callable[[int], ExportedProgram]
) -> tuple[ExportedProgram, int]:
    """Return what is made of the least number of strides, and that side in pixels.

    Some networks do another thing where features are a single pixel. They are given more than that.

    Args:
        segmenter: the network.
        title: of it.
        make: a program whose network is given so many strides at least along each side.

    Raises:
        HarmonizeError: it depends on the size of a picture in a way that no program can.
    """
    stride, least = segmenter.stride, max(segmenter.traits.least, segmenter.stride)
    reason = ""
    sides = [least, 2 * stride, 2 * least, max(_SIDE, 2 * least)]
    for strides in dict.fromkeys(math.ceil(max(side, least) / stride) for side in sides):
        try:
            return make(strides), strides * stride
        except Exception as error:  # of torch.export, about other people's code
            reason = (str(error).splitlines() or [type(error).__name__])[0]
    raise HarmonizeError(f"{title}: cannot be exported: {reason}")


def _program(network: ExportedNetwork) -> ExportedProgram:
    batch, height, width = _EXAMPLE
    pictures = torch.zeros(batch, 3, height, width, dtype=torch.uint8)
    side = max(network.least * network.stride, 32)
    any_size = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    with torch.no_grad(), hushed(), same_padding_of_whole_strides():
        given: tuple[Tensor, Tensor] = (pictures, torch.tensor(side))
        return torch.export.export(network, given, dynamic_shapes=(any_size, None))
