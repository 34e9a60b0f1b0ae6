"""Adaptive pools that can be exported, against PyTorch's."""

import pytest
import torch
from torch import nn

from harmonize.exporting.pooling import PlainAdaptivePool, with_plain_pools


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 3), (6, 6), (2, 5)])
@pytest.mark.parametrize("shape", [(6, 6), (7, 11), (2, 30), (1, 4)])
def test_cells_are_those_of_pytorch(size: tuple[int, int], shape: tuple[int, int]) -> None:
    features = torch.randn(2, 4, *shape)
    expected = nn.AdaptiveAvgPool2d(size)(features)
    torch.testing.assert_close(PlainAdaptivePool(size)(features), expected, atol=1e-6, rtol=1e-5)


def test_a_pool_of_one_cell_and_one_of_a_fixed_size_stay() -> None:
    pools = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d((2, 3)))
    kinds = [type(pool) for pool in with_plain_pools(pools)]  # pyright: ignore[reportArgumentType, reportGeneralTypeIssues]
    assert kinds == [nn.AdaptiveAvgPool2d, nn.AvgPool2d, PlainAdaptivePool]
