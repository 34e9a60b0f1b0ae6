"""One clear line for what a machine or a user gets wrong, and no traceback."""

import contextlib
import errno
import io
import json
import os
import shutil
from functools import partial
from pathlib import Path

import pytest

import scenarios
from group import run_group
from harmonize import HarmonizeError, cli
from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import dump
from harmonize.data.bad_list import LIST, _read
from harmonize.pipeline.train import train
from harmonize.runs import run_folder
from harmonize.runs.health import RunHealth
from harmonize.system import shared_memory
from harmonize.system.compile_c import find_compiler
from harmonize.system.home import named_folder
from harmonize.system.shown_errors import errors_shown
from harmonize.system.streams import LastingStream
from tiny import tiny_config, tiny_values, write_project


def said(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that fails, and return the line that it says."""
    with pytest.raises(SystemExit) as end:
        cli.main(words)
    assert end.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("output=~nosuchuser/x", "error: output: there is no home folder ~nosuchuser here, got"),
        ('output="a\\0b"', "error: command line: output: expected text without the character NUL"),
        ("data.workers=257", "data.workers: expected a number at least 0 and at most 256, got 257"),
    ],
)
def test_a_change_that_cannot_be_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, problem: str
) -> None:
    project = write_project(tmp_path)
    (project / "run.yaml").write_text(dump(tiny_values(project, project / "run")))
    line = said(["train", "--config", str(project / "run.yaml"), change], capsys)
    assert problem in line
    assert line.count("\n") == 1


def test_a_home_folder_is_found_or_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert named_folder("~/runs", "output") == Path("/home/me/runs")
    assert named_folder("./~x", "output") == Path("~x")
    with pytest.raises(HarmonizeError, match=r"data\.cache_folder: .* write the whole path"):
        named_folder("~nosuchuser/x", "data.cache_folder")


def test_a_tile_has_a_limit(capsys: pytest.CaptureFixture[str]) -> None:
    for tile in ("0", "65537", "9" * 5000, "x"):
        words = ["predict", "run", "a.png", "-o", "out", "--tile", tile]
        assert "--tile: expected 1 to 65536" in said(words, capsys)


def test_a_compiler_with_an_open_quote_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "cc'")
    with pytest.raises(
        HarmonizeError, match="CC=cc': No closing quotation; write it as in a shell"
    ):
        find_compiler()


def test_too_few_open_files_are_told_before_a_loader_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert shared_memory.resource is not None
    limits = {"soft": 32, "hard": 64 * 3}

    def change(_: int, new: tuple[int, int]) -> None:
        limits["soft"] = new[0]

    resource = shared_memory.resource
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limits["soft"], limits["hard"]))
    monkeypatch.setattr(resource, "setrlimit", change)
    assert shared_memory.enough_files(0)
    assert not shared_memory.enough_files(3)
    assert limits["soft"] == 32
    assert shared_memory.enough_files(2)
    assert limits["soft"] == 64 * 3
    with pytest.raises(SystemExit), errors_shown():
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), "a.png")


@pytest.mark.parametrize(("may_raise", "status"), [(True, 0), (False, 2)])
def test_where_32_files_may_be_open_the_limit_is_raised_or_told(
    may_raise: bool, status: int, tmp_path: Path
) -> None:
    project = write_project(tmp_path)
    (project / "run.yaml").write_text(dump(tiny_values(project, project / "run")))
    work = partial(scenarios.train_with_few_files, may_raise=may_raise)
    [ended] = run_group(1, work, project)
    assert ended.status == status, ended
    assert (project / "run" / "evaluation.json").is_file() == (status == 0)
    if status:
        assert "data.workers=2: loader processes cannot be started: too few files" in ended.stderr


def test_an_edited_list_of_bad_samples_is_read_as_far_as_it_is_one(tmp_path: Path) -> None:
    good = {"dataset": "a", "split": "b", "picture": "c", "reason": "d"}
    lines = [json.dumps(good), json.dumps({**good, "picture": 3}), "[" * 100_000, "[]", "3", "{}"]
    (tmp_path / LIST).write_text("\n".join(lines))
    assert [vars(sample) for sample in _read(tmp_path / LIST)] == [good]


def test_a_run_without_one_labelled_pixel_ends_with_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = write_project(tmp_path)
    from PIL import Image

    for label in (project / "fine_data").glob("0?_ids.png"):
        Image.new("L", (24, 20), 255).save(label)
    values = tiny_values(project, project / "run")
    datasets = values["datasets"]
    assert isinstance(datasets, list)
    del datasets[1]
    (project / "run.yaml").write_text(dump(values))
    line = said(["train", "--config", str(project / "run.yaml")], capsys)
    assert "warning: step 2: no pixel of the batches since the last line of metrics was" in line
    assert line.count("no pixel of the batches") == 1
    assert "error: not one pixel of the whole run was labelled, so nothing was learned" in line
    assert (project / "run" / "evaluation.json").is_file()


def test_lines_without_labels_are_no_error_beside_others() -> None:
    health = RunHealth()
    health.check_labels()
    assert "step 3: no pixel" in str(health.add_loss(None, 3))
    assert health.add_loss(None, 4) is None
    with pytest.raises(HarmonizeError, match="not one pixel of the whole run"):
        health.check_labels()
    assert health.add_loss(1.0, 5) is None
    health.check_labels()


def test_resuming_on_a_full_disk_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = write_project(tmp_path)
    run = train(tiny_config(project, project / "run"), name="tiny")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(run_folder, "write_whole", full)
    with pytest.raises(HarmonizeError, match=r"run/config\.yaml: cannot be written: No space left"):
        train(tiny_config(project, run, "train.resume=true"), name="tiny")


def test_a_drafted_mapping_on_a_full_disk_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = write_project(tmp_path)
    fsync = os.fsync

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    out = tmp_path / "out" / "new.yaml"
    out.parent.mkdir()
    monkeypatch.setattr(os, "fsync", full)
    line = said(["new", str(project / "coarse_data"), "-o", str(out)], capsys)
    assert f"{out}: cannot be written: No space left on device" in line
    assert not list(out.parent.iterdir())
    monkeypatch.setattr(os, "fsync", fsync)
    assert cli.main(["new", str(project / "coarse_data"), "-o", str(out)]) == 0


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mred\n", "a\\x1b[31mred\n"),
        ("bell\a \x9b \x7f", "bell\\x07 \\x9b \\x7f"),
        ("left\u202etfel \u2066", "left\\u202etfel \\u2066"),
        ("bar\r 3\t4\n", "bar\r 3\t4\n"),
        ("\x1b[A\x1b[A", "\x1b[A\x1b[A"),
        ("nai\u0308ve \u200c \U0001f600", "nai\u0308ve \u200c \U0001f600"),
    ],
)
def test_what_acts_on_a_terminal_is_escaped(text: str, shown: str) -> None:
    stream = io.StringIO()
    LastingStream(stream).write(text)
    assert stream.getvalue() == shown.replace("\r\n", "\n")


def test_a_run_folder_of_a_stranger_runs_no_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing in a run folder is unpickled or imported, whatever somebody has put there."""
    project = write_project(tmp_path)
    run = train(tiny_config(project, project / "run"), name="tiny")
    evil = b"cos\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR."
    kinds = {path.name: path for path in run.rglob("*") if path.is_file()}
    assert {"config.yaml", "evaluation.json", "truth.png", "metrics.jsonl"} <= kinds.keys()
    for path in kinds.values():  # the pictures of other samples have the same names
        stranger = tmp_path / "stranger"
        shutil.rmtree(stranger, ignore_errors=True)
        shutil.copytree(run, stranger)
        (stranger / path.relative_to(run)).write_bytes(evil)
        for words in (
            ["report", str(stranger), "-o", str(tmp_path / "page.html")],
            ["predict", str(stranger), str(project / "fine_data" / "00.png"), "--cpu", "-o"],
        ):
            given = [*words, str(tmp_path / "out")] if words[0] == "predict" else words
            with contextlib.suppress(SystemExit):
                cli.main(given)
    assert not (tmp_path / "ran").exists()
    assert "Traceback" not in capsys.readouterr().err


def test_a_config_of_a_run_is_known_by_its_letter(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    config = tiny_config(project, project / "run")
    run_folder.write_config(config, tmp_path)
    path = tmp_path / run_folder.CONFIG
    assert run_folder.is_written_by_us(path)
    text = path.read_text()
    for other in (f"# mine\n{text}", "", "a: 1\n", text.replace("seed: 0", "seed:  0")):
        path.write_text(other)
        assert not run_folder.is_written_by_us(path)
    assert isinstance(config, RunConfig)
