"""Pictures scaled by products of matrices, byte for byte as torchvision scales them."""

import pytest
import torch
from torchvision.transforms.v2 import functional as F

from harmonize.exporting.exact_resize import exact_resize

SIZES = [
    ((20, 24), (20, 24)),
    ((20, 24), (7, 9)),
    ((7, 9), (20, 24)),
    ((1, 1), (3, 2)),
    ((480, 360), (128, 96)),
    ((251, 333), (96, 127)),
    ((500, 3), (4, 3)),
    ((1600, 40), (11, 1)),  # weights of more than 16 bits
    ((31, 29), (64, 60)),
]


@pytest.mark.parametrize(("before", "after"), SIZES)
def test_bytes_are_those_of_torchvision(before: tuple[int, int], after: tuple[int, int]) -> None:
    picture = torch.randint(0, 256, (2, 3, *before), dtype=torch.uint8)
    expected = F.resize(picture, list(after), antialias=True)
    assert torch.equal(exact_resize(picture.float(), after), expected.float())


def test_white_stays_white_in_a_large_picture() -> None:
    white = torch.full((1, 3, 2000, 60), 255.0)
    assert exact_resize(white, (9, 1)).unique().tolist() == [255]
