"""The loss against a float64 sum over sets, written from the definition."""

import functools
import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from arithmetic import rounded
from definition import brute_force, leaves_below
from harmonize import HarmonizeError, HierarchicalLoss, Ontology, TargetSpace
from harmonize.loss import eager, native_loss
from random_trees import random_label, random_tree_text

TREE = """
background
face
\teyes
\t\tleft
\t\tright
\tskin
hair
\tscalp
\tbeard
"""
LEAVES = ("background", "left", "right", "skin", "scalp", "beard")


@pytest.fixture(params=["C", "PyTorch"], autouse=True)
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Compute every loss of this file in the compiled form and in PyTorch's operations."""
    if request.param == "PyTorch":
        monkeypatch.setattr(native_loss, "DTYPES", ())
    return request.param


@pytest.fixture
def space() -> TargetSpace:
    space = TargetSpace(Ontology(TREE, name="tree"), [])
    for nodes in ("face", "hair", "eyes", ["background", "hair"], ["left", "scalp"]):
        space.code(nodes)
    return space


def value_and_gradient(loss: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    (gradient,) = torch.autograd.grad(loss, logits)
    return loss.detach().double(), gradient.double()


@dataclass(frozen=True)
class Drawn:
    """Random logits and labels of a random tree, with what a float64 sum over sets gives."""

    space: TargetSpace
    options: dict[str, Any]
    values: Tensor
    codes: Tensor
    value: Tensor
    gradient: Tensor


@functools.cache  # for both forms: the sum takes longer than what is tried
def drawn(seed: int) -> Drawn:
    rng = np.random.default_rng(seed)
    tree = Ontology(random_tree_text(rng), name="random")
    space = TargetSpace(tree, [])
    label_sets = [random_label(rng, tree.nodes) for _ in range(5)]
    coded = [(space.code(label), leaves_below(tree, label)) for label in label_sets]
    options = {
        "terms": ["all", "finest"][rng.integers(2)],
        "weighting": ["sum", "mean"][rng.integers(2)],
        "coarse": ["use", "ignore"][int(rng.random() < 0.2)],
        "depth_weights": [None, tuple(rng.random(tree.depth).tolist())][rng.integers(2)],
    }
    choices = rng.integers(-1, len(coded), size=(2, 3, 5))
    codes = torch.tensor([coded[c][0] if c >= 0 else space.ignore for c in choices.flatten()])
    labels = [coded[c][1] if c >= 0 else None for c in choices.flatten()]
    scale = float(rng.choice([0.1, 1.0, 30.0, 1e4]))
    values = (torch.from_numpy(rng.normal(size=(2, len(tree.leaves), 3, 5))) * scale).float()
    exact = values.double().requires_grad_()
    pixels = exact.permute(0, 2, 3, 1).flatten(0, 2)
    true = value_and_gradient(brute_force(tree, pixels, labels, **options), exact)
    return Drawn(space, options, values, codes.view(2, 3, 5), *true)


@pytest.mark.parametrize("seed", range(150))
def test_value_and_gradient_equal_a_float64_sum_over_sets(seed: int) -> None:
    case = drawn(seed)
    logits = case.values.clone().requires_grad_()
    loss = HierarchicalLoss(case.space, **case.options)(logits, case.codes)
    value, gradient = value_and_gradient(loss, logits)
    assert torch.allclose(value, case.value, rtol=1e-5, atol=1e-5)
    assert torch.allclose(gradient, case.gradient, rtol=1e-5, atol=1e-5)


def test_finest_on_leaf_labels_is_cross_entropy(space: TargetSpace) -> None:
    logits = torch.randn(3, 6, 8, 9, requires_grad=True)
    codes = torch.randint(0, 6, (3, 8, 9))
    found = value_and_gradient(HierarchicalLoss(space, terms="finest")(logits, codes), logits)
    expected = value_and_gradient(F.cross_entropy(logits, codes), logits)
    assert torch.allclose(found[0], expected[0], atol=1e-6)
    assert torch.allclose(found[1], expected[1], atol=1e-7)


def test_uniform_logits_give_hand_counted_terms(space: TargetSpace) -> None:
    logits = torch.zeros(1, 6, 1, 1)
    loss = HierarchicalLoss(space)
    # left: S_1 = face (3 of 6), S_2 = eyes (2), S_3 = left (1)
    left = loss(logits, torch.full((1, 1, 1), space.code("left")))
    assert left.item() == pytest.approx(np.log(6 / 3) + np.log(6 / 2) + np.log(6 / 1))
    # background lies at depth 1, and has the same term at all three depths
    background = loss(logits, torch.full((1, 1, 1), space.code("background")))
    assert background.item() == pytest.approx(3 * np.log(6))
    # hair (2 of 6) is resolved at depth 1
    assert loss(logits, torch.full((1, 1, 1), space.code("hair"))).item() == pytest.approx(
        np.log(6 / 2)
    )
    # left + scalp: S_1 = face + hair (5), S_2 = eyes + scalp (3), S_3 = left + scalp (2)
    mixed = loss(logits, torch.full((1, 1, 1), space.code(["left", "scalp"])))
    assert mixed.item() == pytest.approx(np.log(6 / 5) + np.log(6 / 3) + np.log(6 / 2))


def test_no_labelled_pixel_gives_zero_loss_and_gradient(space: TargetSpace) -> None:
    logits = torch.randn(2, 6, 4, 4, requires_grad=True)
    loss = HierarchicalLoss(space)(logits, torch.full((2, 4, 4), space.ignore))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_an_empty_batch_gives_zero(space: TargetSpace) -> None:
    logits = torch.randn(0, 6, 4, 4, requires_grad=True)
    loss = HierarchicalLoss(space)(logits, torch.zeros(0, 4, 4, dtype=torch.long))
    loss.backward()
    assert loss.item() == 0


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_extreme_logits_stay_finite_and_exact(space: TargetSpace, sign: float) -> None:
    values = torch.full((1, 6, 1, 2), -1e4 * sign)
    values[0, 1, 0, 0] = 1e4 * sign
    logits = values.clone().requires_grad_()
    codes = torch.tensor([[[space.code("hair"), space.code("left")]]])
    loss = HierarchicalLoss(space)(logits, codes)
    exact = values.double().requires_grad_()
    labels: list[set[str] | None] = [{"scalp", "beard"}, {"left"}]
    pixels = exact.permute(0, 2, 3, 1).flatten(0, 2)
    expected = brute_force(space.ontology, pixels, labels)
    found_value, found_gradient = value_and_gradient(loss, logits)
    true_value, true_gradient = value_and_gradient(expected, exact)
    assert torch.isfinite(found_gradient).all()
    assert found_value.item() == pytest.approx(true_value.item(), rel=1e-5)
    assert torch.allclose(found_gradient, true_gradient, atol=1e-5)


def test_a_group_far_below_the_maximum_keeps_its_gradient(space: TargetSpace) -> None:
    """exp(-200) is 0 in float32: one shift for all sets would lose the group (equation 4)."""
    logits = torch.tensor([200.0, 0, 0, 0, 1, 2]).view(1, 6, 1, 1).requires_grad_()
    loss = HierarchicalLoss(space)(logits, torch.full((1, 1, 1), space.code("hair")))
    value, gradient = value_and_gradient(loss, logits)
    assert value.item() == pytest.approx(200 - np.log(np.exp(1) + np.exp(2)), rel=rounded(32))
    share = 1 / (1 + np.e)  # of the smaller of the two logits
    expected = [1, 0, 0, 0, -share, share - 1]
    assert gradient.flatten().tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("code", [-1, 100, 254])
def test_codes_out_of_range_raise(space: TargetSpace, code: int) -> None:
    codes = torch.zeros(1, 2, 2, dtype=torch.long)
    codes[0, 1, 1] = code
    with pytest.raises(HarmonizeError, match=rf"0\.\.\d+ or 255 \(ignore\), got \[{code}\]"):
        HierarchicalLoss(space)(torch.zeros(1, 6, 2, 2), codes)


def test_wrong_shapes_raise_with_the_mend(space: TargetSpace) -> None:
    loss = HierarchicalLoss(space)
    with pytest.raises(HarmonizeError, match="num_leaves=6"):
        loss(torch.zeros(1, 5, 2, 2), torch.zeros(1, 2, 2, dtype=torch.long))
    # The type checker of the tests sees this one first; undecorated it is the loss's own error.
    unchecked = inspect.unwrap(HierarchicalLoss.terms)
    with pytest.raises(HarmonizeError, match=r"shape \(1, 2, 2\)"):
        unchecked(loss, torch.zeros(1, 6, 2, 2), torch.zeros(1, 2, 3, dtype=torch.long))
    with pytest.raises(HarmonizeError, match="has 3 depths, got 2 weights"):
        HierarchicalLoss(space, depth_weights=(1.0, 2.0))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_codes_may_have_any_integer_type(space: TargetSpace, dtype: torch.dtype) -> None:
    logits = torch.randn(2, 6, 4, 5)
    codes = torch.randint(0, space.num_codes, (2, 4, 5))
    codes[0, 0] = space.ignore
    loss = HierarchicalLoss(space)
    assert loss(logits, codes.to(dtype)).item() == loss(logits, codes).item()


def test_memory_layout_and_chunks_do_not_matter(
    space: TargetSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = torch.randn(2, 6, 7, 11)
    codes = torch.randint(0, space.num_codes, (2, 7, 11))
    loss = HierarchicalLoss(space)

    def run(logits: Tensor) -> tuple[Tensor, Tensor]:
        logits.requires_grad_()
        return value_and_gradient(loss(logits, codes), logits)

    expected = run(values.clone())
    wide = torch.zeros(2, 6, 7, 20)
    wide[..., 3:14] = values
    layouts = [values.clone(memory_format=torch.channels_last), wide[..., 3:14]]
    results = [run(logits) for logits in layouts]
    monkeypatch.setitem(eager.CHUNK, "cpu", 50)
    results.append(run(values.clone()))
    for value, gradient in results:
        assert torch.allclose(value, expected[0], atol=1e-6)
        assert torch.allclose(gradient, expected[1], atol=1e-7)


def test_half_precision_logits_are_summed_in_float32(space: TargetSpace) -> None:
    values = torch.randn(2, 6, 64, 64).bfloat16()
    codes = torch.randint(0, space.num_codes, (2, 64, 64))
    loss = HierarchicalLoss(space)
    logits = values.clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = loss(logits, codes)
    expected = loss(values.float(), codes)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(
        expected.item(), rel=rounded(128)
    )  # torch sums in a cascade
    found.backward()
    assert logits.grad is not None
    assert logits.grad.dtype == torch.bfloat16


def test_float64_passes_gradcheck(space: TargetSpace) -> None:
    logits = torch.randn(1, 6, 2, 3, dtype=torch.float64, requires_grad=True)
    codes = torch.tensor([[[0, 1, 6], [7, 9, space.ignore]]])
    loss = HierarchicalLoss(space, weighting="mean")
    assert torch.autograd.gradcheck(lambda x: loss(x, codes), logits)


def test_coarse_ignore_drops_labels_of_several_leaves(space: TargetSpace) -> None:
    logits = torch.randn(1, 6, 1, 3)
    codes = torch.tensor([[[space.code("left"), space.code("hair"), space.ignore]]])
    alone = HierarchicalLoss(space)(logits[..., :1], codes[..., :1])
    loss = HierarchicalLoss(space, coarse="ignore")
    assert loss(logits, codes).item() == pytest.approx(alone.item(), rel=rounded(32))
    assert loss.count_labelled(codes).sum().item() == 1
    assert HierarchicalLoss(space).count_labelled(codes).sum().item() == 2


def test_mean_weighting_makes_coarse_and_fine_pixels_weigh_the_same(space: TargetSpace) -> None:
    loss = HierarchicalLoss(space, weighting="mean", depth_weights=(1.0, 1.0, 1.0))
    # with all mass on background both labels have infinite-like terms of equal size
    logits = torch.tensor([60.0, 0, 0, 0, 0, 0]).view(1, 6, 1, 1)
    fine = loss(logits, torch.full((1, 1, 1), space.code("left"))).item()
    coarse = loss(logits, torch.full((1, 1, 1), space.code("face"))).item()
    assert fine == pytest.approx(60 - (np.log(3) + np.log(2)) / 3, abs=1e-4)
    assert coarse == pytest.approx(60 - np.log(3), abs=1e-4)


def test_terms_add_up_per_picture_and_depth(space: TargetSpace) -> None:
    logits = torch.randn(2, 6, 4, 4)
    codes = torch.randint(0, 6, (2, 4, 4))
    codes[1] = space.code("hair")
    codes[1, 0] = space.ignore
    loss = HierarchicalLoss(space)
    terms = loss.terms(logits, codes)
    assert terms.loss.item() == pytest.approx(terms.total.sum().item(), rel=rounded(32))
    assert terms.labelled.tolist() == [16, 12]
    assert terms.resolved.tolist() == [[16, 16, 16], [12, 0, 0]]
    assert torch.allclose(terms.by_depth.sum(1).float(), terms.total, rtol=1e-5)
    # the deepest term of a leaf label is its cross-entropy
    expected = F.cross_entropy(logits[:1], codes[:1], reduction="sum")
    assert terms.by_depth[0, 2].item() == pytest.approx(expected.item(), rel=1e-5)
    assert loss(logits, codes).item() == pytest.approx(
        terms.total.sum().item() / 28, rel=rounded(32)
    )


def test_a_scale_multiplies_loss_and_gradient_and_leaves_the_sums(space: TargetSpace) -> None:
    logits = torch.randn(2, 6, 4, 4, requires_grad=True)
    codes = torch.randint(0, space.num_codes, (2, 4, 4))
    loss = HierarchicalLoss(space)
    plain, scaled = loss.terms(logits, codes), loss.terms(logits, codes, scale=torch.tensor(0.25))
    assert scaled.loss.item() == pytest.approx(0.25 * plain.loss.item(), rel=rounded(32))
    assert torch.allclose(scaled.total, plain.total)
    assert torch.equal(scaled.by_depth, plain.by_depth)
    (gradient,) = torch.autograd.grad(plain.loss, logits)
    assert torch.allclose(torch.autograd.grad(scaled.loss, logits)[0], 0.25 * gradient)


def test_the_form_is_told(space: TargetSpace, form: str) -> None:
    logits = torch.zeros(1, 6, 2, 2)
    assert HierarchicalLoss(space).form(logits) == form
    assert HierarchicalLoss(space, compile=False).form(logits) == "PyTorch"
    assert HierarchicalLoss(space).form(logits.double()) == "PyTorch"


def test_a_set_coded_after_the_loss_was_built_is_learned(space: TargetSpace) -> None:
    loss = HierarchicalLoss(space, weighting="mean")
    late = space.code(["right", "beard"])
    logits, codes = torch.randn(1, 6, 1, 1), torch.full((1, 1, 1), late)
    fresh = HierarchicalLoss(space, weighting="mean")
    assert loss(logits, codes).item() == fresh(logits, codes).item() > 0
    assert loss.count_labelled(codes).sum().item() == 1


@pytest.mark.parametrize("side", [(5, 7), (1, 7), (5, 1)])
def test_pictures_turned_in_memory_give_the_same_gradient(
    space: TargetSpace, side: tuple[int, int]
) -> None:
    logits = torch.randn(2, 6, *side).transpose(2, 3).requires_grad_()
    codes = torch.randint(0, space.num_codes, (2, *side[::-1]))
    loss = HierarchicalLoss(space)
    straight = logits.detach().clone(memory_format=torch.channels_last).requires_grad_()
    expected = value_and_gradient(loss(straight, codes), straight)
    found = value_and_gradient(loss(logits, codes), logits)
    assert torch.allclose(found[1], expected[1], atol=1e-7)
