"""Resizing of pictures and labels."""

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as F

from harmonize.data.resizing import block_centres, resize, resize_nearest, shorter_side

SIDES = st.integers(1, 400)
SMALL = st.integers(1, 120)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.float32, torch.float16])
@pytest.mark.parametrize("layout", ["planes", "pixels", "a part of planes", "a part of pixels"])
@pytest.mark.parametrize("size", [(20, 30), (7, 50), (60, 11), (1, 5)])
def test_pictures_are_resized_as_torchvision_does(
    dtype: torch.dtype, layout: str, size: tuple[int, int]
) -> None:
    rng = np.random.default_rng(0)
    picture = torch.from_numpy(rng.integers(256, size=(3, 40, 60))).to(dtype)
    if "pixels" in layout:
        picture = picture.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    if "part" in layout:
        picture = picture[:, 2:22, 3:33]
    found, expected = resize(picture, size), F.resize(picture, list(size), antialias=True)
    assert found.dtype == dtype
    assert found.stride() == expected.stride()
    assert torch.equal(found, expected)


def test_bytes_are_rounded_where_they_are_not_resized_as_such(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    picture = torch.tensor([[[0, 1, 1, 255]]], dtype=torch.uint8)
    assert resize(picture, (1, 2)).tolist() == F.resize(picture, [1, 2]).tolist()


def test_a_picture_becomes_one_pixel() -> None:
    picture = torch.tensor([0, 1, 9, 250], dtype=torch.uint8).reshape(1, 2, 2).expand(3, 2, 2)
    assert resize(picture.contiguous(), (1, 1)).flatten().tolist() == [65, 65, 65]


def test_the_same_size_copies_nothing() -> None:
    picture = torch.zeros(3, 4, 5, dtype=torch.uint8)
    assert resize(picture, (4, 5)) is picture


def test_importing_what_answers_needs_no_torchvision() -> None:
    """Importing it takes longer than importing PyTorch."""
    code = "import sys, harmonize.pipeline.predict_run; sys.exit('torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@given(old=st.tuples(SMALL, SMALL), new=st.tuples(SMALL, SMALL))
def test_resizing_labels_takes_the_pixel_at_each_centre(
    old: tuple[int, int], new: tuple[int, int]
) -> None:
    numbers = torch.arange(old[0] * old[1]).reshape(old)
    rows, columns = (
        [int(Fraction(2 * place + 1, 2) * Fraction(before, after)) for place in range(after)]
        for before, after in zip(old, new, strict=True)
    )
    expected = numbers[torch.tensor(rows)][:, torch.tensor(columns)]
    assert torch.equal(resize_nearest(numbers, *new), expected)


@pytest.mark.parametrize("old", [1, 2, 3, 5, 8, 64, 97, 250])
def test_resizing_labels_agrees_with_nearest_exact(old: int) -> None:
    numbers = torch.arange(old)
    for new in [*range(1, 40), 64, 96, 97, 128, 250, 257, 512]:
        ours = resize_nearest(numbers[None], 1, new)[0]
        torchs = torch.nn.functional.interpolate(
            numbers[None, None, None].double(), size=(1, new), mode="nearest-exact"
        )[0, 0, 0].long()
        # Where a centre falls on a border, torch's rounding may take the pixel before it.
        on_border = (2 * torch.arange(new) + 1) * old % (2 * new) == 0
        assert torch.equal(ours[~on_border], torchs[~on_border])
        assert ((ours - torchs)[on_border] <= 1).all()
        assert ((ours - torchs)[on_border] >= 0).all()


def test_resizing_labels_twofold_is_known_by_hand() -> None:
    labels = torch.tensor([[1, 2], [3, 4]], dtype=torch.uint8)
    larger = torch.tensor([[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]])
    assert resize_nearest(labels, 4, 4).dtype == torch.uint8
    assert torch.equal(resize_nearest(labels, 4, 4), larger.to(torch.uint8))
    # Centres of halves fall on borders: the pixel at the right and bottom is taken.
    halved = resize_nearest(torch.arange(16).reshape(4, 4), 2, 2)
    assert halved.tolist() == [[5, 7], [13, 15]]


@given(
    old=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    new=st.integers(1, 80),
    values=st.sets(st.sampled_from([0, 7, 10, 32767, 16_777_217]), min_size=1),
    seed=st.integers(0, 1000),
)
def test_resizing_invents_no_label(
    old: tuple[int, int], new: int, values: set[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    labels = torch.from_numpy(rng.choice(sorted(values), size=old))
    assert set(resize_nearest(labels, new, new).unique().tolist()) <= set(labels.unique().tolist())


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
@settings(max_examples=25)
@given(height=st.integers(1, 40), width=st.integers(1, 40))
def test_a_block_keeps_its_centre_or_what_is_nearest_to_it(
    factor: int, height: int, width: int
) -> None:
    labels = np.arange(height * width).reshape(height, width)
    found = block_centres(labels, factor)
    assert found.shape == (-(-height // factor), -(-width // factor))
    for row, column in np.ndindex(found.shape):
        block = labels[row * factor :, column * factor :][:factor, :factor]
        middle = min(factor // 2, block.shape[0] - 1), min(factor // 2, block.shape[1] - 1)
        assert found[row, column] == block[middle]


@given(height=SIDES, width=SIDES, size=SIDES)
def test_the_shorter_side_gets_the_size_and_the_shape_is_kept(
    height: int, width: int, size: int
) -> None:
    new = shorter_side(height, width, size)
    assert min(new) == size
    assert abs(new[0] * width - new[1] * height) <= max(height, width) / 2 + 1e-6
    assert (new[0] <= new[1]) == (height <= width) or new[0] == new[1]


def test_the_shorter_side_is_known_by_hand() -> None:
    assert shorter_side(360, 480, 256) == (256, 341)
    assert shorter_side(480, 360, 90) == (120, 90)
