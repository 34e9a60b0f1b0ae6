"""The logits among what a network returns."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from torch import Tensor

# Letters of shapes: B pictures, K leaves, h x w pixels of the network's output.


def all_logits(outputs: object) -> Any:  # a list; a compiler cannot follow the check of one
    """Return a list of the logits (B, K, h, w) among a network's outputs, the answer's first.

    Raises:
        TypeError: there are none.
    """
    if isinstance(outputs, Tensor):
        found = [outputs]
    elif isinstance(outputs, Mapping):
        named = cast("Mapping[str, object]", outputs)
        main = next((key for key in ("out", "logits") if key in named), None)
        first = [] if main is None else [named[main]]
        found = first + [value for key, value in named.items() if key != main]
    elif isinstance(outputs, list | tuple):
        found = list(cast("Sequence[object]", outputs))
    else:
        found = []
    maps = [item for item in found if isinstance(item, Tensor) and item.ndim == 4]
    if not maps:
        raise TypeError(f"no logits of shape (B, leaves, h, w) in {type(outputs).__name__}")
    return [item for item in maps if item.shape[1] == maps[0].shape[1]]
