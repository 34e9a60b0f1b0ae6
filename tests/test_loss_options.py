"""Every option of the loss against its definition in float64."""

import functools
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from definition import leaves_below, pixel_loss, region_of_picture
from harmonize import HarmonizeError, HierarchicalLoss, Ontology, TargetSpace
from harmonize.loss import native_loss
from harmonize.loss.balance import Balance, balance_weights
from random_trees import random_label, random_tree_text

TREE = """
background
face
\teyes
\t\tleft
\t\tright
\tskin
hair
"""
TVERSKY = (0.3, 0.7)
TERMS: tuple[Literal["all", "finest"], ...] = ("all", "finest")


@pytest.fixture(params=["C", "PyTorch"], autouse=True)
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Compute every loss of this file in the compiled form and in PyTorch's operations."""
    if request.param == "PyTorch":
        monkeypatch.setattr(native_loss, "DTYPES", ())
    return request.param


@pytest.fixture
def space() -> TargetSpace:
    space = TargetSpace(Ontology(TREE, name="tree"), [])
    for nodes in ("face", "eyes", ["background", "hair"]):
        space.code(nodes)
    return space


def value_and_gradient(loss: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    (gradient,) = torch.autograd.grad(loss, logits)
    return loss.detach().double(), gradient.double()


class Case:
    """Random logits (2, K, 3, 5) with labels that are unions of a random tree's nodes."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.tree = Ontology(random_tree_text(self.rng), name="random")
        self.space = TargetSpace(self.tree, [])
        label_sets = [random_label(self.rng, self.tree.nodes) for _ in range(5)]
        coded = [(self.space.code(label), leaves_below(self.tree, label)) for label in label_sets]
        choices = self.rng.integers(-1, len(coded), size=(2, 15))
        ignore = self.space.ignore
        found = [[coded[c][0] if c >= 0 else ignore for c in row] for row in choices]
        self.codes = torch.tensor(found).view(2, 3, 5)
        self.labels = [[coded[c][1] if c >= 0 else None for c in row] for row in choices]
        scale = float(self.rng.choice([0.1, 1.0, 30.0]))
        values = self.rng.normal(size=(2, len(self.tree.leaves), 3, 5)) * scale
        self.values = torch.from_numpy(values).float()

    def found(self, loss: HierarchicalLoss) -> tuple[Tensor, Tensor]:
        logits = self.values.clone().requires_grad_()
        return value_and_gradient(loss(logits, self.codes), logits)

    def exact(self) -> tuple[Tensor, list[Tensor]]:
        """Return float64 logits that require a gradient, and each picture's pixels (P, K)."""
        exact = self.values.double().requires_grad_()
        return exact, list(exact.flatten(2).transpose(1, 2))


def assert_equal(found: tuple[Tensor, Tensor], true: tuple[Tensor, Tensor]) -> None:
    assert torch.allclose(found[0], true[0], rtol=1e-5, atol=1e-5)
    assert torch.allclose(found[1], true[1], rtol=1e-5, atol=1e-5)


Drawn = tuple[Case, dict[str, Any], tuple[Tensor, Tensor]]
"""What is tried, the options of the loss, and its value and gradient by the definition."""


@functools.cache  # for both forms: the definition takes longer than what is tried
def drawn_log_loss(seed: int) -> Drawn:
    case = Case(seed)
    rng, tree, space = case.rng, case.tree, case.space
    focal = float(rng.choice([0, 1, 2, 0.5]))
    smoothing = float(rng.choice([0, 0.1, 0.3]))
    terms = TERMS[rng.integers(2)]
    balance = rng.random((space.num_codes, tree.depth)) + 0.1
    options = {"focal": focal, "smoothing": smoothing, "terms": terms, "balance": balance}

    exact, pictures = case.exact()
    losses = [
        pixel_loss(
            tree,
            pixel,
            label,
            factors=balance[code].tolist(),
            focal=focal,
            smoothing=smoothing,
            terms=terms,
        )
        for pixels, labels, codes in zip(pictures, case.labels, case.codes.flatten(1), strict=True)
        for pixel, label, code in zip(pixels, labels, codes, strict=True)
        if label is not None
    ]
    expected = torch.stack(losses).mean() if losses else exact.sum() * 0
    return case, options, value_and_gradient(expected, exact)


@pytest.mark.parametrize("seed", range(60))
def test_log_loss_with_all_its_options_equals_the_definition(seed: int) -> None:
    case, options, true = drawn_log_loss(seed)
    assert_equal(case.found(HierarchicalLoss(case.space, **options)), true)


@functools.cache
def drawn_region_loss(seed: int) -> Drawn:
    case = Case(seed)
    terms = TERMS[case.rng.integers(2)]
    weights = case.rng.random(case.tree.depth) + 0.1
    plain: dict[str, Any] = {"terms": terms, "depth_weights": tuple(weights.tolist())}

    exact, pictures = case.exact()
    regions = [
        region_of_picture(
            case.tree, pixels, labels, tversky=TVERSKY, weights=weights.tolist(), terms=terms
        )
        for pixels, labels in zip(pictures, case.labels, strict=True)
    ]
    each = torch.stack(regions)
    _, gradient = value_and_gradient(each.mean() / 2, exact)
    return case, plain, (each.detach(), gradient)


@pytest.mark.parametrize("seed", range(60))
def test_region_loss_equals_the_definition(seed: int) -> None:
    case, plain, (each, gradient) = drawn_region_loss(seed)
    loss = HierarchicalLoss(case.space, dice=0.5, tversky=TVERSKY, **plain)
    log_value, log_gradient = case.found(HierarchicalLoss(case.space, **plain))
    assert_equal(case.found(loss), (log_value + each.mean() / 2, log_gradient + gradient))
    terms_found = loss.terms(case.values, case.codes).region
    assert terms_found.tolist() == pytest.approx(each.tolist(), abs=1e-5)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_hardest_pixels_are_learned_alone(share: float) -> None:
    for seed in range(10):
        case = Case(seed)
        exact, pictures = case.exact()
        ones, kept, labelled = [1.0] * case.tree.depth, [], 0
        for pixels, labels in zip(pictures, case.labels, strict=True):
            losses = [
                pixel_loss(case.tree, pixel, label, factors=ones)
                for pixel, label in zip(pixels, labels, strict=True)
                if label is not None
            ]
            number = int(np.ceil(np.float32(len(losses) * np.float32(share))))
            kept += sorted(losses, key=lambda loss: -loss.item())[:number]
            labelled += len(losses)
        expected = torch.stack([exact.sum() * 0, *kept]).sum() / max(labelled, 1) / share
        loss = HierarchicalLoss(case.space, hardest=share)
        assert_equal(case.found(loss), value_and_gradient(expected, exact))


def test_empty_batches_and_pictures_without_labels_give_zero(space: TargetSpace) -> None:
    loss = HierarchicalLoss(space, hardest=0.5, dice=0.5, focal=2.0)
    for codes in (torch.zeros(0, 4, 4).long(), torch.full((2, 4, 4), space.ignore)):
        logits = torch.randn(len(codes), 5, 4, 4, requires_grad=True)
        value = loss(logits, codes)
        value.backward()
        assert value.item() == 0
        assert logits.grad is not None
        assert not logits.grad.any()


def test_of_equally_hard_pixels_the_first_are_kept(space: TargetSpace) -> None:
    logits = torch.zeros(1, 5, 1, 8, requires_grad=True)
    loss = HierarchicalLoss(space, hardest=0.25)(logits, torch.zeros(1, 1, 8, dtype=torch.long))
    loss.backward()
    assert logits.grad is not None
    assert logits.grad.abs().sum(1).flatten().gt(0).tolist() == [True] * 2 + [False] * 6


def test_void_pixels_have_no_gradient_under_any_option(space: TargetSpace) -> None:
    logits = torch.randn(2, 5, 6, 7, requires_grad=True)
    codes = torch.randint(0, space.num_codes, (2, 6, 7))
    codes[:, 2:4] = space.ignore
    options: dict[str, Any] = {"focal": 2.0, "smoothing": 0.1, "hardest": 0.8, "dice": 0.5}
    for chosen in (*({key: value} for key, value in options.items()), options):
        (gradient,) = torch.autograd.grad(HierarchicalLoss(space, **chosen)(logits, codes), logits)
        assert torch.equal(gradient[:, :, 2:4], torch.zeros(2, 5, 2, 7))
        assert gradient.abs().sum() > 0


def test_data_sets_can_have_scales_of_their_own(space: TargetSpace) -> None:
    logits = torch.randn(3, 5, 4, 4, requires_grad=True)
    codes = torch.randint(0, space.num_codes, (3, 4, 4))
    scales, datasets = torch.tensor([0.5, 2.0]), torch.tensor([1, 0, 1])
    loss = HierarchicalLoss(space, hardest=0.5, dice=0.5)
    together = loss.terms(logits, codes, scale=scales, datasets=datasets)
    alone = [
        loss.terms(logits[n : n + 1], codes[n : n + 1], scale=scales[datasets[n]]) for n in range(3)
    ]
    assert together.loss.item() == pytest.approx(sum(one.loss.item() for one in alone), rel=1e-5)
    totals = [one.total.item() for one in alone]
    assert together.total.tolist() == pytest.approx(totals, rel=1e-5)
    (found,) = torch.autograd.grad(together.loss, logits)
    (expected,) = torch.autograd.grad(alone[0].loss + alone[1].loss + alone[2].loss, logits)
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_depth_factors_multiply_the_depths(space: TargetSpace) -> None:
    logits, codes = torch.randn(2, 5, 4, 4), torch.randint(0, space.num_codes, (2, 4, 4))
    loss = HierarchicalLoss(space, depth_weights=(1.0, 2.0, 3.0), dice=0.5)
    loss.set_depth_factors(torch.tensor([2.0, 0.5, 0.0]))
    expected = HierarchicalLoss(space, depth_weights=(2.0, 1.0, 0.0), dice=0.5)(logits, codes)
    # A depth without weight is not asked for by any label; its region loss weighs nothing either.
    assert loss(logits, codes).item() == pytest.approx(expected.item(), rel=1e-6)
    loss.set_depth_factors(None)
    plain = HierarchicalLoss(space, depth_weights=(1.0, 2.0, 3.0), dice=0.5)(logits, codes)
    assert loss(logits, codes).item() == plain.item()


@pytest.mark.parametrize("key", ["focal", "smoothing"])
def test_what_has_no_compiled_form_on_a_gpu_is_refused_there(
    space: TargetSpace, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    options: dict[str, Any] = {key: 0.1, "compile": True}
    HierarchicalLoss(space, **options)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    message = rf"^loss\.compile: loss\.{key} has no compiled form on a GPU; remove"
    with pytest.raises(HarmonizeError, match=message):
        HierarchicalLoss(space, **options)


def test_all_options_are_computed_in_c(space: TargetSpace, form: str) -> None:
    loss = HierarchicalLoss(space, smoothing=0.1, focal=2.0, hardest=0.5, dice=0.5)
    assert loss.form(torch.zeros(1, 5, 1, 1)) == form


def test_balance_is_hand_counted(space: TargetSpace) -> None:
    codes = {name: space.code(name) for name in ("background", "left", "right", "hair", "face")}
    pixels = np.zeros(space.num_codes)
    for name, number in (("background", 64), ("left", 4), ("right", 12), ("hair", 16), ("face", 4)):
        pixels[codes[name]] = number
    weights = balance_weights(space, pixels, by="inverse", cap=100.0)
    # Depth 1: background 64, face 4 + 12 + 4, hair 16 of 100; three sets of equal total weight.
    depth_1 = {name: weights[codes[name], 0] for name in codes}
    assert depth_1["face"] == depth_1["left"] == depth_1["right"] == pytest.approx(100 / 20 / 3)
    assert depth_1["background"] == pytest.approx(100 / 64 / 3)
    # Depth 3 is resolved by 96 pixels: background, left, right, hair.
    assert weights[codes["left"], 2] == pytest.approx(96 / 4 / 4)
    assert weights[codes["face"], 2] == 1  # not resolved
    root = balance_weights(space, pixels, by="sqrt", cap=100.0)[:, 2]
    assert root[codes["left"]] / root[codes["background"]] == pytest.approx(4)
    assert balance_weights(space, pixels, by="none", cap=8.0).min() == 1


@pytest.mark.parametrize("by", ["sqrt", "inverse", "effective"])
@pytest.mark.parametrize("cap", [1.0, 2.0, 8.0])
def test_balance_has_mean_one_and_keeps_the_cap(
    space: TargetSpace, by: Balance, cap: float
) -> None:
    pixels = np.array([1e6, 10.0, 3e3, 5e5, 0.0, 7e3, 20.0, 0.0])[: space.num_codes]
    weights = balance_weights(space, pixels, by=by, cap=cap)
    resolved = space.num_resolved[: len(pixels), None] >= np.arange(1, 4)
    for depth in range(3):
        share = pixels * resolved[:, depth]
        assert (weights[:, depth] * share).sum() / share.sum() == pytest.approx(1)
    assert weights.max() <= cap * (1 + 1e-3)
    order = np.argsort(pixels[:4])
    assert (np.diff(weights[order, 2]) <= 1e-9).all()  # what is rarer weighs no less
