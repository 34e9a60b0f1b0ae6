"""A data set's mapping: its files, its splits, its label encoding, and what each class means."""

import dataclasses
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from harmonize.class_values import (
    WANTED,
    ClassFile,
    Encoding,
    ValueFormula,
    parse_values,
    write_value,
)
from harmonize.errors import HarmonizeError, near_matches, raise_all
from harmonize.ontology import Ontology
from harmonize.schema import Count, Range, build
from harmonize.strict_yaml import Document, Value, dump, load_file
from harmonize.template import Template

IGNORE = "ignore"
MASKS = ("soft_masks", "masks")
"""The encodings with one label file per class."""


@dataclass(frozen=True)
class Split:
    """How one split lists its pictures: by exactly one of ``list``, ``range`` and ``glob``."""

    list: str | None = None
    """A text file with one picture per line."""
    columns: tuple[str, ...] = ("id",)
    """The fields that the columns of the list give."""
    separator: str | None = None
    """What separates the columns; white space unless given."""
    skip: Count = 0
    """Lines at the head of the list that name no picture."""
    where: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    """Smallest and largest value that a numeric field may have; other pictures are left out."""
    range: tuple[int, int] | None = None
    """First and last value of the field ``id``, both included."""
    glob: str | None = None
    """A path template; every file that matches it gives its fields. ``*`` matches anything."""
    fields: dict[str, str | int] = field(default_factory=dict[str, str | int])
    """Further fields with a fixed value. ``split`` is the split's own name unless given here."""


@dataclass(frozen=True)
class _Mapping:
    """The keys of a mapping file."""

    name: str
    picture: str
    label: str
    encoding: Encoding
    splits: dict[str, Split]
    classes: dict[str, Any]
    meaning: dict[str, dict[str, str | tuple[str, ...]]]
    root: str | None = None
    about: str = ""
    value: str | None = None
    tolerance: Annotated[int, Range(0, 255)] = 0
    class_file: ClassFile | None = None
    resize_picture: bool = False


@dataclass(frozen=True)
class DataClass:
    """A data set's own class: its name and what stands for it in the label files."""

    name: str
    values: tuple[int, ...] = ()
    """Ids or colours as numbers; none where the data set's own class file gives them."""
    mask: str | None = None
    """What stands in the name of its mask; None for what no mask covers."""


@dataclass(frozen=True)
class DatasetSpec:
    """Everything that is known about a data set but its pictures.

    Attributes:
        name: the name that configs, tables and checkpoints use.
        picture, label: path templates, relative to the data set's folder. With one label file per
            class, the label's field ``{class}`` is the class's id or name there.
        encoding: ``ids`` (numbers of a grey, palette or, by a formula, colour picture), ``rgb``
            (colours), ``soft_masks`` (one grey picture per class; the largest value wins, ties go
            to the lower id) or ``masks`` (one picture per class that is there; where it is not 0 it
            covers the classes before it).
        splits: how each split lists its pictures.
        classes: the data set's classes by name, in file order.
        meaning: by ontology and class, the nodes that the class means; empty for ``ignore``.
        root: the folder to look in when the user names none.
        formula: arithmetic that gives the ids of ``ids``.
        tolerance: how far each part of an ``rgb`` colour may be from its class's.
        class_file: the data set's own file that gives the ids of classes without one.
        resize_picture: whether a picture is scaled to its label's size.
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
    formula: ValueFormula | None
    tolerance: int
    class_file: ClassFile | None
    resize_picture: bool
    document: Document = field(repr=False, compare=False)

    @classmethod
    def from_file(cls, path: str | Path, override: dict[str, Value] | None = None) -> "DatasetSpec":
        """Read a mapping; ``override`` replaces values by dotted path.

        Raises:
            HarmonizeError: one line for each thing that is wrong.
        """
        document = load_file(path)
        for key, value in (override or {}).items():
            document.set(key, value, source=f"{path} (override)")
        return cls.from_document(document)

    @classmethod
    def from_document(cls, document: Document) -> "DatasetSpec":
        """Build a mapping from parsed YAML; see ``from_file``."""
        written = build(_Mapping, document)
        problems: list[str] = []
        classes = _classes(written, document, problems)
        meaning = {
            ontology: _meaning(ontology, nodes, written.classes, document, problems)
            for ontology, nodes in written.meaning.items()
        }
        picture = _template(written.picture, document.where(("picture",)), problems)
        label = _template(written.label, document.where(("label",)), problems)
        _check_files(written, label, document, problems)
        formula = _check_options(written, document, problems)
        raise_all(problems)
        assert picture is not None
        assert label is not None
        return cls(
            name=written.name,
            picture=picture,
            label=label,
            encoding=written.encoding,
            splits=written.splits,
            classes=classes,
            meaning=meaning,
            root=written.root,
            about=written.about,
            formula=formula,
            tolerance=written.tolerance,
            class_file=written.class_file,
            resize_picture=written.resize_picture,
            document=document,
        )

    @property
    def text(self) -> str:
        """The mapping as YAML, overrides included."""
        return dump(self.document.value)

    def leaf_masks(self, ontology: Ontology) -> Bool[ndarray, "C K"]:
        """Return the leaves that each class means; none for an ignored class.

        Raises:
            HarmonizeError: the mapping does not serve this ontology, or names unknown nodes.
        """
        if ontology.name not in self.meaning:
            advice = ", ".join(self.meaning) or "none"
            raise HarmonizeError(
                f"{self.document.where(('meaning',))}: says nothing about the ontology "
                f"{ontology.name!r}, only about {advice}; add meaning.{ontology.name}"
            )
        masks = np.zeros((len(self.classes), len(ontology.leaves)), dtype=bool)
        problems: list[str] = []
        for number, (name, nodes) in enumerate(self.meaning[ontology.name].items()):
            where = self.document.where(("meaning", ontology.name, name))
            unknown = [node for node in nodes if node not in ontology.nodes]
            problems += [
                f"{where}: no node {node!r} in {ontology.name}; "
                f"{near_matches(node, ontology.nodes)}"
                for node in unknown
            ]
            if not unknown:
                masks[number] = ontology.leaf_mask(nodes)
        raise_all(problems)
        return masks

    def folder(self, roots: dict[str, str]) -> Path:
        """Find the data set's folder: ``roots``, then ``$HARMONIZE_DATA``, then the mapping's root.

        Raises:
            HarmonizeError: no such folder; names the places tried.
        """
        tried: list[str] = []
        if self.name in roots:
            tried.append(roots[self.name])
        else:
            if os.environ.get("HARMONIZE_DATA"):
                tried.append(str(Path(os.environ["HARMONIZE_DATA"]) / self.name))
            if self.root is not None:
                tried.append(self.root)
        for place in tried:
            folder = Path(os.path.expanduser(place))  # noqa: PTH111  leaves an unknown ~user alone
            if folder.is_dir():
                return folder
        where = f"looked in {', '.join(tried)}; " if tried else ""
        raise HarmonizeError(
            f"{self.name}: the data set's folder was not found; {where}"
            f"say data.roots.{self.name}=FOLDER"
        )

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


def _classes(written: _Mapping, document: Document, problems: list[str]) -> dict[str, DataClass]:
    classes: dict[str, DataClass] = {}
    owner: dict[int | str | None, str] = {}
    if not written.classes:
        problems.append(f"{document.where(('classes',))}: a data set needs at least one class")
    for name, value in written.classes.items():
        where = document.where(("classes", name))
        entry = _data_class(written, name, value)
        if entry is None:
            wanted = "~, as the class file gives the ids"
            if written.class_file is None:
                wanted = WANTED[written.encoding]
            problems.append(f"{where}: expected {wanted}, got {value!r}")
            continue
        for key in entry.values or ([entry.mask] if written.encoding == "masks" else []):
            if key in owner:
                shown = "~" if key is None else repr(key)
                if isinstance(key, int):
                    shown = write_value(written.encoding, key)
                problems.append(f"{where}: {shown} stands for {owner[key]!r} already")
            owner[key] = name
        classes[name] = entry
    return classes


def _data_class(written: _Mapping, name: str, value: Value) -> DataClass | None:
    """Return a class, or None if its value is not what the encoding wants."""
    if written.class_file is not None:
        return DataClass(name) if value is None else None
    if written.encoding == "masks":
        known = value is None or (isinstance(value, str) and value)
        return DataClass(name, mask=value) if known else None  # type: ignore[arg-type]
    values = parse_values(written.encoding, value)
    if values is None:
        return None
    mask = str(values[0]) if written.encoding == "soft_masks" else None
    return DataClass(name, values, mask)


def _meaning(
    ontology: str,
    written: dict[str, str | tuple[str, ...]],
    classes: dict[str, Any],
    document: Document,
    problems: list[str],
) -> dict[str, tuple[str, ...]]:
    """Return the nodes of every class, in the order of the classes."""
    for name in written:
        if name not in classes:
            where = document.where(("meaning", ontology, name))
            problems.append(f"{where}: no class {name!r}; {near_matches(name, classes)}")
    meaning: dict[str, tuple[str, ...]] = {}
    for name in classes:
        where = document.where(("meaning", ontology, name))
        nodes = written.get(name)
        if nodes is None or nodes == ():
            problems.append(
                f"{where}: the class {name!r} has no meaning here; "
                f"give it a node, a list of nodes, or {IGNORE}"
            )
            continue
        listed = (nodes,) if isinstance(nodes, str) else nodes
        if IGNORE in listed and len(listed) > 1:
            problems.append(f"{where}: {IGNORE} stands alone, got {list(listed)}")
        meaning[name] = () if listed == (IGNORE,) else listed
    return meaning


def _template(text: str, where: str, problems: list[str]) -> Template | None:
    try:
        return Template(text, where=where)
    except HarmonizeError as error:
        problems += error.problems
        return None


def _check_files(
    written: _Mapping, label: Template | None, document: Document, problems: list[str]
) -> None:
    if label is not None and (written.encoding in MASKS) != ("class" in label.names):
        problems.append(
            f"{document.where(('label',))}: the field {{class}} belongs to encoding: soft_masks or "
            f"masks and to no other, got {written.label!r} with {written.encoding}"
        )
    for name, split in written.splits.items():
        given = [key for key in ("list", "range", "glob") if getattr(split, key) is not None]
        where = document.where(("splits", name))
        if len(given) != 1:
            shown = " and ".join(given) or "none"
            problems.append(f"{where}: needs exactly one of list, range and glob, got {shown}")
        for path in (split.list, split.glob):
            if path is not None:
                _template(path, where, problems)
        for key in ("columns", "separator", "skip"):
            if split.list is None and getattr(split, key) != getattr(Split(), key):
                problems.append(f"{where}: `{key}` belongs to a list")
        if split.range is not None and split.range[0] > split.range[1]:
            problems.append(f"{where}: the range is first to last, got {list(split.range)}")


def _check_options(
    written: _Mapping, document: Document, problems: list[str]
) -> ValueFormula | None:
    """Refuse options that the encoding has no use for; return the formula if there is one."""
    owners = {"value": "ids", "class_file": "ids", "tolerance": "rgb"}
    for key, encoding in owners.items():
        if getattr(written, key) and written.encoding != encoding:
            where = document.where((key,))
            problems.append(f"{where}: belongs to encoding: {encoding}, not {written.encoding}")
    if written.value is not None:
        try:
            return ValueFormula(written.value, where=document.where(("value",)))
        except HarmonizeError as error:
            problems += error.problems
    return None
