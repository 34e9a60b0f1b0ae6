"""A network together with what it knows of itself: pictures in, logits out."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor, nn

from harmonize.config.channels import RGB
from harmonize.models.dataset_norms import Shown
from harmonize.models.outputs import all_logits
from harmonize.models.probing import measure_reach

# Letters of shapes: B pictures, C channels, K leaves, H x W pixels.

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def for_channels(values: Sequence[float], channels: int | Sequence[str]) -> tuple[float, ...]:
    """Return the statistics of bands from those of red, green and blue.

    Of bands with names each of these has its own, and any other their mean. Those of a number are
    repeated, as weights are; one band has their mean.
    """
    mean = sum(values) / len(values)
    if not isinstance(channels, int):
        own: dict[str, float] = dict(zip(RGB, values, strict=False))
        return tuple(own.get(name, mean) for name in channels)
    if channels == 1:
        return (mean,)
    return tuple(values[channel % len(values)] for channel in range(channels))


@dataclass(frozen=True)
class Traits:
    """What is known of a network.

    Attributes:
        mean: of each channel, of pictures scaled to 0..1.
        std: of each channel, likewise.
        stride: the network takes sides that are multiples of it; others are padded.
        least: the least side that it takes.
        reach: pixels further off change no logit, infinite if all do; None to measure it.
        stages: names of the encoder's modules, stage by stage from the input; () without encoder.
        no_compile: why ``torch.compile`` cannot take it; empty if it can.
        no_export: why ``torch.export`` cannot take it; empty if it can.
    """

    mean: Sequence[float] = IMAGENET_MEAN
    std: Sequence[float] = IMAGENET_STD
    stride: int = 1
    least: int = 1
    reach: float | None = None
    stages: tuple[tuple[str, ...], ...] = ()
    no_compile: str = ""
    no_export: str = ""


class Segmenter(nn.Module):
    """A network that takes pictures of any size as they are decoded, and normalises them itself.

    Args:
        network: normalised pictures (B, C, H, W) to logits (B, K, h, w), which are scaled to
            H x W; or to several such, in a list, tuple or dict. The first, or ``out`` or
            ``logits`` of a dict, is the answer, and the others are trained with it.
        traits: what is known of it.
    """

    mean: Float[Tensor, "C 1 1"]
    std: Float[Tensor, "C 1 1"]
    held: tuple[nn.Module, ...] = ()
    """Parts that stay in evaluation mode while the rest is trained."""
    shown: Shown | None = None
    """What its norms know of its pictures, if they have statistics for each data set."""
    span: slice | None = None
    """The channels that it answers with, of one of several trees; None for all."""

    def __init__(self, network: nn.Module, traits: Traits = Traits()) -> None:
        super().__init__()
        self.network = network
        self.traits = traits
        self._reach = traits.reach
        self.register_buffer("mean", torch.tensor(traits.mean)[:, None, None])
        self.register_buffer("std", torch.tensor(traits.std)[:, None, None])

    @property
    def in_channels(self) -> int:
        """The number of channels of a picture."""
        return len(self.mean)

    @property
    def may_compile(self) -> bool:
        """Whether ``torch.compile`` takes it; ``traits.no_compile`` says why not."""
        return not self.traits.no_compile

    @property
    def may_export(self) -> bool:
        """Whether ``torch.export`` takes it; ``traits.no_export`` says why not."""
        return not self.traits.no_export

    @property
    def stride(self) -> int:
        """What pictures are padded to multiples of."""
        return self.traits.stride

    @property
    def encoder_stages(self) -> tuple[nn.Module, ...]:
        """The encoder's modules with weights, stage by stage from the input; () without encoder."""
        return tuple(
            nn.ModuleList(self.network.get_submodule(name) for name in names)
            for names in self.traits.stages
        )

    @property
    def reach(self) -> float:
        """The greatest distance, in pixels, at which a pixel changes a logit; may be infinite.

        Unless declared it is measured when it is first asked for, which takes seconds.
        """
        if self._reach is None:
            self._reach = measure_reach(self, channels=self.in_channels, stride=self.stride)
        return self._reach

    def train(self, mode: bool = True) -> "Segmenter":
        """Set the network to training or evaluation, but what is held to evaluation alone."""
        super().train(mode)
        for part in self.held:
            part.eval()
        return self

    def normalize(self, pictures: Num[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Scale pictures of 0..255 to the mean and variance that the network was made for.

        NaN, which stands for bands and pixels that are missing, becomes 0.
        """
        normal = (pictures / 255 - self.mean) / self.std
        if pictures.is_floating_point():  # what is missing is NaN
            normal = normal.masked_fill(normal.isnan(), 0.0)
        return normal.contiguous(memory_format=torch.channels_last)

    def forward(
        self,
        pictures: Num[Tensor, "B C H W"],
        *,
        auxiliary: bool = False,
        datasets: Int[Tensor, " B"] | None = None,
    ) -> Any:
        """Return one logit per leaf and pixel (B, K, H, W), for pictures of 0..255.

        Args:
            pictures: of any size.
            auxiliary: return a list of the logits and of those of every further output.
            datasets: the number of each picture's data set, for norms that ask for it; in
                training they must have it.
        """
        if self.shown is not None:
            self.shown.sets = datasets
        height, width = pictures.shape[-2:]
        normal = self.normalize(pictures)
        padding = (0, self._lacking(width), 0, self._lacking(height))
        if any(padding):
            normal = nn.functional.pad(normal, padding, mode="replicate")
        outputs = all_logits(self.network(normal))
        if not auxiliary:
            del outputs[1:]
        size = normal.shape[-2:]
        scaled = [
            logits
            if logits.shape[-2:] == size
            else nn.functional.interpolate(logits, size=size, mode="bilinear")
            for logits in outputs
        ]
        if any(padding):
            scaled = [logits[..., :height, :width] for logits in scaled]
        if self.span is not None:
            scaled = [logits[:, self.span] for logits in scaled]
        return scaled if auxiliary else scaled[0]

    def _lacking(self, side: int) -> int:
        return max(self.traits.least, math.ceil(side / self.stride) * self.stride) - side


@contextlib.contextmanager
def answering_of(model: nn.Module, span: slice | None) -> Iterator[None]:
    """Have a network of several trees answer with the channels of one; with all if None."""
    if span is None:
        yield
        return
    assert isinstance(model, Segmenter)
    before, model.span = model.span, span
    yield
    model.span = before
