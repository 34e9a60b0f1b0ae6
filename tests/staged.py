"""A tiny network with an encoder of three stages, in place of those that are built by name."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Literal
from unittest.mock import patch

import torch
from torch import Tensor, nn

from harmonize.config.model_config import ModelConfig
from harmonize.models.dataset_norms import PER_DATASET, norm_per_dataset
from harmonize.models.segmenter import Segmenter
from harmonize.pipeline import preflight
from harmonize.runs import opened
from harmonize.training import learner

FINETUNING = (
    "model.freeze=2",
    "train.unfreeze_at=3",
    "train.ema=0.9",
    "train.evaluate_every=2",
    "optim.encoder_lr=0.5",
    "optim.layer_decay=0.8",
    "optim.weight_decay=0.01",
    "optim.clip=0.05",
)


class Staged(nn.Module):
    """Three blocks and a head, all at the picture's own size."""

    def __init__(self, num_leaves: int, norm: str) -> None:
        super().__init__()
        self.stages = nn.Sequential(*(_block(*io, norm) for io in ((3, 8), (8, 8), (8, 16))))
        self.head = nn.Conv2d(16, num_leaves, kernel_size=1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the logits."""
        return self.head(self.stages(pictures))


def _block(before: int, after: int, norm: str) -> nn.Module:
    """With group norm nothing is dropped out: several processes give what one gives."""
    convolution = nn.Conv2d(before, after, 3, padding=1)
    if norm == "group":
        return nn.Sequential(convolution, nn.GroupNorm(2, after), nn.ReLU())
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU(), nn.Dropout(0.1))


class StagedSegmenter(Segmenter):
    """A segmenter whose encoder has stages."""

    @property
    def encoder_stages(self) -> tuple[nn.Module, ...]:
        """The three blocks."""
        assert isinstance(self.network, Staged)
        return tuple(self.network.stages)


def staged(num_leaves: int = 3, *, norm: Literal["batch", "group"] = "batch") -> StagedSegmenter:
    """Return the network with the weights of a fixed seed."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return StagedSegmenter(Staged(num_leaves, norm))


@contextlib.contextmanager
def staged_networks() -> Iterator[None]:
    """Have runs be of this network, whatever name they give."""

    def build(
        leaves: int, config: ModelConfig, *, datasets: Sequence[str] = (), **_: object
    ) -> Segmenter:
        network = staged(leaves, norm="group" if config.norm == "group" else "batch")
        if config.norm == PER_DATASET:
            network.shown = norm_per_dataset(network, datasets, "staged")
        return network

    with contextlib.ExitStack() as stack:
        for module in (learner, preflight, opened):
            stack.enter_context(patch.object(module, "build_model", build))
        yield
