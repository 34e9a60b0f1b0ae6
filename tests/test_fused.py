"""The fused loss against float64 sums: on a CPU in Triton's interpreter, else on a GPU.

The interpreter is chosen by the environment when Triton is first imported, so it lives in a process
of its own.
"""

import io
import multiprocessing
import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import install_import_hook
from torch import Tensor

from arithmetic import rounded
from definition import brute_force, leaves_below
from harmonize import Ontology, TargetSpace
from harmonize.loss import fused
from harmonize.loss.tables import loss_tables
from random_trees import random_label, random_tree_text

Sums = tuple[Tensor | None, Tensor, Tensor | None]
Run = Callable[..., Sums]

LAYOUTS = [torch.contiguous_format, torch.channels_last]
HALVES = [torch.bfloat16, torch.float16]


@dataclass(frozen=True)
class Case:
    """A batch and its tables."""

    logits: Tensor
    rows: Tensor
    agreement: Tensor
    resolved: Tensor
    weight: Tensor


def random_case(
    leaves: int,
    *,
    depths: int = 3,
    size: tuple[int, int, int] = (2, 5, 7),
    scale: float = 3.0,
    dtype: torch.dtype = torch.float32,
    layout: torch.memory_format = torch.contiguous_format,
    device: str = "cpu",
) -> Case:
    """Make a batch with random sets and weights; the last row of the tables stands for ignore."""
    rng = torch.Generator().manual_seed(leaves)
    num_rows = 2 * leaves + 3
    agreement = torch.randint(0, depths + 1, (num_rows, leaves), generator=rng)
    agreement[torch.arange(num_rows), torch.arange(num_rows) % leaves] = depths
    resolved = torch.arange(depths) < torch.randint(0, depths + 1, (num_rows, 1), generator=rng)
    resolved[0], resolved[-1] = True, False
    weight = torch.rand(num_rows, depths, generator=rng) * resolved
    batch, height, width = size
    logits = torch.randn(batch, leaves, height, width, generator=rng) * scale
    return Case(
        logits.to(device, dtype).contiguous(memory_format=layout),
        torch.randint(0, num_rows, (batch, height * width), generator=rng).to(device),
        agreement.byte().to(device),
        resolved.T.to(device),
        weight.T.to(device),
    )


def by_definition(case: Case) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sums by depth, the weighted sums and the gradient in float64."""
    logits = case.logits.double().contiguous().requires_grad_()
    pixels = logits.flatten(2).transpose(1, 2)
    by_depth, total = [], torch.zeros(len(pixels), dtype=torch.float64, device=logits.device)
    rows = case.rows.long()
    for depth in range(len(case.resolved)):
        resolved = case.resolved[depth][rows]
        inside = (case.agreement[rows] > depth) | ~resolved[..., None]
        terms = pixels.logsumexp(2) - pixels.masked_fill(~inside, -torch.inf).logsumexp(2)
        terms = terms.where(resolved, 0)
        by_depth.append(terms.sum(1).detach())
        total = total + (terms * case.weight[depth][rows]).sum(1)
    (gradient,) = torch.autograd.grad(total.sum(), logits)
    return torch.stack(by_depth, 1), total.detach(), gradient


def assert_as_defined(run: Run, case: Case) -> Tensor:
    """Compare all results with the definition; return the gradient."""
    by_depth, total, gradient = run(case)
    true_by_depth, true_total, true_gradient = by_definition(case)
    assert by_depth is not None
    assert gradient is not None
    assert torch.allclose(by_depth, true_by_depth, rtol=1e-5, atol=1e-5)
    assert torch.allclose(total, true_total, rtol=1e-5, atol=1e-5)
    assert gradient.dtype == case.logits.dtype
    assert gradient.stride() == case.logits.stride()
    rounding = torch.finfo(case.logits.dtype).eps
    assert torch.allclose(gradient.double(), true_gradient, rtol=max(rounding, 1e-4), atol=1e-6)
    return gradient


def run_here(case: Case, *, want_gradient: bool = True, want_by_depth: bool = True) -> Sums:
    return fused.fused_loss(
        case.logits,
        case.rows,
        agreement=case.agreement,
        resolved=case.resolved,
        weight=case.weight,
        want_gradient=want_gradient,
        want_by_depth=want_by_depth,
    )


def start_interpreter() -> None:
    install_import_hook("harmonize.loss.fused_kernel", "beartype.beartype")
    warnings.simplefilter("error")
    torch.set_num_threads(1)


def run_saved(saved: bytes, wanted: dict[str, bool]) -> bytes:
    case = Case(**torch.load(io.BytesIO(saved)))
    assert fused.fits(case.logits)
    results = io.BytesIO()
    torch.save(run_here(case, **wanted), results)
    return results.getvalue()


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Run the loss in Triton's interpreter."""
    pytest.importorskip("triton")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, start_interpreter) as executor:

        def in_interpreter(case: Case, **wanted: bool) -> Any:
            saved = io.BytesIO()
            torch.save(vars(case), saved)
            results = executor.submit(run_saved, saved.getvalue(), wanted).result()
            return torch.load(io.BytesIO(results))

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TRITON_INTERPRET", "1")
            executor.submit(os.getpid).result()
        yield in_interpreter


@pytest.mark.parametrize("seed", range(12))
def test_random_trees_equal_a_float64_sum_over_sets(run: Run, seed: int) -> None:
    rng = np.random.default_rng(seed)
    tree = Ontology(random_tree_text(rng), name="random")
    space = TargetSpace(tree, [])
    label_sets = [random_label(rng, tree.nodes) for _ in range(5)]
    coded = [(space.code(label), leaves_below(tree, label)) for label in label_sets]
    choices = rng.integers(-1, len(coded), size=15)
    labels = [coded[c][1] if c >= 0 else None for c in choices]
    rows = torch.tensor([coded[c][0] if c >= 0 else space.num_codes for c in choices])
    tables = loss_tables(space, terms="all", weighting="sum", coarse="use", depth_weights=None)
    scale = float(rng.choice([0.1, 1.0, 30.0, 1e4]))
    logits = torch.from_numpy(rng.normal(size=(1, len(tree.leaves), 3, 5)) * scale).float()
    logits = logits.contiguous(memory_format=LAYOUTS[seed % 2])

    case = Case(logits, rows[None], tables.agreement, tables.resolved.T, tables.weight.T)
    by_depth, total, gradient = run(case)
    exact = logits.double().requires_grad_()
    pixels = exact.permute(0, 2, 3, 1).flatten(0, 2)
    expected = brute_force(tree, pixels, labels) * sum(label is not None for label in labels)
    (true_gradient,) = torch.autograd.grad(expected, exact)
    assert by_depth is not None
    assert gradient is not None
    assert total.item() == pytest.approx(expected.item(), rel=1e-5, abs=1e-5)
    assert by_depth.sum().item() == pytest.approx(expected.item(), rel=1e-5, abs=1e-5)
    assert torch.allclose(gradient.double(), true_gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("leaves", [1, 2, 19, 32, 33, 130])
def test_any_number_of_leaves(run: Run, leaves: int, layout: torch.memory_format) -> None:
    assert_as_defined(run, random_case(leaves, layout=layout))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [(2, 16, 16), (3, 11, 13), (1, 1, 1)])
def test_pictures_of_any_size(
    run: Run, size: tuple[int, int, int], layout: torch.memory_format
) -> None:
    assert_as_defined(run, random_case(6, size=size, layout=layout))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", HALVES)
def test_half_precisions_are_summed_in_float32(
    run: Run, dtype: torch.dtype, layout: torch.memory_format
) -> None:
    assert_as_defined(run, random_case(7, dtype=dtype, layout=layout))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, *HALVES])
def test_extreme_logits_stay_finite_and_exact(
    run: Run, dtype: torch.dtype, layout: torch.memory_format
) -> None:
    gradient = assert_as_defined(run, random_case(5, scale=1e4, dtype=dtype, layout=layout))
    assert gradient.isfinite().all()


def test_extreme_logits_of_several_words_of_leaves(run: Run) -> None:
    assert_as_defined(run, random_case(40, depths=1, size=(1, 2, 3), scale=1e4))


def test_a_set_far_below_the_maximum_keeps_its_gradient(run: Run) -> None:
    """exp(-200) is 0 in float32: one shift for all sets would lose the set (equation 4)."""
    logits = torch.tensor([200.0, 0, 0, 0, 1, 2]).view(1, 6, 1, 1)
    agreement = torch.tensor([[0, 0, 0, 0, 1, 1]], dtype=torch.uint8)
    resolved = torch.tensor([[True]])
    case = Case(logits, torch.zeros(1, 1).long(), agreement, resolved, torch.ones(1, 1))
    _, total, gradient = run(case)
    assert total.item() == pytest.approx(200 - np.log(np.exp(1) + np.exp(2)), rel=rounded(32))
    share = 1 / (1 + np.e)  # of the smaller of the two logits
    assert gradient is not None
    expected = [1, 0, 0, 0, -share, share - 1]
    assert gradient.flatten().tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_ignored_pixels_have_a_gradient_of_exactly_zero(run: Run, scale: float) -> None:
    case = random_case(6, scale=scale)
    case.rows[:, ::2] = len(case.agreement) - 1
    ignored = (case.rows == len(case.agreement) - 1).view(2, 1, 5, 7)
    gradient = assert_as_defined(run, case)
    assert torch.equal(gradient.where(ignored, 0), torch.zeros_like(gradient))


def test_sets_that_are_not_resolved_do_not_count(run: Run) -> None:
    case = random_case(6)
    case.resolved[:, 0] = False
    case.weight[:, 0] = 0
    case.rows[:] = 0
    by_depth, total, gradient = run(case)
    for sums in (by_depth, total, gradient):
        assert sums is not None
        assert torch.equal(sums, torch.zeros_like(sums))


@pytest.mark.parametrize("size", [(0, 4, 4), (2, 0, 4)])
def test_nothing_gives_zero(run: Run, size: tuple[int, int, int]) -> None:
    case = random_case(6, size=size)
    by_depth, total, gradient = run(case)
    assert by_depth is not None
    assert gradient is not None
    assert torch.equal(by_depth, torch.zeros(size[0], 3, dtype=torch.float64))
    assert torch.equal(total, torch.zeros(size[0], dtype=torch.float64))
    assert gradient.shape == case.logits.shape


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_only_what_is_wanted_is_worked_out(run: Run, scale: float) -> None:
    case = random_case(6, scale=scale)
    by_depth, total, gradient = run(case, want_gradient=False, want_by_depth=False)
    assert by_depth is None
    assert gradient is None
    assert torch.allclose(total, by_definition(case)[1], rtol=1e-5)


def test_pictures_turned_in_memory_are_copied(run: Run) -> None:
    straight = random_case(6)
    turned = straight.logits.transpose(2, 3).contiguous().transpose(2, 3)
    assert not turned.is_contiguous()
    expected = run(straight)
    found = run(Case(turned, straight.rows, straight.agreement, straight.resolved, straight.weight))
    for one, other in zip(found, expected, strict=True):
        assert one is not None
        assert other is not None
        assert torch.equal(one, other)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
def test_rows_may_have_any_integer_type(run: Run, dtype: torch.dtype) -> None:
    case = random_case(6)
    rows = case.rows.to(dtype)
    assert_as_defined(run, Case(case.logits, rows, case.agreement, case.resolved, case.weight))


def test_many_depths(run: Run) -> None:
    assert_as_defined(run, random_case(4, depths=20))


def test_a_cpu_needs_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert not fused.is_available(cpu)
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert fused.is_available(cpu) == (find_spec("triton") is not None)
    monkeypatch.setattr(fused, "find_spec", lambda _: None)
    assert not fused.is_available(cpu)


@pytest.mark.skipif(find_spec("triton") is None, reason="needs triton")
def test_what_the_kernel_cannot_take_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert fused.fits(torch.zeros(1, 3, 2, 2))
    assert not fused.fits(torch.zeros(1, 3, 2, 2, dtype=torch.float64))
    assert not fused.fits(torch.zeros(1, fused.MAX_LEAVES + 1, 1, 1))


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@needs_gpu
@pytest.mark.gpu
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, *HALVES])
@pytest.mark.parametrize("leaves", [1, 3, 8, 19, 32, 33, 64, 130, 300, 1000, 2048])
@pytest.mark.parametrize("scale", [3.0, 1e3])
def test_the_compiled_kernel(
    leaves: int, dtype: torch.dtype, layout: torch.memory_format, scale: float
) -> None:
    for size in ((2, 16, 32), (3, 19, 23)):
        case = random_case(
            leaves, depths=5, size=size, scale=scale, dtype=dtype, layout=layout, device="cuda"
        )
        assert_as_defined(run_here, case)
    first, second = run_here(case), run_here(case)
    for one, other in zip(first, second, strict=True):
        assert one is not None
        assert other is not None
        assert torch.equal(one, other)


@needs_gpu
@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_compiled_kernel_on_more_than_2_to_the_31_logits(layout: torch.memory_format) -> None:
    small = random_case(40, depths=2, size=(1, 2, 2), device="cuda")
    batch, leaves, height, width = 2, 40, 7400, 7400
    shape = (batch, leaves, height, width)
    logits = torch.empty(shape, dtype=torch.bfloat16, device="cuda", memory_format=layout)
    logits.normal_()
    rows = torch.randint(0, len(small.agreement), (batch, height * width), device="cuda")
    case = Case(logits, rows, small.agreement, small.resolved, small.weight)
    gradient = run_here(case)[2]
    assert gradient is not None
    corner = (slice(-1, None), slice(None), slice(-3, None))
    part = Case(logits[corner], rows[-1:, -3 * width :], *list(vars(case).values())[2:])
    expected = by_definition(part)[2]
    assert torch.allclose(gradient[corner].double(), expected, rtol=1e-2, atol=1e-6)
