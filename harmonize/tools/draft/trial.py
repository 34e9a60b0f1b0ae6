"""A trial of a drafted mapping: its splits are listed and a few pictures of each are read."""

from pathlib import Path

from harmonize.data.index import index_files
from harmonize.data.labels import LabelReader
from harmonize.data.sizes import refuse_sizes
from harmonize.errors import HarmonizeError
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.pictures.reading import read_picture

_READ = 3  # pictures of each split


def try_splits(spec: DatasetSpec, root: Path) -> tuple[dict[str, int], list[str]]:
    """Return how many pictures each split has that can be listed, and what is wrong."""
    counts: dict[str, int] = {}
    problems: dict[str, None] = {}
    for split in spec.splits:
        try:
            counts[split] = _read_few(spec.with_ids(root), split, root, counts)
        except HarmonizeError as error:
            problems |= dict.fromkeys(error.problems)
    return counts, list(problems)


def _read_few(spec: DatasetSpec, split: str, root: Path, counts: dict[str, int]) -> int:
    """Read a few pictures of a split with their labels; return how many it has."""
    files = index_files(spec, split, root)
    counts[split] = number = len(files)
    labels = LabelReader(spec)
    for place in {0} if number <= _READ else {0, number // 2, number - 1}:
        path, label = root / files.picture(place), files.label(place)
        size = read_picture(path, exif=spec.exif).size
        height, width = labels.read(root, label, lambda size=size: size).shape
        refuse_sizes(path, size, label, (width, height), scaled=spec.resize_picture)
    return number
