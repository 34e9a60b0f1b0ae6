"""The answer of a network for one picture."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray
from PIL import Image

from harmonize.errors import HarmonizeError
from harmonize.inference.answer_space import AnswerSpace
from harmonize.inference.drawing import draw_answer, draw_overlay
from harmonize.labels.palette import Color

# Letters of shapes: C possible answers, H x W pixels of the picture.


@dataclass(frozen=True)
class Answer:
    """What a network says of one picture, pixel by pixel.

    Attributes:
        map: the number of each pixel's answer, which counts into ``names`` and ``colors``.
        space: the possible answers.
        picture: that was answered, turned upright.
        probabilities: of each possible answer, in [0, 1], as a calibrated network gives them where
            its calibration is used; None unless they were asked for. Those of nodes of a tree
            overlap: a node has the sum of its leaves'.
    """

    map: Integer[ndarray, "H W"]
    space: AnswerSpace
    picture: Image.Image
    probabilities: Float[ndarray, "C H W"] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each possible answer: a leaf, group, node or class."""
        return tuple(word.name for word in self.space.labels)

    @property
    def colors(self) -> tuple[Color, ...]:
        """The colour that each possible answer is drawn with, red, green and blue in 0..255."""
        return tuple(word.color for word in self.space.labels)

    @property
    def shares(self) -> dict[str, float]:
        """The share of the picture that each answer has, in (0, 1], largest first."""
        counts = np.bincount(self.map.ravel(), minlength=len(self.names))
        present = sorted(counts.nonzero()[0], key=lambda number: -counts[number])
        return {self.names[number]: float(counts[number] / self.map.size) for number in present}

    def mask(self, name: str) -> ndarray:
        """Return which pixels (H, W) have this answer, as booleans.

        Raises:
            HarmonizeError: it is no possible answer.
        """
        if name not in self.names:
            raise HarmonizeError(f"{name!r}: no such answer; choose from {', '.join(self.names)}")
        return self.map == self.names.index(name)

    def labels(self) -> Image.Image:
        """Return the answer as a label file does: ids with a palette, or a set's colours."""
        return draw_answer(self.map, self.space)

    def overlay(self) -> Image.Image:
        """Return the picture, tinted by the answers, with a list of them beside it."""
        return draw_overlay(self.picture, self.map, self.space)

    def save(self, path: str | Path) -> None:
        """Write ``labels()`` as a PNG file."""
        self.labels().save(path, format="PNG")

    def show(self) -> None:
        """Show ``overlay()``: in the notebook, or else in a viewer of the system."""
        try:
            from IPython.core.getipython import get_ipython
            from IPython.display import display
        except ImportError:
            self.overlay().show()
            return
        if get_ipython() is None:
            self.overlay().show()
        else:
            display(self.overlay())

    def _repr_png_(self) -> bytes:
        """Return the overlay for a notebook."""
        data = io.BytesIO()
        self.overlay().save(data, format="PNG")
        return data.getvalue()

    def __repr__(self) -> str:
        height, width = self.map.shape
        shares = ", ".join(f"{name} {share:.1%}" for name, share in [*self.shares.items()][:5])
        more = ", ..." if len(self.shares) > 5 else ""
        return f"<Answer {width} x {height}, {self.space.title}: {shares}{more}>"
