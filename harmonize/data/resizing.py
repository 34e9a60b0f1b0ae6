"""Pictures and label maps at another size."""

import platform

import numpy as np
import torch
from jaxtyping import Int, Integer, Num
from numpy import ndarray
from torch import Tensor
from torch.nn import functional as F

# Letters of shapes: C bands, H x W pixels of what is resized, h x w of what it becomes.


def resize(picture: Num[Tensor, "C H W"], size: tuple[int, int]) -> Num[Tensor, "C h w"]:
    """Resize a picture, bilinearly and with antialiasing, to a height and a width.

    Bytes, int16 and floats become what torchvision's ``resize`` makes of them, to the last bit,
    except one pixel; importing torchvision takes longer than importing PyTorch. Whole numbers are
    rounded.
    """
    if picture.shape[1:] == size:
        return picture
    is_exact = picture.dtype in (torch.float32, torch.float64)
    one = picture[None]
    if picture.stride(0) == 1 and one.is_contiguous(memory_format=torch.channels_last):
        # Else PyTorch does not see that the bands of a pixel lie together, and copies.
        one = one.as_strided(one.shape, (picture.numel(), *picture.stride()))
    # PyTorch 2.14 refuses to make one pixel of three planes (torch_uint8_resize_to_one_pixel.sh).
    as_bytes = picture.dtype == torch.uint8 and _resizes_bytes(picture.device) and size != (1, 1)
    if not is_exact and not as_bytes:
        one = one.float()
    found = F.interpolate(one, size, mode="bilinear", align_corners=False, antialias=True)[0]
    if found.dtype == picture.dtype:
        return found
    return (found if picture.is_floating_point() else found.round_()).to(picture.dtype)


def _resizes_bytes(device: torch.device) -> bool:
    """Say whether PyTorch resizes bytes there without turning them into floats first."""
    return device.type == "cpu" and (
        torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
        or platform.machine() in ("aarch64", "arm64")
    )


def resize_nearest(
    labels: Integer[Tensor, "H W"], height: int, width: int
) -> Integer[Tensor, "h w"]:
    """Resize a label map, each pixel taking the value at its centre."""
    return torch.from_numpy(resize_nearest_array(labels.numpy(), height, width))


def resize_nearest_array(
    labels: Integer[ndarray, "H W"], height: int, width: int
) -> Integer[ndarray, "h w"]:
    """Resize a label map as ``resize_nearest`` does."""
    if labels.shape == (height, width):
        return labels
    rows, columns = _centres(labels.shape[0], height), _centres(labels.shape[1], width)
    return labels[rows].take(columns, axis=1)


def block_centres(labels: Integer[ndarray, "H W"], factor: int) -> Integer[ndarray, "h w"]:
    """Return the label at the centre of each block of ``factor`` x ``factor`` pixels.

    Blocks at the bottom and the right may be cut off.
    """
    if factor == 1:
        return labels
    rows, columns = (
        np.minimum(np.arange(0, side, factor) + factor // 2, side - 1) for side in labels.shape
    )
    return labels[rows].take(columns, axis=1)


def shorter_side(height: int, width: int, size: int) -> tuple[int, int]:
    """Return the height and width of a picture scaled so that its shorter side is ``size``."""
    scale = size / min(height, width)
    return max(round(height * scale), 1), max(round(width * scale), 1)


def _centres(old: int, new: int) -> Int[ndarray, " new"]:
    """Return the old pixel that each new pixel's centre falls in (as ``nearest-exact`` does)."""
    return (2 * np.arange(new) + 1) * old // (2 * new)
