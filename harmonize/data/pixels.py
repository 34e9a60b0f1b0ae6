"""A picture and its class numbers as training takes them."""

from dataclasses import dataclass

from jaxtyping import Integer, Num
from numpy import ndarray

# Letters of shapes: C bands, h x w of a picture that was reduced.


@dataclass(frozen=True)
class Pixels:
    """A picture and its class numbers as training takes them: both reduced alike.

    Attributes:
        picture: red, green and blue in 0..255; or bands as float32, NaN where one is missing.
        classes: the number of each pixel's class.
    """

    picture: Num[ndarray, "h w C"]
    classes: Integer[ndarray, "h w"]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.classes.shape[0], self.classes.shape[1]
