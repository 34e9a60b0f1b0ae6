"""The benchmark of the loss."""

from pathlib import Path

import pytest
import torch

from benchmarks import column, run_benchmark
from harmonize.tools.benchmark.candidates import (
    BASELINE,
    COPY,
    IN_PYTORCH,
    LISTING,
    OURS,
    Case,
    candidate,
    extra_peak,
    make_inputs,
)

CPU = torch.device("cpu")


def test_every_loss_is_measured_at_every_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run_benchmark(monkeypatch, tmp_path, "loss", "--leaves", "11", "20")
    assert set(column(report, "loss")) == {BASELINE, OURS, IN_PYTORCH, LISTING, COPY}
    assert column(report, "leaves") == 10 * [11] + 10 * [20]
    assert set(column(report, "layout")) == {"NCHW", "channels_last"}
    assert all(ms > 0 for ms in column(report, "median ms"))
    assert column(report, "size", table=1) == [16, 32, 16, 32]
    assert report["machine"]["device"] == "cpu"
    assert f"torch {torch.__version__}" in report["machine"]["versions"]
    printed = capsys.readouterr().out
    assert "x cross_entropy" in printed
    assert "GB/s" in printed


def test_what_exceeds_the_memory_limit_is_left_out_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--leaves", "11", "--sizes", "16", "256", "--memory-limit", "0.01"]
    report = run_benchmark(monkeypatch, tmp_path, "loss", *arguments)
    assert column(report, "size", table=1) == [16]
    (note,) = [note for note in report["notes"] if note.startswith("left out")]
    assert "11 leaves, 2 x 256 x 256" in note
    assert "the limit is 0.0 GiB" in note


def test_a_listing_that_takes_too_long_is_left_out_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--leaves", "11", "--sizes", "16", "--listing-limit", "1e-9"]
    report = run_benchmark(monkeypatch, tmp_path, "loss", *arguments)
    assert LISTING not in column(report, "loss")
    notes = [note for note in report["notes"] if LISTING in note]
    assert len(notes) == 2


@pytest.mark.parametrize("layout", ["NCHW", "channels_last"])
def test_inputs_have_the_layout_and_every_kind_of_label(layout: str) -> None:
    inputs = make_inputs(Case(11, 2, 160, "float32", layout), CPU)  # type: ignore[arg-type]
    memory = {"NCHW": torch.contiguous_format, "channels_last": torch.channels_last}
    assert inputs.logits.is_contiguous(memory_format=memory[layout])
    codes = inputs.codes.long()
    assert bool((codes < 11).any())
    assert bool(((codes >= 11) & (codes < inputs.space.num_codes)).any())
    ignored = codes == inputs.space.ignore
    assert bool(ignored.any())
    assert torch.equal(inputs.targets == -100, ignored)
    assert torch.equal(inputs.targets[codes < 11], codes[codes < 11])


def test_a_candidate_gives_the_gradient_of_its_loss() -> None:
    inputs = make_inputs(Case(11, 1, 16), CPU)
    (gradient,) = candidate(BASELINE, inputs)()  # type: ignore[misc]
    probabilities = inputs.logits.detach().softmax(1)
    labelled = inputs.targets >= 0
    truth = torch.nn.functional.one_hot(inputs.leaves, 11).movedim(-1, 1)
    expected = (probabilities - truth) * labelled[:, None] / labelled.sum()
    torch.testing.assert_close(gradient, expected)


def test_extra_memory_holds_the_gradient_at_least() -> None:
    case = Case(11, 2, 256)
    extra = extra_peak(BASELINE, case, CPU)
    if extra is None:
        pytest.skip("this system does not tell a process's peak of memory")
    assert 1 < extra / case.bytes < 10
