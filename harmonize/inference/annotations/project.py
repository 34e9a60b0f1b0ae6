"""A folder of annotations beside answers: the files of a tool, links to the pictures, a mapping."""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Integer
from numpy import ndarray
from PIL import Image

from harmonize.config.strict_yaml import Value, read_text
from harmonize.errors import HarmonizeError, raise_all
from harmonize.inference.annotations.annotated_classes import (
    AnnotatedClasses,
    annotated_classes,
    mapping_text,
)
from harmonize.inference.annotations.coco_writer import CocoWriter
from harmonize.inference.annotations.cvat_writer import CvatWriter
from harmonize.inference.annotations.label_studio_writer import LabelStudioWriter
from harmonize.inference.annotations.labelme_writer import LabelMeWriter, label_of
from harmonize.inference.annotations.parts import Part, parts_of
from harmonize.inference.answer_space import AnswerSpace
from harmonize.inference.drawing import pixel_table
from harmonize.inference.inputs import Wanted
from harmonize.inference.write_answers import Output
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.labels.tree_file import free_name
from harmonize.pictures.tiff import is_tiff
from harmonize.system.atomic_files import write_whole, writing
from harmonize.system.progress import ProgressLine

# Letters of shapes: H x W pixels.

PICTURES, SPLIT = "pictures", "train"


@runtime_checkable
class Writer(Protocol):
    """Writes the annotations of one tool."""

    encoding: str
    options: Mapping[str, Value]
    label: str
    files: tuple[str, ...]
    endings: Sequence[str]

    def add(self, name: str, size: tuple[int, int], parts: Sequence[Part]) -> dict[str, bytes]:
        """Add a picture of a width and height; return the files that are its own."""
        ...

    def finish(self) -> dict[str, bytes]:
        """Return the files of all pictures together."""
        ...


_WRITERS = {
    "coco": CocoWriter,
    "labelme": LabelMeWriter,
    "label-studio": LabelStudioWriter,
    "cvat": CvatWriter,
}


@dataclass(frozen=True)
class Project:
    """What is written beside answers, so that people can correct them.

    Attributes:
        output: the answers.
        kind: the tool.
        space: the possible answers.
        classes: that annotations may have.
        tree: of the run.
        turn: whether pictures are turned upright as their EXIF data says.
    """

    output: Output
    kind: str
    space: AnswerSpace
    classes: AnnotatedClasses
    tree: Ontology
    turn: bool = True

    @classmethod
    def of(
        cls,
        output: Output,
        kind: str,
        space: AnswerSpace,
        spec: DatasetSpec | None,
        tree: Ontology,
        *,
        turn: bool = True,
    ) -> "Project":
        """Plan a project of answers; ``spec`` is the data set whose classes they are, if any.

        Raises:
            HarmonizeError: there is no such tool.
        """
        if kind not in _WRITERS:
            raise HarmonizeError(f"--write {kind}: choose from {', '.join(_WRITERS)}")
        classes = annotated_classes(space, spec, tree.name)
        return cls(output, kind, space, classes, tree, turn)

    @property
    def folder(self) -> Path:
        """Of the answers, and so of the project."""
        return self.output.folder

    @property
    def name(self) -> str:
        """What the data set is called: as its folder is, as far as names may be so."""
        return self.mapping.stem

    @property
    def mapping(self) -> Path:
        """The mapping's file."""
        return mapping_of(self.folder)

    @property
    def list_file(self) -> str:
        """The file that lists the pictures."""
        return free_name(PICTURES, self.tree.name)

    @property
    def tree_file(self) -> Path:
        """The tree's file, where ``harmonize check`` finds it."""
        return self.folder / f"{self.tree.name}.txt"

    def check(self, pictures: Sequence[Wanted], *, banded: bool = False) -> None:
        """Make sure that pictures can be annotated, and that no corrections would be lost.

        Args:
            pictures: to be answered.
            banded: whether the network takes other bands than colours from TIFF files.

        Raises:
            HarmonizeError: what is in the way.
        """
        problems: list[str] = []
        writer = _WRITERS[self.kind]
        labels = [label_of(_name(one)) for one in pictures] if self.kind == "labelme" else []
        if len(set(labels)) < len(labels):  # a.jpg and a.png have one JSON
            problems.append(
                "--write labelme: two pictures differ in their ending alone; rename one"
            )
        for one in pictures:
            if self.output.is_tiff(one) or (banded and is_tiff(one.path)):
                problems.append(
                    f"{one.path}: has a place on the ground, or more bands than colours, which "
                    "annotation tools do not keep; leave out --write"
                )
            elif {"\t", "\n", "\r"} & set(_name(one)):
                problems.append(f"{one.path}: has a line break or a tab in its name; rename it")
            elif writer.endings and one.path.suffix.lower() not in writer.endings:
                problems.append(
                    f"{one.path}: Label Studio shows {', '.join(writer.endings)}; convert it"
                )
        raise_all(problems)
        named = [self.mapping.name, self.list_file, *writer.files, *labels]
        there = [self.folder / name for name in named if os.path.lexists(self.folder / name)]
        if there:
            raise HarmonizeError(
                f"{there[0]}: is there already, and people may have corrected it; choose another "
                "--output, or remove it"
            )
        if os.path.lexists(self.tree_file) and read_text(self.tree_file) != self.tree.text:
            raise HarmonizeError(
                f"{self.tree_file}: is there already and is not the run's tree, which goes there; "
                "choose another --output, or remove it"
            )

    def write(self, pictures: Sequence[Wanted], notes: Sequence[str] = ()) -> None:
        """Write the annotations of pictures that are answered, a mapping that reads them, its tree.

        Args:
            pictures: whose answers are in their files.
            notes: lines about where the answers are from.

        Raises:
            HarmonizeError: an answer cannot be read, or a file cannot be written.
        """
        writer: Writer = _WRITERS[self.kind](self.classes)
        seen = np.zeros(len(self.classes.classes), dtype=bool)
        with ProgressLine(len(pictures), f"annotating for {self.kind}", "pictures") as bar:
            for one in bar.over(pictures):
                numbers = self.classes.numbers[read_answer(self.output.answer(one), self.space)]
                seen[np.unique(numbers)] = True
                parts = list(parts_of(numbers, self.classes.rest))
                name = _name(one)
                self._link(one, name)
                self._write(writer.add(name, (numbers.shape[1], numbers.shape[0]), parts))
        rows = [_name(one) for one in pictures]
        if self.kind == "labelme":
            rows = [f"{row}\t{label_of(row)}" for row in rows]
        self._write(writer.finish())
        classes = self.classes.classes
        missing = zip(classes, ~seen, strict=True)
        unseen = [one.name for one, is_unseen in missing if is_unseen and one.nodes]
        text = mapping_text(self.name, classes, self.tree, self._keys(writer), notes, unseen)
        listed = os.fsencode("".join(f"{row}\n" for row in rows))
        tree = {self.tree_file.name: self.tree.text.encode()}
        self._write({**tree, self.list_file: listed, self.mapping.name: text.encode()})

    def _keys(self, writer: Writer) -> dict[str, Value]:
        """Return what the mapping says of files."""
        columns: list[Value] = ["picture", "label"] if self.kind == "labelme" else ["picture"]
        return {
            "about": f"Answers of a network ({self.space.title}), to be corrected.",
            "root": str(self.folder.resolve()),
            "picture": f"{PICTURES}/{{picture}}",
            "label": writer.label,
            "encoding": writer.encoding,
            **writer.options,
            "exif": "apply" if self.turn else "ignore",
            "splits": {SPLIT: {"list": self.list_file, "columns": columns, "separator": "\t"}},
        }

    def _link(self, one: Wanted, name: str) -> None:
        """Put a link to a picture under its own name, or a copy where there are no links."""
        link = self.folder / PICTURES / name
        with writing(link):
            link.parent.mkdir(parents=True, exist_ok=True)
            if link.exists() and link.samefile(one.path):
                return
            if os.path.lexists(link):
                raise HarmonizeError(f"{link}: is there already; choose another --output")
            try:
                link.symlink_to(one.path.resolve())
            except OSError:
                shutil.copyfile(one.path, link)

    def _write(self, files: Mapping[str, bytes]) -> None:
        for name, data in files.items():
            path = self.folder / name
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(path, data)


def mapping_of(folder: Path) -> Path:
    """Return the mapping's file of a project in a folder, whose name it has as far as it can."""
    name = re.sub(r"[^\w-]+", "_", folder.resolve().name) or "answers"
    return folder / f"{name}.yaml"


def read_answer(path: Path, space: AnswerSpace) -> Integer[ndarray, "H W"]:
    """Return the number of each pixel's answer from the file that ``predict`` has written.

    Raises:
        HarmonizeError: it holds what is no answer.
    """
    table, _ = pixel_table(space)
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            pixels = np.asarray(picture)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise HarmonizeError(f"{path}: cannot be read: {error}") from None
    answered = np.flatnonzero(space.masks.any(axis=1))
    if pixels.shape[2:] != table.shape[1:]:
        raise HarmonizeError(f"{path}: is no answer in these words; answer it again")
    values, found = _as_numbers(table[answered], table), _as_numbers(pixels, table)
    order = np.argsort(values)
    places = np.searchsorted(values[order], found).clip(max=len(values) - 1)
    if (values[order][places] != found).any():
        raise HarmonizeError(f"{path}: was changed while it was read; answer it again")
    return answered[order][places]


def _as_numbers(pixels: ndarray, table: ndarray) -> ndarray:
    """Return one number for each pixel, of its colour if a table has colours."""
    if table.ndim == 1:
        return pixels.astype(np.int64)
    return pixels.astype(np.int64) @ 256 ** np.arange(table.shape[1], dtype=np.int64)


def _name(one: Wanted) -> str:
    """Return the path of a picture in the project: below the folder that was named."""
    return str(PurePosixPath(one.name.parent.as_posix(), one.path.name))
