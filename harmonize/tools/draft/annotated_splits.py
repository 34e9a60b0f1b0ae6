"""How the pictures of annotation files lie: path templates, and the pictures of each split."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from harmonize.config.strict_yaml import Value
from harmonize.labels.path_template import Template
from harmonize.plurals import counted
from harmonize.tools.draft.file_groups import escape
from harmonize.tools.draft.name_words import canonical, split_order, split_word
from harmonize.tools.draft.picture_annotations import PER_PICTURE, AnnotationFile

ALL, _OTHER = "all", "other"
"""The name of the split where no folder or file names one, and where only some do."""

Columns = dict[str, list[str]]
"""The values of each field of the templates, one per picture."""


@dataclass
class AnnotatedSplits:
    """The path templates and splits of a mapping of annotation files.

    Attributes:
        templates: the mapping's keys with a path.
        num_pictures: how many are labelled.
        splits: what the mapping says of each split, and a comment.
        lists: the lists of splits that are written beside the mapping, by name.
        columns: what tells the pictures of the last split apart.
        files: the label and the picture file of each of them.
        remarks: what the user should know about the splits.
    """

    templates: dict[str, str]
    num_pictures: int
    splits: dict[str, tuple[dict[str, Value], str]] = field(
        default_factory=dict[str, tuple[dict[str, Value], str]]
    )
    lists: dict[str, str] = field(default_factory=dict[str, str])
    columns: Columns = field(default_factory=dict[str, list[str]])
    files: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    remarks: list[str] = field(default_factory=list[str])

    def begin_ids(self, start: str) -> None:
        """Write what all ids begin with into the templates, in place of the ids."""
        text = escape(start) + "{id}"
        self.templates = {key: one.replace("{id}", text) for key, one in self.templates.items()}
        for keys, _ in self.splits.values():
            if "glob" in keys:
                keys["glob"] = str(keys["glob"]).replace("{id}", text)
        for file, listed in self.lists.items():
            lines = (line.removeprefix(start) for line in listed.splitlines(keepends=True))
            self.lists[file] = "".join(lines)


@dataclass(frozen=True)
class _Picture:
    """A labelled picture: the split that its path names, its file, its label's and the file's."""

    split: str
    image: str
    label: str
    annotations: str

    @property
    def paths(self) -> dict[str, str]:
        """What may differ between pictures."""
        return {
            "folder": _folder(self.image),
            "ending": PurePosixPath(self.image).suffix,
            "labels": _folder(self.label),
            "annotations": self.annotations,
        }


def lay_out(name: str, found: Sequence[AnnotationFile], images: Sequence[str]) -> AnnotatedSplits:
    """Find the templates of a data set of annotation files, and what each split says.

    Args:
        name: of the data set, which the lists' names begin with.
        found: the annotation files, of one encoding.
        images: all picture files of the data set's folder.
    """
    pictures = _pictures(found)
    splits = {one.split for one in pictures}
    kinds = {(one.split, *one.paths.values()) for one in pictures}
    templates, columns = _in_full(pictures) if len(kinds) == len(splits) else _by_parts(pictures)
    encoding = found[0].encoding
    if "{ending}" in templates["ending"] and all(columns["ending"]):  # so that {id} ends there
        columns["ending"] = [ending.removeprefix(".") for ending in columns["ending"]]
        templates["ending"] = ".{ending}"
    texts = {"picture": templates["folder"] + "{id}" + templates["ending"]}
    if encoding in PER_PICTURE:
        file = PER_PICTURE[encoding].replace("{ending}", templates["ending"])
        texts["label"] = templates["labels"] + file
    elif encoding == "coco_panoptic":
        texts["label"] = templates["labels"] + "{id}.png"
        texts["annotations"] = templates["annotations"]
    else:
        texts["label"] = templates["annotations"]
    drafted = AnnotatedSplits(texts, len(pictures))
    used = {key for key in columns if any(f"{{{key}}}" in text for text in texts.values())}
    columns = {key: values for key, values in columns.items() if key in used}
    for split in sorted(splits, key=lambda one: (split_order(one), one)):
        places = [place for place, one in enumerate(pictures) if one.split == split]
        own = {key: [values[place] for place in places] for key, values in columns.items()}
        listed = [pictures[place].image for place in places]
        keys, text = _split(texts["picture"], own, listed, images)
        varying = {key: values for key, values in own.items() if len({*values}) > 1}
        drafted.columns = {**varying, "id": [PurePosixPath(image).stem for image in listed]}
        drafted.files = [(pictures[place].label, pictures[place].image) for place in places]
        if text:
            drafted.lists[f"{name}_{split}.txt"] = text
            keys = {"list": f"{name}_{split}.txt", **keys}
        drafted.splits[split] = keys, counted(len(listed), "picture")
    return drafted


def _pictures(found: Sequence[AnnotationFile]) -> list[_Picture]:
    """Return all labelled pictures; where some paths name a split, the others are of ``other``."""
    pictures: list[_Picture] = []
    for one in found:
        annotations = "" if one.encoding in PER_PICTURE else one.path
        own = _split_in(one.path)
        pictures += [
            _Picture(own or _split_in(_folder(image)), image, label, annotations)
            for image, label in one.pairs
        ]
    rest = _OTHER if any(one.split for one in pictures) else ALL
    return [
        one if one.split else _Picture(rest, one.image, one.label, one.annotations)
        for one in pictures
    ]


def _split_in(path: str) -> str:
    """Return the split that a path names, its last parts first; empty if it names none."""
    words = (split_word(part) for part in path.split("/")[::-1])
    return next((canonical(word[1]) for word in words if word), "")


def _in_full(pictures: Sequence[_Picture]) -> tuple[dict[str, str], Columns]:
    """Return templates with a field for each whole path that differs between splits."""
    columns = {key: [one.paths[key] for one in pictures] for key in pictures[0].paths}
    templates = {
        key: _as_folder(columns, key) if key in ("folder", "labels") else _fixed(columns, key)
        for key in columns
    }
    return templates, columns


def _by_parts(pictures: Sequence[_Picture]) -> tuple[dict[str, str], Columns]:
    """Return templates with a field for each folder that differs; others repeat these fields."""
    whole = {key: [one.paths[key] for one in pictures] for key in pictures[0].paths}
    templates = {"ending": _fixed(whole, "ending")}
    templates["folder"], columns = _folder_fields(whole)
    labels = _from_fields(whole["labels"], columns)
    if labels is None:
        text = _as_folder(whole, "labels")
        same = _repeated(whole["labels"], columns)
        templates["labels"] = text if same is None else text.replace("{labels}", same)
        columns |= {} if same else {"labels": whole["labels"]}
    else:
        templates["labels"] = _slashed(labels)
    templates["annotations"] = _from_fields(whole["annotations"], columns) or "{annotations}"
    return templates, {**columns, "annotations": whole["annotations"], "ending": whole["ending"]}


def _folder_fields(whole: Columns) -> tuple[str, Columns]:
    """Return the pictures' folder as a template has it, and its fields: one for each part."""
    parts = _parted(whole["folder"])
    if parts is None:
        return _as_folder(whole, "folder"), {"folder": whole["folder"]}
    columns: Columns = {}
    texts: list[str] = []
    for values in parts:
        text = escape(values[0]) if len({*values}) == 1 else _repeated(values, columns)
        if text is None:
            key = f"folder_{len(columns) + 1}" if columns else "folder"
            columns[key], text = values, f"{{{key}}}"
        texts.append(text)
    return _slashed("/".join(texts)), columns


def _from_fields(paths: Sequence[str], columns: Columns) -> str | None:
    """Write paths with the fields that are there; None if they need others."""
    if len({*paths}) == 1:
        return escape(paths[0])
    parts = _parted(paths)
    texts = [
        escape(values[0]) if len({*values}) == 1 else _repeated(values, columns)
        for values in parts or ()
    ]
    known = [text for text in texts if text is not None]
    return "/".join(known) if texts and len(known) == len(texts) else None


def _repeated(values: list[str], columns: Columns) -> str | None:
    """Return the field that has these values; None if none has."""
    return next((f"{{{key}}}" for key, column in columns.items() if column == values), None)


def _parted(paths: Sequence[str]) -> list[list[str]] | None:
    """Return the values of each part of paths; None if some are deeper than others."""
    parts = [path.split("/") for path in paths]
    if len({len(one) for one in parts}) > 1:
        return None
    return [list(values) for values in zip(*parts, strict=True)]


def _fixed(columns: Columns, key: str) -> str:
    """Return what all pictures have in common, else the field."""
    values = {*columns[key]}
    return escape(values.pop()) if len(values) == 1 else f"{{{key}}}"


def _as_folder(columns: Columns, key: str) -> str:
    """Return a folder before a file's name; where it may be none, values end with the slash."""
    if len({*columns[key]}) > 1 and "" in columns[key]:
        columns[key] = [_slashed(value) for value in columns[key]]
        return f"{{{key}}}"
    return _slashed(_fixed(columns, key))


def _slashed(folder: str) -> str:
    return f"{folder}/" if folder else ""


def _split(
    picture: str, columns: Columns, listed: Sequence[str], images: Sequence[str]
) -> tuple[dict[str, Value], str]:
    """Return the keys of a split, and the text of its list if its pictures fit no pattern."""
    fixed = {key: values[0] for key, values in columns.items() if len({*values}) == 1}
    varying = [key for key in columns if key not in fixed]
    fields: dict[str, Value] = {"fields": dict[str, Value](fixed)} if fixed else {}
    glob = picture
    for key, value in fixed.items():
        glob = glob.replace(f"{{{key}}}", escape(value))
    if all(f"{{{key}}}/" in glob for key in varying):
        pattern = Template(glob, where="glob").pattern()
        fits = {image for image in images if pattern.fields(image) is not None}
        if fits == {*listed}:
            return {"glob": glob, **fields}, ""
    stems = [PurePosixPath(image).stem for image in listed]
    rows = zip(*(columns[key] for key in varying), stems, strict=True)
    more: dict[str, Value] = {"columns": [*varying, "id"]} if varying else {}
    text = "".join("\t".join(row) + "\n" for row in rows)
    return {**more, "separator": "\t", **fields}, text


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
