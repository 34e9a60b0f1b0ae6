"""Batch norm with statistics of its own for each data set (Chang et al., CVPR 2019).

Scale and shift are shared, as in Li et al. (2017): whatever a batch holds, every process has a
gradient for each parameter, pretrained weights fit, and pictures of no data set can be answered.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from harmonize.errors import HarmonizeError
from harmonize.models.batch_statistics import BatchStatistics, Normalise, batch_statistics

# Letters of shapes: B pictures, S data sets, C channels, h x w pixels of features.

PER_DATASET = "batch_per_dataset"
"""What ``model.norm`` is for such networks."""
_KEY = f"model.norm: {PER_DATASET}"


@dataclass
class Shown:
    """Which data sets the pictures in a network are of; its norms share one.

    Attributes:
        names: of the data sets that are trained on.
        sets: the number of each picture's data set, of the newest forward pass; None if it gave
            none.
        like: the number of the data set whose statistics pictures have when it gives none; None for
            those of all sets together.
    """

    names: tuple[str, ...]
    sets: Int[Tensor, " B"] | None = None
    like: int | None = None


class DatasetBatchNorm2d(nn.BatchNorm2d):
    """Normalises each data set's part of a batch with that part's own mean and variance.

    In evaluation mode each picture has the running statistics of its data set. In training they
    are those of the batch, over all processes; a data set with less than two values in it has its
    running ones. What followed the norm in its module, as in timm's, is done here too.
    """

    running_mean: Float[Tensor, "S C"]  # pyright: ignore[reportIncompatibleVariableOverride]
    running_var: Float[Tensor, "S C"]  # pyright: ignore[reportIncompatibleVariableOverride]
    num_batches_tracked: Int[Tensor, " S"]  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, norm: _BatchNorm, shown: Shown) -> None:
        """Take the place of a batch norm; every data set begins with its statistics."""
        assert norm.running_mean is not None
        device = norm.running_mean.device
        super().__init__(norm.num_features, norm.eps, norm.momentum, affine=False, device=device)
        self.affine = norm.affine
        self.weight, self.bias = norm.weight, norm.bias
        self.shown = shown
        mean, variance, count = norm.running_mean, norm.running_var, norm.num_batches_tracked
        assert variance is not None
        assert count is not None
        if isinstance(norm, DatasetBatchNorm2d):
            mean, variance = norm.pooled()
            count = count.amax(0)
        number = len(shown.names)
        self.register_buffer("running_mean", mean.repeat(number, 1))
        self.register_buffer("running_var", variance.repeat(number, 1))
        self.register_buffer("num_batches_tracked", count.repeat(number))
        for name in ("drop", "act"):
            self.add_module(name, getattr(norm, name, None) or nn.Identity())
        self.train(norm.training)

    def forward(self, input: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        """Normalise features, of pictures of the data sets that ``shown`` says.

        Raises:
            HarmonizeError: it is trained without being told the data sets, or features are no
                longer one for each picture.
        """
        sets = self.shown.sets
        if sets is None:
            normal = self._of_no_set(input)
        elif len(sets) != len(input):
            raise HarmonizeError(
                f"{_KEY}: the network takes its pictures apart before it normalises "
                f"({len(input)} parts of {len(sets)} pictures); say norm: batch"
            )
        elif self.training:
            found = batch_statistics(input, sets, len(self.shown.names))
            normal = self._normalised(input, sets, self._tracked(found))
        else:
            mean, variance = self.running_mean, self.running_var
            known = BatchStatistics(mean.new_zeros(len(mean)), mean, variance)
            normal = self._normalised(input, sets, known)
        return self.get_submodule("act")(self.get_submodule("drop")(normal))

    def pooled(self) -> tuple[Float[Tensor, " C"], Float[Tensor, " C"]]:
        """Return the mean and variance of all data sets together, each as large as the others."""
        mean = self.running_mean.mean(0)
        return mean, (self.running_var + (self.running_mean - mean).square()).mean(0)

    def _of_no_set(self, features: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        """Normalise pictures of no data set with the statistics of one, or of all together."""
        if self.training:
            raise HarmonizeError(
                f"{_KEY}: is trained with the data set of each picture: "
                "network(pictures, datasets=batch.datasets)"
            )
        like = self.shown.like
        mean, variance = (
            self.pooled() if like is None else (self.running_mean[like], self.running_var[like])
        )
        return nn.functional.batch_norm(
            features, mean, variance, self.weight, self.bias, eps=self.eps
        )

    def _tracked(self, found: BatchStatistics) -> BatchStatistics:
        """Move the running statistics towards a batch's, and give sets without any theirs."""
        with torch.no_grad():
            enough = found.counts > 1
            self.num_batches_tracked.add_(enough)
            share = enough.to(found.mean) * (
                1 / self.num_batches_tracked.clamp(min=1)
                if self.momentum is None
                else self.momentum
            )
            unbiased = found.variance * (found.counts / (found.counts - 1).clamp(min=1))[:, None]
            usable = BatchStatistics(
                torch.where(enough, found.counts, 0),
                torch.where(enough[:, None], found.mean, self.running_mean),
                torch.where(enough[:, None], found.variance, self.running_var),
            )
            for running, new in (
                (self.running_mean, found.mean),
                (self.running_var, unbiased),
            ):
                # Not lerp: what is not finite must not reach sets whose share is 0.
                moved = running + share[:, None] * (new - running)
                running.copy_(torch.where(enough[:, None], moved, running))
        return usable

    def _normalised(
        self,
        features: Float[Tensor, "B C h w"],
        sets: Int[Tensor, " B"],
        known: BatchStatistics,
    ) -> Float[Tensor, "B C h w"]:
        inverse = (known.variance + self.eps).rsqrt()
        return cast(
            "Tensor",
            Normalise.apply(
                features, self.weight, self.bias, sets, known.mean, inverse, known.counts
            ),
        )

    def extra_repr(self) -> str:
        """Name the data sets."""
        return f"{super().extra_repr()}, datasets={', '.join(self.shown.names)}"


def norm_per_dataset(network: nn.Module, names: Sequence[str], title: str) -> Shown:
    """Put a norm with statistics for each data set in the place of every batch norm.

    Args:
        network: whose norms are replaced; those that are such already stay if they are of as many
            data sets, and else begin with the statistics of all their sets together.
        names: of the data sets that are trained on.
        title: of the network, for messages.

    Returns:
        What its norms look up.

    Raises:
        HarmonizeError: no names, no batch norm, or one that this cannot take the place of.
    """
    if not names:
        raise HarmonizeError(
            f"{_KEY}: the network must know which data sets it is trained on; call build_model "
            "with datasets=[NAME, ...]"
        )
    shown = Shown(tuple(names))
    parts = network.named_modules(remove_duplicate=False)
    norms = {name: part for name, part in parts if isinstance(part, _BatchNorm)}
    if not norms:
        raise HarmonizeError(f"{_KEY}: {title} has no batch norm; say norm: batch")
    for name, norm in norms.items():
        problem = _unfit(norm)
        if problem:
            raise HarmonizeError(
                f"{_KEY}: {title} has {problem}, {name}, which statistics for each data set are "
                "not for; say norm: batch"
            )
    made: dict[int, DatasetBatchNorm2d] = {}  # a norm may be in two places
    for name, norm in norms.items():
        if isinstance(norm, DatasetBatchNorm2d) and len(norm.shown.names) == len(names):
            norm.shown = shown
            continue
        new = made.setdefault(id(norm), DatasetBatchNorm2d(norm, shown))
        network.set_submodule(name, new)
    return shown


def _unfit(norm: _BatchNorm) -> str:
    """Say what about a batch norm cannot be kept for each data set; empty if nothing."""
    ours = isinstance(norm, DatasetBatchNorm2d)
    plain = isinstance(norm, nn.BatchNorm2d | nn.SyncBatchNorm)
    own_way = type(norm).forward not in (nn.BatchNorm2d.forward, nn.SyncBatchNorm.forward)
    if not ours and (not plain or (own_way and not hasattr(norm, "act"))):
        return f"a {type(norm).__name__}"
    return "" if norm.track_running_stats else "a batch norm without running statistics"


def _shown_in(network: nn.Module) -> Shown | None:
    return next(
        (part.shown for part in network.modules() if isinstance(part, DatasetBatchNorm2d)), None
    )


def forget_sets(network: nn.Module) -> None:
    """Forget the data sets of the newest forward pass."""
    shown = _shown_in(network)
    if shown is not None:
        shown.sets = None


def normed_sets(network: nn.Module) -> tuple[str, ...]:
    """Return the names of the data sets that a network has statistics of; () without such norms."""
    shown = _shown_in(network)
    return () if shown is None else shown.names


@contextlib.contextmanager
def answering_like(network: nn.Module, name: str | None) -> Iterator[None]:
    """Let a network normalise pictures as those of a data set meanwhile.

    A name that it was not trained on, or None, means all data sets together. Networks without
    statistics for each data set stay as they are.
    """
    shown = _shown_in(network)
    if shown is None:
        yield
        return
    before = shown.like
    shown.like = shown.names.index(name) if name in shown.names else None
    try:
        yield
    finally:
        shown.like = before
