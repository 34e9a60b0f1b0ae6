"""A trained network, and its answers for pictures of any size."""

import numpy as np
import torch
from accelerate import Accelerator
from jaxtyping import Float, Integer, UInt8
from numpy import ndarray
from torch import Tensor, nn

from harmonize.inference.answer_space import Words
from harmonize.inference.tiling import bands, strips

# Letters of shapes: K leaves, H x W pixels of a picture, h x w of the network.

DEFAULT_TILE = 768


class TiledNetwork:
    """A trained network on its device.

    Args:
        model: pictures (B, 3, h, w) of 0..255 to logits (B, K, h, w).
        accelerator: its device and precision are used.
    """

    def __init__(self, model: nn.Module, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self._model = model.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._model.eval()

    @torch.inference_mode()
    def answer(
        self,
        picture: UInt8[Tensor, "3 h w"],
        size: tuple[int, int],
        words: Words,
        *,
        tile: int = DEFAULT_TILE,
    ) -> Integer[ndarray, "H W"]:
        """Return the number of each pixel's word.

        Args:
            picture: as the network sees it.
            size: height and width of the answer; logits are scaled to it.
            words: the possible answers.
            tile: the side of what the network is given at once; it holds all of a picture that has
                as few pixels.
        """
        height, width = picture.shape[1:]
        picture = picture.to(self._accelerator.device)
        # A row of tiles is kept in memory: let it run along the shorter side.
        flip = width > height and height * width > tile * tile
        if flip:
            picture, size, height = picture.mT, (size[1], size[0]), width
        answer = np.empty(size, dtype=np.uint8 if len(words.words) <= 256 else np.uint16)
        found = bands(self._flipped if flip else self.logits, picture, tile)
        for first, strip in strips(found, height, size):
            answer[first : first + strip.shape[1]] = words.decide(strip).cpu().numpy()
        return answer.T if flip else answer

    @torch.inference_mode()
    def probabilities(
        self,
        picture: UInt8[Tensor, "3 h w"],
        size: tuple[int, int],
        words: Words,
        *,
        tile: int = DEFAULT_TILE,
    ) -> Float[ndarray, "C H W"]:
        """Return the probability of each possible answer at each pixel; see ``answer``."""
        found = np.empty((len(words.words), *size), dtype=np.float32)
        bands_of = bands(self.logits, picture.to(self._accelerator.device), tile)
        for first, strip in strips(bands_of, picture.shape[1], size):
            found[:, first : first + strip.shape[1]] = words.probabilities(strip).cpu().numpy()
        return found

    def logits(self, picture: UInt8[Tensor, "3 h w"]) -> Float[Tensor, "K h w"]:
        """Run the network on a picture."""
        with self._accelerator.autocast():
            return self._model(picture[None])[0]

    def _flipped(self, picture: UInt8[Tensor, "3 w h"]) -> Float[Tensor, "K w h"]:
        return self.logits(picture.mT).mT
