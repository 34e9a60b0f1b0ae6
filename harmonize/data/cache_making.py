"""Finding out what the cache's folder lacks, and decoding it in several processes."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Bool
from numpy import ndarray
from torch.utils.data import Dataset

from harmonize.data.bad_samples import BadSample, BadSampleError
from harmonize.data.cache_entry import (
    EntryNames,
    entry_bytes,
    entry_path,
    read_entry,
    write_entry,
)
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.loading import load
from harmonize.data.pixels import Pixels
from harmonize.pictures.reading import choose_factor, reduced_size
from harmonize.system.progress import ProgressLine

# Letters of shapes: P pictures of all data sets, one data set after the other.

Result = TypeVar("Result")


@dataclass(frozen=True)
class SurveyedPicture:
    """What a look at the folder says about a picture.

    Attributes:
        name: of its file there; empty if it cannot be used.
        bytes: of that file.
        present: whether it is there.
        bad: why it cannot be used, if so.
    """

    name: str
    bytes: int
    present: bool
    bad: BadSample | None = None


class Survey(Dataset[SurveyedPicture]):
    """Looks for the pictures of all data sets in the folder, by their place among all."""

    def __init__(
        self,
        datasets: Sequence[SegmentationDataset],
        folder: Path,
        least: Sequence[float],
        *,
        skip_bad: bool = False,
    ) -> None:
        self.folder = folder
        self.skip_bad = skip_bad
        self._datasets = datasets
        self._least = least
        self._names = [EntryNames(dataset) for dataset in datasets]
        self._ends = np.cumsum([len(dataset) for dataset in datasets])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, position: int) -> SurveyedPicture:
        try:
            return self._look(position)
        except BadSampleError as error:
            if not self.skip_bad:
                raise
            return SurveyedPicture("", 0, False, error.sample)

    def _look(self, position: int) -> SurveyedPicture:
        dataset, number = self._place(position)
        if not self._datasets[dataset].is_plain:
            return SurveyedPicture("", 0, False)
        size = self._datasets[dataset].size(number)
        factor = choose_factor(size, self._least[dataset])
        name = self._names[dataset].name(number, factor)
        if not name:
            return SurveyedPicture("", 0, False)
        num_bytes = entry_bytes(reduced_size(size, factor), self._num_classes(dataset))
        return SurveyedPicture(
            name, num_bytes, read_entry(entry_path(self.folder, name)) is not None
        )

    def make(self, position: int, name: str) -> bool:
        """Decode and write a picture; False if its files are no longer those of the name.

        Raises:
            BadSampleError: it cannot be used.
            OSError: it cannot be written.
        """
        path = entry_path(self.folder, name)
        if read_entry(path) is not None:  # another run was faster
            return True
        dataset, number = self._place(position)
        pixels = self._datasets[dataset].pixels(number, least=self._least[dataset])
        assert isinstance(pixels, Pixels)  # others are not kept
        if self[position].name != name:
            return False
        write_entry(path, pixels, self._num_classes(dataset))
        return True

    def pictures(self) -> list[str]:
        """Return the files of all pictures, one data set after the other."""
        return [
            str(dataset.root / dataset.files.picture(number))
            for dataset in self._datasets
            for number in range(len(dataset))
        ]

    def split(self, names: list[str], cached: Bool[ndarray, " P"]) -> list[ndarray]:
        """Return the names of each data set, empty where nothing is cached."""
        kept = np.where(cached, np.array(names, dtype=np.bytes_), b"")
        return np.split(kept, self._ends[:-1])

    def _place(self, position: int) -> tuple[int, int]:
        dataset = int(np.searchsorted(self._ends, position, side="right"))
        return dataset, position - int(self._ends[dataset]) + len(self._datasets[dataset])

    def _num_classes(self, dataset: int) -> int:
        return len(self._datasets[dataset].spec.classes)


class _Maker(Dataset["bool | OSError | BadSample"]):
    """Makes what the folder lacks; what stops it from writing, or is to be skipped, is returned."""

    def __init__(self, survey: Survey, found: list[SurveyedPicture]) -> None:
        self._survey = survey
        self._names = np.array([entry.name for entry in found], dtype=np.bytes_)

    def __getitem__(self, position: int) -> "bool | OSError | BadSample":
        try:
            return self._survey.make(position, os.fsdecode(self._names[position]))
        except OSError as error:
            return error
        except BadSampleError as error:
            if not self._survey.skip_bad:
                raise
            return error.sample


@dataclass
class Made:
    """What a process has made of its share.

    Attributes:
        positions: of the pictures that are in the folder now.
        trouble: why not all of them are, if something stopped it from writing.
        bad: those that cannot be used.
    """

    positions: list[int] = field(default_factory=list[int])
    trouble: str | None = None
    bad: list[BadSample] = field(default_factory=list[BadSample])


def work(
    dataset: Dataset[Result], positions: Sequence[int], workers: int, at_a_time: int
) -> Iterator[Result]:
    """Yield the results for some positions in order."""
    starts = range(0, len(positions), at_a_time)
    batches = [list(positions[start : start + at_a_time]) for start in starts]
    for results in load(dataset, batches, list, workers=min(workers, len(batches))):
        yield from results


def make_all(
    survey: Survey,
    found: list[SurveyedPicture],
    positions: list[int],
    *,
    workers: int,
    shown: bool,
) -> Made:
    """Make this process's share."""
    made = Made()
    results = work(_Maker(survey, found), positions, workers, 1)
    with ProgressLine(len(positions), "caching", "pictures", shown=shown) as bar:
        for position, result in zip(positions, results, strict=True):
            if isinstance(result, OSError):
                made.trouble = result.strerror or str(result)
                break
            if isinstance(result, BadSample):
                made.bad.append(result)
            elif result:
                made.positions.append(position)
            bar.update()
    return made
