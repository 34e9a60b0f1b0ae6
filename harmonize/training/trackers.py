"""The experiment trackers that a run can report to."""

from importlib.util import find_spec

from harmonize.errors import HarmonizeError, near_matches

TRACKERS = {
    "aim": "aim",
    "clearml": "clearml",
    "comet_ml": "comet_ml",
    "dvclive": "dvclive",
    "mlflow": "mlflow",
    "swanlab": "swanlab",
    "tensorboard": "tensorboard",
    "trackio": "trackio",
    "wandb": "wandb",
}
"""The trackers that Accelerate knows, and the package that each needs."""


def check_trackers(names: tuple[str, ...]) -> None:
    """Make sure that trackers exist and are installed; Accelerate skips them silently.

    Raises:
        HarmonizeError: an unknown tracker or a missing package.
    """
    for name in names:
        if name not in TRACKERS:
            raise HarmonizeError(
                f"train.track: no tracker {name!r}; {near_matches(name, TRACKERS)}"
            )
        if find_spec(TRACKERS[name]) is None:
            raise HarmonizeError(
                f"train.track: {name} needs a package that is not installed: "
                f"pip install {TRACKERS[name]}"
            )
