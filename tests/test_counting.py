"""Counting pixels against a plain float64 reference, compiled and in PyTorch."""

import contextlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from harmonize import Ontology
from harmonize.decoding import strips
from harmonize.evaluation import native_counting
from harmonize.evaluation.counting import PixelCounter, classify, count_pixels
from harmonize.evaluation.native_counting import count_natively, lay_out
from random_trees import random_label, random_tree_text

COMPILED = [
    False,
    pytest.param(
        True, marks=pytest.mark.skipif(not native_counting.is_available(), reason="no C compiler")
    ),
]
every_way = pytest.mark.parametrize("compiled", COMPILED)


def scaled(logits: Tensor, height: int, width: int) -> Tensor:
    """Scale (K, h, w) bilinearly in float64, by the definition: one row or column at a time."""
    for dim, size in ((1, height), (2, width)):
        have = logits.shape[dim]
        place = ((torch.arange(size).double() + 0.5) * have / size - 0.5).clamp(0, have - 1)
        low = place.floor().long()
        part = (place - low)[:, None] if dim == 1 else place - low
        high = (low + 1).clamp(max=have - 1)
        logits = logits.index_select(dim, low) * (1 - part) + logits.index_select(dim, high) * part
    return logits


def log_scores(logits: Tensor, masks: Tensor, height: int, width: int) -> Tensor:
    """Return log p(class), but for a constant of each pixel; -inf for a class without leaves."""
    full = scaled(logits.double(), height, width)
    inside = masks[:, :, None, None]
    return full[None].masked_fill(~inside, -torch.inf).logsumexp(1)


def assert_counted_right(counts: Tensor, logits: Tensor, classes: Tensor, masks: Tensor) -> None:
    """Check the counts; where two classes are as good as equal, either may be counted."""
    found = log_scores(logits, masks, *classes.shape)
    slack = 1e-5 * (1 + logits.abs().max().item())
    may_win = found >= found.amax(0) - slack
    scored = masks.any(1)[classes.long()]
    truth = torch.nn.functional.one_hot(classes.long(), len(masks)) * scored[..., None]
    possible = torch.einsum("hwt,phw->tp", truth.float(), may_win.float())
    certain = may_win & (may_win.sum(0) == 1)
    assert torch.equal(counts.sum(1), truth.sum((0, 1)))
    assert (counts <= possible).all()
    assert (counts >= torch.einsum("hwt,phw->tp", truth.float(), certain.float())).all()


def count(logits: Tensor, classes: Tensor, masks: Tensor, *, compiled: bool) -> Tensor:
    counter = PixelCounter(masks, compiled=compiled)
    counter.add(logits, classes)
    return counter.counts


def draw_picture(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Draw logits of a random tree's leaves, a label and the leaves of its classes."""
    tree = Ontology(random_tree_text(rng, nodes=int(rng.choice([3, 14, 60]))), name="random")
    leaves = len(tree.leaves)
    if rng.random() < 0.5:
        some = rng.permutation(leaves)[: rng.integers(1, leaves + 1)]
        masks = torch.eye(leaves, dtype=torch.bool)[some]
    else:
        labels = [random_label(rng, tree.nodes) for _ in range(rng.integers(1, 30))]
        masks = torch.from_numpy(np.array([tree.leaf_mask(label) for label in labels]))
    masks = torch.cat([masks, torch.zeros(1, leaves, dtype=torch.bool)])
    masks[rng.integers(len(masks))] &= bool(rng.integers(2))
    size = tuple(rng.integers(1, 10, 2))
    label = size if rng.random() < 0.5 else tuple(rng.integers(1, 10, 2))
    steady = rng.standard_normal((leaves, 1, 1)) * rng.choice([0.1, 3.0, 1e4])
    values = torch.from_numpy(steady + rng.standard_normal((leaves, *size)))
    logits = values.to([torch.float32, torch.bfloat16, torch.float16][rng.integers(3)])
    if rng.random() < 0.5:
        logits = logits.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    dtype = [torch.uint8, torch.int16, torch.int32, torch.int64][rng.integers(4)]
    return logits, torch.from_numpy(rng.integers(0, len(masks), label)).to(dtype), masks


@pytest.mark.parametrize("compiled", COMPILED)
@settings(max_examples=150, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_counts_agree_with_float64(compiled: bool, seed: int) -> None:
    logits, classes, masks = draw_picture(np.random.default_rng(seed))
    counts = count(logits, classes, masks, compiled=compiled)
    assert_counted_right(counts, logits, classes, masks)


@every_way
@pytest.mark.parametrize("single", [True, False])
def test_many_leaves_at_a_larger_size_agree_with_float64(compiled: bool, single: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(150, 12, 17, generator=generator)
    logits[:, 4:8] += 30 * torch.randn(
        150, 1, 1, generator=generator
    )  # where one leaf is far ahead
    masks = torch.eye(150, dtype=torch.bool)
    if not single:
        owner = (torch.rand(150, generator=generator) ** 3 * 25).long()  # some classes are large
        masks = owner == torch.arange(25)[:, None]
    classes = torch.randint(len(masks), (31, 33), generator=generator)
    counts = count(logits, classes, masks, compiled=compiled)
    assert_counted_right(counts, logits, classes, masks)


@every_way
def test_ties_go_to_the_first_class(compiled: bool) -> None:
    classes = torch.zeros(5, 7, dtype=torch.uint8)
    for masks in (torch.eye(40, dtype=torch.bool).flip(1), torch.eye(3, dtype=torch.bool)):
        counts = count(torch.zeros(masks.shape[1], 5, 7), classes, masks, compiled=compiled)
        assert counts[0, 0] == 35
    pairs = torch.eye(20, dtype=torch.bool).repeat_interleave(2, 1)
    assert count(torch.zeros(40, 3, 4), classes, pairs, compiled=compiled)[0, 0] == 35


@every_way
def test_all_void_or_no_class_to_score_counts_nothing(compiled: bool) -> None:
    masks = torch.tensor([[True, False], [False, False]])
    logits, classes = torch.randn(2, 3, 3), torch.ones(3, 3, dtype=torch.uint8)
    assert not count(logits, classes, masks, compiled=compiled).any()
    assert not count(logits, classes, masks & False, compiled=compiled).any()


@every_way
def test_pictures_add_up(compiled: bool) -> None:
    counter = PixelCounter(torch.eye(2, dtype=torch.bool), compiled=compiled)
    logits = torch.tensor([1.0, 0.0])[:, None, None]
    for truth in (0, 1, 1):
        counter.add(logits, torch.tensor([[truth]]))
    assert counter.counts.tolist() == [[1, 0], [2, 0]]


@every_way
def test_a_diverged_network_is_counted_without_failing(compiled: bool) -> None:
    for masks in (torch.eye(20, dtype=torch.bool), torch.eye(10, dtype=torch.bool).repeat(1, 2)):
        classes = torch.zeros(6, 6, dtype=torch.uint8)
        counts = count(torch.full((20, 3, 3), torch.nan), classes, masks, compiled=compiled)
        assert counts.sum() == 36


@pytest.mark.skipif(not native_counting.is_available(), reason="no C compiler")
def test_counts_do_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.randn(20, 64, 64, generator=torch.Generator().manual_seed(1))
    classes = torch.arange(200 * 130).view(200, 130) % 10
    layout = lay_out(torch.eye(10, dtype=torch.bool).repeat(1, 2))
    alone = count_natively(logits, classes, layout)
    monkeypatch.setattr(native_counting, "_WORTHWHILE", 1000)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert torch.equal(count_natively(logits, classes, layout), alone)


@pytest.mark.parametrize("label", [(64, 64), (90, 70), (90, 64), (64, 70)])
def test_strips_change_nothing(label: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.randn(5, 64, 64, generator=torch.Generator().manual_seed(2))
    classes = torch.arange(label[0] * label[1]).view(label) % 5
    masks = torch.eye(5, dtype=torch.bool)
    whole = count_pixels(logits, classes, masks)
    monkeypatch.setitem(strips.STRIP, "cpu", 7 * 90 * 5)
    assert torch.equal(count_pixels(logits, classes, masks), whole)


def test_without_a_compiler_pytorch_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    native_counting.is_available.cache_clear()
    native_counting.compiled.cache_clear()
    with contextlib.ExitStack() as stack:
        stack.callback(native_counting.compiled.cache_clear)
        stack.callback(native_counting.is_available.cache_clear)
        assert not native_counting.is_available()
        counter = PixelCounter(torch.eye(2, dtype=torch.bool))
        counter.add(torch.tensor([[[0.0]], [[1.0]]]), torch.tensor([[0]]))
    assert counter.counts.tolist() == [[0, 1], [0, 0]]


def test_classify_sums_the_leaves_of_a_class() -> None:
    # p = 0.4, 0.3, 0.3: the largest leaf loses against the two others together
    logits = torch.tensor([0.4, 0.3, 0.3]).log()[:, None, None]
    masks = torch.tensor([[True, False, False], [False, True, True]])
    assert classify(logits, masks).item() == 1


def test_classify_ignores_leaves_of_no_class_and_classes_without_leaves() -> None:
    logits = torch.tensor([1e4, -300.0, -200.0])[:, None, None]
    masks = torch.tensor([[False, False, False], [False, True, False], [False, False, True]])
    assert classify(logits, masks).item() == 2


def test_classify_gives_ties_to_the_first_class() -> None:
    masks = torch.eye(3, dtype=torch.bool)
    assert classify(torch.zeros(3, 1, 1), masks).item() == 0
