"""Whether pictures are turned as their EXIF orientation says, by the sizes of their labels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harmonize.errors import HarmonizeError
from harmonize.pictures.opening import opened, orientation, upright_size
from harmonize.pictures.reading import header_size
from harmonize.pictures.tiff import is_tiff
from harmonize.tools.draft.file_groups import evenly
from harmonize.tools.draft.folder_templates import FolderLayout


@dataclass(frozen=True)
class ExifDraft:
    """What a draft says of the orientation of pictures.

    Attributes:
        value: the mapping's ``exif``; None if that is left to the user.
        note: what it rests on.
    """

    value: Literal["apply", "ignore"] | None
    note: str


def find_exif(root: Path, layout: FolderLayout, number: int) -> ExifDraft | None:
    """Look at the headers of up to so many pictures; None if none of them has an orientation.

    Labels of pictures whose sides the tag swaps have the size as stored, or as seen; upside down,
    a picture has the same size, and nothing tells.
    """
    pairs = evenly(layout.pairs, number)
    example, turned = "", 0
    fitting: dict[Literal["apply", "ignore"], int] = {"apply": 0, "ignore": 0}
    for label, picture in pairs:
        found, size = _header(root / picture.path)
        if found == 1:
            continue
        turned += 1
        example = example or picture.path
        try:
            label_size = header_size(root / label.path)
        except HarmonizeError:
            continue
        seen = upright_size(size, found)
        if seen != size:
            fitting["apply"] += label_size == seen
            fitting["ignore"] += label_size == size
    if not turned:
        return None
    what = f"{turned} of {len(pairs)} pictures have an EXIF orientation, such as {example}"
    for value, count in fitting.items():
        if count and count == sum(fitting.values()):
            return ExifDraft(value, f"guess: {what}; so their labels fit")
    return ExifDraft(None, what)


def _header(path: Path) -> tuple[int, tuple[int, int]]:
    """Return a picture's orientation and its size as stored; 1 if it cannot be read."""
    try:
        if is_tiff(path):
            return 1, (0, 0)
        with opened(path, tiff=False) as one:
            return orientation(one.picture), one.picture.size
    except HarmonizeError:
        return 1, (0, 0)
