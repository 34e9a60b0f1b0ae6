"""A network's probabilities for a picture, averaged over several views of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from harmonize.calibration.temperatures import scaled
from harmonize.data.transforms import shorter_side
from harmonize.inference.tiled_network import TiledNetwork

# Letters of shapes: K leaves, H x W pixels of a label, h x w of a picture.


@dataclass(frozen=True)
class Views:
    """How a picture is looked at.

    Attributes:
        sizes: its shorter side, in pixels, once for each view.
        flip: whether each is looked at mirrored as well.
        tile: see ``TiledNetwork.answer``.
    """

    sizes: Sequence[int]
    flip: bool
    tile: int

    def __len__(self) -> int:
        return len(self.sizes) * (1 + self.flip)


@dataclass(frozen=True)
class ViewedNetwork:
    """A network that looks at each picture several times.

    Attributes:
        network: it.
        views: how it looks.
        mirror: the leaf that each leaf becomes in a mirrored picture.
        temperatures: that logits are divided by, by their most probable leaf; none unless given.
    """

    network: TiledNetwork
    views: Views
    mirror: Float[Tensor, " K"] | Tensor
    temperatures: Float[Tensor, " K"] | None = None

    def look(
        self, picture: UInt8[Tensor, "3 h w"], size: tuple[int, int]
    ) -> list[Float[Tensor, "K H W"]]:
        """Return the probabilities of leaves in each view, in the pixels of the label.

        Args:
            picture: at least as large as the largest view.
            size: H and W.
        """
        found: list[Float[Tensor, "K H W"]] = []
        for side in self.views.sizes:
            seen = F.resize(picture, list(shorter_side(*size, side)), antialias=True)
            found.append(self._probabilities(seen, size))
            if self.views.flip:
                mirrored = self._probabilities(seen.flip(-1), size)
                found.append(mirrored[self.mirror].flip(-1))
        return found

    def _probabilities(
        self, seen: UInt8[Tensor, "3 h w"], size: tuple[int, int]
    ) -> Float[Tensor, "K H W"]:
        strips: list[Float[Tensor, "K R W"]] = []
        with torch.inference_mode():
            for _, strip in self.network.scaled_logits(seen, size, tile=self.views.tile):
                logits = strip if self.temperatures is None else scaled(strip, self.temperatures)
                strips.append(logits.softmax(0).cpu())
        return torch.cat(strips, 1)
