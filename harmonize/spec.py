"""A data set's mapping: its files, its splits, its label encoding, and what each class means."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from harmonize.errors import HarmonizeError, near_matches, raise_all
from harmonize.ontology import Ontology
from harmonize.schema import build
from harmonize.strict_yaml import Document, Value, dump, load_file
from harmonize.template import Template

IGNORE = "ignore"
Encoding = Literal["ids", "rgb", "soft_masks"]
_HEX_COLOR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class Split:
    """How one split lists its pictures: by exactly one of ``list``, ``range`` and ``glob``."""

    list: str | None = None
    """A text file with one picture per line."""
    columns: tuple[str, ...] = ("id",)
    """The fields that the columns of the list give."""
    separator: str | None = None
    """What separates the columns; white space unless given."""
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


@dataclass(frozen=True)
class DataClass:
    """A data set's own class: its name and the label values that stand for it."""

    name: str
    values: tuple[int, ...]
    """Ids; for colours the number ``65536 R + 256 G + B``."""


@dataclass(frozen=True)
class DatasetSpec:
    """Everything that is known about a data set but its pictures.

    Attributes:
        name: the name that configs, tables and checkpoints use.
        picture, label: path templates, relative to the data set's folder. In ``soft_masks`` the
            label's field ``{class}`` is the class's id.
        encoding: ``ids`` (values of a grey or palette picture), ``rgb`` (colours) or ``soft_masks``
            (one grey picture per class; the largest value wins, ties go to the lower id).
        splits: how each split lists its pictures.
        classes: the data set's classes by name, in file order.
        meaning: by ontology and class, the nodes that the class means; empty for ``ignore``.
        root: the folder to look in when the user names none.
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

    def split(self, name: str) -> Split:
        """Return a split by name."""
        if name not in self.splits:
            where = self.document.where(("splits",))
            raise HarmonizeError(f"{where}: no split {name!r}; {near_matches(name, self.splits)}")
        return self.splits[name]


def _classes(written: _Mapping, document: Document, problems: list[str]) -> dict[str, DataClass]:
    classes: dict[str, DataClass] = {}
    owner: dict[int, str] = {}
    if not written.classes:
        problems.append(f"{document.where(('classes',))}: a data set needs at least one class")
    for name, value in written.classes.items():
        where = document.where(("classes", name))
        values = _colors(value) if written.encoding == "rgb" else _ids(value)
        if values is None or (written.encoding == "soft_masks" and len(values) != 1):
            wanted = {
                "ids": "an id from 0 to 65535 or a list of ids",
                "rgb": "a colour such as [255, 0, 0] or '#ff0000', or a list of colours",
                "soft_masks": "the one id that stands in the mask's file name",
            }[written.encoding]
            problems.append(f"{where}: expected {wanted}, got {value!r}")
            continue
        for number in values:
            shown = f"#{number:06x}" if written.encoding == "rgb" else number
            if number in owner:
                problems.append(f"{where}: {shown} stands for {owner[number]!r} already")
            owner[number] = name
        classes[name] = DataClass(name, values)
    return classes


def _ids(value: Value) -> tuple[int, ...] | None:
    items = value if isinstance(value, list) else [value]
    numbers = tuple(item for item in items if type(item) is int and 0 <= item <= 0xFFFF)
    return numbers if numbers and len(numbers) == len(items) else None


def _colors(value: Value) -> tuple[int, ...] | None:
    items: list[Value] = [value]
    if isinstance(value, list) and value and isinstance(value[0], list | str):
        items = value
    colors = [_color(item) for item in items]
    numbers = tuple(color for color in colors if color is not None)
    return numbers if numbers and len(numbers) == len(colors) else None


def _color(value: Value) -> int | None:
    if isinstance(value, str):
        return int(value[1:], 16) if _HEX_COLOR.fullmatch(value) else None
    if isinstance(value, list):
        parts = [part for part in value if type(part) is int and 0 <= part <= 255]
        if len(parts) == len(value) == 3:
            red, green, blue = parts
            return (red << 16) | (green << 8) | blue
    return None


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
    if label is not None and (written.encoding == "soft_masks") != ("class" in label.names):
        problems.append(
            f"{document.where(('label',))}: the field {{class}} belongs to encoding: soft_masks "
            f"and to no other, got {written.label!r} with {written.encoding}"
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
        for key in ("columns", "separator"):
            if split.list is None and getattr(split, key) != getattr(Split(), key):
                problems.append(f"{where}: `{key}` belongs to a list")
        if split.range is not None and split.range[0] > split.range[1]:
            problems.append(f"{where}: the range is first to last, got {list(split.range)}")
