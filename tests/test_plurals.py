"""Numbers of things in words."""

import numpy as np
import pytest

from harmonize.plurals import counted, plural


@pytest.mark.parametrize(
    ("number", "words", "told"),
    [
        (0, ("picture",), "0 pictures"),
        (1, ("picture",), "1 picture"),
        (2, ("picture",), "2 pictures"),
        (1, ("class means", "classes mean"), "1 class means"),
        (12, ("class means", "classes mean"), "12 classes mean"),
        (np.int64(1), ("leaf", "leaves"), "1 leaf"),
        (np.int64(3), ("leaf", "leaves"), "3 leaves"),
    ],
)
def test_what_is_counted_is_one_or_many(number: int, words: tuple[str, ...], told: str) -> None:
    assert counted(number, *words) == told
    assert plural(number, *words) == told.partition(" ")[2]
