"""Which checkpoints of a run folder are read, and which are removed."""

import dataclasses
from pathlib import Path

import pytest

from checkpoint_cases import make
from harmonize import HarmonizeError
from harmonize.runs import checkpoints
from harmonize.runs.checkpoint import save
from harmonize.runs.standing import Standing
from harmonize.system.atomic_files import part_of

COPIES = [
    "step-00000005-keep.safetensors",
    "step-9",
    "step-99999999.safetensors.bak",
    "step-backup",
]
COPIES += ["step-backup.safetensors", "step-x0000010.safetensors"]


def test_steps_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    (tmp_path / checkpoints.FOLDER).mkdir()
    for step in (100_000_000, 99_999_999, 5):
        checkpoints.step_path(tmp_path, step).touch()
    assert [int(path.stem[5:]) for path in checkpoints.all_steps(tmp_path)] == [
        5,
        99_999_999,
        100_000_000,
    ]


def test_the_newest_two_and_the_best_stay(tmp_path: Path) -> None:
    folder = tmp_path / checkpoints.FOLDER
    folder.mkdir()
    for step in (5, 10, 200, 1000):
        checkpoints.step_path(tmp_path, step).touch()
    (folder / checkpoints.BEST).touch()
    part_of(folder / "step-00000007.safetensors").touch()
    for name in COPIES:
        (folder / name).touch()
    checkpoints.remove_old(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [
            "best.safetensors",
            "step-00000200.safetensors",
            "step-00001000.safetensors",
            *COPIES,
        ]
    )
    newest = checkpoints.newest(tmp_path)
    assert newest is not None
    assert newest.name == "step-00001000.safetensors"


def test_the_one_before_a_damaged_checkpoint_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, _ = make(tmp_path)
    for step in (3, 6):
        save(state, checkpoints.step_path(tmp_path, step))
    damaged = bytearray(checkpoints.step_path(tmp_path, 6).read_bytes())
    damaged[-1] ^= 1
    checkpoints.step_path(tmp_path, 6).write_bytes(damaged)
    found = checkpoints.newest_whole(tmp_path)
    assert found is not None
    assert found[0] == checkpoints.step_path(tmp_path, 3)
    warning = "step-00000006.safetensors: not a whole checkpoint: its checksum does not fit"
    assert warning in capsys.readouterr().err
    checkpoints.step_path(tmp_path, 3).write_bytes(b"")
    with pytest.raises(HarmonizeError, match=r"step-00000006\.safetensors: not a whole"):
        checkpoints.newest_whole(tmp_path)


def test_a_damaged_best_checkpoint_makes_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, _ = make(tmp_path)
    assert checkpoints.standing_at(tmp_path, state) == Standing(0.25, 4, "ema")
    best = dataclasses.replace(state, standing=Standing(0.5, 7, "raw"))
    save(best, checkpoints.best_path(tmp_path))
    assert checkpoints.standing_at(tmp_path, state) == Standing(0.5, 7, "ema")
    save(dataclasses.replace(best, step=9), checkpoints.best_path(tmp_path))
    assert checkpoints.standing_at(tmp_path, state) == Standing(0.25, 4, "ema")
    checkpoints.best_path(tmp_path).write_bytes(b"x")
    assert checkpoints.standing_at(tmp_path, state) == Standing(None, 7, "ema")
    assert "the best from here on takes its place" in capsys.readouterr().err


def test_choosing_a_checkpoint_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(HarmonizeError, match="no such run folder"):
        checkpoints.choose(tmp_path / "none", "last")
    with pytest.raises(HarmonizeError, match="holds no best checkpoint"):
        checkpoints.choose(tmp_path, "best")
