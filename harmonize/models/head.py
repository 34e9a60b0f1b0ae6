"""The part of a network that has something for each leaf, and its weights for another tree."""

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from harmonize.errors import HarmonizeError
from harmonize.models.segmenter import Segmenter

# Letters of shapes: K leaves of the new tree, L of the old one.

_SIDE = 64
"""Pixels of the side of a picture that is tried out."""
_SMALL = 1e-3
"""What rounding may change of a logit that is moved by 1."""
_APART = 2.0
"""Standard deviations of the head's weights that leaves which begin alike are set apart by: of 0, 1
and 2 it was the best, in runs that split a face into nine parts."""


def head_tensors(build: Callable[[int], nn.Module], num_leaves: int) -> frozenset[str]:
    """Return the names of the tensors that have a row for each leaf.

    Those are the tensors whose shapes differ between networks for K leaves and for K + 1.

    Args:
        build: makes a network for a number of leaves; its tensors may be on the meta device.
        num_leaves: K.

    Raises:
        HarmonizeError: a tensor depends on the number of leaves in another way.
    """
    one, other = (
        {name: tuple(tensor.shape) for name, tensor in build(number).state_dict().items()}
        for number in (num_leaves, num_leaves + 1)
    )
    names = frozenset(name for name, shape in one.items() if other.get(name) != shape)
    for name in sorted(names | (other.keys() - one.keys())):
        shape = one.get(name, ())
        if shape[:1] != (num_leaves,) or other.get(name) != (num_leaves + 1, *shape[1:]):
            raise HarmonizeError(
                f"train.start_from: this network's {name} depends on the number of leaves "
                "otherwise than by a row for each; train it anew"
            )
    return names


def deciding_biases(network: Segmenter, head: frozenset[str]) -> frozenset[str]:
    """Return the biases of a head that shift each of the network's outputs exactly once.

    A head may add up several layers, each with a bias; what is added to a leaf's logit must be
    added to one of them. It is tried out: each bias is changed, and what becomes of the logits is
    looked at.

    Raises:
        HarmonizeError: an output has no bias that shifts its logits by as much.
    """
    network.eval()
    tensors = network.state_dict(keep_vars=True)
    picture = torch.zeros(1, network.in_channels, _SIDE, _SIDE)
    chosen: set[str] = set()
    with torch.no_grad():
        before = network(picture, auxiliary=True)
        shifted = [False] * len(before)
        for name in sorted(one for one in head if one.endswith("bias")):
            tensors[name] += 1
            changes = [
                after - old
                for after, old in zip(network(picture, auxiliary=True), before, strict=True)
            ]
            tensors[name] -= 1
            moves = [bool(change.abs().max() > _SMALL) for change in changes]
            exact = [bool((change - 1).abs().max() < _SMALL) for change in changes]
            wanted = [e and not s for e, s in zip(exact, shifted, strict=True)]
            spoils = any(m and not w for m, w in zip(moves, wanted, strict=True))
            if any(wanted) and not spoils:
                chosen.add(name)
                shifted = [s or w for s, w in zip(shifted, wanted, strict=True)]
    if not all(shifted):
        raise HarmonizeError(
            "train.start_from: this network's head has no bias for each leaf, so that leaves can "
            "be neither split nor merged; train it anew"
        )
    return frozenset(chosen)


def grown_state(
    state: Mapping[str, Tensor],
    head: frozenset[str],
    biases: frozenset[str],
    shares: Float[Tensor, "K L"],
    offsets: Float[Tensor, " K"],
) -> dict[str, Tensor]:
    """Return a network's state with the rows of its head mixed for another tree.

    Args:
        state: of the network of the old tree.
        head: names of the tensors with a row for each leaf.
        biases: those of them that offsets are added to.
        shares: of the old rows in each new one.
        offsets: what is added to each new leaf's bias.
    """
    grown = dict(state)
    for name in head:
        rows = state[name]
        mixed = torch.tensordot(shares.double(), rows.double(), dims=1)
        if name in biases:
            mixed = mixed + offsets.double()
        grown[name] = mixed.to(rows.dtype)
    return grown


def draw_apart(
    state: Mapping[str, Tensor], head: frozenset[str], alike: Sequence[Sequence[int]], seed: int
) -> dict[str, Tensor]:
    """Draw what sets leaves apart whose rows of a head are the same.

    The gradient of a layer below leaves with equal rows is that of all of them together, so that
    it learns nothing of what tells them apart until their rows differ; it has the rank of these
    differences, which gradients alone make slowly.

    Args:
        state: of the network.
        head: names of the tensors with a row for each leaf.
        alike: groups of leaves with equal rows; of one alone there is another that stays as it is.
        seed: of the noise.

    Returns:
        By name what to add to each tensor with more than one dimension: normal noise, twice as
        large as the tensor's own values; its mean over a group of several is 0.
    """
    generator = torch.Generator().manual_seed(seed)
    found: dict[str, Tensor] = {}
    for name in sorted(name for name in head if state[name].ndim > 1):
        rows = state[name]
        found[name] = torch.zeros(rows.shape)
        for numbers in alike:
            noise = torch.randn((len(numbers), *rows.shape[1:]), generator=generator)
            middle = noise.mean(0) if len(numbers) > 1 else 0
            found[name][list(numbers)] = _APART * rows.float().std() * (noise - middle)
    return found
