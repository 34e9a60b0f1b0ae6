"""Answers from logits by operations that every runtime has, for several pictures at once."""

import dataclasses

import numpy as np
import torch
from jaxtyping import Bool
from numpy import ndarray
from torch import Tensor, nn

from harmonize.decoding.answers import Answers
from harmonize.decoding.decoder import Decoder
from harmonize.inference.answer_space import AnswerSpace

# Letters of shapes: B pictures, K leaves, U units, N groups at a depth, C answers, P pixels. They
# are in comments alone: while a network is exported, the number of pixels is not known.

_ROUNDING = 1e-5
"""What a sum of probabilities may fall short of a confidence by, as in ``back_off``."""


class PlainAnswers(nn.Module):
    """Decides pixels as an ``AnswerSpace`` does.

    Sums are products with matrices of 0 and 1 here, so only rounding differs.

    Args:
        space: the possible answers.
    """

    def __init__(self, space: AnswerSpace) -> None:
        super().__init__()
        self.space = dataclasses.replace(space)  # without what it has worked out so far
        self.tree = space.decoder.tree
        self.how = space.decoder.how
        answers = Answers.of(self.tree, space.masks)
        self.possible = answers.possible
        self._keep("units", self.tree.leaves)
        self._keep("masks", space.masks)
        self._keep("owners", answers.owners)
        for depth, (group, parents, weights) in enumerate(
            zip(self.tree.groups, self.tree.parents, self.tree.weights, strict=True)
        ):
            members = np.arange(len(parents))[:, None] == group
            self._keep(f"members_{depth}", members)
            self._keep(f"parents_{depth}", parents)
            self._keep(f"weights_{depth}", weights[:, None].astype(np.float32))
        if space.temperatures is not None:
            self._keep("temperatures", space.temperatures)
        if space.nodes is not None:
            self._keep("above", space.nodes.above.T.numpy())
            self._keep("depths", space.nodes.depths.numpy()[:, None])

    def _keep(self, name: str, table: ndarray) -> None:
        numbers = torch.from_numpy(table.copy())
        is_mask = numbers.dtype == torch.bool and name != "above"
        self.register_buffer(f"_{name}", numbers.float() if is_mask else numbers)

    def forward(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return the number (B, P) of each pixel's answer and the probabilities (B, C, P) of all.

        Args:
            logits: (B, K, P).
        """
        if self.space.temperatures is None:
            scaled = logits
        else:
            temperatures = self.get_buffer("_temperatures")
            scaled = logits / temperatures[logits.argmax(1)][:, None]
        probabilities = self.get_buffer("_masks") @ scaled.softmax(1)
        units = self._decided(logits, None)
        if self.space.nodes is not None:
            return self._deepest(probabilities, units), probabilities
        found = self.get_buffer("_owners")[units]
        if not self.possible.all():
            again = self.get_buffer("_owners")[self._decided(logits, self.possible)]
            found = torch.where(found < 0, again, found)
        return found, probabilities

    def _decided(self, logits: Tensor, allowed: Bool[ndarray, " U"] | None) -> Tensor:
        """Return the unit (B, P) of each pixel; see ``Decoder.pixels``."""
        is_single = self.tree.leaves.sum() == self.tree.num_units
        if self.how == "leaves" and is_single:
            leaf = torch.from_numpy(self.tree.leaves.nonzero()[1])
            return _largest(logits[:, leaf], self._may(allowed, -1))
        used = torch.from_numpy(np.flatnonzero(self.tree.leaves.any(0)))
        most = logits[:, used].amax(1, keepdim=True)
        units = self.get_buffer("_units") @ (logits - most).clamp(max=0).exp()
        if self.how == "leaves":
            return _largest(units, self._may(allowed, -1))
        depths = range(self.tree.depth)
        sums = [self.get_buffer(f"_members_{depth}") @ units for depth in depths]
        if self.how == "tree":
            return self._down_the_tree(sums, allowed)
        saved = torch.zeros_like(sums[0][:, :1])
        for depth in depths:
            here = saved[:, self.get_buffer(f"_parents_{depth}")]
            saved = here + self.get_buffer(f"_weights_{depth}") * sums[depth]
        return _largest(saved, self._may(allowed, -1))

    def _down_the_tree(self, sums: list[Tensor], allowed: Bool[ndarray, " U"] | None) -> Tensor:
        chosen: Tensor | None = None
        for depth, values in enumerate(sums):
            below = self._may(allowed, depth)
            if chosen is not None:
                parents = self.get_buffer(f"_parents_{depth}")[:, None]
                inside = parents == chosen[:, None]
                below = inside if below is None else inside & below
            chosen = _largest(values, below)
        assert chosen is not None
        return chosen

    def _deepest(self, probabilities: Tensor, units: Tensor) -> Tensor:
        """Return the deepest node that is probable enough; see ``back_off.choose``."""
        reached = probabilities >= self.space.confidence - _ROUNDING
        root = torch.arange(len(self.space.labels))[:, None] == 0
        above = self.get_buffer("_above")[:, units].transpose(0, 1)
        depths = self.get_buffer("_depths")
        return torch.where((reached | root) & above, depths, -1).argmax(1)

    def _may(self, allowed: Bool[ndarray, " U"] | None, depth: int) -> Tensor | None:
        """Return which groups (N, 1) of a depth have a unit that may be chosen, None for all."""
        if allowed is None:
            return None
        return torch.from_numpy(
            np.bincount(self.tree.groups[depth][allowed], minlength=len(self.tree.names[depth])) > 0
        )[:, None]


def _largest(values: Tensor, among: Tensor | None) -> Tensor:
    """Return the first of the largest values (B, N, P) among some, (B, P)."""
    if among is not None:
        values = torch.where(among, values, -torch.inf)
    return values.argmax(1)


def plain_decoder(space: AnswerSpace) -> Decoder:
    """Return the decoder of answers by tensor operations alone."""
    return Decoder(space.decoder.tree, space.decoder.how, compiled=False)
