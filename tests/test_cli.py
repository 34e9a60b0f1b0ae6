"""The ``harmonize`` command itself: its names, its help, and what it does not load."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import harmonize
from harmonize import cli
from harmonize.cli.arguments import count, files_and_changes, size
from harmonize.config.run_config import RunConfig
from harmonize.tools.studies import pays_study
from tiny import write_project

WITHOUT_TORCH = [
    ["--help"],
    ["--version"],
    ["schema", "config"],
    ["tree", "trees/faces.txt"],
    ["tree", "configs/demo.yaml"],
    ["check", "trees/faces.txt"],
    *([name, "--help"] for name in cli.COMMANDS if name != "benchmark"),
]
PROGRAM = """
import contextlib, io, json, sys
from harmonize.cli import main
for arguments in json.loads(sys.argv[1]):
    said, status = io.StringIO(), 0
    with contextlib.redirect_stdout(said):
        try:
            status = main(arguments)
        except SystemExit as end:
            status = end.code
    loaded = sorted({"torch", "accelerate"} & sys.modules.keys())
    assert (status, bool(said.getvalue()), loaded) == (0, True, []), (arguments, status, loaded)
"""


def test_what_needs_no_network_starts_without_torch(repo: Path, tmp_path: Path) -> None:
    """All in one process: what an earlier command has loaded would be found by the later ones."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(WITHOUT_TORCH)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(repo)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_the_module_is_the_command(repo: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harmonize", "tree", "trees/none.txt"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(repo)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "error: trees/none.txt: no such file\n"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_is_named_in_its_own_help(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main([name, "--help"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: harmonize {name} [-h]")


def test_the_help_lists_every_command_with_its_first_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    shown = capsys.readouterr().out
    _, _, commands = shown.partition("commands, each with its own --help:\n")
    listed = [line.split()[0] for line in commands.splitlines()]
    assert listed == list(cli.COMMANDS)
    assert "    train             Train one network on several data sets.\n" in shown
    for name, command in cli.COMMANDS.items():
        assert command.about == (inspect.getdoc(cli.function_of(name)) or "").splitlines()[0]
    assert max(map(len, shown.splitlines())) <= 110


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"harmonize {harmonize.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["chek"], "invalid choice: 'chek'"),
        (["tree"], "the following arguments are required: FILE"),
        (["tree", "a", "b"], "unrecognized arguments: b"),
        (["check", "--scan", "-1", "a"], "expected"),
        (["check", "--scan=x", "a"], "expected a whole number, got 'x'"),
        (["predict", "run", "a.jpg"], "the following arguments are required: -o/--output"),
        (
            ["predict", "run", "a.jpg", "-o", "d", "--size=0"],
            "expected 1 to 65536 or full, got '0'",
        ),
        (["predict", "run", "a.jpg", "-o=d", "--depth=1", "--as=x"], "not allowed with argument"),
        (["schema", "tree"], "invalid choice: 'tree'"),
        (["train", "a.yaml"], "a.yaml: a config is named by an option; say --config a.yaml"),
        (["compare-losses"], "the following arguments are required: --config"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_slip_on_the_command_line_is_named(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(arguments)
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


def test_a_study_takes_changes_after_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["study", "pays", "--config", "configs/demo.yaml", "--coarse", "coarse", "--seeds", "3"]
    asked: dict[str, object] = {}
    monkeypatch.setattr(pays_study, "pays", lambda config, **more: asked.update(more, run=config))
    assert cli.main([*words, "-o", "here", "train.steps=7", "optim.lr=0.5"]) == 0
    run = asked["run"]
    assert isinstance(run, RunConfig)
    assert (run.train.steps, run.optim.lr) == (7, 0.5)
    assert (asked["coarse"], asked["seeds"], asked["folder"]) == (["coarse"], (3,), Path("here"))


def test_files_and_changes_may_stand_around_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["check", "tiny.txt", "--scan", "0", "fine.yaml"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_what_exists_is_a_file_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a=b").touch()
    assert files_and_changes(["x", "a=b", "c=d"]) == (["x", "a=b"], ["c=d"])


def test_numbers_are_read_as_they_are_written() -> None:
    assert (count("0"), count("12"), size("512"), size("full")) == (0, 12, 512, "full")


@pytest.mark.parametrize("kind", ["config", "mapping"])
def test_a_schema_is_printed_or_written(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["schema", kind]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["title"] == f"A {kind} of harmonize"
    path = tmp_path / "schema.json"
    assert cli.main(["schema", kind, "-o", str(path)]) == 0
    assert capsys.readouterr().out == f"{path} is there\n"
    assert json.loads(path.read_text("utf-8")) == printed


def test_a_schema_that_cannot_be_written_is_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(["schema", "config", "-o", str(tmp_path / "none" / "x.json")])
    assert exit_.value.code == 2
    assert capsys.readouterr().err.endswith(
        "none/x.json: its folder does not exist; make it first\n"
    )


def test_public_names_are_imported_when_they_are_used() -> None:
    assert all(getattr(harmonize, name).__name__ == name for name in harmonize.__all__)
    assert set(harmonize.__all__) <= set(dir(harmonize))
    with pytest.raises(AttributeError, match="has no attribute 'Ontolgy'"):
        harmonize.Ontolgy  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]
