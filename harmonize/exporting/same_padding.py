"""Padding as TensorFlow's "same", which timm works out from the size of each picture, exported."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

_MODULE = "timm.layers.padding"


@contextlib.contextmanager
def same_padding_of_whole_strides() -> Iterator[None]:
    """Have timm's layers pad as they do features whose sides are multiples of their strides.

    That is what they are given, as pictures are padded to the multiple of all strides, and then
    the padding depends on no size: of ``ceil(x / s) s - s + (k - 1) d + 1 - x`` pixels ``(k - 1) d
    + 1 - s`` are left. Worked out from sizes that are not known, it cannot be exported.
    """
    module: Any = sys.modules.get(_MODULE)  # a network has such layers only if it is loaded
    if module is None:
        yield
        return
    own = module.get_same_padding
    module.get_same_padding = _of_whole_strides
    try:
        yield
    finally:
        module.get_same_padding = own


def _of_whole_strides(_x: Any, kernel_size: int, stride: int, dilation: int) -> int:
    return max((kernel_size - 1) * dilation + 1 - stride, 0)
