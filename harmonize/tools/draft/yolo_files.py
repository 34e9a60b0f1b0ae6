"""Polygons as YOLO tools write them: which folders hold them, and what their numbers stand for."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from harmonize.config.strict_yaml import load_text, read_text
from harmonize.errors import HarmonizeError
from harmonize.plurals import counted
from harmonize.tools.draft.file_groups import evenly
from harmonize.tools.draft.folder_files import Files
from harmonize.tools.draft.picture_annotations import AnnotationFile, beside

_FEW = 20
"""Files of a folder that are looked at to see what they are."""
_LINE = re.compile(r"\d{1,5}((?:\s+[-+.\deE]+)+)")
_CORNERS = 6
"""Numbers of three corners."""
_BOX = 4


def yolo_files(folder: Path, files: Files, scan: int, refused: list[str]) -> list[AnnotationFile]:
    """Return the folders of polygon files, of which at least one has a polygon.

    Args:
        folder: of the data set.
        files: what is in it.
        scan: how many files of a folder are read.
        refused: gets the folders that hold boxes alone.
    """
    by_folder: dict[str, list[str]] = {}
    for path in files.texts:
        if path.lower().endswith(".txt"):
            by_folder.setdefault(path.rpartition("/")[0], []).append(path)
    images = frozenset(files.images)
    found: list[AnnotationFile] = []
    for inside, paths in by_folder.items():
        pairs = _pairs(inside, paths, images)
        looked = evenly([path for _, path in pairs] or paths, _FEW)
        few = [numbers_in(folder / path) for path in looked]
        if not any(few) or any(one is None for one in few):
            shapes = [_shapes(folder / path) for path in looked]
            boxes = [shape[0] for shape in shapes if shape is not None and not shape[1]]
            if pairs and any(boxes) and len(boxes) == len(shapes):
                told = f"{counted(len(pairs), 'file')} of YOLO's boxes, which tell no pixels"
                refused.append(f"{inside or '.'}: {told}; export the polygons (segmentation)")
            continue
        used: Counter[int] = Counter()
        for _, path in evenly(pairs, scan):
            used.update(numbers_in(folder / path) or {})
        counts = Counter({str(number): used[number] for number in used})
        paired = {path for _, path in pairs}
        rest = (path for path in paths if path not in paired)
        missing = [path for path in rest if numbers_in(folder / path)]
        found.append(
            AnnotationFile("yolo", inside, pairs, counts, len(pairs) <= scan, missing=missing)
        )
    _name(found, _names(folder, files))
    return found


def numbers_in(path: Path) -> Counter[int] | None:
    """Count the class numbers of a file's polygons; None if it is no such file, or of boxes."""
    boxes, counts = _shapes(path) or (1, Counter[int]())
    return None if boxes and not counts else counts


def _shapes(path: Path) -> tuple[int, Counter[int]] | None:
    """Count a file's boxes, and the class numbers of its polygons; None if it is no such file."""
    counts: Counter[int] = Counter()
    boxes = 0
    try:
        lines = read_text(path).splitlines()
    except HarmonizeError:
        return None
    for line in filter(None, map(str.strip, lines)):
        match = _LINE.fullmatch(line)
        if match is None:
            return None
        try:
            values = [float(word) for word in match[1].split()]
        except ValueError:
            return None
        if not all(-0.01 <= value <= 1.01 for value in values):
            return None
        if len(values) == _BOX:
            boxes += 1
        elif len(values) % 2 or len(values) < _CORNERS:
            return None
        else:
            counts[int(line.split()[0])] += 1
    return boxes, counts


def _pairs(inside: str, paths: Sequence[str], images: frozenset[str]) -> list[tuple[str, str]]:
    """Pair files with pictures: ``labels`` in their path is ``images`` in the pictures'."""
    parts = inside.split("/")
    places = [place for place, part in enumerate(parts) if part == "labels"]
    if places:
        parts[places[-1]] = "images"
        folder = "/".join(parts)
        by_stem = {
            PurePosixPath(image).stem: image
            for image in images
            if image.rpartition("/")[0] == folder
        }
        stems = ((path, PurePosixPath(path).stem) for path in paths)
        pairs = [(by_stem[stem], path) for path, stem in stems if stem in by_stem]
        if pairs:
            return pairs
    return beside(paths, sorted(images))


def _names(folder: Path, files: Files) -> dict[int, str]:
    """Return the names of classes by number that a YAML, or a file of names, gives."""
    for path in files.yamls:
        try:
            content = load_text(read_text(folder / path), path).value
        except HarmonizeError:
            continue
        names = content.get("names") if isinstance(content, dict) else None
        found = _numbered(names)
        if found:
            return found
    for path in files.texts:
        if PurePosixPath(path).name in ("classes.txt", "obj.names", "names.txt", "data.names"):
            try:
                lines = read_text(folder / path).splitlines()
            except HarmonizeError:
                continue
            return _numbered([line.strip() for line in lines if line.strip()])
    return {}


def _numbered(names: Any) -> dict[int, str]:
    """Return names by number, of a list or a mapping; none where it is neither."""
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict):
        return {}
    try:
        found = {int(number): str(name) for number, name in names.items()}
    except (TypeError, ValueError):
        return {}
    return found if len(set(found.values())) == len(found) else {}


def _name(found: Sequence[AnnotationFile], names: dict[int, str]) -> None:
    """Give the numbers their names; one without a name is called by its number."""
    numbers = sorted({*names, *(int(number) for one in found for number in one.used)})
    values = {names.get(number, f"class {number}"): number for number in numbers}
    for one in found:
        one.used = Counter({name: one.used[str(number)] for name, number in values.items()})
        one.values = values
