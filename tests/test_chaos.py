"""A run that is killed again and again ends as one that was left alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_run_that_is_killed_again_and_again_ends_as_if_left_alone(processes: int) -> None:
    done = subprocess.run(
        [sys.executable, "scripts/chaos.py", "--rounds=3", "--seed=1", f"--processes={processes}"],
        cwd=REPO,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 kills" in done.stdout
    assert "are those of the undisturbed run" in done.stdout
