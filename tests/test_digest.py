"""Checksums of a run's input and of its initial weights."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator

from harmonize.data.samples import Batch
from harmonize.pipeline.train import train
from harmonize.training.digest import Digest, weights_digest
from tiny import tiny_config, write_project


def batch(value: int = 0) -> Batch:
    pictures = torch.full((2, 3, 4, 4), 7, dtype=torch.uint8)
    codes = torch.zeros(2, 4, 4, dtype=torch.uint8)
    codes[1, 3, 3] = value
    return Batch(pictures, codes, torch.tensor([0, 1]))


def digest_of(*batches: Batch) -> str | None:
    digest = Digest()
    for step, one in enumerate(batches):
        digest.add(one, step)
    return digest.take(Accelerator(cpu=True))


def test_one_pixel_s_code_or_the_order_changes_the_checksum() -> None:
    assert digest_of(batch(), batch(1)) == digest_of(batch(), batch(1))
    assert digest_of(batch(), batch(1)) != digest_of(batch(1), batch())
    assert digest_of(batch()) != digest_of(batch(1))
    brighter = batch()
    brighter.pictures[0, 0, 0, 0] += 1
    assert digest_of(batch()) != digest_of(brighter)


def test_the_number_of_parts_changes_nothing_but_the_step_does() -> None:
    accelerator = Accelerator(cpu=True)
    whole = batch(1)
    digest = Digest()
    for part in (slice(1, 2), slice(0, 1)):
        digest.add(Batch(whole.pictures[part], whole.codes[part], whole.datasets[part]), 0)
    assert digest.take(accelerator) == digest_of(whole)
    digest.add(whole, 1)
    assert digest.take(accelerator) != digest_of(whole)


def test_each_checksum_begins_anew_and_a_half_known_one_is_none() -> None:
    accelerator = Accelerator(cpu=True)
    digest = Digest(whole=False)
    digest.add(batch(), 0)
    assert digest.take(accelerator) is None
    digest.add(batch(1), 0)
    assert digest.take(accelerator) == digest_of(batch(1))


def test_weights_of_half_precision_and_buffers_count() -> None:
    one = torch.nn.BatchNorm2d(3)
    two = torch.nn.BatchNorm2d(3)
    assert weights_digest(one) == weights_digest(two)
    two.running_mean[1] += 1  # type: ignore[index]
    assert weights_digest(one) != weights_digest(two)
    assert weights_digest(one.bfloat16()) != weights_digest(torch.nn.BatchNorm2d(3))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("project"))


def lines(project: Path, name: str, *overrides: str) -> list[dict[str, Any]]:
    run = train(tiny_config(project, project / name, "train.digest=true", *overrides), name=name)
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_two_losses_of_one_seed_see_the_same_and_another_seed_does_not(project: Path) -> None:
    one = lines(project, "one", "loss.terms=all")
    two = lines(project, "two", "loss.terms=finest", "loss.coarse=ignore")
    other = lines(project, "other", "seed=1")
    assert one[0] == two[0]
    assert one[0]["event"] == "start"
    assert one[0] != other[0]
    inputs = [[line["input"] for line in run if line["event"] == "train"] for run in (one, two)]
    assert inputs[0] == inputs[1]
    assert len(set(inputs[0])) == 3
    assert not {line.get("input") for line in other} & set(inputs[0])
    assert one[1]["loss"] != two[1]["loss"]


def test_without_the_key_nothing_is_written(project: Path) -> None:
    run = train(tiny_config(project, project / "plain"), name="plain")
    assert "input" not in (run / "metrics.jsonl").read_text()
    assert "start" not in (run / "metrics.jsonl").read_text()


def test_a_resumed_run_says_which_input_it_knows_by_half(
    project: Path,
) -> None:
    whole = lines(project, "whole", "train.log_every=2", "train.checkpoint_every=3")
    cut = project / "cut"
    overrides = ("train.log_every=2", "train.checkpoint_every=3")
    config = tiny_config(project, cut, "train.digest=true", *overrides)
    train(config, name="cut")
    for path in (cut / "checkpoints").glob("step-00000006*"):
        path.unlink()
    (cut / "checkpoints" / "best.safetensors").unlink()
    resumed = tiny_config(project, cut, "train.digest=true", "train.resume=true", *overrides)
    train(resumed, name="cut")
    again = [json.loads(line) for line in (cut / "metrics.jsonl").read_text().splitlines()]
    found = {line["step"]: line["input"] for line in again if line["event"] == "train"}
    expected = {line["step"]: line["input"] for line in whole if line["event"] == "train"}
    assert found == {2: expected[2], 4: None, 6: expected[6]}
    assert [line for line in again if line["event"] == "start"] == whole[:1]
