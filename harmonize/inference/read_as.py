"""As which bands the pictures that are answered are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harmonize.config.channels import RGB, Channel
from harmonize.errors import HarmonizeError, near_matches
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.pictures.limits import MOST_PIXELS
from harmonize.pictures.tiff import is_tiff, tiff_header

_COLORS = tuple(Channel(name, number) for number, name in enumerate(RGB, 1))


@dataclass(frozen=True)
class ReadAs:
    """As which bands pictures are read.

    Attributes:
        names: of the bands that the network takes.
        channels: those of TIFF pictures; none where these are read as colours.
    """

    names: tuple[str, ...] = RGB
    channels: tuple[Channel, ...] = ()

    def of(self, path: Path) -> tuple[Channel, ...]:
        """Return the bands of a picture; none where it is read as a whole, as colours.

        A TIFF file that is too large for that is taken to begin with red, green and blue.

        Raises:
            HarmonizeError: a damaged TIFF file.
        """
        if not is_tiff(path):
            return ()
        if self.channels:
            return self.channels
        width, height = tiff_header(path).size
        return _COLORS if width * height > MOST_PIXELS else ()


def choose_channels(
    names: Sequence[str], specs: Sequence[DatasetSpec], wanted: str | None
) -> ReadAs:
    """Choose the data set whose mapping says which bands TIFF pictures have.

    Args:
        names: of the bands that the network takes.
        specs: the mappings of a run.
        wanted: the name of one of them; unless given, what all that name bands have in common.

    Raises:
        HarmonizeError: there is no such data set, or they differ.
    """
    having = {spec.name: spec.channels for spec in specs if spec.channels}
    if wanted is not None:
        if wanted not in having:
            raise HarmonizeError(
                f"--channels-of {wanted}: no data set of the run whose mapping has `channels` is "
                f"called so; {near_matches(wanted, having)}"
            )
        return ReadAs(tuple(names), having[wanted])
    if len(set(having.values())) > 1:
        raise HarmonizeError(
            "the run's data sets have different bands; say whose the TIFF pictures are like: "
            f"--channels-of {' or '.join(having)}"
        )
    return ReadAs(tuple(names), next(iter(having.values()), ()))
