"""What is known of a picture or label that cannot be used."""

from dataclasses import dataclass

from harmonize.errors import HarmonizeError


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
