"""Pieces of work in C shared out to the cores: each done once, failures told."""

import ctypes
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from harmonize.system import threads
from harmonize.system.compile_c import compiled
from harmonize.system.threads import share_out

_CODE = """
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

typedef struct { int64_t *done; int64_t failing; atomic_int *here; int64_t wanted; } Work;

int count(const Work *w, int64_t piece) {
    w->done[piece]++;
    return piece == w->failing;
}

int meet(const Work *w, int64_t piece) {
    atomic_fetch_add(w->here, 1);
    for (int wait = 0; atomic_load(w->here) < w->wanted; wait++) {
        if (wait == 600000) return 1;
        usleep(1000);
    }
    return 0;
}
"""


class _Work(ctypes.Structure):
    _fields_ = (
        ("done", ctypes.c_void_p),
        ("failing", ctypes.c_int64),
        ("here", ctypes.c_void_p),
        ("wanted", ctypes.c_int64),
    )


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    source = tmp_path_factory.mktemp("work") / "work.c"
    source.write_text(_CODE)
    return compiled(source)


@pytest.fixture(params=[(1, "torch"), (3, "torch"), (3, "Python")])
def number(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return the number of threads, which torch or Python starts."""
    number, starts = request.param
    monkeypatch.setattr(torch, "get_num_threads", lambda: number)
    if starts == "Python":
        monkeypatch.setattr(threads, "_by_torch", lambda: None)
    return number


@pytest.mark.usefixtures("number")
@pytest.mark.parametrize("pieces", [0, 1, 100])
def test_each_piece_is_done_once(code: ctypes.CDLL, pieces: int) -> None:
    done = np.zeros(pieces, dtype=np.int64)
    assert share_out(code.count, _Work(done=done.ctypes.data, failing=-1), pieces)
    assert (done == 1).all()


@pytest.mark.usefixtures("number")
@pytest.mark.parametrize("failing", [0, 50, 99])
def test_a_piece_that_fails_is_told(code: ctypes.CDLL, failing: int) -> None:
    done = np.zeros(100, dtype=np.int64)
    assert not share_out(code.count, _Work(done=done.ctypes.data, failing=failing), 100)


def test_pieces_are_worked_off_at_the_same_time(code: ctypes.CDLL, number: int) -> None:
    here = ctypes.c_int(0)
    work = _Work(here=ctypes.addressof(here), wanted=number)
    assert share_out(code.meet, work, number)
    assert here.value == number


def test_gnu_openmp_has_threads_that_can_be_asked() -> None:
    torch.ones(8).sum()
    if "libgomp" not in Path("/proc/self/maps").read_text():
        pytest.skip("this torch comes without GNU's OpenMP")
    assert threads._by_torch() is not None


def test_torch_keeps_its_threads_when_there_are_fewer_pieces(code: ctypes.CDLL) -> None:
    if not Path("/proc/self/task").exists():
        pytest.skip("threads cannot be listed here")

    def running() -> set[str]:
        torch.ones(1 << 20).sum()  # in all threads
        return {path.name for path in Path("/proc/self/task").iterdir()}

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(4)
        running()
        first = running()
        done = np.zeros(2, dtype=np.int64)
        assert share_out(code.count, _Work(done=done.ctypes.data, failing=-1), 2)
        assert running() == first
    finally:
        torch.set_num_threads(before)


def _fork_and_count(code: ctypes.CDLL) -> int:
    process = os.fork()
    if not process:
        done = np.zeros(100, dtype=np.int64)
        whole = share_out(code.count, _Work(done=done.ctypes.data, failing=-1), 100)
        os._exit(0 if whole and (done == 1).all() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def test_a_forked_process_has_threads_of_its_own(code: ctypes.CDLL, number: int) -> None:
    done = np.zeros(number, dtype=np.int64)
    assert share_out(code.count, _Work(done=done.ctypes.data, failing=-1), number)
    with warnings.catch_warnings(action="ignore"):  # of threads beside the fork
        assert _fork_and_count(code) == 0
