"""Joint changes to a picture and its codes, each a function of its arguments alone."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Integer, Num, Shaped
from numpy import ndarray
from torch import Tensor

from harmonize.config.augment_config import AugmentConfig
from harmonize.data.covering import Hole, cut_out, draw_holes
from harmonize.data.looks import Looks, changed_looks, draw_looks, grey
from harmonize.data.resizing import resize, resize_nearest_array
from harmonize.data.styles import Style
from harmonize.data.warping import Warp, draw_warp, warped

# Letters of shapes: C bands, H x W pixels, S the side of a training crop.


@dataclass(frozen=True)
class Augmentation:
    """The random choices for one training sample."""

    crop: tuple[int, int, int]
    """Top, left and side of the square crop, in pixels of the picture as it was read; it may be
    larger than the picture."""
    flip: bool
    brightness: float
    contrast: float
    saturation: float
    """Factors; 1 leaves the picture as it is."""
    warp: Warp | None = None
    holes: tuple[Hole, ...] = ()
    looks: Looks | None = None

    def plain(self) -> "Augmentation":
        """Return the same crop, warp and flip, without changed colours and holes."""
        return Augmentation(self.crop, self.flip, 1.0, 1.0, 1.0, self.warp)


def draw_augmentation(
    rng: np.random.Generator, config: AugmentConfig, *, height: int, width: int
) -> Augmentation:
    """Draw the choices for a picture of the given size.

    Whatever the config leaves out draws nothing.
    """
    low, high = config.scale
    side = max(round(min(height, width) * rng.uniform(low, high)), 1)
    crop = _draw_start(rng, side, height), _draw_start(rng, side, width), side
    flip = bool(rng.random() < config.flip)
    factors = rng.uniform(1 - config.color, 1 + config.color, size=3).tolist()
    return Augmentation(
        crop,
        flip,
        *factors,
        warp=draw_warp(rng, config),
        holes=draw_holes(rng, config),
        looks=draw_looks(rng, config),
    )


def _draw_start(rng: np.random.Generator, side: int, length: int) -> int:
    """Draw where a crop begins along a side of the picture.

    It lies inside the picture, or the picture inside it, as far as its middle can be on the
    picture.
    """
    if side <= length:
        return int(rng.integers(length - side + 1))
    least, most = max(length - side, -(side // 2)), min(length - (side + 1) // 2, 0)
    return int(rng.integers(least, most + 1))


def augment(
    picture: Num[ndarray, "H W C"],
    labels: Integer[ndarray, "H W"],
    choices: Augmentation,
    *,
    size: int,
    codes: Integer[ndarray, " N"],
    mirror: Integer[ndarray, " L"],
    void: int,
    style: Style | None = None,
) -> tuple[Num[Tensor, "C S S"], Integer[Tensor, "S S"]]:
    """Crop, resize, warp, style, flip, cut out and colour a training sample.

    The crop comes before all that costs.

    Args:
        picture: RGB, 0..255; or bands as float32, NaN where one is missing.
        labels: numbers that ``codes`` gives the codes of.
        choices: what to do.
        size: the side S of the result.
        codes: the code of the target space for each label.
        mirror: the code that each code becomes in a flipped picture.
        void: the code of what is known nothing about.
        style: of another data set, that the picture takes.
    """
    known = None
    if choices.warp is None and _inside(choices.crop, labels.shape):
        painted, target = _cropped(picture, labels, choices.crop, size)
        target = codes[target]
    else:
        matrix = (choices.warp or Warp()).matrix(*choices.crop)
        painted, numbers, known = warped(picture, labels, matrix, size)
        target = np.where(known, codes[numbers], codes.dtype.type(void))
    if style is not None:
        painted = style.given_to(painted, known)
    if choices.flip:
        painted = painted.flip(-1)
        target = mirror[target[:, ::-1]]
    if choices.holes:
        cut_out(painted, target, choices.holes, void)
    painted = _jitter(painted, choices.brightness, choices.contrast, choices.saturation)
    if choices.looks is not None:
        painted = changed_looks(painted, choices.looks)
    return painted, torch.from_numpy(target)


def _inside(crop: tuple[int, int, int], shape: tuple[int, ...]) -> bool:
    top, left, side = crop
    return min(top, left) >= 0 and top + side <= shape[0] and left + side <= shape[1]


def _cropped(
    picture: Num[ndarray, "H W C"],
    labels: Integer[ndarray, "H W"],
    where: tuple[int, int, int],
    size: int,
) -> tuple[Num[Tensor, "C S S"], Integer[ndarray, "S S"]]:
    """Cut a crop out of a picture and its labels, and resize it."""
    top, left, side = where
    crop = slice(top, top + side), slice(left, left + side)
    # A copy, since the picture may be read-only; in the layout that resizing takes as it is.
    painted = torch.from_numpy(picture[crop].copy()).permute(2, 0, 1)
    painted = resize(painted, (size, size))
    return painted, resize_nearest_array(labels[crop], size, size)


def _jitter(
    picture: Num[Tensor, "C S S"], brightness: float, contrast: float, saturation: float
) -> Num[Tensor, "C S S"]:
    """Do as torchvision's three functions do, to the last bit, without their copies.

    Each of them ends with whole numbers, rounded down. The colours lie in planes, over which every
    operation runs in one go.
    """
    if brightness == contrast == saturation == 1:
        return picture
    if picture.is_floating_point():
        return _jitter_bands(picture, brightness, contrast)
    pixels = torch.empty(picture.shape).copy_(picture)
    if brightness != 1:
        pixels.mul_(brightness).clamp_(0, 255).floor_()
    if contrast != 1:
        mean = grey(pixels).mean()
        pixels.mul_(contrast).add_(mean, alpha=1 - contrast).clamp_(0, 255).floor_()
    if saturation != 1:
        without = grey(pixels)
        pixels.mul_(saturation).add_(without, alpha=1 - saturation).clamp_(0, 255)
    return pixels.to(torch.uint8)


def _jitter_bands(
    picture: Float[Tensor, "C S S"], brightness: float, contrast: float
) -> Float[Tensor, "C S S"]:
    """Change the brightness and the contrast of bands, each around its own mean."""
    pixels = picture * brightness
    means = pixels.nanmean((1, 2), keepdim=True)
    return pixels * contrast + means * (1 - contrast)


def centre_square(picture: Shaped[Tensor, "*C H W"]) -> Shaped[Tensor, "*C S S"]:
    """Cut the largest square out of the middle of a picture or a label map."""
    height, width = picture.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return picture[..., top : top + side, left : left + side]
