"""What encodings have in common whose files call classes by their names."""

from collections.abc import Sequence
from pathlib import Path

from harmonize.config.strict_yaml import Value
from harmonize.errors import HarmonizeError
from harmonize.labels.class_table import DataClass
from harmonize.labels.encoding import Encoding
from harmonize.labels.path_template import Fields, Template
from harmonize.pictures.limits import refuse_huge

# Letters of shapes: H x W pixels.

IN = "//"
"""Stands between a file and the picture in it; paths have no two slashes otherwise."""


class ByName(Encoding):
    """A file that calls classes by their names; a class has one or more of them."""

    wanted = (
        "~ where the files call it by its own name, their name or a list of names for it, or [] "
        "for what no annotation covers"
    )
    kind = "category"

    def parse(self, name: str, value: Value) -> DataClass | None:
        if value is None:
            return DataClass(name, mask=name)
        if value == []:
            return DataClass(name)
        texts = value if isinstance(value, list) else [value]
        if not all(isinstance(text, str) and text for text in texts):
            return None
        return DataClass(name, mask=str(texts[0]), more_masks=tuple(map(str, texts[1:])))

    def keys(self, entry: DataClass) -> Sequence[int | str | None]:
        return entry.masks or (None,)

    def write(self, key: int | str | None) -> str:
        return "[]" if key is None else repr(key)

    def fill(self, template: Template, fields: Fields) -> str:
        path = template.fill(fields)
        while IN in path:
            path = path.replace(IN, "/")
        return path

    def files(self, label: str, classes: Sequence[DataClass]) -> list[tuple[int, str]]:
        return [(0, label)]


class InSet(ByName):
    """One file for many pictures: the index keeps it with the picture's path."""

    in_set = True

    def of_picture(self, label: str, picture: str) -> str:
        return f"{label}{IN}{picture}"

    def files(self, label: str, classes: Sequence[DataClass]) -> list[tuple[int, str]]:
        return [(0, label.partition(IN)[0])]


def file_and_picture(root: Path, label: str) -> tuple[Path, str]:
    """Return the file of a label and the path of its picture."""
    file, _, picture = label.partition(IN)
    return root / file, picture


def read_size(width: object, height: object, where: str) -> tuple[int, int]:
    """Return a picture's width and height as a file gives them.

    Raises:
        HarmonizeError: they are no sizes, or of a picture that would not be read.
    """
    if not (type(width) is int and type(height) is int and width > 0 and height > 0):
        raise HarmonizeError(
            f"{where}: expected the width and height of its picture, got {width!r} and {height!r}"
        )
    refuse_huge((width, height), Path(where))
    return width, height
