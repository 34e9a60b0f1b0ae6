"""Run the package's functions under beartype, with their shape annotations, in every test."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from accelerate.state import AcceleratorState
from hypothesis import HealthCheck, configuration, settings
from jaxtyping import install_import_hook

# As in type checkers, an int may stand for a float.
install_import_hook(
    "harmonize", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
)

settings.register_profile(
    "harmonize", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("harmonize")

# Threads waiting for each other make tiny operations slow on a busy machine.
torch.set_num_threads(1)

# Hypothesis caches from collection on; keep that out of the working directory.
_hypothesis_home = TemporaryDirectory(prefix="hypothesis-")
configuration.set_hypothesis_home_dir(_hypothesis_home.name)


def pytest_unconfigure() -> None:
    """Remove what hypothesis cached."""
    _hypothesis_home.cleanup()


@pytest.fixture(scope="session")
def repo() -> Path:
    """The repository's root."""
    return Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _fresh_accelerate() -> None:
    """Forget Accelerate's process-wide state, such as the precision of an earlier test."""
    AcceleratorState._reset_state(reset_partial_state=True)
