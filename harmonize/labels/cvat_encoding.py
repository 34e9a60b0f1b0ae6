"""Labels as CVAT writes them: an XML file for images, with the shapes of all pictures."""

import xml.parsers.expat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, fromstring

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from harmonize.errors import HarmonizeError
from harmonize.labels.class_table import ClassTable
from harmonize.labels.coco_polygons import polygon_runs
from harmonize.labels.named_encoding import InSet, file_and_picture, read_size
from harmonize.labels.regions import Region, finish, from_columns, lay, pixels_of_runs
from harmonize.labels.set_index import IndexBuilder, OtherFileError, SetIndex, open_index
from harmonize.stores.plain_files import open_plain

# Letters of shapes: H x W pixels, P pixels of a shape.

Size = tuple[int, int]


@dataclass(frozen=True)
class Cvat(InSet):
    """Polygons as pycocotools draws them, boxes and masks; the higher ``z_order`` on top."""

    name = "cvat"

    def locate(self, root: Path, label: str) -> None:
        path, picture = file_and_picture(root, label)
        cvat_index(path).find(picture)

    def size(self, root: Path, label: str) -> Size:
        return _image(*file_and_picture(root, label))[2]

    def read(self, root: Path, label: str, table: ClassTable) -> Int[ndarray, "H W"]:
        image, where, (width, height) = _image(*file_and_picture(root, label))
        regions = _regions(image, (width, height), where)
        laid = lay(regions, width * height, table, where, "file")
        return finish(laid.classes.reshape(height, width), laid.unknown, table, where)


def cvat_index(path: Path) -> SetIndex:
    """Return the index of an XML file.

    Raises:
        HarmonizeError: it cannot be read, or is no XML of CVAT's for images.
    """
    return open_index(path, _build_cvat)


def _build_cvat(path: Path, builder: IndexBuilder) -> None:
    """Note where each picture's element begins; it ends before the next begins."""
    begins: list[tuple[str, int]] = []
    names: list[str] = []
    parser = xml.parsers.expat.ParserCreate()

    def start(name: str, attributes: dict[str, str]) -> None:
        names.append(name)
        if len(names) == 1 and name != "annotations":
            raise OtherFileError(f"{path}: begins with <{name}>, not as CVAT's XML for images")
        if name == "track":
            raise HarmonizeError(f"{path}: is CVAT's XML for video; export it as CVAT for images")
        if name == "image":
            if not attributes.get("name"):
                raise HarmonizeError(f"{path}: an <image> has no name")
            begins.append((attributes["name"], parser.CurrentByteIndex))
        elif names[-2:-1] == ["image"] and name != "tag":
            builder.used[attributes.get("label", "")] += 1

    def end(_: str) -> None:
        names.pop()

    parser.StartElementHandler, parser.EndElementHandler = start, end
    try:
        with open_plain(path) as file:
            parser.ParseFile(file)
            last = file.tell()
    except xml.parsers.expat.ExpatError as error:
        raise HarmonizeError(f"{path}: not XML: {error}") from None
    except OSError as error:
        raise HarmonizeError(f"{path}: cannot be read: {error.strerror or error}") from None
    ends = [place for _, place in begins[1:]] + [last]
    for (name, place), stop in zip(begins, ends, strict=True):
        builder.add_picture(name, place, stop)


def _image(path: Path, picture: str) -> tuple[Element, str, Size]:
    """Return a picture's element, what names it in errors, and its size."""
    index = cvat_index(path)
    own, _ = index.records(index.find(picture))
    where = f"{path}: {picture}"
    try:
        image = _element(own)
    except ParseError:
        raise HarmonizeError(f"{where}: cannot be read; save the XML as UTF-8") from None
    return image, where, read_size(_whole(image, "width"), _whole(image, "height"), where)


def _element(own: bytes) -> Element:
    """Parse a picture's element, which ends where another may begin."""
    end = own.rfind(b"</image>") + len(b"</image>")
    return fromstring(own[: end if end >= len(b"</image>") else own.rfind(b"/>") + 2])


def shape_labels(own: bytes) -> list[str]:
    """Return the label of each shape of a picture's own record; none where it cannot be read."""
    try:
        return [one.get("label", "") for one in _element(own) if one.tag != "tag"]
    except ParseError:
        return []


def _regions(image: Element, size: Size, where: str) -> Iterator[Region]:
    """Yield the pixels of each shape, the lowest first."""
    shapes = [(number, shape) for number, shape in enumerate(image, 1) if shape.tag != "tag"]
    for number, shape in sorted(shapes, key=lambda one: _whole(one[1], "z_order") or 0):
        label = shape.get("label", "")
        what = f"shape {number}"
        yield Region(what, label, _pixels(shape, size, f"{where}: {what} ({shape.tag}, {label})"))


def _pixels(shape: Element, size: Size, where: str) -> Int[ndarray, " P"]:
    if shape.tag == "mask":
        return _mask_pixels(shape, size, where)
    if shape.tag == "polygon":
        corners = shape.get("points", "").replace(";", ",").split(",")
    elif shape.tag == "box" and not shape.get("rotation", "0").strip("+-0."):
        left, top, right, bottom = [shape.get(key, "") for key in ("xtl", "ytl", "xbr", "ybr")]
        corners = [left, top, right, top, right, bottom, left, bottom]
    else:
        kind = "rotated box" if shape.tag == "box" else shape.tag
        raise HarmonizeError(f"{where}: a {kind} is not read; make a polygon or a mask of it")
    try:
        polygon = [float(corner) for corner in corners]
    except ValueError:
        raise HarmonizeError(f"{where}: corners are numbers, got {corners[:4]}") from None
    return from_columns(pixels_of_runs(polygon_runs([polygon], size, where)), size)


def _mask_pixels(shape: Element, size: Size, where: str) -> Int[ndarray, " P"]:
    """Return the pixels of a mask: runs row by row within its box."""
    box = [_whole(shape, key) for key in ("left", "top", "width", "height")]
    try:
        runs = np.array([int(count) for count in shape.get("rle", "").split(",")], dtype=np.int64)
    except (ValueError, OverflowError):
        raise HarmonizeError(f"{where}: its rle is no list of numbers") from None
    left, top, width, height = [-1 if value is None else value for value in box]
    if runs.min() < 0 or int(runs.sum()) != width * height:
        raise HarmonizeError(
            f"{where}: its rle has {int(runs.sum())} pixels, its box {width * height}"
        )
    if left < 0 or top < 0 or left + width > size[0] or top + height > size[1]:
        raise HarmonizeError(f"{where}: its box lies outside of the picture")
    rows, columns = np.divmod(pixels_of_runs(runs), max(width, 1))
    return (rows + top) * size[0] + columns + left


def _whole(element: Element, key: str) -> int | None:
    """Return an attribute that is a whole number, or None."""
    text = element.get(key, "").strip()
    return int(text) if text.lstrip("-").isdecimal() and len(text) < 19 else None
