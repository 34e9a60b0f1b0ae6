"""Index the picture and label files of the data sets that a config names."""

from collections.abc import Sequence

from harmonize.config.channels import RGB
from harmonize.config.run_config import RunConfig
from harmonize.data.dataset import SegmentationDataset
from harmonize.errors import HarmonizeError, raise_all
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.sources import Sources


def open_trained(sources: Sources, config: RunConfig) -> list[SegmentationDataset]:
    """Index the files that a config trains on, as much of each split as it takes.

    Raises:
        HarmonizeError: everything that is missing from any of them, or that takes no picture.
    """
    entries = [(entry, spec) for entry, spec in sources.trained if entry.train]
    pairs = [(spec, entry.train) for entry, spec in entries if entry.train]
    opened = open_datasets(pairs, config.data.roots, bands=config.model.bands)
    problems: list[str] = []
    for (entry, spec), dataset in zip(entries, opened, strict=True):
        number = len(dataset)
        if entry.take is not None:
            dataset.files = dataset.files.part(*entry.part, seed=config.seed)
        if not len(dataset):
            problems.append(
                f"{spec.name}: take {entry.take} of {number} pictures is none; take more"
            )
    raise_all(problems)
    return opened


def open_datasets(
    pairs: list[tuple[DatasetSpec, str]], roots: dict[str, str], *, bands: Sequence[str] = RGB
) -> list[SegmentationDataset]:
    """Index the files of several mappings' splits.

    Args:
        pairs: the mappings and splits.
        roots: folders of data sets, by name.
        bands: the names of those that pictures are read as.

    Raises:
        HarmonizeError: everything that is missing from any of them.
    """
    problems: list[str] = []
    opened: list[SegmentationDataset] = []
    for spec, split in pairs:
        try:
            opened.append(SegmentationDataset(spec, split, root=spec.folder(roots), bands=bands))
        except HarmonizeError as error:
            problems += error.problems
    raise_all(problems)
    return opened
