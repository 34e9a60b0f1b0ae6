"""The processes of a run that is to be killed, and what is seen of its progress."""

import os
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from harmonize.config.run_config import RunConfig
from harmonize.pipeline.train import train
from harmonize.system.shown_errors import errors_shown
from harmonize.tools.chaos_results import bytes_logged, parts_written

LOOK = 0.0005
"""Seconds between two looks at the files of a run."""


class ChaosRun:
    """A run that goes on in other processes.

    Attributes:
        leader: the id of the process that leads the others.
        status: how it ended, or None.
    """

    def __init__(self, leader: int, output: Path) -> None:
        self.leader = leader
        self.status: int | None = None
        self._output = output
        self._seen, self._size = parts_written(output), bytes_logged(output)

    def has_ended(self) -> bool:
        """Say whether the leader has ended."""
        if self.status is None:
            ended, status = os.waitpid(self.leader, os.WNOHANG)
            self.status = status if ended else None
        return self.status is not None

    def events(self) -> Iterator[str]:
        """Yield ``save`` when a checkpoint begins and ``line`` when metrics are logged."""
        while not self.has_ended():
            time.sleep(LOOK)
            parts, size = parts_written(self._output), bytes_logged(self._output)
            if parts - self._seen:
                yield "save"
            if size > self._size:
                yield "line"
            self._seen, self._size = self._seen | parts, size


def lead(config: RunConfig, log: Path, *, processes: int, port: int) -> NoReturn:
    """Run a config in this process and others of its group, and end with its status."""
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout = sys.stderr = os.fdopen(1, "w", buffering=1)
    os.environ |= {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    if processes == 1:
        _train(config)
    os.environ |= {
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    children: list[int] = []
    for rank in range(processes):
        child = os.fork()
        if not child:
            os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            _train(config)
        children.append(child)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    os._exit(int(any(statuses)))


def _train(config: RunConfig) -> NoReturn:
    """Train and end the process as a script would."""
    status = 1
    try:
        with errors_shown():
            train(config, name="chaos")
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
