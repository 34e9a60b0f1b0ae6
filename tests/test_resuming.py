"""What a run is never resumed from: lost checkpoints, other pictures, copies of checkpoints."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harmonize import HarmonizeError
from harmonize.config.run_config import RunConfig
from harmonize.pipeline.train import train
from harmonize.runs import checkpoints
from run_files import largest_difference, metrics, weights
from tiny import tiny_config, write_project

STEPS = ("train.steps=4", "train.checkpoint_every=2", "train.log_every=1")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a run that came to its end."""
    project = write_project(tmp_path_factory.mktemp("project"))
    train(tiny_config(project, project / "run", *STEPS), name="tiny")
    return project


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of the run."""
    return shutil.copytree(finished / "run", tmp_path / "run")


def resumed(finished: Path, run: Path, *changes: str) -> RunConfig:
    return tiny_config(finished, run, *STEPS, "train.resume=true", *changes)


def refused(finished: Path, run: Path) -> str:
    """Resume, and return the one line that refuses it; nothing in the folder has changed."""
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(HarmonizeError) as caught:
        train(resumed(finished, run), name="tiny")
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    [problem] = caught.value.problems
    return problem


def remove_steps(run: Path) -> None:
    for path in checkpoints.all_steps(run):
        path.unlink()


def remove_all_but_traces(run: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    (run / "evaluation.json").unlink()


def unmount(run: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints").symlink_to("/mnt/none/checkpoints")


def empty(run: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints").mkdir()


def only_scores(run: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    (run / "metrics.jsonl").unlink()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (remove_steps, "but there is best.safetensors; put them back, or go on from the best,"),
        (unmount, "but is a link to /mnt/none/checkpoints, which is not there (a disk not mounted"),
        (empty, "but there were some (or is a disk not mounted?); put them back, or begin anew"),
        (only_scores, "but the run came to its end: there is evaluation.json"),
        (remove_all_but_traces, "but metrics.jsonl goes to step 4; put them back, or begin anew"),
    ],
)
def test_a_run_whose_checkpoints_are_lost_does_not_begin_again(
    finished: Path, run: Path, change: Callable[[Path], None], reason: str
) -> None:
    change(run)
    problem = refused(finished, run)
    assert problem.startswith(f"{run}/checkpoints: holds no step-*.safetensors to resume from, ")
    assert reason in problem
    assert problem.endswith("another folder with output=RUN_DIR and without train.resume")


def test_the_way_on_from_the_best_is_one(finished: Path, run: Path) -> None:
    expected = weights(run, 4)
    shutil.copy(checkpoints.step_path(run, 2), checkpoints.best_path(run))
    remove_steps(run)
    problem = refused(finished, run)
    words = problem.partition("after step 2: cp ")[2].partition(", or")[0].split()
    shutil.copy(*words)
    train(resumed(finished, run), name="tiny")
    assert largest_difference(expected, weights(run, 4)) == 0
    assert [line["step"] for line in metrics(run)] == [1, 2, 3, 4, 4]


def test_a_damaged_best_is_no_way_on(finished: Path, run: Path) -> None:
    remove_steps(run)
    checkpoints.best_path(run).write_bytes(b"")
    assert "put them back, or begin anew" in refused(finished, run)


def test_scores_prove_a_checkpoint_where_none_is_asked_for_on_the_way(
    finished: Path, run: Path
) -> None:
    config = resumed(finished, run, "train.checkpoint_every=null")
    remove_all_but_traces(run)
    with pytest.raises(HarmonizeError, match=r"metrics\.jsonl goes to step 4"):
        train(config, name="tiny")


def test_a_best_is_never_alone(finished: Path, tmp_path: Path) -> None:
    """A run that is killed after its first scores goes on from them."""
    seen: list[list[str]] = []

    def look(_: object) -> None:
        seen.append([path.name for path in checkpoints.all_steps(tmp_path / "run")])

    changes = ("train.checkpoint_every=null", "train.evaluate_every=2", "train.log_every=2")
    config = tiny_config(finished, tmp_path / "run", *STEPS, *changes)
    train(config, name="tiny", callbacks=[look])
    first, last = "step-00000002.safetensors", "step-00000004.safetensors"
    assert seen == [[], [first], [first], [first, last]]


def test_a_folder_of_somebody_else_is_not_resumed(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    text = (finished / "run" / "config.yaml").read_text()
    (folder / "config.yaml").write_text(f"# my own notes\n{text}")
    assert "is no run to resume: its config.yaml is not one that a run has" in refused(
        finished, folder
    )


@pytest.mark.parametrize("split", ["train", "evaluate"])
def test_other_pictures_are_refused(tmp_path: Path, split: str) -> None:
    project = write_project(tmp_path)
    run = train(tiny_config(project, project / "run", *STEPS), name="tiny")
    file = "train.txt" if split == "train" else "val.txt"
    path = project / "coarse_data" / file
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    checkpoints.step_path(run, 4).unlink()
    problem = refused(project, run)
    use = "train (trained on)" if split == "train" else "val (scored)"
    counts = f"({len(lines)} pictures then, {len(lines) - 1} now)"
    assert f"was made with other pictures: coarse, {use} {counts}; resume with" in problem
    path.write_text("".join([*lines[1:], lines[0]]))  # another order is another run too
    assert f"({len(lines)} pictures then, {len(lines)} now)" in refused(project, run)
    path.write_text("".join(lines))
    train(resumed(project, run), name="tiny")


def test_copies_of_checkpoints_stay_and_are_not_taken_for_the_newest(
    finished: Path, run: Path
) -> None:
    expected = weights(run, 4)
    folder = run / "checkpoints"
    copies = ["step-00000009-keep.safetensors", "step-backup", "step-backup.safetensors"]
    for name in copies:
        shutil.copy(checkpoints.step_path(run, 2), folder / name)
    checkpoints.step_path(run, 4).unlink()
    train(resumed(finished, run), name="tiny")
    assert all((folder / name).is_file() for name in copies)
    assert checkpoints.newest(run) == checkpoints.step_path(run, 4)
    assert largest_difference(expected, weights(run, 4)) == 0
