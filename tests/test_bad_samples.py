"""Pictures and labels that cannot be used: refused by name, or skipped, listed and counted."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import scenarios
from arithmetic import ORDER_OF_SUMS
from group import run_group
from harmonize import HarmonizeError
from harmonize.data.mixing import MixedOrder
from harmonize.data.samples import Batch
from harmonize.pipeline.evaluate_run import evaluate_run
from harmonize.pipeline.train import train
from harmonize.runs import checkpoints
from harmonize.training.trainer import Trainer
from tiny import tiny_config, write_project

FORKS = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path)


SKIP = ("data.on_bad_sample=skip", "data.bad_share=0.2")


def spoil_some(project: Path) -> None:
    """Spoil two of ten pictures of the finer set."""
    (project / "fine_data" / "03.png").write_bytes(b"")
    Image.new("L", (24, 20), 77).save(project / "fine_data" / "07_ids.png")


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(checkpoints.newest(run) or Path())


def listed(run: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (run / "bad_samples.jsonl").read_text().splitlines()]


def equal(one: Path, two: Path) -> bool:
    a, b = weights(one), weights(two)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@FORKS
def test_a_run_that_skips_lists_each_bad_sample_once_and_depends_on_no_process(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil_some(project)
    long = [*SKIP, "train.steps=12"]
    run = train(tiny_config(project, project / "run", *long), name="x")
    told = capsys.readouterr()
    assert f"skipped as bad: 2 of 10 pictures of fine, train; listed with the reasons in {run}" in (
        told.out
    )
    assert told.err.count("warning: ") == 1
    assert sorted((line["dataset"], line["split"], line["picture"]) for line in listed(run)) == [
        ("fine", "train", "03.png"),
        ("fine", "train", "07.png"),
    ]
    reasons = {line["picture"]: line["reason"] for line in listed(run)}
    assert "03.png: not a readable picture" in reasons["03.png"]
    assert "07_ids.png: ids that no class of fine stands for: 77" in reasons["07.png"]
    other = train(tiny_config(project, project / "other", *long, "data.workers=2"), name="x")
    assert equal(run, other)
    checkpoints.step_path(run, 12).unlink()
    train(tiny_config(project, project / "run", *long, "train.resume=true"), name="x")
    assert equal(run, other)
    assert len(listed(run)) == 2


def test_a_bad_picture_is_replaced_by_the_next_of_its_set_under_its_own_seed() -> None:
    order = MixedOrder([5, 3], [1, 1], seed=7)
    for position in range(60):
        plain, next_ = order[position], order.draw(position, later=1)
        assert order.draw(position) == plain
        assert (next_.dataset, next_.seed) == (plain.dataset, plain.seed)
        assert next_.picture != plain.picture
        size = order.sizes[plain.dataset]
        drawn = {order.draw(position, later=later).picture for later in range(size)}
        assert drawn == set(range(size))


def test_more_bad_samples_than_the_share_end_a_run(project: Path) -> None:
    spoil_some(project)
    told = ["data.on_bad_sample=skip", "train.steps=12"]
    expected = r"fine, train: 2 of 10 pictures are bad, more than .*bad_share=0\.05.*jsonl lists"
    with pytest.raises(HarmonizeError, match=expected):
        train(tiny_config(project, project / "run", *told), name="x")
    assert len(listed(project / "run")) == 2


def test_a_set_without_a_good_picture_ends_a_run(project: Path) -> None:
    for number in range(10):
        (project / "fine_data" / f"{number:02d}.png").write_bytes(b"")
    told = ["data.on_bad_sample=skip", "data.bad_share=1"]
    with pytest.raises(HarmonizeError, match="not a readable picture"):
        train(tiny_config(project, project / "run", *told), name="x")


def test_samples_that_were_mended_count_no_more_when_a_run_is_resumed(project: Path) -> None:
    paths = [project / "fine_data" / name for name in ("03.png", "07_ids.png")]
    good = [path.read_bytes() for path in paths]
    spoil_some(project)
    told = ["data.on_bad_sample=skip", "train.steps=12"]
    with pytest.raises(HarmonizeError, match="2 of 10 pictures are bad"):
        train(tiny_config(project, project / "run", *told), name="x")
    paths[1].write_bytes(good[1])
    with (project / "run" / "bad_samples.jsonl").open("a") as file:
        file.write('{"dataset": "fi')  # as if interrupted while writing
    train(tiny_config(project, project / "run", *told, "train.resume=true"), name="x")
    assert [line["picture"] for line in listed(project / "run")] == ["03.png"]


def test_a_file_that_vanishes_while_training_is_skipped_too(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Trainer.train_step

    def vanish(trainer: Trainer, batches: Iterator[Batch]) -> float:
        if trainer.step == 6:
            (project / "coarse_data" / "masks" / "c5.png").unlink()
        return original(trainer, batches)

    monkeypatch.setattr(Trainer, "train_step", vanish)
    run = train(tiny_config(project, project / "run", *SKIP, "train.steps=12"), name="x")
    [line] = listed(run)
    assert line["picture"] == "c5.png"
    assert line["reason"].endswith("masks/c5.png: no such file")


@pytest.mark.parametrize("skip", [False, True])
def test_building_the_cache_stops_or_skips_likewise(
    project: Path, capsys: pytest.CaptureFixture[str], skip: bool
) -> None:
    spoil_some(project)
    told = [*(SKIP if skip else ()), "data.cache=disk", f"data.cache_folder={project}/cache"]
    config = tiny_config(project, project / "run", *told, "train.steps=12")
    if not skip:
        with pytest.raises(HarmonizeError, match="a sample of fine, train: mend it"):
            train(config, name="x")
        return
    run = train(config, name="x")
    assert "16 of 18 pictures" in capsys.readouterr().err
    assert sorted(line["picture"] for line in listed(run)) == ["03.png", "07.png"]
    plain = train(tiny_config(project, project / "plain", *SKIP, "train.steps=12"), name="x")
    assert equal(run, plain)


def test_scoring_tells_which_pictures_it_skips(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "fine_data" / "12.png").write_bytes(b"")
    run = train(tiny_config(project, project / "run", *SKIP), name="x")
    printed = capsys.readouterr().out
    assert "fine, val: 4 pictures" in printed
    assert re.search(r"skipped as bad: 1 of 5 pictures\n  \S*12\.png: not a readable", printed)
    found = json.loads((run / "evaluation.json").read_text())["datasets"]["fine"]
    assert found["pictures"] == 4
    assert list(found["skipped"]) == ["12.png"]
    assert [line["split"] for line in listed(run)] == ["val"]
    evaluate_run(run, json_file=project / "scores.json")
    again = json.loads((project / "scores.json").read_text())["datasets"]["fine"]
    assert again == found
    with pytest.raises(HarmonizeError, match="a sample of fine, val: mend it"):
        evaluate_run(run, overrides=["data.on_bad_sample=stop"])


@FORKS
def test_a_label_with_unknown_ids_is_named_by_loader_processes_too(project: Path) -> None:
    spoil_some(project)
    (project / "fine_data" / "03.png").write_bytes((project / "fine_data" / "04.png").read_bytes())
    config = tiny_config(project, project / "run", "data.workers=1", "train.steps=12")
    with pytest.raises(HarmonizeError, match=r"07_ids\.png: ids that no class of fine stands for"):
        train(config, name="x")


def test_two_processes_skip_list_and_score_as_one(project: Path) -> None:
    spoil_some(project)
    (project / "fine_data" / "12.png").write_bytes(b"")
    [alone] = run_group(1, scenarios.skip_bad_samples, project)
    two = run_group(2, scenarios.skip_bad_samples, project)
    assert [ended.status for ended in (alone, *two)] == [0, 0, 0], two
    ours, theirs = listed(project / "skip-2"), listed(project / "skip-1")
    assert len(theirs) == 3
    assert sorted(map(str, ours)) == sorted(map(str, theirs))
    scores = [json.loads((project / f"skip-{n}/evaluation.json").read_text()) for n in (1, 2)]
    assert [list(s["datasets"]["fine"]["skipped"]) for s in scores] == [["12.png"]] * 2
    one, other = weights(project / "skip-1"), weights(project / "skip-2")
    assert (
        max((one[n] - other[n]).abs().max() for n in one if n.startswith("model/")) < ORDER_OF_SUMS
    )
    assert sum(ended.stderr.count("warning: ") for ended in two) == 2  # one for each split
