"""A run that is killed again and again ends as one that was left alone."""

from pathlib import Path

import pytest

from group import run_script

SCRIPT = Path(__file__).parents[1] / "scripts" / "chaos.py"


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_run_that_is_killed_again_and_again_ends_as_if_left_alone(
    processes: int, repo: Path
) -> None:
    arguments = ["--rounds=3", "--seed=1", f"--processes={processes}"]
    [ended] = run_script(SCRIPT, repo, *arguments, number=1)
    assert ended.status == 0, ended
    assert "3 kills" in ended.stdout
    assert "are those of the undisturbed run" in ended.stdout
