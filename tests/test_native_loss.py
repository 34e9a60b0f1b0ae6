"""The compiled loss: the same sums as PyTorch's form."""

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from harmonize import HarmonizeError, HierarchicalLoss, Ontology, TargetSpace
from harmonize.loss import native_loss
from harmonize.loss.eager import LossSums, eager_sums
from harmonize.loss.tables import LossTables, loss_tables
from harmonize.system import compile_c
from random_trees import random_label, random_tree_text

# Letters of shapes: K leaves, N rows of the tables.


def wide_tree(leaves: int) -> Ontology:
    lines = [f"group_{n // 7}\n\tleaf_{n}" if n % 7 == 0 else f"\tleaf_{n}" for n in range(leaves)]
    return Ontology("\n".join(lines) + "\n", name="wide")


@functools.cache
def tables_of_wide(leaves: int) -> LossTables:
    return tables_of(wide_tree(leaves), np.random.default_rng(leaves), 6)


def tables_of(tree: Ontology, rng: np.random.Generator, labels: int) -> LossTables:
    space = TargetSpace(tree, [])
    for _ in range(labels):
        space.code(random_label(rng, tree.nodes))
    return loss_tables(space, terms="all", weighting="mean", coarse="use", depth_weights=None)


def assert_equal(found: LossSums, expected: LossSums) -> None:
    assert torch.allclose(found.total, expected.total, rtol=1e-5, atol=1e-5)
    assert found.by_depth is not None
    assert expected.by_depth is not None
    assert torch.allclose(found.by_depth, expected.by_depth, rtol=1e-5, atol=1e-4)
    assert found.gradient is not None
    assert expected.gradient is not None
    assert found.gradient.dtype == expected.gradient.dtype
    assert torch.allclose(found.gradient.float(), expected.gradient.float(), rtol=1e-2, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(
    ("leaves", "side"),
    [(2, (1, 1)), (15, (1, 1)), (2, (31, 97)), (15, (3, 41)), (70, (31, 97)), (1600, (3, 41))],
)
def test_sums_equal_those_of_pytorch_in_every_layout(
    leaves: int, side: tuple[int, int], last: bool, dtype: torch.dtype
) -> None:
    """Pictures end within a piece, a piece within a vector, and 1600 leaves go beyond the cache."""
    torch.manual_seed(leaves)
    tables = tables_of_wide(leaves)
    logits = (4 * torch.randn(3, leaves, *side)).to(dtype)
    logits = logits.contiguous(memory_format=torch.channels_last) if last else logits
    rows = torch.randint(0, len(tables.factor), (3, side[0] * side[1]), dtype=torch.int32)
    found = native_loss.native_sums(logits, rows, tables, by_depth=True, gradient=True)
    expected = eager_sums(logits, rows, tables, by_depth=True, gradient=True)
    assert_equal(found, expected)
    assert found.gradient is not None
    layout = torch.channels_last if last else torch.contiguous_format
    assert found.gradient.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("scale", [40.0, 1e4])
def test_sums_far_below_the_maximum_are_exact(scale: float) -> None:
    rng = np.random.default_rng(3)
    torch.manual_seed(3)
    tree = Ontology(random_tree_text(rng), name="random")
    tables = tables_of(tree, rng, 8)
    logits = scale * torch.randn(2, len(tree.leaves), 20, 9)
    rows = torch.randint(0, len(tables.factor), (2, 180), dtype=torch.int32)
    found = native_loss.native_sums(logits, rows, tables, by_depth=True, gradient=True)
    exact = eager_sums(logits.double(), rows, tables, by_depth=True, gradient=True)
    assert torch.allclose(found.total, exact.total, rtol=1e-5)
    assert found.gradient is not None
    assert exact.gradient is not None
    assert torch.allclose(found.gradient.double(), exact.gradient, rtol=1e-4, atol=1e-6)


def test_the_number_of_threads_changes_no_bit() -> None:
    rng = np.random.default_rng(0)
    tables = tables_of(wide_tree(15), rng, 6)
    logits = torch.randn(5, 15, 64, 64)
    rows = torch.randint(0, len(tables.factor), (5, 4096), dtype=torch.int32)
    threads = torch.get_num_threads()
    try:
        results: list[LossSums] = []
        for number in (1, 3):
            torch.set_num_threads(number)
            results.append(
                native_loss.native_sums(logits, rows, tables, by_depth=True, gradient=True)
            )
    finally:
        torch.set_num_threads(threads)
    one, three = results
    assert torch.equal(one.total, three.total)
    assert isinstance(one.gradient, Tensor)
    assert isinstance(three.gradient, Tensor)
    assert torch.equal(one.gradient, three.gradient)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_logit_that_is_no_number_makes_its_picture_s_loss_none(bad: float) -> None:
    tables = tables_of(wide_tree(15), np.random.default_rng(0), 0)
    logits = torch.randn(2, 15, 8, 8)
    logits[1, 3, 2, 5] = bad
    rows = torch.zeros(2, 64, dtype=torch.int32)
    total = native_loss.native_sums(logits, rows, tables, by_depth=False, gradient=False).total
    assert total[0].isfinite()
    assert total[1].isnan()


@pytest.fixture
def no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    compile_c.compiled.cache_clear()
    native_loss.is_available.cache_clear()
    yield
    native_loss.is_available.cache_clear()


@pytest.mark.usefixtures("no_compiler")
def test_without_a_compiler_pytorch_s_form_serves_unless_told_otherwise() -> None:
    space = TargetSpace(wide_tree(4), [])
    assert HierarchicalLoss(space).form(torch.zeros(1, 4, 1, 1)) == "PyTorch"
    with pytest.raises(
        HarmonizeError, match=r"^loss\.compile: no C compiler .* loss\.compile=false$"
    ):
        HierarchicalLoss(space, compile=True)
