"""Trained networks as programs of ExecuTorch, for telephones and boards."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from harmonize.errors import HarmonizeError
from harmonize.exporting.executorch_file import EXTRA
from harmonize.exporting.exported_network import scaled
from harmonize.exporting.hushing import hushed
from harmonize.exporting.plain_decoding import PlainAnswers
from harmonize.exporting.pooling import with_plain_pools
from harmonize.exporting.same_padding import same_padding_of_whole_strides
from harmonize.exporting.tracing import first_that_works
from harmonize.inference.answer_space import AnswerSpace
from harmonize.models.outputs import all_logits
from harmonize.models.segmenter import Segmenter
from harmonize.system.extras import need

# Letters of shapes: C answers, K leaves, h x w pixels as the network sees a picture. They are in
# comments alone: no size is known while it is exported.

LARGEST = 1024
"""Pixels of the longest side that a program takes at least: memory is laid out for it."""


class ScaledNetwork(nn.Module):
    """Answers one picture that is scaled and padded already.

    Sizes that follow from others by way of numbers in tensors, as ``ExportedNetwork`` has them,
    have no limit that memory could be laid out for.

    Args:
        segmenter: the trained network, as it is to answer; it stays as it is.
        space: the possible answers.
    """

    pictures_mean: Tensor
    pictures_std: Tensor

    def __init__(self, segmenter: Segmenter, space: AnswerSpace) -> None:
        super().__init__()
        network = with_plain_pools(copy.deepcopy(segmenter.network))
        # XNNPACK's passes take weights in no other layout.
        self.network = network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self.register_buffer("pictures_mean", segmenter.mean[None].clone())
        self.register_buffer("pictures_std", segmenter.std[None].clone())
        self.answers = PlainAnswers(space)
        self.eval()

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the classes (1, h, w), probabilities (1, C, h, w) and logits (1, K, h, w).

        Args:
            pictures: (1, 3, h, w), uint8; both sides are multiples of the stride.
        """
        size = pictures.shape[-2:]
        seen = (pictures.float() / 255 - self.pictures_mean) / self.pictures_std
        logits = all_logits(self.network(seen))[0].float()
        if logits.shape[-2:] != size:
            logits = scaled(logits, (size[0], size[1]))
        classes, probabilities = self.answers(logits.flatten(2))
        shape = (1, probabilities.shape[1], *size)
        return classes.reshape(1, *size).to(torch.int32), probabilities.reshape(shape), logits


def trace_scaled(
    segmenter: Segmenter, space: AnswerSpace, title: str, size: int | str
) -> tuple[ExportedProgram, int, int]:
    """Return a network as a program, and the least and the largest side that it takes.

    Args:
        segmenter: the network.
        space: the possible answers.
        title: of the network.
        size: the shorter side that it sees in pixels, or ``full``.

    Raises:
        HarmonizeError: it depends on the size of a picture in a way that no program can.
    """
    stride, network = segmenter.stride, ScaledNetwork(segmenter, space)
    longest = max(LARGEST, 0 if size == "full" else 2 * int(size)) // stride

    def make(strides: int) -> ExportedProgram:
        sides = [stride * Dim(name, min=strides, max=longest) for name in ("rows", "columns")]
        shape = (1, 3, (strides + 2) * stride, (strides + 3) * stride)
        picture = torch.zeros(shape, dtype=torch.uint8)
        with torch.no_grad(), hushed(), same_padding_of_whole_strides():
            any_size: Any = ({2: sides[0], 3: sides[1]},)
            return torch.export.export(network, (picture,), dynamic_shapes=any_size)

    program, least = first_that_works(segmenter, title, make)
    return program, least, longest * stride


def as_executorch(program: ExportedProgram, title: str) -> bytes:
    """Return what ExecuTorch loads: convolutions and the like by XNNPACK, the rest portable.

    Raises:
        HarmonizeError: ExecuTorch has not all that the network needs.
    """
    with hushed():
        exir: Any = need("executorch.exir", extra=EXTRA, key="--format executorch")
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import (  # pyright: ignore[reportMissingImports]
            XnnpackPartitioner,
        )

        try:
            parts = [XnnpackPartitioner()]
            edge = exir.to_edge_transform_and_lower(program, partitioner=parts)
            return bytes(edge.to_executorch().buffer)
        except Exception as error:  # of its many kinds
            cause = error.__cause__ or error  # which says more than "an error occurred"
            reason = (str(cause).splitlines() or [type(cause).__name__])[0]
            raise HarmonizeError(
                f"--format executorch: it does not take {title}: {reason}"
            ) from None
