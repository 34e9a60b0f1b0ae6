"""Answers that follow from the unit of a pixel: groups, classes of a data set."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Integer
from numpy import ndarray
from torch import Tensor

from harmonize.decoding.decoder import Decoder
from harmonize.decoding.decoding_tree import DecodingTree

# Letters of shapes: K leaves, U units, C answers, P pixels, H x W pixels, h x w of the network.


@dataclass(frozen=True)
class Answers:
    """Some possible answers, each a set of leaves.

    A unit that belongs to none of them is no answer. A pixel that would be answered so is decided
    again, among the units that are.

    Attributes:
        owners: the answer that each unit belongs to, or -1.
        num: of answers; those that no unit belongs to are never given.
    """

    owners: Int[ndarray, " U"]
    num: int

    @classmethod
    def of(cls, tree: DecodingTree, masks: Bool[ndarray, "C K"]) -> "Answers":
        """Return the answers with these leaves; see ``DecodingTree.owners``."""
        return cls(tree.owners(masks), len(masks))

    @property
    def possible(self) -> Bool[ndarray, " U"]:
        """The units that belong to an answer."""
        return self.owners >= 0

    def of_units(self, units: Integer[Tensor, "*P"]) -> Int[Tensor, "*P"]:
        """Return the answer of each unit, or -1."""
        owners = torch.from_numpy(self.owners.astype(np.int32)).to(units.device)
        return owners[units.long()]

    def picture(
        self,
        decoder: Decoder,
        logits: Float[Tensor, "K h w"],
        size: tuple[int, int] | None = None,
        units: Integer[Tensor, "H W"] | None = None,
    ) -> Int[Tensor, "H W"]:
        """Return the answer of each pixel of a picture; see ``Decoder.picture``.

        At least one unit must belong to an answer. ``units`` are what the decoder chooses among
        all, if that is known.
        """
        if units is None:
            units = decoder.picture(logits, size)
        found = self.of_units(units)
        if self.possible.all() or not (outside := found < 0).any():
            return found
        again = self.of_units(decoder.picture(logits, size, allowed=self.possible))
        return torch.where(outside, again, found)

    def pixels(self, decoder: Decoder, logits: Float[Tensor, "K *P"]) -> Int[Tensor, "*P"]:
        """Return the answer of each of some pixels; see ``Decoder.pixels``."""
        found = self.of_units(decoder.pixels(logits))
        if self.possible.all() or not (outside := found < 0).any():
            return found
        return torch.where(
            outside, self.of_units(decoder.pixels(logits, allowed=self.possible)), found
        )
