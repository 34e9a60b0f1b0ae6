"""Hundreds of malformed inputs of each kind, the same in every run; scripts/fuzz.py reads more."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.limits import TooSlowError, memory_limited, time_limited
from fuzz.running import TARGETS, project, read_one, run
from fuzz.targets import FuzzError, command

INPUTS = {
    "trees": 100,
    "mappings": 60,
    "configs": 60,
    "images": 200,
    "cut files": 200,
    "cache": 200,
    "overrides": 60,
    "runs": 10,
}

_COSTLY = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A tiny project as the working directory, with bounded memory."""
    with project() as path, memory_limited():
        yield path


@pytest.mark.parametrize("what", list(TARGETS))
def test_malformed_input_ends_in_plain_words_within_the_limits(what: str, folder: Path) -> None:
    @settings(max_examples=INPUTS[what], derandomize=True, suppress_health_check=_COSTLY)
    @given(st.randoms(use_true_random=False))
    def read(rng: Random) -> None:
        read_one(what, rng)

    read()
    assert (folder / "tiny.txt").is_file()


def test_a_terminal_sequence_that_is_printed_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harmonize.system.shown_errors.printable", str)
    monkeypatch.setattr("harmonize.system.streams._safe", str)
    odd = folder / "odd\x1b[31m.txt"  # which is not there
    with pytest.raises(FuzzError, match=r"^tree prints"):
        command("tree", str(odd))
    monkeypatch.undo()
    command("tree", str(odd))


def test_failures_are_counted_by_reason_and_their_input_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError

    monkeypatch.setattr("harmonize.labels.ontology.Ontology.__init__", fail)
    outcome = run("trees", range(8), keep=tmp_path)
    [(reason, numbers)] = outcome.failures.items()
    assert outcome.inputs == 8
    assert len(numbers) > 3  # what is no text is refused before it is parsed
    assert reason.startswith("KeyError in ")
    assert [path.name for path in tmp_path.iterdir()] == [f"trees-{numbers[0]}"]
    assert (tmp_path / f"trees-{numbers[0]}" / "tree.txt").is_file()


def test_the_same_number_is_the_same_input(folder: Path) -> None:
    def drawn(number: int) -> bytes:
        TARGETS["trees"](Random(f"trees 0 {number}"))
        return (folder / "tree.txt").read_bytes()

    assert drawn(7) == drawn(7)
    assert len({drawn(number) for number in range(8)}) > 4


def _never_end() -> None:
    while True:
        pass


def test_what_takes_too_long_or_too_much_is_stopped() -> None:
    with pytest.raises(TooSlowError), time_limited(0.05):
        _never_end()
    with memory_limited(), pytest.raises(MemoryError):
        bytearray(1 << 40)
