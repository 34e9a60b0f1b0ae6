"""The run folder: where it is, who may write into it, and the config in it."""

import contextlib
import errno
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import dump, load_file
from harmonize.errors import HarmonizeError
from harmonize.system.agreement import together
from harmonize.system.atomic_files import is_part, part_of, remove_parts, write_whole, writing
from harmonize.system.home import named_folder
from harmonize.system.locks import NAME as LOCK
from harmonize.system.locks import FolderLock

CONFIG = "config.yaml"
EVALUATION = "evaluation.json"
RUNS = Path("runs")
_ADVICE = "wait until it ends, or name another folder with output=RUN_DIR"
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)


@contextlib.contextmanager
def prepared_output(config: RunConfig, name: str, processes: PartialState) -> Iterator[Path]:
    """Choose and make the run folder, the same for all processes; no other run is in it meanwhile.

    Args:
        config: of the run.
        name: of the config, from which the folder's name is made if the config gives none.
        processes: the main one decides.

    Raises:
        HarmonizeError: the folder exists and is not to be resumed, or cannot be written, or another
            run goes on in it, or other machines do not see it, but have to.
    """
    folder, lock = [""], None
    with together():
        if processes.is_main_process:
            lock = _choose(config, name)
            folder = [str(lock.folder)]
    broadcast_object_list(folder)
    try:
        if config.train.resume or config.model.shard:  # every process reads or writes there
            _check_seen_by_all(Path(folder[0]), processes)
        yield Path(folder[0])
    finally:
        if lock is not None:
            lock.release()


def _check_seen_by_all(folder: Path, processes: PartialState) -> None:
    """Make sure that all processes see the main process's folder, by a file that it puts there.

    Raises:
        HarmonizeError: one does not.
    """
    if processes.num_processes == 1:
        return
    names = [part_of(folder / "seen").name]  # the main process's choice
    broadcast_object_list(names)
    try:
        with together(), writing(folder):
            if processes.is_main_process:
                (folder / names[0]).touch()
        with together():
            if not (folder / names[0]).exists():
                raise HarmonizeError(
                    f"{folder}: {socket.gethostname()} does not see the first machine's folder; "
                    "to resume, and for model.shard, the run folder must be on a disk that all "
                    "machines share"
                )
    finally:
        if processes.is_main_process:
            (folder / names[0]).unlink(missing_ok=True)


def _choose(config: RunConfig, name: str) -> FolderLock:
    if config.train.resume:
        if config.output is None:
            raise HarmonizeError("train.resume: say which run to continue: output=RUN_DIR")
        lock = FolderLock(run_folder(config.output), advice=_ADVICE)
        remove_parts(lock.folder)
        return lock
    if config.output is None:
        return _first_free(config, name)
    output = named_folder(config.output, "output")
    with writing(output):
        lock = _begun_again(output, config) if os.path.lexists(output) else _made(output, config)
    if lock is None:
        raise HarmonizeError(
            f"{output}: exists already; continue it with train.resume=true, "
            "or choose another name with output=RUN_DIR"
        )
    return lock


def _made(output: Path, config: RunConfig) -> FolderLock | None:
    """Make and lock a run folder, which has a config as soon as it is there; None if it is taken.

    Two processes that do so at once get one folder and None.
    """
    aside = part_of(output)
    try:
        aside.mkdir(parents=True)
        write_config(config, aside)
        lock = FolderLock(aside, advice=_ADVICE)
        try:
            aside.rename(output)
        except OSError:
            lock.release()
            raise
        lock.folder = output
        return lock
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        if error.errno in _TAKEN and os.path.lexists(output):
            return None
        raise


def _begun_again(output: Path, config: RunConfig) -> FolderLock | None:
    """Lock a run folder whose run failed at once; None if there is anything else to lose."""
    if not _never_started(output):
        return None
    lock = FolderLock(output, advice=_ADVICE)
    if not _never_started(output):
        lock.release()
        return None
    remove_parts(output)
    write_config(config, output)
    return lock


def _first_free(config: RunConfig, name: str) -> FolderLock:
    number = 1
    while True:
        folder = RUNS / (name if number == 1 else f"{name}-{number}")
        if not os.path.lexists(folder):
            with writing(folder):
                lock = _made(folder, config)
            if lock is not None:
                return lock
        number += 1


def run_folder(output: str) -> Path:
    """Return the folder of a run that is there.

    Raises:
        HarmonizeError: it is not.
    """
    folder = named_folder(output, "output")
    if not (folder / CONFIG).is_file():
        raise HarmonizeError(f"{folder}: no run folder to resume; it has no {CONFIG}")
    return folder


def _never_started(output: Path) -> bool:
    """Say whether a run folder holds nothing but its config, since the run failed at once."""
    if not output.is_dir():
        return False
    names = {path.name for path in output.iterdir() if path.name != LOCK and not is_part(path)}
    return names == {CONFIG} and is_written_by_us(output / CONFIG)


def is_written_by_us(path: Path) -> bool:
    """Say whether a config is, to the letter, as ``write_config`` writes it."""
    try:
        document = load_file(path)
        known = RunConfig.from_document(document).to_dict()
        return path.read_bytes() == dump(document.value).encode() and bool(known)
    except (HarmonizeError, OSError):
        return False


def write_config(config: RunConfig, output: Path) -> None:
    """Write the config with every default into the run folder."""
    write_whole(output / CONFIG, dump(config.to_dict()).encode())
