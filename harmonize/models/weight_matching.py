"""Pretrained weights fitted to a network: by names as other code writes them, or by order."""

import re
from collections.abc import Mapping

from torch import Tensor, nn

from harmonize.errors import HarmonizeError
from harmonize.models.weight_files import KEY

_PREFIXES = re.compile(r"^(?:(?:module|_orig_mod|model|network|backbone|encoder)[./])+")
"""What training code puts before the names of a network's tensors."""


def plain_name(name: str) -> str:
    """Return a tensor's name without what wrappers add; timm's features write ``_`` for ``.``."""
    return _PREFIXES.sub("", name).replace(".", "_")


def load_matching(
    encoder: nn.Module,
    weights: Mapping[str, Tensor],
    *,
    where: str,
    name: str,
    partial: bool = False,
    whole: Mapping[str, Tensor] | None = None,
    needed: str = "",
    channels: int = 3,
) -> None:
    """Load those weights that fit an encoder.

    Args:
        encoder: whose weights are replaced.
        weights: by the names of other code.
        where: they come from, for messages.
        name: of the encoder, for messages.
        partial: take what fits even if it is not all.
        whole: the state of the classifier that the encoder is part of, in its order. Weights whose
            names are other ones fit by their place in it, if all their shapes do.
        channels: of a picture: a first convolution for three bands is widened to as many.
        needed: what the names of the tensors begin with that must fit; a head need not.

    Raises:
        HarmonizeError: not all of the encoder is among them, or nothing.
    """
    wanted = learned(encoder.state_dict())
    given = _by_plain_name(weights)
    if whole is not None and not any(plain_name(key) in given for key in wanted):
        given = _by_plain_name(by_position(weights, whole) or {})
    fitting: dict[str, Tensor] = {}
    for key, tensor in wanted.items():
        found = given.get(plain_name(key))
        found = None if found is None else _widened(found, tensor, channels)
        if found is not None and found.shape == tensor.shape:
            fitting[key] = found
    counted = [key for key in wanted if key.startswith(needed)]
    fit = [key for key in counted if key in fitting]
    if len(fit) < len(counted) and not (partial and fit):
        first = next(key for key in counted if key not in fitting)
        advice = f"give weights of {name}"
        advice += ", or say model.weights_partial: true" if fit else ""
        raise HarmonizeError(
            f"{KEY}: {where}: {len(fit)} of the {len(counted)} tensors of {name} fit, "
            f"{first!r} does not; {advice}"
        )
    if next(iter(wanted.values())).device.type != "meta":
        encoder.load_state_dict(fitting, strict=False)


def by_position(
    weights: Mapping[str, Tensor], whole: Mapping[str, Tensor]
) -> dict[str, Tensor] | None:
    """Rename weights by the order of layers; None unless their number and all shapes are equal."""
    given, names = learned(weights), learned(whole)
    pairs = list(zip(names.items(), given.values(), strict=False))
    if len(given) != len(names) or any(want.shape != has.shape for (_, want), has in pairs):
        return None
    return {name: tensor for (name, _), tensor in pairs}


def learned(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state without the counts of batches, which not every file has."""
    return {key: t for key, t in state.items() if not key.endswith("num_batches_tracked")}


def _by_plain_name(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Index weights by plain name; of several copies the one with the shortest name is taken."""
    longest_first = sorted(weights, key=len, reverse=True)
    return {plain_name(name): weights[name] for name in longest_first}


def _widened(tensor: Tensor, wanted: Tensor, channels: int) -> Tensor:
    """Widen a first convolution of three bands to those of a picture, as timm does: they repeat."""
    of_three = (wanted.shape[0], 3, *wanted.shape[2:]) if wanted.ndim == 4 else ()
    if channels == 3 or tensor.shape != of_three or wanted.shape[1] != channels:
        return tensor
    if channels == 1:
        return tensor.sum(1, keepdim=True)
    return tensor[:, [band % 3 for band in range(channels)]] * (3 / channels)
