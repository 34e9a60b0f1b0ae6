"""Deciding what each pixel is answered as, so that its answers agree at every depth.

One unit of the decoding tree is chosen for each pixel. Every other answer follows from it: the
group at a depth, the node that is backed off to and the class of a data set are those that have it.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Integer
from numpy import ndarray
from torch import Tensor

from harmonize.config.train_config import Decode
from harmonize.decoding import native_decoding
from harmonize.decoding.decoding_tree import DecodingTree
from harmonize.decoding.leaf_runs import LeafRuns
from harmonize.decoding.strips import strips

# Letters of shapes: K leaves, U units, C answers, P pixels, H x W pixels of an answer, h x w of the
# network.


class Decoder:
    """Chooses the unit of each pixel by its logits; ties go to the first.

    Args:
        tree: the possible answers.
        how: ``tree``: from the root down, of the groups below the last one the most probable;
            ``leaves``: the most probable unit of all;
            ``height``: the unit with the least expected height of the lowest common ancestor of
            answer and truth, which is the best of all nodes under that cost (the decision of
            Karthik et al., "No Cost Likelihood Manipulation at Test Time for Making Better Mistakes
            in Deep Networks", 2021).
        compiled: whether to decide in C on a CPU; unless given, where there is a compiler. Both
            ways differ only where rounding decides between two answers.
    """

    def __init__(self, tree: DecodingTree, how: Decode, *, compiled: bool | None = None) -> None:
        self.tree = tree
        self.how: Decode = how
        if compiled is None:
            compiled = native_decoding.is_available()
        self._runs = LeafRuns.of(tree, how) if compiled else None
        self._unit_of = torch.from_numpy(tree.leaves.nonzero()[0])
        self._leaf = torch.from_numpy(tree.leaves.nonzero()[1])
        self._groups = torch.from_numpy(tree.groups)
        self._parents = [torch.from_numpy(parents) for parents in tree.parents]
        self._weights = [torch.from_numpy(weights).float() for weights in tree.weights]

    def picture(
        self,
        logits: Float[Tensor, "K h w"],
        size: tuple[int, int] | None = None,
        *,
        allowed: Bool[ndarray, " U"] | None = None,
    ) -> Integer[Tensor, "H W"]:
        """Return the unit of each pixel of an answer.

        Args:
            logits: of one picture.
            size: H and W of the answer, to which logits are scaled bilinearly; their own unless
                given.
            allowed: the units that may be chosen, at least one; all unless given.
        """
        if size is None:
            size = (logits.shape[1], logits.shape[2])
        if self._runs is None or logits.device.type != "cpu":
            found = strips([(0, logits)], logits.shape[1], size)
            return torch.cat([self.pixels(strip, allowed=allowed) for _, strip in found])
        if logits.dtype not in native_decoding.DTYPES:
            logits = logits.float()
        return native_decoding.decide_natively(logits, size, self._runs, allowed)

    def scales(self, logits: Float[Tensor, "K h w"]) -> bool:
        """Whether ``picture`` scales logits as it goes, without memory for all of them."""
        return self._runs is not None and logits.device.type == "cpu"

    def pixels(
        self, logits: Float[Tensor, "K *P"], *, allowed: Bool[ndarray, " U"] | None = None
    ) -> Int[Tensor, "*P"]:
        """Return the unit of each pixel by plain tensor operations, in whatever arrangement."""
        shape = logits.shape[1:]
        flat = logits.float().flatten(1)[self._leaf.to(logits.device)]
        if self.how == "leaves" and len(flat) == self.tree.num_units:
            return _largest(flat, self._may(allowed, -1, flat)).view(shape)
        probable = (flat - flat.amax(0)).exp()  # but for a factor of each pixel
        unit_of, groups = self._unit_of.to(flat.device), self._groups.to(flat.device)
        units = flat.new_zeros(self.tree.num_units, flat.shape[1]).index_add(0, unit_of, probable)
        if self.how == "leaves":
            return _largest(units, self._may(allowed, -1, flat)).view(shape)
        sums = [
            flat.new_zeros(len(names), flat.shape[1]).index_add(0, group, units)
            for names, group in zip(self.tree.names, groups, strict=True)
        ]
        decide = self._down_the_tree if self.how == "tree" else self._least_height
        return decide(sums, allowed).view(shape)

    def _down_the_tree(
        self, sums: list[Float[Tensor, "_ P"]], allowed: Bool[ndarray, " U"] | None
    ) -> Int[Tensor, " P"]:
        chosen = torch.zeros_like(sums[0][0], dtype=torch.int64)
        for depth, (values, parents) in enumerate(zip(sums, self._parents, strict=True)):
            below = self._may(allowed, depth, values)
            if depth:
                below = below & (parents.to(values.device)[:, None] == chosen)
            chosen = _largest(values, below)
        return chosen

    def _least_height(
        self, sums: list[Float[Tensor, "_ P"]], allowed: Bool[ndarray, " U"] | None
    ) -> Int[Tensor, " P"]:
        """Maximise what is saved of the height of the root, group by group down to the units."""
        saved = torch.zeros_like(sums[0][:1])
        for values, parents, weights in zip(sums, self._parents, self._weights, strict=True):
            here = saved[parents.to(values.device)]
            saved = here + weights.to(values.device)[:, None] * values
        return _largest(saved, self._may(allowed, -1, saved))

    def _may(
        self, allowed: Bool[ndarray, " U"] | None, depth: int, like: Tensor
    ) -> Bool[Tensor, "_ 1"]:
        """Return which groups of a depth may be chosen."""
        groups = self._allowed_groups(allowed)[depth]
        return torch.from_numpy(groups).to(like.device)[:, None]

    def _allowed_groups(self, allowed: Bool[ndarray, " U"] | None) -> list[Bool[ndarray, " _"]]:
        """Return for each depth which groups have a unit that may be chosen."""
        if allowed is None:
            return [np.ones(len(names), dtype=bool) for names in self.tree.names]
        found = [np.zeros(len(names), dtype=bool) for names in self.tree.names]
        for may, group in zip(found, self.tree.groups, strict=True):
            may[group[allowed]] = True
        return found


def _largest(values: Float[Tensor, "N P"], among: Bool[Tensor, "N _"]) -> Int[Tensor, " P"]:
    """Return the first of the largest values among some."""
    return torch.where(among, values, -torch.inf).max(0).indices
