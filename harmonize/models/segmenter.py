"""A network together with what it knows of its input: pictures in, logits out."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

# Letters of shapes: B pictures, C channels, K leaves, H x W pixels.

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Segmenter(nn.Module):
    """A network that takes pictures as they are decoded and normalises them itself.

    Args:
        network: normalised pictures (B, C, H, W) to logits (B, K, H, W).
        mean: of each channel, of pictures scaled to 0..1; ImageNet's unless given.
        std: of each channel, likewise.
    """

    mean: Float[Tensor, "C 1 1"]
    std: Float[Tensor, "C 1 1"]
    held: tuple[nn.Module, ...] = ()
    """Parts that stay in evaluation mode while the rest is trained."""

    def __init__(
        self,
        network: nn.Module,
        *,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])

    @property
    def encoder_stages(self) -> tuple[nn.Module, ...]:
        """The stages of the encoder, from the input to the deepest; none without an encoder."""
        return ()

    def train(self, mode: bool = True) -> "Segmenter":
        """Set the network to training or evaluation, but what is held to evaluation alone."""
        super().train(mode)
        for part in self.held:
            part.eval()
        return self

    def normalize(self, pictures: Num[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Scale pictures of 0..255 to the mean and variance that the network was made for."""
        normal = (pictures / 255 - self.mean) / self.std
        return normal.contiguous(memory_format=torch.channels_last)

    def forward(self, pictures: Num[Tensor, "B C H W"]) -> Float[Tensor, "B K H W"]:
        """Return one logit per leaf and pixel, for pictures of 0..255."""
        return self.network(self.normalize(pictures))
