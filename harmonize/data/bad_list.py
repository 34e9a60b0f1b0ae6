"""Lists the bad samples of a run in a file, and ends the run when there are too many."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import gather_object

from harmonize.data.bad_samples import BadSample, BadSampleError
from harmonize.data.dataset import SegmentationDataset
from harmonize.errors import HarmonizeError, printable
from harmonize.plurals import counted
from harmonize.system.agreement import together
from harmonize.system.atomic_files import write_whole, writing

LIST = "bad_samples.jsonl"


class BadList:
    """The bad samples that were met so far, the same in all processes; a file lists them."""

    def __init__(
        self, datasets: Iterable[SegmentationDataset], share: float, folder: Path | None = None
    ) -> None:
        """Prepare for data sets; every process must call this.

        Args:
            datasets: whose pictures may be bad.
            share: of the pictures of a split that may be; one of them always may.
            folder: holds the list; those that it has and that are still bad are known. None for no
                list.
        """
        self._path = None if folder is None else folder / LIST
        self._share = share
        self._sizes = {(d.spec.name, d.split): len(d) for d in datasets}
        self._known: dict[tuple[str, str, str], BadSample] = {}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._main = PartialState().is_main_process
        listed: list[BadSample] = []
        with together():
            if self._main and self._path is not None and self._path.exists():
                listed = _still_bad(_read(self._path), list(datasets))
                with writing(self._path):
                    write_whole(self._path, _lines(listed))
        for sample in _gather(listed):
            self._note(sample)

    def is_known(self, sample: BadSample) -> bool:
        """Say whether a sample was met before."""
        return _key(sample) in self._known

    def add(self, samples: Sequence[BadSample]) -> list[BadSample]:
        """Note what was met; every process must call this.

        Returns:
            What all of them met, in a fixed order.

        Raises:
            HarmonizeError: too many of a split are bad, or the list cannot be written.
        """
        met = {_key(sample): sample for sample in sorted(_gather(samples), reverse=True)}
        new = sorted(sample for sample in met.values() if not self.is_known(sample))
        with together():
            if self._main and new:
                self._warn(new)
                self._append(new)
        for sample in new:
            self._note(sample)
        self._stop_beyond_share()
        return sorted(met.values())

    def summary(self) -> str | None:
        """Say how many were skipped, if any."""
        if not self._counts:
            return None
        parts = [
            f"{number} of {self._sizes.get(where, '?')} pictures of {where[0]}, {where[1]}"
            for where, number in sorted(self._counts.items())
        ]
        listed = "" if self._path is None else f"; listed with the reasons in {self._path}"
        return f"skipped as bad: {', '.join(parts)}{listed}"

    def _note(self, sample: BadSample) -> None:
        self._known[_key(sample)] = sample
        self._counts[sample.dataset, sample.split] += 1

    def _warn(self, new: list[BadSample]) -> None:
        """Warn of the first of each split."""
        warned = set(self._counts)
        for sample in new:
            if (sample.dataset, sample.split) not in warned:
                warned.add((sample.dataset, sample.split))
                print(
                    f"warning: {printable(sample.reason)}; skipped, as further bad samples of "
                    f"{sample.dataset}, {sample.split} will be",
                    file=sys.stderr,
                )

    def _append(self, new: list[BadSample]) -> None:
        if self._path is None:
            return
        with writing(self._path), self._path.open("ab") as file:
            file.write(_lines(new))

    def _stop_beyond_share(self) -> None:
        for where, size in self._sizes.items():
            if self._counts[where] > max(int(self._share * size), 1):
                example = next(s for s in self._known.values() if (s.dataset, s.split) == where)
                place = "" if self._path is None else f"; {self._path} lists them"
                raise HarmonizeError(
                    f"{where[0]}, {where[1]}: {self._counts[where]} of {counted(size, 'picture')} "
                    f"are bad, more than the share data.bad_share={self._share:g}, such as "
                    f"{example.reason}{place}; mend them, or raise the share"
                )


def _key(sample: BadSample) -> tuple[str, str, str]:
    return sample.dataset, sample.split, sample.picture


def _gather(samples: Sequence[BadSample]) -> list[BadSample]:
    """Return the samples of all processes."""
    return [sample for share in gather_object([list(samples)]) for sample in share]


def _lines(samples: Iterable[BadSample]) -> bytes:
    return b"".join(json.dumps(asdict(sample)).encode() + b"\n" for sample in samples)


def _read(path: Path) -> list[BadSample]:
    """Return what a list holds, without what an interrupted process wrote half."""
    samples: list[BadSample] = []
    for line in path.read_bytes().splitlines():
        try:
            sample = BadSample(**json.loads(line))
        except (ValueError, TypeError, RecursionError):
            continue
        if all(isinstance(value, str) for value in vars(sample).values()):
            samples.append(sample)
    return list({_key(sample): sample for sample in samples}.values())


def _still_bad(listed: list[BadSample], datasets: Sequence[SegmentationDataset]) -> list[BadSample]:
    """Leave out what has been mended since, or belongs to no data set of the run any more."""
    found: list[BadSample] = []
    for dataset in datasets:
        wanted = {s.picture for s in listed if _key(s)[:2] == (dataset.spec.name, dataset.split)}
        for number in range(len(dataset)) if wanted else ():
            if dataset.files.picture(number) in wanted:
                try:
                    dataset[number]
                except BadSampleError as error:
                    found.append(error.sample)
    return list({_key(sample): sample for sample in found}.values())
