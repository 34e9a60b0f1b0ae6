"""What is known of a picture or label that cannot be used."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harmonize.errors import HarmonizeError
from harmonize.stores.connection import LostConnectionError


@dataclass(frozen=True, order=True)
class BadSample:
    """A picture that cannot be used, or whose label cannot.

    Attributes:
        dataset, split: where it belongs.
        picture: its file, relative to the data set's folder.
        reason: what is wrong, naming the file that is.
    """

    dataset: str
    split: str
    picture: str
    reason: str


class BadSampleError(HarmonizeError):
    """A picture or label that cannot be used.

    Attributes:
        sample: which, and why.
    """

    def __init__(self, sample: BadSample) -> None:
        super().__init__(
            f"{sample.reason}; a sample of {sample.dataset}, {sample.split}: mend it, or go on "
            "without such by data.on_bad_sample=skip"
        )
        self.sample = sample

    def __reduce__(self) -> tuple[type["BadSampleError"], tuple[BadSample]]:
        return BadSampleError, (self.sample,)


@contextlib.contextmanager
def naming(dataset: str, split: str, picture: str, root: Path) -> Iterator[None]:
    """Say of what goes wrong with a picture's files whose they are.

    Raises:
        BadSampleError: instead of another ``HarmonizeError``, and of want of memory.
        LostConnectionError: as it was, since the picture may be a good one.
    """
    try:
        yield
    except (BadSampleError, LostConnectionError):
        raise
    except HarmonizeError as error:
        sample = BadSample(dataset, split, picture, "; ".join(error.problems))
        raise BadSampleError(sample) from None
    except MemoryError:
        reason = f"{root / picture}: there is not enough memory to read it and its label"
        raise BadSampleError(BadSample(dataset, split, picture, reason)) from None
