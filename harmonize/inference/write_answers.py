"""The files of answers: their names, whether one may be replaced, how they are written."""

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Integer
from numpy import ndarray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from harmonize.errors import HarmonizeError, raise_all
from harmonize.inference.answer_space import AnswerSpace
from harmonize.inference.drawing import pixel_table
from harmonize.inference.geotiff import (
    is_answered_by_tiff,
    need_rasterio,
    software_of,
    writing_tiff,
)
from harmonize.inference.inputs import Wanted
from harmonize.pictures.tiff import is_tiff
from harmonize.stores.plain_files import open_plain
from harmonize.system.atomic_files import remove_parts, write_whole, writing

# Letters of shapes: R rows, W pixels across.

MADE_BY = "harmonize predict"
"""Stands in every file, so that no other file is ever replaced."""
LEGEND = "legend.json"
_QUALITY = 90


@dataclass(frozen=True)
class Output:
    """Where answers are written.

    Attributes:
        folder: holds the legend; answers are written below it.
        overlays: whether pictures of them are written too.
        annotations: the tool that annotations are written for too, if any; see ``Project``.
    """

    folder: Path
    overlays: bool = True
    annotations: str | None = None

    def answer(self, wanted: Wanted) -> Path:
        """Return the file of a picture's ids or colours."""
        return self._beside(wanted, ".tif" if self.is_tiff(wanted) else ".png")

    def is_tiff(self, wanted: Wanted) -> bool:
        """Say whether the answer is a TIFF file, as the picture lies somewhere or is very large."""
        return is_answered_by_tiff(wanted.path)

    def overlay(self, wanted: Wanted) -> Path:
        """Return the file of the drawing."""
        return self._beside(wanted, ".overlay.jpg")

    def check(self, pictures: Sequence[Wanted], legend: dict[str, Any]) -> None:
        """Make sure that nothing is replaced but answers to the same question.

        Raises:
            HarmonizeError: every file that is in the way.
        """
        problems: list[str] = []
        if self.folder.exists() and not self.folder.is_dir():
            raise HarmonizeError(f"--output {self.folder}: is a file; name a folder")
        for wanted in pictures:
            if self.is_tiff(wanted):
                need_rasterio(wanted.path)
            for path in (self.answer(wanted), self.overlay(wanted)):
                drawn = path != self.overlay(wanted) or self.overlays
                if drawn and path.exists() and not _is_ours(path):
                    problems.append(
                        f"{path}: exists already and is no answer of {MADE_BY}; "
                        "choose another --output"
                    )
        raise_all(problems)
        path = self.folder / LEGEND
        if path.exists() and _essence(path) != {key: legend[key] for key in _ESSENTIAL}:
            raise HarmonizeError(
                f"{path}: the folder holds answers in other words; choose another --output, or "
                "remove the folder"
            )

    def clear(self, pictures: Sequence[Wanted]) -> None:
        """Remove what interrupted writing left where answers go; nobody else may write there."""
        for folder in {self.answer(wanted).parent for wanted in pictures} | {self.folder}:
            remove_parts(folder)

    def write_legend(self, legend: dict[str, Any]) -> None:
        """Write what the answers mean."""
        _write(self.folder / LEGEND, (json.dumps(legend, indent=2) + "\n").encode())

    def write_answer(self, wanted: Wanted, picture: Image.Image) -> None:
        """Write a picture of ids or colours."""
        if self.is_tiff(wanted):
            pixels, colors = np.asarray(picture), None
            if picture.mode == "P":
                colors = np.array(picture.getpalette(), np.uint8).reshape(256, 3)
            path, size = self.answer(wanted), (picture.height, picture.width)
            how = {"colors": colors, "made_by": MADE_BY}
            with writing_tiff(path, wanted.path, size, pixels[0, 0, ...], **how) as file:
                file.write(pixels)
            return
        mark = PngInfo()
        mark.add_text("Software", MADE_BY)
        data = io.BytesIO()
        picture.save(data, format="PNG", pnginfo=mark)
        _write(self.answer(wanted), data.getvalue())

    def write_rows(
        self,
        wanted: Wanted,
        rows: Iterable[Integer[ndarray, "R W"]],
        size: tuple[int, int],
        space: AnswerSpace,
    ) -> None:
        """Write a TIFF file of a height and width, of the numbers of answers row by row."""
        table, colors = pixel_table(space)
        how = {"colors": colors, "made_by": MADE_BY}
        with writing_tiff(self.answer(wanted), wanted.path, size, table[0, ...], **how) as file:
            for some in rows:
                file.write(table[some])

    def write_overlay(self, wanted: Wanted, picture: Image.Image) -> None:
        """Write a drawing."""
        data = io.BytesIO()
        picture.save(data, format="JPEG", quality=_QUALITY, comment=MADE_BY)
        _write(self.overlay(wanted), data.getvalue())

    def _beside(self, wanted: Wanted, ending: str) -> Path:
        return self.folder / wanted.name.parent / f"{wanted.name.name}{ending}"


_ESSENTIAL = ("made_by", "answers", "encoding", "classes")
"""What of a legend all answers of a folder share."""


def describe(space: AnswerSpace, source: dict[str, Any]) -> dict[str, Any]:
    """Return the legend: what the ids or colours mean, and where the answers are from."""
    classes = {
        space.encoding.write(label.value): {
            "name": label.name,
            "color": "#{:02x}{:02x}{:02x}".format(*label.color),
            "depth": label.depth,
            "nodes": list(label.nodes),
            **({"classes": list(label.classes)} if label.classes else {}),
        }
        for label, mask in zip(space.labels, space.masks, strict=True)
        if mask.any()
    }
    return {
        "made_by": MADE_BY,
        "answers": space.title,
        "encoding": space.encoding.name,
        "classes": classes,
        "left_out": dict(space.unanswerable),
        **({"approximate": dict(space.approximate)} if space.approximate else {}),
        **source,
    }


def _essence(path: Path) -> dict[str, Any] | None:
    """Return what of a legend must stay, or None if the file is another's."""
    try:
        legend = json.loads(path.read_text())
        return {key: legend[key] for key in _ESSENTIAL}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _is_ours(path: Path) -> bool:
    """Say whether a file carries the mark."""
    if is_tiff(path):
        return software_of(path) == MADE_BY
    try:
        with open_plain(path) as file, Image.open(file, formats=["PNG", "JPEG"]) as picture:
            marks = (picture.info.get("Software"), picture.info.get("comment"))
    except Exception:  # whatever another's file makes a decoder raise
        return False
    return MADE_BY in marks or MADE_BY.encode() in marks


def _write(path: Path, data: bytes) -> None:
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data)
