"""A run whose network is code of somebody else: nothing runs that code unless it is told to."""

import sys
from pathlib import Path

import pytest

from harmonize import HarmonizeError, Run
from harmonize.cli import main
from harmonize.pipeline.train import train
from tiny import tiny_config, write_project

CODE = """
from pathlib import Path

from torch import nn

Path("imported").touch()


def network(num_leaves, width=4):
    return nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.Conv2d(width, num_leaves, 1))
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a trained run in a working directory that holds the code of its network."""
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "foreign_code.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("foreign_code", None)  # of another test
    config = tiny_config(
        tmp_path,
        tmp_path / "run",
        "model={name: 'foreign_code:network', args: {width: 5}}",
        "train.report=true",
    )
    folder = train(config, name="x")
    assert (folder / "report.html").is_file()
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ["evaluate", "run"],
        ["calibrate", "run"],
        ["predict", "run", "fine_data/11.png", "-o", "answers"],
        ["new", "fine_data", "--run", "run", "-o", "draft.yaml"],
    ],
    ids=lambda words: words[0],
)
def test_a_command_runs_foreign_code_only_if_told_to(
    run: Path,
    words: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    _forget(run)
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    line = capsys.readouterr().err
    assert "foreign_code:network is code that did not come with harmonize" in line
    assert "--trust-code" in line
    assert not Path("imported").exists()
    assert main([*words, "--trust-code"]) == 0
    assert Path("imported").exists()


def test_a_report_is_made_without_running_foreign_code(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _forget(run)
    assert main(["report", "run", "-o", "page.html"]) == 0
    assert not Path("imported").exists()
    assert "foreign_code:network" in Path("page.html").read_text() + capsys.readouterr().err
    assert main(["report", "run", "-o", "page.html", "--trust-code"]) == 0
    assert Path("imported").exists()


def test_python_runs_foreign_code_only_if_told_to(run: Path) -> None:
    _forget(run)
    with pytest.raises(HarmonizeError, match="trust_code=True"):
        Run.open(run)
    assert not Path("imported").exists()
    assert Run.open(run, trust_code=True).predict("fine_data/11.png").map.shape == (20, 24)


def _forget(run: Path) -> None:
    """Undo that the code was imported for the training."""
    del sys.modules["foreign_code"]
    (run.parent / "imported").unlink()
