"""The keys of a config about random changes to training pictures."""

from dataclasses import dataclass
from typing import Annotated, Literal

from harmonize.config.schema import Fraction, Range, Share
from harmonize.config.strict_yaml import Document, KeyPath

STYLE_KEYS = ("style_of", "style_by", "style_band")
"""Keys that mean something beside ``style`` alone."""
Zoom = Annotated[float, Range(0, 4, above=True)]


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes to training pictures."""

    flip: Fraction = 0.5
    """Probability of a horizontal flip; mirror leaves are exchanged."""
    scale: tuple[Zoom, Zoom] = (1.0, 1.0)
    """Bounds of the square crop's side, as a fraction of the picture's shorter side. Beyond 1 the
    crop is larger than the picture: what is outside is void, in an even grey."""
    rare: Fraction = 0.0
    """Share of a set's samples that look for a class, more often a rare one: a picture that has it,
    with a crop around one of its pixels. The others come in the usual order."""
    color: Annotated[float, Range(0, 0.9)] = 0.0
    """Strength of the brightness, contrast and saturation jitter."""
    rotate: Annotated[float, Range(0, 180)] = 0.0
    """Degrees that a picture is turned by at most, either way; corners without a picture are
    void."""
    shear: Annotated[float, Range(0, 60)] = 0.0
    """Degrees that upright lines are slanted by at most, either way."""
    stretch: Annotated[float, Range(1, 4)] = 1.0
    """Factor by which a picture becomes wider or higher for its area at most; 1 leaves its
    shape."""
    perspective: Annotated[float, Range(0, 0.5)] = 0.0
    """How far each corner of the crop moves inwards at most, as a fraction of half its side."""
    gamma: Annotated[float, Range(1, 4)] = 1.0
    """Largest exponent of the brightness, and 1 over the smallest; 1 leaves it."""
    grey: Fraction = 0.0
    """Probability of a picture without colours."""
    blur: Annotated[float, Range(0, 20)] = 0.0
    """Standard deviation of a Gaussian blur at most, in pixels of the crop as it is resized."""
    noise: Annotated[float, Range(0, 100)] = 0.0
    """Standard deviation of Gaussian noise at most, in levels of 0 to 255."""
    cutout: Annotated[int, Range(0, 100)] = 0
    """Rectangles that are cut out of each sample: an even grey, and void."""
    cutout_size: tuple[Share, Share] = (0.1, 0.3)
    """Bounds of their sides, as a fraction of the sample's."""
    paste: Fraction = 0.0
    """Probability that one class of another picture of the same data set, more often a small one,
    is pasted into a sample, with its label."""
    style: Fraction = 0.0
    """Probability that a sample takes the style of a random training picture of the data set
    ``style_of``."""
    style_of: str | None = None
    """Name of the data set whose style is taken. Its own samples stay as they are."""
    style_by: Literal["color", "fourier"] = "color"
    """What is taken: the mean and the deviation of the ``color``, or the amplitudes of the lowest
    frequencies (``fourier``)."""
    style_band: Annotated[float, Range(0, 0.5, above=True)] = 0.01
    """Frequencies that ``style_by: fourier`` exchanges: up to so many waves along a sample's side,
    as a share of its pixels; FDA tries 0.01, 0.05 and 0.09."""

    def problems(self, document: Document, path: KeyPath) -> list[str]:
        """Return what is wrong between keys; ``path`` is where they are in the document."""
        found: list[str] = []
        for name in ("scale", "cutout_size"):
            low, high = getattr(self, name)
            if low > high:
                where = document.where((*path, name))
                found.append(f"{where}: the lower bound comes first, got {(low, high)}")
        if not self.cutout and self.cutout_size != AugmentConfig.cutout_size:
            where = document.where((*path, "cutout_size"))
            found.append(f"{where}: belongs to cutout; give augment.cutout too, or remove the key")
        return found + self._about_style(document, path)

    def _about_style(self, document: Document, path: KeyPath) -> list[str]:
        plain = AugmentConfig()
        wrong = (
            ("style", self.style and self.style_of is None, "whose? give augment.style_of too"),
            *(
                (
                    key,
                    not self.style and getattr(self, key) != getattr(plain, key),
                    "belongs to style; give augment.style too, or remove the key",
                )
                for key in STYLE_KEYS
            ),
            (
                "style_band",
                self.style and self.style_by == "color" and self.style_band != plain.style_band,
                "belongs to style_by: fourier; say so, or remove the key",
            ),
        )
        return [
            f"{document.where((*path, key))}: {problem}" for key, holds, problem in wrong if holds
        ]
