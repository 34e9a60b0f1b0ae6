"""A folder of decoded pictures, built before training and read instead of the files."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object
from jaxtyping import Bool
from numpy import ndarray

from harmonize.config.run_config import RunConfig
from harmonize.data.bad_list import BadList
from harmonize.data.cache_entry import entry_path, read_entry
from harmonize.data.cache_folder import Room, cache_path, make_room
from harmonize.data.cache_making import Made, Survey, SurveyedPicture, make_all, work
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.pixels import Pixels
from harmonize.plurals import counted
from harmonize.system.agreement import together
from harmonize.system.atomic_files import writing
from harmonize.system.progress import is_quiet

# Letters of shapes: P pictures of all data sets, one data set after the other.

_GIB = 2**30
_SURVEYED = 32
"""Pictures that a loader process looks for at a time."""


@dataclass(frozen=True)
class DiskCache:
    """Gives the pictures of several data sets that a folder holds.

    Attributes:
        folder: holds their files.
        names: for each data set, the name of each picture's file; empty if there is none. Arrays,
            which do not grow the memory of loader processes.
        num_classes: of each data set.
        trusted: for each data set, which pictures this process has gone through: a damaged one is
            not given, and none is gone through twice.
    """

    folder: Path
    names: list[ndarray]
    num_classes: list[int]
    trusted: list[ndarray] = field(default_factory=list[ndarray])

    def __post_init__(self) -> None:
        if not self.trusted:
            self.trusted.extend(np.zeros(len(names), dtype=bool) for names in self.names)

    def __call__(self, dataset: int, number: int) -> Pixels | None:
        """Return a picture; None if the folder does not hold it, or no longer.

        Raises:
            HarmonizeError: it holds class numbers that the data set does not have.
        """
        name = os.fsdecode(self.names[dataset][number])
        if not name:
            return None
        trusted, path = self.trusted[dataset], entry_path(self.folder, name)
        if trusted[number]:
            return read_entry(path)
        pixels = read_entry(path, num_classes=self.num_classes[dataset])
        trusted[number] = pixels is not None
        return pixels

    def __len__(self) -> int:
        return sum(int((names != b"").sum()) for names in self.names)


def open_cache(
    config: RunConfig,
    datasets: Sequence[SegmentationDataset],
    output: Path,
    accelerator: Accelerator,
    *,
    least: Sequence[float],
    bad: BadList | None = None,
) -> DiskCache | None:
    """Build the cache of a run's training pictures, if its config asks for one.

    Args:
        config: of the run.
        datasets: what it trains on.
        output: the run folder.
        accelerator: whose processes must all call this.
        least: the shorter side that pictures of each data set need.
        bad: takes down what cannot be used; None to stop at it.

    Raises:
        HarmonizeError: as ``build_cache`` does.
    """
    data = config.data
    if data.cache is None:
        return None
    return build_cache(
        datasets,
        cache_path(config, output),
        least=least,
        limit=data.cache_limit,
        workers=data.workers,
        accelerator=accelerator,
        bad=bad,
    )


def build_cache(
    datasets: Sequence[SegmentationDataset],
    folder: Path,
    *,
    least: Sequence[float],
    limit: float,
    workers: int,
    accelerator: Accelerator,
    bad: BadList | None = None,
) -> DiskCache:
    """Decode all pictures that a folder does not hold yet; every process must call this.

    Each process does its share. What the limit or the disk has no room for stays uncached, which
    one line on stderr says.

    Args:
        datasets: whose pictures are wanted.
        folder: may be used by others meanwhile.
        least: the shorter side that pictures of each data set need.
        limit: GiB that the folder may hold.
        workers: loader processes of each process.
        accelerator: whose processes build together.
        bad: takes down what cannot be used; None to stop at it.

    Raises:
        HarmonizeError: a picture or label that cannot be used, or too many of them; a folder that
            cannot be made.
    """
    rank, number = accelerator.process_index, accelerator.num_processes
    survey = Survey(datasets, folder, least, skip_bad=bad is not None)
    with together():
        make_folder(folder)
        own = list(work(survey, range(rank, len(survey), number), workers, _SURVEYED))
    found = _interleave(gather_object([own]), len(survey))
    room = _share_room(folder, found, limit * _GIB, accelerator)
    todo = _choose(found, room.free)
    with together():
        made = make_all(
            survey,
            found,
            todo[rank::number],
            workers=workers,
            shown=accelerator.is_main_process,
        )
    if bad is not None:
        looked = [entry.bad for entry in found if entry.bad is not None]
        bad.add([*made.bad, *looked])
    shares: list[Made] = gather_object([made])
    new = {found[position].name for share in shares for position in share.positions}
    cached = np.array([entry.present or entry.name in new for entry in found], dtype=bool)
    troubles = [share.trouble for share in shares if share.trouble is not None]
    if accelerator.is_main_process:
        counts = count_pictures(survey.pictures(), cached)
        _report(folder, found, counts, room, limit, troubles[0] if troubles else None)
    names = survey.split([entry.name for entry in found], cached)
    return DiskCache(folder, names, [len(dataset.spec.classes) for dataset in datasets])


def make_folder(folder: Path) -> None:
    """Make the cache's folder.

    Raises:
        HarmonizeError: it cannot be made.
    """
    advice = "; name another one with data.cache_folder=FOLDER"
    with writing(folder, problem="the cache's folder cannot be made", advice=advice):
        folder.mkdir(parents=True, exist_ok=True)


def _interleave(shares: list[list[SurveyedPicture]], total: int) -> list[SurveyedPicture]:
    """Put together what each process found in every n-th picture."""
    return [shares[place % len(shares)][place // len(shares)] for place in range(total)]


def _share_room(
    folder: Path, found: list[SurveyedPicture], limit: float, accelerator: Accelerator
) -> Room:
    """Let the main process make room, and tell all of them how much there is."""
    rooms: list[Room | None] = [None]
    with together():
        if accelerator.is_main_process:
            missing = {
                entry.name: entry.bytes for entry in found if entry.name and not entry.present
            }
            names = {entry.name for entry in found}
            rooms = [make_room(folder, names, sum(missing.values()), limit)]
    broadcast_object_list(rooms)
    assert rooms[0] is not None
    return rooms[0]


def count_pictures(paths: Sequence[str], cached: Bool[ndarray, " P"]) -> tuple[int, int]:
    """Return how many pictures are cached wherever they are used, and how many there are.

    Args:
        paths: of the pictures of all data sets, which may share some.
        cached: which of them are.
    """
    missing = {path for path, is_cached in zip(paths, cached, strict=True) if not is_cached}
    total = len(set(paths))
    return total - len(missing), total


def _choose(found: list[SurveyedPicture], free: float) -> list[int]:
    """Return the places of the first missing pictures that fit, each file once."""
    chosen: dict[str, int] = {}
    for position, entry in enumerate(found):
        if entry.present or not entry.name or entry.name in chosen:
            continue
        if entry.bytes > free:
            break
        free -= entry.bytes
        chosen[entry.name] = position
    return list(chosen.values())


def _report(
    folder: Path,
    found: list[SurveyedPicture],
    counts: tuple[int, int],
    room: Room,
    limit: float,
    trouble: str | None,
) -> None:
    """Say what the cache holds, and what to do if it does not hold everything."""
    wanted = {entry.name: entry.bytes for entry in found}
    number, total = counts
    if number < total or not is_quiet():
        print(
            f"cache {folder}: {number} of {counted(total, 'picture')}{room.describe()}",
            file=sys.stderr,
        )
    if number == total:
        return
    left = counted(total - number, "picture is", "pictures are")
    rest = f"{left} read from {'its file' if total - number == 1 else 'their files'}"
    if trouble is not None:
        print(
            f"{folder}: {trouble}: {rest}; free some space there, or name another folder with "
            "data.cache_folder=FOLDER",
            file=sys.stderr,
        )
    elif room.needed > limit * _GIB:
        print(
            f"data.cache_limit: {limit:g} GiB are full: {rest}; this run's pictures need "
            f"{sum(wanted.values()) / _GIB:.3g} GiB",
            file=sys.stderr,
        )
