"""Pictures that are in a split twice, or in two splits that should share none."""

import shutil
from pathlib import Path

import pytest

from spoiled import CONFIG, add, passes, problems, spoil, write_set

SPLITS = "{train: {list: train.txt}, val: {list: val.txt}, all: {glob: 'images/{id}.png'}}"


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_set(tmp_path, monkeypatch, "abcd")
    spoil(splits=SPLITS)
    lists("ab", "cd")


def lists(train: str, val: str) -> None:
    for name, pictures in {"train": train, "val": val}.items():
        Path(f"data/{name}.txt").write_text("".join(f"{one}\n" for one in pictures))


def test_a_split_of_all_is_no_finding(capsys: pytest.CaptureFixture[str]) -> None:
    passes(capsys, "fine.yaml")


def test_pictures_that_stand_twice_in_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    lists("abba", "cd")
    assert problems(capsys, "fine.yaml") == [
        "fine.yaml:6:10: splits.train: 2 pictures are more than once in train: images/a.png, "
        "images/b.png; list each once [accept: {twice-in-split: [images/a.png, images/b.png]}]"
    ]
    spoil(splits=SPLITS, accept="{twice-in-split: [images/a.png]}")
    (told,) = problems(capsys, "fine.yaml")
    assert "1 picture is more than once in train: images/b.png; list each once [accept" in told
    spoil(splits=SPLITS, accept="{twice-in-split: all}")
    passes(capsys, "fine.yaml")


def test_pictures_in_two_splits_by_their_paths(capsys: pytest.CaptureFixture[str]) -> None:
    lists("abc", "cd")
    assert problems(capsys, "fine.yaml") == [
        "fine.yaml:6:36: splits.val: 1 picture is both in train and in val, so scores there say "
        "less: images/c.png; list each in one of the two [accept: {in-two-splits: [images/c.png]}]"
    ]
    spoil(splits=SPLITS, accept="{in-two-splits: [images/c.png]}")
    passes(capsys, "fine.yaml")


def test_a_validation_set_inside_the_training_set(capsys: pytest.CaptureFixture[str]) -> None:
    lists("abcd", "cd")
    (told,) = problems(capsys, "fine.yaml")
    assert "2 pictures are both in train and in val" in told
    spoil(splits=SPLITS.replace("train:", "everything:"))
    passes(capsys, "fine.yaml")


def test_pictures_in_two_splits_by_their_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy("data/images/a.png", "data/images/c.png")
    assert problems(capsys, "fine.yaml") == [
        "fine.yaml:6:36: splits.val: 1 picture of train with the same bytes as one of val, so "
        "scores there say less: images/a.png and images/c.png; take one of each two away "
        "[accept: {in-two-splits: [images/a.png]}]"
    ]
    passes(capsys, "fine.yaml", "--scan", "2")
    spoil(splits=SPLITS, accept="{in-two-splits: [images/c.png]}")
    passes(capsys, "fine.yaml")
    spoil(splits=SPLITS.replace("val:", "other:"))
    passes(capsys, "fine.yaml")


def test_files_of_equal_size_and_head_are_compared_to_their_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tail = bytearray(1 << 15)
    for name in "ac":
        shutil.copy("data/images/b.png", f"data/images/{name}.png")
        with Path(f"data/images/{name}.png").open("ab") as file:
            tail[-1] = ord(name)
            file.write(tail)
    passes(capsys, "fine.yaml")


def test_a_config_must_not_score_what_it_trains_on_whatever_the_splits_names(
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(splits="{one: {list: train.txt}, two: {glob: 'images/{id}.png'}}")
    passes(capsys, "fine.yaml")
    Path("run.yaml").write_text(CONFIG.replace("train: train", "train: one, evaluate: two"))
    (told,) = problems(capsys, "run.yaml")
    assert "2 pictures are both in one and in two, so scores there say less: images/a.png, " in told
    Path("run.yaml").write_text(CONFIG.replace("train: train", "train: one, evaluate: one"))
    passes(capsys, "run.yaml")


def test_only_a_few_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    for name in "efgh":
        add(name)
    lists("abefgh", "cdefgh")
    (told,) = problems(capsys, "fine.yaml")
    assert told.endswith(
        "images/e.png, images/f.png, images/g.png, ...; list each in one of the two "
        "[accept: {in-two-splits: all}]"
    )
