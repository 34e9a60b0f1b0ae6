"""A data set as its mapping describes it: files, splits, label encoding, what each class means."""

import dataclasses
import functools
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from harmonize.config.accept import MAPPING_FINDINGS, Accept, check_accept
from harmonize.config.channels import Channel
from harmonize.config.schema import build
from harmonize.config.strict_yaml import Document, Value, dump, load_file
from harmonize.errors import HarmonizeError, choose_from, near_matches, raise_all
from harmonize.labels.answer_keys import check_answers, check_benchmark
from harmonize.labels.beside import find_beside
from harmonize.labels.class_file import ClassFile
from harmonize.labels.class_table import DataClass
from harmonize.labels.encoding import Encoding
from harmonize.labels.mapping import (
    IGNORE,
    TODO,
    TODO_TREE,
    Mapping,
    Split,
    check_bands,
    check_files,
    check_keys,
    read_classes,
    read_encoding,
    read_meaning,
    read_template,
)
from harmonize.labels.no_labels import UNLABELLED, NoLabels
from harmonize.labels.ontology import Ontology
from harmonize.labels.path_template import Template
from harmonize.stores.addresses import PARQUET, is_remote, is_stored, parquet_parts
from harmonize.stores.open_store import open_root


@dataclass(frozen=True)
class DatasetSpec:
    """Everything that is known about a data set but its pictures.

    Attributes:
        name: the name that configs, tables and checkpoints use.
        picture, label: path templates, relative to the data set's folder. With one label file per
            class, the label's field ``{class}`` is the class's id or name there.
        encoding: how the label files say which class each pixel has, with its options.
        splits: how each split lists its pictures.
        classes: the data set's classes by name, in file order.
        meaning: by ontology and class, the nodes that the class means; empty for ``ignore``.
        root: the folder to look in when the user names none.
        class_file: the data set's own file that gives the ids of classes without one.
        resize_picture: whether a picture is scaled to its label's size.
        exif: whether pictures are turned as their EXIF orientation says; unless given, those that
            have one are refused.
        channels: the bands of TIFF pictures; none for pictures that are read as colours.
        outside_root: whether paths with ``..`` may lead out of the data set's folder.
        answers: what is answered of classes that overlap.
        pixels: how many classes have, as far as that is said, which goes by.
        benchmark: the classes that the data set's benchmark scores; none where it scores all.
        accept: findings of ``harmonize check`` that are meant, by kind.
    """

    name: str
    picture: Template
    label: Template
    encoding: Encoding
    splits: dict[str, Split]
    classes: dict[str, DataClass]
    meaning: dict[str, dict[str, tuple[str, ...]]]
    root: str | None
    about: str
    class_file: ClassFile | None
    resize_picture: bool
    exif: Literal["apply", "ignore"] | None
    channels: tuple[Channel, ...]
    outside_root: bool
    answers: Literal["strict", "approximate"]
    pixels: dict[str, float]
    benchmark: tuple[str, ...]
    accept: Accept
    document: Document = field(repr=False, compare=False)
    _leaf_masks: dict[tuple[str, str], ndarray] = field(
        default_factory=dict[tuple[str, str], ndarray], init=False, repr=False, compare=False
    )

    @functools.cached_property
    def class_entries(self) -> tuple[DataClass, ...]:
        """The classes without their names, in file order."""
        return tuple(self.classes.values())

    @classmethod
    def from_file(cls, path: str | Path, override: dict[str, Value] | None = None) -> "DatasetSpec":
        """Read a mapping; ``override`` replaces values by dotted path.

        Raises:
            HarmonizeError: one line for each thing that is wrong.
        """
        document = load_file(path)
        for key, value in (override or {}).items():
            document.set(key, value, source=f"{path} (override)")
        find_beside(document, Path(path))
        return cls.from_document(document)

    @classmethod
    def from_document(cls, document: Document) -> "DatasetSpec":
        """Build a mapping from parsed YAML; see ``from_file``."""
        written = build(Mapping, document)
        check_keys(written, document)
        problems: list[str] = []
        classes = {UNLABELLED: DataClass(UNLABELLED)}
        if written.label is not None:
            classes = read_classes(written, document, problems)
        meaning = {
            ontology: read_meaning(ontology, nodes, written.classes, document, problems)
            for ontology, nodes in written.meaning.items()
        }
        picture = read_template(written.picture, document.where(("picture",)), problems)
        label = read_template(written.label or "", document.where(("label",)), problems)
        check_files(written, label, document, problems)
        check_bands(written, document, problems)
        check_answers(written, document, problems)
        check_benchmark(written, document, problems)
        check_accept(written.accept, MAPPING_FINDINGS, document, problems)
        encoding = read_encoding(written, document, problems)
        raise_all(problems)
        assert picture is not None
        assert label is not None
        return cls(
            name=written.name,
            picture=picture,
            label=label,
            encoding=encoding,
            splits=written.splits,
            classes=classes,
            meaning=meaning,
            root=written.root,
            about=written.about,
            class_file=written.class_file,
            resize_picture=written.resize_picture,
            exif=written.exif,
            channels=written.channels,
            outside_root=written.outside_root,
            answers=written.answers,
            pixels=written.pixels,
            benchmark=written.benchmark,
            accept=written.accept,
            document=document,
        )

    @functools.cached_property
    def has_labels(self) -> bool:
        """Whether there are label files at all."""
        return not isinstance(self.encoding, NoLabels)

    @property
    def text(self) -> str:
        """The mapping as YAML, overrides included."""
        return dump(self.document.value)

    def leaf_masks(self, ontology: Ontology) -> Bool[ndarray, "C K"]:
        """Return the leaves that each class means; none for an ignored class.

        They are found once for each ontology; each caller gets a copy.

        Raises:
            HarmonizeError: the mapping does not serve this ontology, or names unknown nodes.
        """
        key = ontology.name, ontology.text
        if key not in self._leaf_masks:
            self._leaf_masks[key] = self._find_leaf_masks(ontology)
        return self._leaf_masks[key].copy()

    def _find_leaf_masks(self, ontology: Ontology) -> Bool[ndarray, "C K"]:
        if not self.has_labels:
            return np.ones((1, len(ontology.leaves)), dtype=bool)
        if ontology.name not in self.meaning:
            if TODO_TREE in self.meaning:
                where = self.document.where(("meaning", TODO_TREE))
                raise HarmonizeError(
                    f"{where}: still a TODO of the draft; write {ontology.name} in its place, and "
                    "nodes of it below"
                )
            advice = ", ".join(self.meaning) or "none"
            raise HarmonizeError(
                f"{self.document.where(('meaning',))}: says nothing about the ontology "
                f"{ontology.name!r}, only about {advice}; add meaning.{ontology.name}"
            )
        masks = np.zeros((len(self.classes), len(ontology.leaves)), dtype=bool)
        problems: list[str] = []
        for number, (name, nodes) in enumerate(self.meaning[ontology.name].items()):
            path = ("meaning", ontology.name, name)
            listed = isinstance(self.document.get(path), list)
            unknown = [place for place, node in enumerate(nodes) if node not in ontology.nodes]
            problems += [
                f"{self.document.where((*path, place) if listed else path)}: "
                f"{_no_node(nodes[place], ontology, alone=len(nodes) == 1)}"
                for place in unknown
            ]
            if not unknown:
                masks[number] = ontology.leaf_mask(nodes)
        raise_all(problems)
        return masks

    def coarsened(self, ontology: Ontology, depth: int) -> "DatasetSpec":
        """Return the mapping with the meaning of each class grown to groups at a depth.

        A class that then means the whole tree, which teaches nothing, is ignored.
        """
        if not self.has_labels:
            return self
        meaning: dict[str, tuple[str, ...]] = {}
        for name, mask in zip(self.classes, self.leaf_masks(ontology), strict=True):
            grown = ontology.grow(mask)[depth]
            meaning[name] = () if grown.all() else ontology.describe(grown)
        return dataclasses.replace(self, meaning={**self.meaning, ontology.name: meaning})

    def folder(self, roots: dict[str, str]) -> Path:
        """Find where the set lies: ``roots``, then ``$HARMONIZE_DATA``, then the mapping's root.

        That is a folder, an archive, an address or a pattern of Parquet files.

        Raises:
            HarmonizeError: no such folder; names the places tried.
        """
        tried: list[str] = []
        if self.name in roots:
            tried.append(roots[self.name])
        else:
            if os.environ.get("HARMONIZE_DATA"):
                tried.append(_below(os.environ["HARMONIZE_DATA"], self.name))
            if self.root is not None:
                tried.append(self.root)
        for place in tried:
            found = open_root(self._with_pattern(place))
            if found is not None:
                return found
        where = f"looked in {', '.join(tried)}; " if tried else ""
        raise HarmonizeError(
            f"{self.name}: the data set's folder was not found; {where}"
            f"say data.roots.{self.name}=FOLDER"
        )

    def _with_pattern(self, place: str) -> str:
        """Return a folder with the pattern of its Parquet files, where these are what is read."""
        if self.root is None or not self.root.endswith(PARQUET) or is_stored(place):
            return place
        return f"{place}/{parquet_parts(self.root)[1]}"

    def with_ids(self, root: Path) -> "DatasetSpec":
        """Return the mapping with the ids that the data set's own class file gives.

        Raises:
            HarmonizeError: the file and the mapping do not have the same classes.
        """
        if self.class_file is None:
            return self
        ids = self.class_file.look_up(root, list(self.classes))
        classes = {
            name: dataclasses.replace(entry, values=(number,))
            for (name, entry), number in zip(self.classes.items(), ids, strict=True)
        }
        return dataclasses.replace(self, classes=classes)

    def split(self, name: str) -> Split:
        """Return a split by name."""
        if name not in self.splits:
            where = self.document.where(("splits",))
            raise HarmonizeError(f"{where}: no split {name!r}; {near_matches(name, self.splits)}")
        return self.splits[name]


def _no_node(node: str, ontology: Ontology, *, alone: bool) -> str:
    """Say that the tree has no such node, and that it is the draft's if it is."""
    if node != TODO:
        return f"no node {node!r} in {ontology.name}; {near_matches(node, ontology.nodes)}"
    remedy = f"or `{IGNORE}`" if alone else "or remove it"
    return (
        f"still a TODO of the draft; write a node of {ontology.name} in its place, {remedy}; "
        f"{choose_from(ontology.nodes)}"
    )


def _below(place: str, name: str) -> str:
    """Return where a data set lies in a folder, or below an address."""
    if not is_remote(place):
        return str(Path(place) / name)
    return f"{place}{'' if place.endswith('/') else '/'}{name}"
