"""What is asked of ``harmonize refine``."""

import dataclasses
from dataclasses import dataclass

from harmonize.decoding.tiled_network import DEFAULT_TILE
from harmonize.errors import HarmonizeError, raise_all

DEFAULT_CONFIDENCE = 0.9
DEFAULT_SCALES = (1.0, 1.25)


@dataclass(frozen=True)
class RefineOptions:
    """How labels are completed.

    Attributes:
        confidence: the probability within its label that a finer set must reach, above 0; with 1
            every label stays.
        fit_on: mapping files, or names of data sets of the run, whose finer labels thresholds are
            fitted on; those that the run scores unless given, none if empty.
        balanced: raise the threshold of classes that are easily reached, so that the completed
            pixels have the classes' own shares.
        unlabelled: complete pixels without a label too.
        scales: sizes of the views that are averaged, relative to the size that the run answers at.
        flip: whether each view is looked at mirrored as well.
        like: the data set whose temperatures are taken; unless given that of which most classes say
            more than the labels, else of all sets the largest.
        calibrated: whether to use the run's calibration.
        coarsen: first coarsen the labels to this depth, or to the classes of this mapping, to see
            how well they are completed.
        rounds: how often labels are completed; the run is trained once more between two rounds.
        name: of the refined data set; that of the set and ``_refined`` unless given.
        pictures: how many the page shows.
        checkpoint: ``best`` or ``last``.
        tile: see ``TiledNetwork.answer``.
        trust_code: run the code that the run's network is, where it is not harmonize's own.
        ontology: the tree that labels are completed in, of a run of several.
    """

    confidence: float = DEFAULT_CONFIDENCE
    fit_on: tuple[str, ...] | None = None
    balanced: bool = False
    unlabelled: bool = False
    scales: tuple[float, ...] = DEFAULT_SCALES
    flip: bool = True
    like: str | None = None
    calibrated: bool = True
    coarsen: str | None = None
    rounds: int = 1
    name: str | None = None
    pictures: int = 12
    checkpoint: str = "last"
    tile: int = DEFAULT_TILE
    trust_code: bool = False
    ontology: str | None = None

    def check(self) -> None:
        """Make sure that the options mean something.

        Raises:
            HarmonizeError: they do not.
        """
        problems: list[str] = []
        if not 0 < self.confidence <= 1:
            problems.append(f"--confidence {self.confidence:g}: a probability above 0, up to 1")
        wrong = [scale for scale in self.scales if not 0.1 <= scale <= 10]
        if wrong or not self.scales or len(set(self.scales)) < len(self.scales):
            shown = " ".join(f"{scale:g}" for scale in self.scales) or "nothing"
            problems.append(
                f"--scales: different numbers from 0.1 to 10, such as 1 1.25; got {shown}"
            )
        if self.like is not None and not self.calibrated:
            problems.append(f"--like {self.like}: is about temperatures; leave out --uncalibrated")
        if not 1 <= self.rounds <= 100:
            problems.append(f"--rounds {self.rounds}: a number from 1 to 100")
        raise_all(problems)

    def name_of(self, dataset: str) -> str:
        """Return what a data set is called once its labels are completed."""
        return self.name or f"{dataset}_refined"

    def to_dict(self) -> dict[str, object]:
        """Return what decides about the labels, for the record."""
        facts = dataclasses.asdict(self)
        for key in ("pictures", "tile", "trust_code", "name"):
            del facts[key]
        return facts


def depth_in(word: str) -> int | None:
    """Return the depth that a word is, or None where it is a mapping.

    Raises:
        HarmonizeError: a depth below 1.
    """
    if not word.isdecimal():
        return None
    if not 0 < int(word) < 1000:
        raise HarmonizeError(f"--coarsen {word}: the first depth is 1")
    return int(word)
