"""A warning that several processes of a command come across is printed once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harmonize.system import once
from warned import warn_anew

CHILDREN = """
import multiprocessing, os
from harmonize.system.once import share_warnings, warn_once

def work(_):
    warn_once("warning: one")
    warn_once("warning: two")

if __name__ == "__main__":
    share_warnings()
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            pool.map(work, range(4), chunksize=1)
    warn_once("warning: one")
    print(os.environ["HARMONIZE_WARNED"])
"""
RANK = """
import sys
from harmonize.system.once import warn_once
warn_once("warning: of both")
print("said", flush=True)
sys.stdin.readline()
"""


def test_loader_processes_and_their_parent_say_it_once(tmp_path: Path, repo: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(CHILDREN)
    before = {"HARMONIZE_WARNED": str(tmp_path)}  # of a program that started this one
    done = subprocess.run(
        [sys.executable, program],
        env=os.environ | {"PYTHONPATH": str(repo), "TMPDIR": str(tmp_path)} | before,
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted(done.stderr.splitlines()) == ["warning: one", "warning: two"]
    assert not Path(done.stdout.strip()).exists()
    assert [path.name for path in tmp_path.iterdir()] == ["program.py"]


def test_processes_of_one_launcher_say_it_once_and_others_again(tmp_path: Path, repo: Path) -> None:
    def start(port: str) -> "subprocess.Popen[str]":
        own = {"PYTHONPATH": str(repo), "TMPDIR": str(tmp_path)}
        own |= {"MASTER_PORT": port, "WORLD_SIZE": "2"}
        return subprocess.Popen(
            [sys.executable, "-c", RANK],
            env=os.environ | own,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    ranks = [start(port) for port in ("1", "1", "2")]
    for rank in ranks:
        assert rank.stdout is not None
        assert rank.stdout.readline() == "said\n"
    said = [rank.communicate("\n")[1] for rank in ranks]
    assert sorted(said[:2]) == ["", "warning: of both\n"]
    assert said[2] == "warning: of both\n"
    assert list(tmp_path.iterdir()) == []


def test_where_no_folder_can_be_made_a_process_still_says_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    warn_anew(monkeypatch)
    monkeypatch.setattr(once.tempfile, "tempdir", str(tmp_path / "missing"))
    for _ in range(2):
        once.warn_once("warning: here")
    assert "HARMONIZE_WARNED" not in os.environ
    assert capsys.readouterr().err == "warning: here\n"
