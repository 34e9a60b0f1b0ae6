"""How many pixels of each class each training picture has, counted once and kept on the disk."""

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from accelerate import PartialState
from accelerate.utils import gather_object
from jaxtyping import Float, Int
from numpy import ndarray
from torch.utils.data import Dataset

from harmonize.data.bad_list import BadList
from harmonize.data.bad_samples import BadSample, BadSampleError
from harmonize.data.cache_entry import EntryNames
from harmonize.data.cache_making import work
from harmonize.data.dataset import SegmentationDataset
from harmonize.system.agreement import together
from harmonize.system.atomic_files import write_whole
from harmonize.system.progress import follow

# Letters of shapes: P pictures of a data set, C classes of it.

SUFFIX = ".counts"
_AT_A_TIME = 16
"""Labels that a loader process counts for one answer."""


@dataclass(frozen=True)
class LabelCounts:
    """The pixels of each class in each picture of a data set; none in a picture that is bad."""

    pixels: Int[ndarray, "P C"]

    @property
    def shares(self) -> Float[ndarray, " C"]:
        """The mean over the pictures of each class's share of all pixels."""
        whole = self.pixels.sum(1, keepdims=True)
        return (self.pixels / np.maximum(whole, 1)).sum(0) / max((whole > 0).sum(), 1)


class _Counter(Dataset["Int[ndarray, ' C'] | BadSample"]):
    """Counts one label; what is bad is returned where it may be skipped."""

    def __init__(self, dataset: SegmentationDataset, *, skip_bad: bool) -> None:
        self._dataset = dataset
        self._skip_bad = skip_bad

    def __getitem__(self, number: int) -> "Int[ndarray, ' C'] | BadSample":
        try:
            classes = self._dataset.label(number)
        except BadSampleError as error:
            if not self._skip_bad:
                raise
            return error.sample
        counts = np.bincount(classes[classes >= 0], minlength=len(self._dataset.spec.classes))
        return counts.astype(np.int64)


def count_labels(
    datasets: Sequence[SegmentationDataset],
    folder: Path | None,
    *,
    workers: int = 0,
    bad: BadList | None = None,
) -> list[LabelCounts]:
    """Count the pixels of each class in each picture; every process must call this.

    Counts are kept in a folder under a name that follows from the mapping and from the size and
    times of every file, and taken from there.

    Args:
        datasets: whose labels are counted.
        folder: the cache's; None to keep nothing.
        workers: loader processes of each process.
        bad: takes down what cannot be used; None to stop at it.

    Raises:
        HarmonizeError: a label that cannot be used, or too many of them.
    """
    found: list[LabelCounts] = []
    for dataset in datasets:
        path, counts = None, None
        if folder is not None:
            with together():
                path = folder / f"{_name(dataset, skip_bad=bad is not None)}{SUFFIX}"
                counts = _read(path, len(dataset), len(dataset.spec.classes))
        known: list[bool] = gather_object([counts is not None])
        if counts is None or not all(known):
            counts, met = _count(dataset, workers, skip_bad=bad is not None)
            if bad is not None and met:
                bad.add(met)
            if path is not None and PartialState().is_main_process:
                # Counting again costs less than a run that ends for want of room.
                with contextlib.suppress(OSError):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    content = counts.tobytes()
                    write_whole(path, content + _checksum(content))
        found.append(LabelCounts(counts))
    return found


def _count(
    dataset: SegmentationDataset, workers: int, *, skip_bad: bool
) -> tuple[Int[ndarray, "P C"], list[BadSample]]:
    counter = _Counter(dataset, skip_bad=skip_bad)
    state = PartialState()
    rank, number = state.process_index, state.num_processes
    places = range(rank, len(dataset), number)
    with together():
        results = work(counter, places, workers, _AT_A_TIME)
        title, is_main = f"counting labels of {dataset.spec.name}", state.is_main_process
        followed = follow(results, len(places), title, "labels", shown=is_main)
        own = list(zip(places, followed, strict=True))
    pixels = np.zeros((len(dataset), len(dataset.spec.classes)), dtype=np.int64)
    bad: list[BadSample] = []
    shares: list[list[tuple[int, Int[ndarray, " C"] | BadSample]]] = gather_object([own])
    for place, result in (pair for share in shares for pair in share):
        if isinstance(result, BadSample):
            bad.append(result)
        else:
            pixels[place] = result
    return pixels, bad


def _name(dataset: SegmentationDataset, *, skip_bad: bool) -> str:
    """Return a name that follows from all that the counts depend on.

    Raises:
        BadSampleError: a file is gone, and such are not skipped.
    """
    names, total = EntryNames(dataset), hashlib.blake2b(digest_size=16)
    for number in range(len(dataset)):
        try:
            total.update(names.name(number, 1).encode())
        except BadSampleError:
            if not skip_bad:
                raise
            total.update(b"gone")
    return total.hexdigest()


def _read(path: Path, num_pictures: int, num_classes: int) -> Int[ndarray, "P C"] | None:
    """Return what a file holds; None if it is not there or not as it was written."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    length = 8 * num_pictures * num_classes
    if content[length:] != _checksum(content[:length]):
        return None
    return np.frombuffer(content[:length], dtype=np.int64).reshape(num_pictures, num_classes)


def _checksum(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
