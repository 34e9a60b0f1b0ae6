"""Mean and variance of each data set's part of a batch, over all processes."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

# Letters of shapes: B pictures, S data sets, C channels, h x w pixels of features.

_PIXELS = (2, 3)


@dataclass(frozen=True)
class BatchStatistics:
    """The statistics of a batch, by data set.

    Attributes:
        counts: values that they are over; 0 where they do not depend on the batch.
        mean: of each channel; 0 where there is no value.
        variance: likewise, divided by the count and not by one less.
    """

    counts: Float[Tensor, " S"]
    mean: Float[Tensor, "S C"]
    variance: Float[Tensor, "S C"]


@torch.no_grad()
def batch_statistics(
    features: Float[Tensor, "B C h w"], sets: Int[Tensor, " B"], number: int
) -> BatchStatistics:
    """Return the statistics of each of ``number`` data sets; all processes must call this.

    Pictures have as many pixels in all of them.
    """
    means, variances = _moments(features)
    own = _own(sets, number)
    first = _over_processes(torch.cat([own.to(means).sum(1)[:, None], _add_up(means, own)], 1))
    pictures, mean = first[:, 0], first[:, 1:] / first[:, :1].clamp(min=1)
    squares = variances + (means - mean[sets]).square()
    variance = _over_processes(_add_up(squares, own)) / pictures.clamp(min=1)[:, None]
    return BatchStatistics(pictures * (features.shape[2] * features.shape[3]), mean, variance)


class Normalise(torch.autograd.Function):
    """Normalise features by the statistics of their data sets, then scale and shift them.

    Statistics with a count depend on the features, and gradients flow through them, of all
    processes. Memory is kept for the features alone, in their own precision.
    """

    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        sets: Tensor,
        mean: Tensor,
        inverse: Tensor,
        counts: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(features, weight, bias, sets, mean, inverse, counts)
        scale = inverse if weight is None else inverse * weight
        shift = -mean * scale if bias is None else bias - mean * scale
        scaled = torch.addcmul(_by_picture(shift, sets), _wide(features), _by_picture(scale, sets))
        return scaled.to(features.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        features, weight, bias, sets, mean, inverse, counts = ctx.saved_tensors
        sums, products = _sums(gradient, features, mean[sets], inverse[sets])
        own = _own(sets, len(mean))
        both = _over_processes(_add_up(torch.cat([sums, products], 1), own))
        # What moves the mean and the variance by as much moves no result.
        by_mean, by_deviation = (both / counts.clamp(min=1)[:, None]).chunk(2, 1)
        live = (counts > 0)[:, None]
        scale = inverse if weight is None else inverse * weight
        slope = torch.where(live, -scale * inverse * by_deviation, 0)
        start = torch.where(live, -scale * by_mean, 0) - slope * mean
        found = torch.addcmul(_by_picture(start, sets), _wide(features), _by_picture(slope, sets))
        found = found.addcmul_(_wide(gradient), _by_picture(scale, sets)).to(features.dtype)
        of_weight = None if weight is None else products.sum(0).to(weight.dtype)
        of_bias = None if bias is None else sums.sum(0).to(bias.dtype)
        return found, of_weight, of_bias, None, None, None, None


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and the variance of each picture's channels (B, C)."""
    if features.device.type != "cpu":
        variances, means = torch.var_mean(_wide(features), _PIXELS, correction=0)
        return means, variances
    # var_mean takes twenty times as long there. What is updated is of no use but for its type.
    unused = _wide(features.new_empty(0)).new_zeros(2, features.shape[1])
    each = [torch.batch_norm_update_stats(one, *unused, momentum=0.0) for one in features.split(1)]
    means, variances = (torch.stack(parts) for parts in zip(*each, strict=True))
    return means, variances


def _sums(
    gradient: Tensor, features: Tensor, mean: Tensor, inverse: Tensor
) -> tuple[Tensor, Tensor]:
    """Return each picture's sums of the gradient, and of it times normalised features (B, C)."""
    if features.device.type != "cpu":
        wide = _wide(gradient)
        centred = _wide(features) - mean[:, :, None, None]
        return wide.sum(_PIXELS), (wide * centred).sum(_PIXELS) * inverse
    backward, ones = torch.ops.aten.native_batch_norm_backward, torch.ones_like(mean[0])
    parts = zip(gradient.split(1), features.split(1), mean, inverse, strict=True)
    each = [
        backward(g, x, ones, None, None, m, i, True, 0.0, [False, True, True])[1:]
        for g, x, m, i in parts
    ]
    products, sums = (torch.stack(own) for own in zip(*each, strict=True))
    return sums, products


def _wide(tensor: Tensor) -> Tensor:
    """Return numbers in at least float32."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def _by_picture(table: Tensor, sets: Tensor) -> Tensor:
    return table[sets][:, :, None, None]


def _own(sets: Tensor, number: int) -> Tensor:
    """Say of each data set and picture whether it is its own."""
    return sets == torch.arange(number, device=sets.device)[:, None]


def _add_up(by_picture: Tensor, own: Tensor) -> Tensor:
    """Add up numbers (B, C) over each data set's pictures: (S, C)."""
    return torch.where(own[:, :, None], by_picture, 0).sum(1)


def _over_processes(sums: Tensor) -> Tensor:
    """Add up over the processes that train together."""
    distributed = torch.distributed
    joined = distributed.is_available() and distributed.is_initialized()
    if joined and distributed.get_world_size() > 1:
        distributed.all_reduce(sums)
    return sums
