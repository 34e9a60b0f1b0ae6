"""Which pictures without labels are meant, and which sets with labels stand beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harmonize.config.run_config import find_file
from harmonize.data.dataset import SegmentationDataset
from harmonize.errors import HarmonizeError
from harmonize.inference.inputs import named_pictures
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.pictures.reading import Exif
from harmonize.pipeline.evaluate_run import DEFAULT_SPLIT, ScoringRun
from harmonize.unseen.unlabelled_pictures import UnlabelledPictures

_OPTION = "--unlabelled"


@dataclass(frozen=True)
class Unlabelled:
    """The pictures in question.

    Attributes:
        name: what they are called.
        paths: of the files.
        exif: see ``read_reduced``.
        dataset: the data set that they are, if they are one.
        notes: what the user is told about them.
    """

    name: str
    paths: list[Path]
    exif: Exif | None
    dataset: str | None = None
    notes: tuple[str, ...] = ()

    def pictures(self, least: float) -> UnlabelledPictures:
        """Return the pictures as they are read; see ``UnlabelledPictures``."""
        return UnlabelledPictures(self.paths, self.exif, least)


def find_unlabelled(words: Sequence[str], scoring: ScoringRun) -> Unlabelled:
    """Find the pictures that words name: files, folders and patterns, or one data set.

    Raises:
        HarmonizeError: they name none, or both kinds.
    """
    known = {spec.name: spec for spec in scoring.run.sources.specs}
    sets = [word for word in words if word in known or word.endswith((".yaml", ".yml"))]
    if not sets:
        return Unlabelled("without labels", named_pictures(words), "apply")
    if len(words) > 1:
        other = next(word for word in words if word is not sets[0])
        raise HarmonizeError(
            f"{_OPTION}: {sets[0]} is a data set and {other} is beside it; name pictures alone or "
            "one data set alone"
        )
    name = sets[0]
    spec = known.get(name)
    if spec is None:
        if not find_file(name).is_file():
            raise HarmonizeError(f"{_OPTION} {name}: no such mapping file")
        spec = DatasetSpec.from_file(find_file(name))
    return _of_dataset(spec, scoring)


def _of_dataset(spec: DatasetSpec, scoring: ScoringRun) -> Unlabelled:
    """Find the pictures of a data set; labels that it has are not looked at."""
    splits = list(spec.splits)
    if DEFAULT_SPLIT not in splits and len(splits) != 1:
        raise HarmonizeError(
            f"{_OPTION} {spec.name}: which of its splits {', '.join(splits)}? None is called "
            f"{DEFAULT_SPLIT}; name the pictures instead"
        )
    split = DEFAULT_SPLIT if DEFAULT_SPLIT in splits else splits[0]
    dataset = SegmentationDataset(spec, split, root=spec.folder(scoring.run.config.data.roots))
    paths = [dataset.root / dataset.files.picture(number) for number in range(len(dataset))]
    notes = ()
    if spec.has_labels:
        notes = (
            f"{spec.name} has labels, which are not looked at; `harmonize evaluate` scores by them",
        )
    return Unlabelled(f"{spec.name}, {split}", paths, spec.exif, spec.name, notes)


def labelled_sets(
    scoring: ScoringRun, names: Sequence[str], split: str | None, unlabelled: Unlabelled
) -> list[SegmentationDataset]:
    """Index the sets with labels, never the one that is in question.

    Raises:
        HarmonizeError: there are none, or the set in question is named.
    """
    own = unlabelled.dataset
    if own is not None and own in names:
        raise HarmonizeError(
            f"--dataset {own}: its accuracy is to be estimated without its labels; name others"
        )
    sources = scoring.run.sources
    scored = [
        spec.name
        for entry, spec in (*sources.trained, *sources.also)
        if entry.evaluate and spec.name != own
    ]
    if not names and not scored:
        raise HarmonizeError(
            f"{_OPTION}: the run's config scores no other data set; name sets with labels with "
            "--dataset"
        )
    found = scoring.datasets(names or scored, split)
    for one in found:
        if one.spec.name == own:  # a mapping file
            raise HarmonizeError(
                f"--dataset {own}: its accuracy is to be estimated without its labels; name others"
            )
    return found
