"""The run folder: where it lies, and the config that stands in it."""

from pathlib import Path

from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from harmonize.system.agreement import together
from harmonize.config.run_config import RunConfig
from harmonize.errors import HarmonizeError
from harmonize.config.strict_yaml import dump
from harmonize.system.atomic_files import part_of, write_whole

CONFIG = "config.yaml"
EVALUATION = "evaluation.json"
RUNS = Path("runs")


def prepare_output(config: RunConfig, name: str, processes: PartialState) -> Path:
    """Choose and make the run folder, the same for all processes.

    Args:
        config: of the run.
        name: of the config, from which the folder's name is made if the config gives none.
        processes: the main one decides.

    Raises:
        HarmonizeError: the folder exists and is not to be resumed, or cannot be written.
    """
    folder = [""]
    with together():
        if processes.is_main_process:
            folder = [str(_choose(config, name))]
    broadcast_object_list(folder)
    return Path(folder[0])


def _choose(config: RunConfig, name: str) -> Path:
    if config.train.resume:
        if config.output is None:
            raise HarmonizeError("train.resume: say which run to continue: output=RUN_DIR")
        return run_folder(config.output)
    if config.output is None:
        output = _first_free(name)
    else:
        output = Path(config.output).expanduser()
        if output.exists() and not _never_started(output):
            raise HarmonizeError(
                f"{output}: exists already; continue it with train.resume=true, "
                "or choose another name with output=RUN_DIR"
            )
    try:
        _make(output, config)
    except OSError as error:
        raise HarmonizeError(f"{output}: cannot be written: {error.strerror}") from None
    return output


def _make(output: Path, config: RunConfig) -> None:
    """Make the run folder; one that is there has a config, whenever the run is interrupted."""
    if output.exists():
        write_config(config, output)
        return
    aside = part_of(output)
    aside.mkdir(parents=True, exist_ok=True)
    write_config(config, aside)
    aside.rename(output)


def run_folder(output: str) -> Path:
    """Return the folder of a run that is there.

    Raises:
        HarmonizeError: it is not.
    """
    folder = Path(output).expanduser()
    if not (folder / CONFIG).is_file():
        raise HarmonizeError(f"{folder}: no run folder to resume; it has no {CONFIG}")
    return folder


def _never_started(output: Path) -> bool:
    """Say whether a run folder holds nothing but its config, since the run failed at once."""
    return output.is_dir() and [entry.name for entry in output.iterdir()] == [CONFIG]


def write_config(config: RunConfig, output: Path) -> None:
    """Write the config with every default into the run folder."""
    write_whole(output / CONFIG, dump(config.to_dict()).encode())


def _first_free(name: str) -> Path:
    number = 1
    while (folder := RUNS / (name if number == 1 else f"{name}-{number}")).exists():
        number += 1
    return folder
