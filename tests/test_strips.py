"""Logits scaled in strips equal those scaled in one go."""

import pytest
import torch
from torch import nn

from arithmetic import interpolated
from harmonize.decoding.strips import STRIP, strips


@pytest.mark.parametrize("full", [(700, 40), (1001, 93), (333, 17), (1, 1)])
def test_strips_are_the_logits_scaled_in_one_go(
    full: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STRIP, "cpu", 4 * 50 * 3)
    picture = torch.rand(4, 700, 40)
    cuts = [(0, picture[:, :100]), (99, picture[:, 99:101]), (100, picture[:, 100:])]
    found = list(strips(iter(cuts), 700, full))
    assert [first for first, _ in found] == torch.tensor(
        [0, *(strip.shape[1] for _, strip in found[:-1])]
    ).cumsum(0).tolist()
    joined = torch.cat([strip for _, strip in found], dim=1)
    expected = nn.functional.interpolate(picture[None], size=full, mode="bilinear")[0]
    error = interpolated(max(700, *full))  # neighbours differ by less than one
    torch.testing.assert_close(joined, expected, atol=error, rtol=0)
