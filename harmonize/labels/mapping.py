"""The keys of a mapping file, and everything that can be wrong with them."""

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from harmonize.config.accept import Accept
from harmonize.config.channels import Channel, check_channels
from harmonize.config.schema import Count, Range
from harmonize.config.strict_yaml import Document, KeyPath
from harmonize.errors import HarmonizeError, near_matches, raise_all, wrong_characters
from harmonize.labels.class_file import ClassFile
from harmonize.labels.class_table import DataClass
from harmonize.labels.encoding import Encoding
from harmonize.labels.encodings import ENCODINGS
from harmonize.labels.no_labels import NoLabels
from harmonize.labels.path_template import Template, inside_root

IGNORE = "ignore"
TODO, TODO_TREE = "TODO", "TODO_tree"
"""What drafts hold in the place of a node, and of a tree, that they leave to the user."""
_NAME = re.compile(r"[\w-]+")
_LONGEST_RANGE = 1_000_000
"""Pictures; a larger number is a slip, and would be looked for one by one."""
_MOST_CLASSES = 10_000
"""Of a data set; more are hardly classes, but objects or places."""
_MOST_VALUES = 1_000_000
"""Of all classes of a data set."""
_OF_LABELS = ("value", "tolerance", "order", "annotations", "class_file", "benchmark")
"""Further keys that a mapping without labels does not have."""


@dataclass(frozen=True)
class Split:
    """How one split lists its pictures: by exactly one of ``list``, ``range`` and ``glob``."""

    list: str | None = None
    """A text file with one picture per line, relative to the data set's folder; where that has
    none, to the mapping's. In full it may lie anywhere."""
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
class Mapping:
    """The keys of a mapping file."""

    name: str
    """What configs, tables and checkpoints call the data set: letters, digits, ``_`` and ``-``."""
    picture: str
    """Path template of the pictures, relative to the data set's folder. A field is ``{person}``,
    ``{number:04d}``, or a part of a number: ``{id//2000}``, ``{id%100}``. A final ``.*`` stands for
    whatever extension the file has; ``{split}`` is the split's name."""
    label: str | None
    """Path template of the label files, likewise. With one file per class, the field ``{class}`` is
    what stands for the class in the file's name. ``null`` for pictures without labels, which teach
    something only once they are completed (``train.complete``, ``harmonize refine``); they have
    neither ``encoding`` nor ``classes`` nor ``meaning``."""
    splits: dict[str, Split]
    """The parts of the data set, such as ``train`` and ``val``, and the pictures of each."""
    encoding: Literal[tuple(ENCODINGS)] | None = None  # pyright: ignore[reportInvalidTypeForm]
    """How label files say which class a pixel is."""
    classes: dict[str, Any] = field(default_factory=dict[str, Any])
    """The data set's own classes, and what stands for each in the label files. A value that belongs
    to no class is an error that names the file, the value and the number of pixels."""
    meaning: dict[str, dict[str, str | tuple[str, ...]]] = field(
        default_factory=dict[str, dict[str, str | tuple[str, ...]]]
    )
    """By tree (its file's name without extension), what each class means: a node, a list of nodes,
    or ``ignore`` for pixels that are neither trained on nor scored."""
    root: str | None = None
    """The data set's folder, where neither the config nor ``$HARMONIZE_DATA`` says another;
    relative to the working directory or, where it is not there, to the mapping's folder. Or an
    archive (``sets/a.zip``), Parquet files (``sets/a/**/*.parquet``) or an address
    (``s3://bucket/a``)."""
    about: str = ""
    """A line for the reader."""
    value: str | None = None
    """For ``ids``: arithmetic that gives the ids, such as ``V//256`` of a single channel ``V`` or
    ``R + 256*G + 65536*B`` of a colour picture; ``+ - * // %`` and whole numbers. For ``masks``:
    what is 0 outside the mask, such as ``V//128`` of one with soft edges."""
    tolerance: Annotated[int, Range(0, 255)] = 0
    """For ``rgb``: how far each part of a colour may be from its class's; the nearest wins."""
    order: Literal["area", "file"] | None = None
    """For ``coco``: which of two annotations lies on top where they overlap: the smaller one
    (``area``), or the later one of the file. Unless given, annotations of different classes that
    overlap are an error."""
    annotations: str | None = None
    """For ``coco_panoptic``: path template of the JSON that says what the segments in the PNG files
    (``label``) are, such as ``annotations/panoptic_{split}.json``."""
    class_file: ClassFile | None = None
    """For ``ids``: the data set's own file that gives the ids; each class is then ``~``."""
    resize_picture: bool = False
    """Scale a picture whose size differs from its label's, instead of refusing it; one of another
    shape is refused all the same."""
    exif: Literal["apply", "ignore"] | None = None
    """Whether pictures are turned as their EXIF orientation says (``apply``) or lie as their labels
    do (``ignore``). Unless given, a picture that has an orientation is refused."""
    channels: tuple[Channel, ...] = ()
    """The bands of TIFF pictures, by name: ``[{name: red, band: 1}, {name: nir, band: 4, range: [0,
    10000]}]``. Unless given, pictures are read as red, green and blue of 8 bits."""
    outside_root: bool = False
    """Whether paths with ``..`` may lead out of the data set's folder. Links are followed in any
    case, absolute paths never."""
    answers: Literal["strict", "approximate"] = "strict"
    """What is answered and scored of classes that a network's labels do not tell from each other.
    ``strict`` leaves them out. ``approximate``: leaves that no label tells apart answer for one of
    the classes that have any of them: the one with the most ``pixels`` if these are given for all,
    else the one that has most of these leaves, among equals the one of the fewest leaves in all."""
    pixels: dict[str, Annotated[float, Range(0, 1e18)]] = field(default_factory=dict[str, float])
    """For ``answers: approximate``: how many pixels classes have, in any unit."""
    benchmark: tuple[str, ...] = ()
    """The classes that the data set's own benchmark scores; unless given, all that mean something.
    ``harmonize evaluate --protocol`` neither answers nor scores the others."""
    accept: Accept = field(default_factory=Accept)
    """Findings of ``harmonize check`` that are meant: by kind, the names they may be about, or
    ``all``."""


def check_keys(written: Mapping, document: Document) -> None:
    """Make sure that a mapping has the keys that go with its labels, or with having none.

    Raises:
        HarmonizeError: each that is missing or too many.
    """
    keys = ("encoding", "classes", "meaning")
    if written.label is None:
        raise_all(
            f"{document.where((key,))}: there are no labels (label: null); remove the key"
            for key in (*keys, *_OF_LABELS)
            if document.get((key,)) is not None
        )
        return
    raise_all(
        f"{document.where(())}: the key {key!r} is missing; add it"
        for key in keys
        if document.get((key,)) is None
    )


def read_classes(written: Mapping, document: Document, problems: list[str]) -> dict[str, DataClass]:
    """Return the classes by name, noting those whose value is wrong or taken."""
    encoding = encoding_of(written)
    classes: dict[str, DataClass] = {}
    owner: dict[int | str | None, str] = {}
    if len(written.classes) > _MOST_CLASSES:
        raise HarmonizeError(
            f"{document.where(('classes',))}: {len(written.classes)} classes, more than the "
            f"{_MOST_CLASSES} that a data set may have; give those that mean the same one name "
            "and a list of values"
        )
    if not written.classes:
        problems.append(f"{document.where(('classes',))}: a data set needs at least one class")
    for name, value in written.classes.items():
        where = document.where(("classes", name))
        if wrong := wrong_characters(name):
            problems.append(f"{where}: {wrong}")
        if written.class_file is None:
            entry, wanted = encoding.parse(name, value), encoding.wanted
        else:
            entry = DataClass(name) if value is None else None
            wanted = "~, as the class file gives the ids"
        if entry is None:
            problems.append(f"{where}: expected {wanted}, got {value!r}")
            continue
        if len(owner) + len(entry.values) > _MOST_VALUES:
            problems.append(
                f"{where}: more than {_MOST_VALUES} values stand for classes; make classes of ids "
                "by a formula in `value`, such as `value: V//1000`"
            )
            break
        for key in encoding.keys(entry) if written.class_file is None else ():
            if key in owner:
                shown = encoding.write(key)
                problems.append(f"{where}: {shown} stands for {owner[key]!r} already")
            owner[key] = name
        classes[name] = entry
    has_masks = any(entry.masks for entry in classes.values()) or written.class_file is not None
    if encoding.per_class and classes and not has_masks:
        problems.append(
            f"{document.where(('classes',))}: no class has a mask; give one at least "
            f"{encoding.wanted.partition(',')[0]}"
        )
    return classes


def read_meaning(
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


def check_bands(written: Mapping, document: Document, problems: list[str]) -> None:
    """Note what is wrong with the bands of pictures."""
    check_channels(written.channels, document, ("channels",), problems)
    if not written.channels and document.get(("channels",)) is not None:
        problems.append(f"{document.where(('channels',))}: names no band; remove the key")
    for key in ("exif", "resize_picture"):
        if written.channels and getattr(written, key):
            problems.append(
                f"{document.where((key,))}: TIFF pictures of which `channels` names the bands are "
                "read as they are stored; remove the key"
            )


def read_template(text: str, where: str, problems: list[str]) -> Template | None:
    """Parse a path template, noting what is wrong with it."""
    try:
        return Template(text, where=where)
    except HarmonizeError as error:
        problems += error.problems
        return None


def check_files(
    written: Mapping, label: Template | None, document: Document, problems: list[str]
) -> None:
    """Note what is wrong with the name, the paths and the splits of a mapping."""
    if not _NAME.fullmatch(written.name):
        problems.append(
            f"{document.where(('name',))}: a name is made of letters, digits, _ and -, "
            f"got {written.name!r}"
        )
    if label is not None and encoding_of(written).per_class != ("class" in label.names):
        owners = " or ".join(name for name, one in ENCODINGS.items() if one.per_class)
        problems.append(
            f"{document.where(('label',))}: the field {{class}} belongs to encoding: {owners} "
            f"and to no other, got {written.label!r} with {written.encoding}"
        )
    _check_paths(written, document, problems)
    for name, split in written.splits.items():
        _check_split(name, split, document, problems)


def _check_split(name: str, split: Split, document: Document, problems: list[str]) -> None:
    """Note what is wrong with a split."""
    where = document.where(("splits", name))
    if wrong := wrong_characters(name):
        problems.append(f"{where}: {wrong}")
    given = [key for key in ("list", "range", "glob") if getattr(split, key) is not None]
    if len(given) != 1:
        shown = " and ".join(given) or "none"
        problems.append(f"{where}: needs exactly one of list, range and glob, got {shown}")
    for path in (split.list, split.glob):
        if path is not None:
            read_template(path, where, problems)
        if path == "" or "**" in (path or ""):
            problems.append(
                f"{where}: a path is not empty and has no **; write * or a field per folder"
            )
    if split.glob and "*" not in split.glob and "{" not in split.glob:
        problems.append(f"{where}: `glob` needs a field or a *, got {split.glob!r}")
    if split.separator == "":
        problems.append(f"{where}: `separator` is empty; leave it out for white space")
    for key in ("columns", "separator", "skip"):
        if split.list is None and getattr(split, key) != getattr(Split(), key):
            problems.append(f"{where}: `{key}` belongs to a list")
    if split.range is not None and split.range[0] > split.range[1]:
        problems.append(f"{where}: the range is first to last, got {list(split.range)}")
    if split.range is not None and split.range[1] - split.range[0] >= _LONGEST_RANGE:
        problems.append(
            f"{where}: a range of more than {_LONGEST_RANGE} pictures, got {list(split.range)}"
        )


def _check_paths(written: Mapping, document: Document, problems: list[str]) -> None:
    """Note each path that leads out of the data set's folder as it is written."""
    paths: dict[KeyPath, str] = {("picture",): written.picture, ("label",): written.label or ""}
    if written.class_file is not None:
        paths["class_file", "json"] = written.class_file.json
    if written.annotations is not None:
        paths[("annotations",)] = written.annotations
    for name, split in written.splits.items():
        path = split.list or split.glob or ""
        paths["splits", name] = path.removeprefix("/") if split.list else path
    for place, path in paths.items():
        try:
            inside_root(path, document.where(place), outside=written.outside_root)
        except HarmonizeError as error:
            problems += error.problems


def encoding_of(written: Mapping) -> Encoding:
    """Return the encoding without its options."""
    return NoLabels() if written.encoding is None else ENCODINGS[written.encoding]


def read_encoding(written: Mapping, document: Document, problems: list[str]) -> Encoding:
    """Return the encoding with its options, noting those that belong to another one."""
    encoding = encoding_of(written)
    owners: dict[str, list[str]] = {}
    for owner in ENCODINGS.values():
        for key in owner.options:
            owners.setdefault(key, []).append(owner.name)
    for key, names in owners.items():
        if getattr(written, key) and key not in encoding.options:
            where, who = document.where((key,)), " or ".join(names)
            problems.append(f"{where}: belongs to encoding: {who}, not {encoding.name}")
    given = {key: getattr(written, key) for key in encoding.options}
    try:
        return encoding.with_options(given, lambda key: document.where((key,)))
    except HarmonizeError as error:
        problems += error.problems
    return encoding
