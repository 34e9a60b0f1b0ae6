"""Whether a picture and its label fit: of one size, or of one shape where pictures are scaled."""

from pathlib import Path

from harmonize.errors import HarmonizeError
from harmonize.pictures.reading import sides_swap

Size = tuple[int, int]
"""Width and height."""


def refuse_sizes(
    path: Path,
    picture: Size,
    label: str,
    expected: Size,
    *,
    scaled: bool = False,
    fixed: bool = False,
) -> None:
    """Refuse a picture whose size is not its label's or, if it is scaled, whose shape is not.

    Args:
        path: of the picture.
        picture: its size.
        label: the path of its label.
        expected: the label's size.
        scaled: the mapping says ``resize_picture``.
        fixed: it cannot say so.
    """
    if picture == expected or (scaled and of_one_shape(picture, expected)):
        return
    remedy = "; save both in one size"
    if not fixed:
        remedy = _remedy(path, picture, expected, scaled=scaled)
    raise HarmonizeError(
        f"{path}: {picture[0]} x {picture[1]} pixels, but its label {label} has "
        f"{expected[0]} x {expected[1]}{remedy}"
    )


def of_one_shape(one: Size, other: Size) -> bool:
    """Say whether a size is another one scaled, each side to the whole number below or above.

    One that is the other turned is not.
    """
    low = max((side - 1) / old for side, old in zip(other, one, strict=True))
    high = min((side + 1) / old for side, old in zip(other, one, strict=True))
    return low < high and (one == other or one != other[::-1])


def _remedy(path: Path, picture: Size, expected: Size, *, scaled: bool) -> str:
    if picture == expected[::-1] and sides_swap(path):
        return (
            "; its EXIF orientation swaps the sides: change `exif` in the mapping between apply "
            "and ignore"
        )
    if of_one_shape(picture, expected):
        return "; say `resize_picture: true` in the mapping to scale pictures to their labels"
    turned = expected[1], expected[0]
    if picture == turned or of_one_shape(picture, turned):
        return "; one of the two is turned by 90 degrees: save it as the other is"
    if scaled:
        return "; scaling would change its shape: save it or its label cut as the other is"
    return ""
