"""The loss's options in C against PyTorch's operations, on many pixels, in every layout."""

from typing import Any

import pytest
import torch
from torch import Tensor

from harmonize import HierarchicalLoss, TargetSpace
from harmonize.labels.target_space import WEIGHT_LEVELS
from harmonize.loss.hierarchical import LossTerms
from test_native_loss import wide_tree

OPTIONS: dict[str, dict[str, Any]] = {
    "smoothing": {"smoothing": 0.2, "focal": 1.5},
    "hardest": {"hardest": 0.3},
    "dice": {"dice": 0.5, "tversky": (0.3, 0.7)},
    "all": {"smoothing": 0.1, "focal": 2.0, "hardest": 0.4, "dice": 0.5},
}


def made_up(leaves: int, scale: float, dtype: torch.dtype) -> tuple[TargetSpace, Tensor, Tensor]:
    """Return logits and codes of three pictures whose pixels end within a vector of the CPU."""
    torch.manual_seed(leaves)
    tree = wide_tree(leaves)
    space = TargetSpace(tree, [])
    labels = [space.code(nodes) for nodes in ("group_0", ["group_0", "leaf_8"], *tree.leaves)]
    choices = torch.tensor([*labels, space.ignore])
    patches = choices[torch.randint(0, len(choices), (3, 11, 33))]
    codes = patches.repeat_interleave(5, 1).repeat_interleave(5, 2)[:, :53, :161]
    return space, (scale * torch.randn(3, leaves, 53, 161)).to(dtype), codes


def computed(loss: HierarchicalLoss, logits: Tensor, codes: Tensor, **more: Any) -> LossTerms:
    """Return the terms of a loss, and leave the gradient with the logits."""
    logits.grad = None
    found = loss.terms(logits.requires_grad_(), codes, scale=torch.tensor(1e-2), **more)
    found.loss.backward()
    return found


def assert_equal(found: LossTerms, expected: LossTerms) -> None:
    for name in ("loss", "total", "by_depth", "region"):
        its, true = getattr(found, name).double(), getattr(expected, name).double()
        assert torch.allclose(its, true, rtol=1e-5, atol=1e-5), name
    assert torch.equal(found.resolved, expected.resolved)
    assert torch.equal(found.labelled, expected.labelled)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_options_equal_pytorch_s_in_every_layout(
    options: dict[str, Any], dtype: torch.dtype, last: bool
) -> None:
    space, logits, codes = made_up(15, 3.0, dtype)
    if last:
        logits = logits.contiguous(memory_format=torch.channels_last)
    found = computed(HierarchicalLoss(space, compile=True, **options), logits, codes)
    gradient = logits.grad
    # What it should be is worked out from the same numbers in float32.
    exact = logits.detach().float()
    expected = computed(HierarchicalLoss(space, compile=False, **options), exact, codes)
    assert_equal(found, expected)
    assert gradient is not None
    assert exact.grad is not None
    rtol, atol = (1e-5, 1e-7) if dtype == torch.float32 else (1e-2, 1e-7)
    if dtype == torch.bfloat16 and "dice" in options:
        atol = 1e-2 / 512  # the scale, times the rounding of the exponentials that are kept
    assert torch.allclose(gradient.float(), exact.grad, rtol=rtol, atol=atol)
    again = computed(HierarchicalLoss(space, compile=True, **options), logits, codes)
    assert torch.equal(again.total, found.total)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_sums_far_below_the_maximum_are_exact(options: dict[str, Any]) -> None:
    space, logits, codes = made_up(15, 60.0, torch.float32)
    found = computed(HierarchicalLoss(space, compile=True, **options), logits, codes)
    gradient = logits.grad
    exact = logits.detach().double()
    expected = computed(HierarchicalLoss(space, compile=False, **options), exact, codes)
    assert torch.allclose(found.total.double(), expected.total.double(), rtol=1e-5)
    assert gradient is not None
    assert exact.grad is not None
    assert torch.allclose(gradient.double(), exact.grad, rtol=1e-4, atol=1e-6)


def test_hardest_pixels_are_chosen_by_losses_without_weights() -> None:
    """Data sets and pixels with weights of their own are scaled after the choice."""
    space, logits, codes = made_up(15, 3.0, torch.float32)
    levels = torch.randint(1, WEIGHT_LEVELS + 1, codes.shape).to(torch.uint8)
    for options in (OPTIONS["hardest"], OPTIONS["all"]):
        found = computed(HierarchicalLoss(space, **options), logits, codes, levels=levels)
        gradient = logits.grad
        in_pytorch = HierarchicalLoss(space, compile=False, **options)
        assert_equal(found, computed(in_pytorch, logits, codes, levels=levels))
        assert gradient is not None
        assert logits.grad is not None
        assert torch.allclose(gradient, logits.grad, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_the_number_of_threads_changes_no_bit(options: dict[str, Any]) -> None:
    space, logits, codes = made_up(15, 3.0, torch.float32)
    loss, threads = HierarchicalLoss(space, **options), torch.get_num_threads()
    gradients: list[Tensor] = []
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            computed(loss, logits, codes)
            assert logits.grad is not None
            gradients.append(logits.grad)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*gradients)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_logit_that_is_no_number_makes_its_picture_s_loss_none(options: dict[str, Any]) -> None:
    space, logits, codes = made_up(15, 3.0, torch.float32)
    codes[1, 2, 5] = 0
    logits[1, 3, 2, 5] = float("nan")
    total = HierarchicalLoss(space, **options).terms(logits, codes).total
    assert total.isnan().tolist() == [False, True, False]
