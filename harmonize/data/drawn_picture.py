"""What is at a position of a run: a picture, what is done to it, and other pictures for that."""

import dataclasses
from dataclasses import dataclass

from harmonize.config.augment_config import AugmentConfig
from harmonize.data.bad_samples import BadSample
from harmonize.data.mixing import Draw
from harmonize.data.pixels import Pixels
from harmonize.data.rare import RareClasses, RareDraw
from harmonize.data.styles import DrawnStyle
from harmonize.data.transforms import Augmentation
from harmonize.data.windows import CutPixels


@dataclass(frozen=True)
class Donor:
    """Another picture of a data set, of which a class is pasted.

    Attributes:
        picture: its number.
        pixels: as read.
        choices: what is done to it.
        pick: which of its classes, as ``choose_code`` takes it.
    """

    picture: int
    pixels: Pixels | CutPixels
    choices: Augmentation
    pick: float


@dataclass(frozen=True)
class DrawnPicture:
    """What stands at a position of a run: a picture, and how it is changed.

    Attributes:
        draw: which picture, and its augmentation's seed.
        pixels: as read.
        choices: what is done to it.
        skipped: the bad ones that it stands in for, and those that could not be a donor or a style.
        donor: of what is pasted into it.
        rare: what it looks for, if anything.
        style: that it takes, if any; what is pasted takes it too.
    """

    draw: Draw
    pixels: Pixels | CutPixels
    choices: Augmentation
    skipped: tuple[BadSample, ...] = ()
    donor: Donor | None = None
    rare: RareDraw | None = None
    style: DrawnStyle | None = None

    def plain(self) -> "DrawnPicture":
        """Return the same without changed colours and without parts cut out."""
        donor = self.donor
        if donor is not None:
            donor = dataclasses.replace(donor, choices=donor.choices.plain())
        choices = self.choices.plain()
        return dataclasses.replace(self, choices=choices, donor=donor, style=None)


@dataclass(frozen=True)
class Treatment:
    """What is done to the pictures of one data set.

    Attributes:
        augment: how samples are changed.
        size: the side of its crops.
        rare: what its samples look for where the order says so.
        style_of: the number of the data set whose style they take, if they take any.
    """

    augment: AugmentConfig
    size: int
    rare: RareClasses | None = None
    style_of: int | None = None
