"""The names of a picture's bands, and how a data set's files hold them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harmonize.config.schema import PositiveInt
from harmonize.config.strict_yaml import Document, KeyPath

RGB = ("red", "green", "blue")
"""The bands of a picture that is read as colours."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True)
class Channel:
    """A band of a data set's pictures."""

    name: str
    """What the band is called in every set that has it, and in ``model.channels``: small letters,
    digits, ``_`` and ``-``. ``red``, ``green`` and ``blue`` are those of colour pictures."""
    band: PositiveInt
    """Its number in the file, from 1, as GDAL and QGIS count."""
    range: tuple[float, float] | None = None
    """The numbers that become 0 and 1, as the levels 0 and 255 of a colour picture do. Numbers
    beyond are not cut off. Needed but for whole numbers of 8 or 16 bits, which have all of them
    unless given."""


def check_names(
    names: Sequence[str], document: Document, path: KeyPath, problems: list[str]
) -> None:
    """Note what is wrong with the names of bands."""
    where = document.where(path)
    problems += [
        f"{where}: a band's name is made of small letters, digits, _ and -, got {name!r}"
        for name in names
        if not _NAME.fullmatch(name)
    ]
    twice = sorted({name for name in names if list(names).count(name) > 1})
    problems += [f"{where}: the band {name!r} is named twice; remove one" for name in twice]


def check_channels(
    channels: Sequence[Channel], document: Document, path: KeyPath, problems: list[str]
) -> None:
    """Note what is wrong with the bands of a mapping."""
    check_names([channel.name for channel in channels], document, path, problems)
    for number, channel in enumerate(channels):
        if channel.range is not None and channel.range[0] >= channel.range[1]:
            problems.append(
                f"{document.where((*path, number))}: `range` gives the number that becomes 0, then "
                f"the larger one that becomes 1, got {list(channel.range)}"
            )
