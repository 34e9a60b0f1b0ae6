"""A trained network, and its answers for pictures of any size."""

import contextlib
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import torch
from accelerate import Accelerator
from jaxtyping import Float, Int, Integer, Num
from numpy import ndarray
from torch import Tensor, nn

from harmonize.data.windows import LargePicture
from harmonize.decoding.strips import strips
from harmonize.decoding.tiling import Tiling, bands
from harmonize.errors import HarmonizeError
from harmonize.models.dataset_norms import answering_like

# Letters of shapes: B pictures, N bands, K leaves, C answers, H x W pixels of a picture, h x w of
# the network.

DEFAULT_TILE = 768
_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""What a network computes in, by Accelerate's name of the precision; else float32."""


@runtime_checkable
class Answering(Protocol):
    """Some possible answers, and how a pixel's is found."""

    @property
    def num(self) -> int:
        """Of the answers."""
        ...

    def decide(self, logits: Float[Tensor, "K R W"]) -> Int[Tensor, "R W"]:
        """Return the number of each pixel's answer."""
        ...

    def decide_scaled(
        self, logits: Float[Tensor, "K h w"], size: tuple[int, int]
    ) -> Int[Tensor, "H W"] | None:
        """Return the number of each pixel's answer in a picture of a size, scaling on the way.

        None where that cannot be done.
        """
        ...

    def probabilities(self, logits: Float[Tensor, "K R W"]) -> Float[Tensor, "C R W"]:
        """Return the probability of each answer, in [0, 1]."""
        ...


if TYPE_CHECKING:

    class Network(Protocol):
        """Pictures (B, 3, h, w) of 0..255 to logits (B, K, h, w)."""

        @property
        def stride(self) -> int:
            """What pictures are padded to multiples of."""
            ...

        @property
        def reach(self) -> float:
            """Pixels further off change no logit."""
            ...

        def __call__(self, pictures: Num[Tensor, "B N h w"]) -> Float[Tensor, "B K h w"]:
            """Run it."""
            ...

else:  # a check at run time would ask for a reach, which takes seconds to measure
    Network = object


class TiledNetwork:
    """A trained network on its device.

    Args:
        model: pictures (B, N, h, w) of 0..255 to logits (B, K, h, w); it is moved to the device if
            it is PyTorch's.
        accelerator: its device and precision are used, as they are now.
        in_training: whether the network is being trained, so that its memory stays laid out as it
            is and whoever calls sets it to evaluation.
    """

    def __init__(
        self, model: Network, accelerator: Accelerator, *, in_training: bool = False
    ) -> None:
        self.accelerator = accelerator
        self.device = accelerator.device
        self._dtype = _AUTOCAST.get(accelerator.mixed_precision)
        self._speaks = accelerator.is_main_process
        self._model = model
        if isinstance(model, nn.Module) and not in_training:
            model.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            model.eval()

    def check_tile(self, tile: int) -> None:
        """Make sure that tiles of a side, in pixels, are large enough for the network.

        Raises:
            HarmonizeError: they are not.
        """
        least = Tiling.least_tile(self._model.stride)
        if tile < least:
            raise HarmonizeError(f"--tile {tile}: at least {least} pixels")

    def like(self, name: str | None) -> AbstractContextManager[None]:
        """Normalise pictures as those of a data set meanwhile; see ``answering_like``."""
        if isinstance(self._model, nn.Module):
            return answering_like(self._model, name)
        return contextlib.nullcontext()  # it was exported with the statistics of one or of all

    @torch.inference_mode()
    def answer(
        self,
        picture: Num[Tensor, "N h w"] | LargePicture,
        size: tuple[int, int],
        space: Answering,
        *,
        tile: int = DEFAULT_TILE,
    ) -> Integer[ndarray, "H W"]:
        """Return the number of each pixel's word.

        Args:
            picture: as the network sees it.
            size: height and width of the answer; logits are scaled to it.
            space: the possible answers.
            tile: the side of what the network is given at once; it holds all of a picture that has
                as few pixels.
        """
        height, width = picture.shape[1:]
        picture = picture.to(self.device)
        # A row of tiles is kept in memory: let it run along the shorter side.
        is_cut = height * width > tile * tile
        tiling = self._tiling(tile) if is_cut else Tiling(tile)
        if isinstance(picture, Tensor) and not is_cut:
            return _decided_whole(self.logits(picture), size, space)
        flip = False
        if isinstance(picture, Tensor) and width > height:
            flip, picture, size, height = True, picture.mT, (size[1], size[0]), width
        found = bands(self._flipped if flip else self.logits, picture, tiling)
        answer = _decided(strips(found, height, size), size, space)
        return answer.T if flip else answer

    def padded_size(self, picture: Num[Tensor, "N h w"]) -> tuple[int, int]:
        """Return the height and width that the network pads a picture to."""
        stride = self._model.stride
        height, width = (-(-side // stride) * stride for side in picture.shape[1:])
        return height, width

    @torch.inference_mode()
    def answer_together(
        self,
        pictures: Sequence[Num[Tensor, "N _ _"]],
        sizes: Sequence[tuple[int, int]],
        spaces: Sequence[Answering],
    ) -> list[Integer[ndarray, "_ _"]]:
        """Return what ``answer`` gives for each of some pictures, from one pass of the network.

        Args:
            pictures: no larger than a tile, that are padded to one size; see ``padded_size``.
            sizes: heights and widths of the answers.
            spaces: the possible answers of each.
        """
        height, width = self.padded_size(pictures[0])
        logits = self._run(torch.stack([_padded(one, height, width) for one in pictures]))
        answers: list[Integer[ndarray, "_ _"]] = []
        for one, found, size, space in zip(pictures, logits, sizes, spaces, strict=True):
            part = found[:, : one.shape[1], : one.shape[2]]
            answers.append(_decided_whole(part, size, space))
        return answers

    def scaled_logits(
        self,
        picture: Num[Tensor, "N h w"] | LargePicture,
        size: tuple[int, int],
        *,
        tile: int = DEFAULT_TILE,
    ) -> Iterator[tuple[int, Float[Tensor, "K R W"]]]:
        """Yield the logits of an answer of a size in strips of rows; see ``strips``."""
        height, width = picture.shape[1:]
        tiling = self._tiling(tile) if height * width > tile * tile else Tiling(tile)
        found = bands(self.logits, picture.to(self.device), tiling)
        yield from strips(found, height, size)

    def _tiling(self, tile: int) -> Tiling:
        """Fit tiles to the network; say once if they only come near to the whole picture."""
        reach = self._model.reach
        tiling = Tiling.fit(tile, reach=reach, stride=self._model.stride)
        if reach > tiling.margin and self._speaks:
            self._speaks = False
            remedy = "a larger --tile holds more of a picture"
            sees = "all of a picture"
            if math.isfinite(reach):
                sees = f"{reach:g} pixels far"
                remedy = f"--tile {64 * math.ceil(reach / 16)} and more make no difference to it"
            print(
                f"note: large pictures are cut into tiles of {tile} pixels, but the network sees "
                f"{sees}: answers may differ a little from those for the whole; {remedy}",
                file=sys.stderr,
            )
        return tiling

    def logits(self, picture: Num[Tensor, "N h w"]) -> Float[Tensor, "K h w"]:
        """Run the network on a picture."""
        return self._run(picture[None])[0]

    def _run(self, pictures: Num[Tensor, "B N h w"]) -> Float[Tensor, "B K h w"]:
        enabled = self._dtype is not None
        with torch.autocast(self.device.type, self._dtype, enabled=enabled):
            return self._model(pictures.to(self.device))

    def _flipped(self, picture: Num[Tensor, "N w h"]) -> Float[Tensor, "K w h"]:
        return self.logits(picture.mT).mT


def _decided_whole(
    logits: Float[Tensor, "K h w"], size: tuple[int, int], space: Answering
) -> Integer[ndarray, "H W"]:
    """Decide an answer of a height and width by the logits of the whole picture."""
    found = space.decide_scaled(logits, size)
    if found is None:
        return _decided(strips([(0, logits)], logits.shape[1], size), size, space)
    return found.cpu().numpy().astype(_kind(space))


def _kind(space: Answering) -> type[np.uint8] | type[np.uint16]:
    """Return the type of the numbers of answers."""
    return np.uint8 if space.num <= 256 else np.uint16


def _decided(
    found: Iterable[tuple[int, Float[Tensor, "K _ W"]]], size: tuple[int, int], space: Answering
) -> Integer[ndarray, "H W"]:
    """Decide an answer of a height and width, strip of rows by strip of rows."""
    answer = np.empty(size, dtype=_kind(space))
    for first, strip in found:
        answer[first : first + strip.shape[1]] = space.decide(strip).cpu().numpy()
    return answer


def _padded(picture: Num[Tensor, "N h w"], height: int, width: int) -> Num[Tensor, "N h2 w2"]:
    """Repeat the last row and column of a picture, as the network does."""
    down = torch.arange(height).clamp(max=picture.shape[1] - 1)
    right = torch.arange(width).clamp(max=picture.shape[2] - 1)
    return picture.index_select(1, down).index_select(2, right)
