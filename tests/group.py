"""Groups of processes that train together, forked from one that has imported everything."""

import contextlib
import io
import multiprocessing
import os
import runpy
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

TIMEOUT = 600
"""Seconds after which a group is taken for dead-locked, whatever else the machine does."""
Work = Callable[..., dict[str, Any]]
"""What each process does: a function of ``scenarios``, which returns what it found as JSON."""

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["scenarios"])


@dataclass
class Ended:
    """How a process ended.

    Attributes:
        status: its exit status, 0 if the work returned.
        stdout, stderr: what it printed.
        found: what the work returned, or had noted in ``NOTED`` if it did not return.
    """

    status: Any = 0
    stdout: str = ""
    stderr: str = ""
    found: dict[str, Any] = field(default_factory=dict[str, Any])


NOTED: dict[str, Any] = {}
"""What a process has found so far."""


def run_group(number: int, work: Work, *arguments: object, together: bool = True) -> list[Ended]:
    """Do some work in each of so many processes, and return how they ended, by rank.

    Unless they work together, no process knows of the others.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    distributed = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(number),
        "LOCAL_WORLD_SIZE": str(number),
    }
    # The server takes over these when it starts.
    with _environment(PYTHONPATH=os.pathsep.join(sys.path), OMP_NUM_THREADS="1"):
        ends, processes = [], []
        for rank in range(number):
            receiving, sending = _context.Pipe(duplex=False)
            ranks = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            variables = {"ACCELERATE_USE_CPU": "true"} | (
                distributed | ranks if number > 1 and together else {}
            )
            process = _context.Process(target=_run, args=(sending, variables, work, arguments))
            process.start()
            sending.close()  # so that the end of the process is noticed
            ends.append(receiving)
            processes.append(process)
    try:
        return [_received(end) for end in ends]
    finally:
        for process in processes:
            process.kill()
            process.join()


def run_script(script: Path, folder: Path, *arguments: str, number: int = 2) -> list[Ended]:
    """Run a script in some processes with a working directory, as a launcher would."""
    return run_group(number, _script, str(script), str(folder), arguments)


def _script(script: str, folder: str, arguments: tuple[str, ...]) -> dict[str, Any]:
    os.chdir(folder)
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")
    return {}


def _received(end: Connection) -> Ended:
    assert end.poll(TIMEOUT), "a process of the group hangs"
    ended = end.recv()
    assert isinstance(ended, Ended), ended  # else the traceback of what is no user's mistake
    return ended


def _run(
    sending: Connection, variables: dict[str, str], work: Work, arguments: tuple[object, ...]
) -> None:
    """Work in this process and send how it ended."""
    from harmonize.system import shown_errors

    shown_errors.PATIENCE = 0.0  # no launcher ends the others
    shown = shown_errors.errors_shown
    multiprocessing.set_start_method("fork", force=True)  # loaders know what a scenario patched
    os.environ |= variables
    torch.set_num_threads(1)
    out, err = io.StringIO(), io.StringIO()
    ended = Ended()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), shown():
            ended.found = work(*arguments)
    except SystemExit as end:
        ended.status, ended.found = end.code or 0, NOTED
    except BaseException:
        sending.send(traceback.format_exc())
        return
    ended.stdout, ended.stderr = out.getvalue(), err.getvalue()
    sending.send(ended)


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ |= variables
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before
