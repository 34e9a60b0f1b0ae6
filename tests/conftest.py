"""What every test runs under: checked shapes, one thread, fixed seeds, no setting of the user's."""

import gc
import os
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from hypothesis import HealthCheck, configuration, settings

from checked import check_package

# Each of the many processes that tests start would compile all modules anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

check_package("harmonize")

settings.register_profile(
    "harmonize",
    deadline=None,
    database=None,
    derandomize=True,  # the same examples on every machine, in every order
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("harmonize")

# Threads waiting for each other make tiny operations slow on a busy machine, and two pytest-xdist
# workers share the cores. The variable is for the processes that tests start.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)

# A user's shell, or the launcher of a cluster, must not change what tests find.
_FOREIGN = ("HARMONIZE_", "ACCELERATE_", "TRITON_", "MASTER_", "WORLD_SIZE", "RANK", "LOCAL_")
for _name in [*os.environ]:
    if _name.startswith(_FOREIGN):
        del os.environ[_name]

# What tests write need not survive a power cut, and a busy disk would be waited for.
os.fsync = lambda _: None

# Hypothesis caches from collection on; keep that out of the working directory.
_hypothesis_home = TemporaryDirectory(prefix="hypothesis-")
configuration.set_hypothesis_home_dir(_hypothesis_home.name)


def pytest_unconfigure() -> None:
    """Remove what hypothesis cached."""
    _hypothesis_home.cleanup()


@pytest.hookimpl(trylast=True)  # after pytest-randomly
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files of slow tests: at the end one worker would wait for the other."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """Look for garbage seldom, and not among the modules: that took a sixth of all time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup() -> None:
    """Seed what fixtures and tests draw, whatever ran before; every test has a fixture of ours."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def repo() -> Path:
    """The repository's root."""
    return Path(__file__).parents[1]


@pytest.fixture
def signals_heard() -> Iterator[None]:
    """Have signals do what they do in a terminal; nohup and `&` have some of them ignored."""
    terminal = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_DFL,
    }
    before = {number: signal.signal(number, handler) for number, handler in terminal.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def _fresh_accelerate() -> None:
    """Forget Accelerate's process-wide state, such as the precision of an earlier test."""
    AcceleratorState._reset_state(reset_partial_state=True)
