"""The folder of a refined data set: its label files, its mapping, links to its pictures."""

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Integer
from numpy import ndarray
from PIL import Image

from harmonize.config.accept import ALL, Accepted
from harmonize.config.strict_yaml import Value, dump, load_text
from harmonize.data.dataset import SegmentationDataset
from harmonize.errors import HarmonizeError
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.mapping_lint import mapping_findings
from harmonize.labels.ontology import Ontology
from harmonize.labels.palette import Color
from harmonize.labels.tree_file import free_name
from harmonize.stores.stored_path import StoredPath
from harmonize.system.atomic_files import write_whole, writing
from harmonize.tools.refine.label_sets import LabelSets

# Letters of shapes: H x W pixels.

PICTURES, LABELS = "pictures", "labels"
VOID = "void"
"""The class of pixels without a label; its value is 0, and a set's is its number + 1."""
_PALETTE = 256


@dataclass(frozen=True)
class RefinedSet:
    """Where a refined data set is written.

    Attributes:
        folder: holds all of it.
        name: of the data set.
        dataset: that is refined.
        sets: what its labels can become.
        colors: of the sets.
    """

    folder: Path
    name: str
    dataset: SegmentationDataset
    sets: LabelSets
    colors: Sequence[Color]

    @property
    def mapping(self) -> Path:
        """The mapping's file."""
        return self.path_of(self.folder, self.name)

    @staticmethod
    def path_of(folder: Path, name: str) -> Path:
        """Return the file of a refined set's mapping."""
        return folder / f"{name}.yaml"

    def begin(self) -> None:
        """Make the folder, with a link to the pictures.

        Raises:
            HarmonizeError: it holds something already, or cannot be written.
        """
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise HarmonizeError(
                f"--output {self.folder}: exists already; name another folder, or remove it"
            )
        if isinstance(self.dataset.root, StoredPath):
            raise HarmonizeError(
                f"{self.dataset.root}: a refined set has a link to the folder of its pictures; "
                "unpack or copy them to a folder, and name it by data.roots"
            )
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            link = self.folder / PICTURES
            link.symlink_to(self.dataset.root.resolve(), target_is_directory=True)

    def label_paths(self) -> list[str]:
        """Return the path of each label below the folder of labels: the picture's, as PNG."""
        pictures = [self.dataset.files.picture(number) for number in range(len(self.dataset))]
        short = [str(PurePosixPath(picture).with_suffix(".png")) for picture in pictures]
        if len({one.casefold() for one in short}) == len(set(pictures)):
            return short
        return [f"{picture}.png" for picture in pictures]

    def write_label(self, path: str, sets: Integer[ndarray, "H W"]) -> None:
        """Write a label: 0 for void, the number of a set + 1 elsewhere.

        Raises:
            HarmonizeError: it cannot be written.
        """
        file = self.folder / LABELS / path
        small = len(self.sets.names) < _PALETTE
        image = Image.fromarray((sets + 1).astype(np.uint8 if small else np.uint16))
        if small:
            palette = np.zeros((_PALETTE, 3), dtype=np.uint8)
            palette[1 : len(self.colors) + 1] = self.colors
            image.putpalette(palette.tobytes())
        data = io.BytesIO()
        image.save(data, format="PNG", optimize=small)
        with writing(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, data.getvalue())

    def write_mapping(
        self,
        ontology: Ontology,
        numbers: Sequence[int],
        counts: Sequence[int],
        provenance: Mapping[str, str],
    ) -> None:
        """Write the mapping, the list of its pictures, and its tree, which is then found there.

        Args:
            ontology: that the sets are of.
            numbers: of the pictures that were completed.
            counts: pixels of void and of each set: those that occur are its classes.
            provenance: lines about where the labels are from.

        Raises:
            HarmonizeError: a file cannot be written.
        """
        paths = self.label_paths()
        rows = [f"{self.dataset.files.picture(number)}\t{paths[number]}\n" for number in numbers]
        text = self._text(ontology, counts, provenance)
        for path, data in (
            (self.folder / f"{ontology.name}.txt", ontology.text),
            (self.folder / free_name(self.dataset.split, ontology.name), "".join(rows)),
            (self.mapping, text),
        ):
            with writing(path):
                write_whole(path, os.fsencode(data))

    def _text(
        self, ontology: Ontology, counts: Sequence[int], provenance: Mapping[str, str]
    ) -> str:
        """Return the mapping's text, with what of its findings is meant."""
        head = "".join(f"# {key}: {value}\n" for key, value in provenance.items())
        value = self._value(ontology, counts)
        spec = DatasetSpec.from_document(load_text(dump(value), str(self.mapping)))
        found = mapping_findings(spec, ontology, Accepted({}, spec.document))
        accept: dict[str, Value] = {finding.kind: ALL for finding in found}
        accept |= {
            kind: list(names) if isinstance(names, tuple) else names
            for kind, names in self.dataset.spec.accept.items()
            if kind == "sides"
        }
        if accept:
            value["accept"] = accept
        return head + dump(value)

    def _value(self, ontology: Ontology, counts: Sequence[int]) -> dict[str, Value]:
        spec, split = self.dataset.spec, self.dataset.split
        there = [number for number, count in enumerate(counts[1:]) if count]
        classes: dict[str, Value] = {self.sets.names[one]: one + 1 for one in there}
        meaning: dict[str, Value] = {
            self.sets.names[one]: list(ontology.describe(self.sets.finer.masks[one]))
            for one in there
        }
        if counts[0]:
            classes = {VOID: 0, **classes}
            meaning = {VOID: "ignore", **meaning}
        value: dict[str, Value] = {
            "name": self.name,
            "about": f"{spec.about or spec.name} Labels completed by a network; see above.".strip(),
            "root": str(self.folder.resolve()),
            "picture": f"{PICTURES}/{{picture}}",
            "label": f"{LABELS}/{{label}}",
            "encoding": "ids",
            "splits": {
                split: {
                    "list": free_name(split, ontology.name),
                    "columns": ["picture", "label"],
                    "separator": "\t",
                }
            },
            "classes": classes,
            "meaning": {ontology.name: meaning},
        }
        if spec.resize_picture:
            value["resize_picture"] = True
        if spec.exif is not None:
            value["exif"] = spec.exif
        return value
