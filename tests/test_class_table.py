"""Values of label files looked up among the classes of a data set."""

import numpy as np
import pytest

from harmonize.labels.class_table import ClassTable, DataClass


def table(*values: tuple[int, ...]) -> ClassTable:
    """Return a table of classes with the given values."""
    classes = [DataClass(f"c{number}", one) for number, one in enumerate(values)]
    return ClassTable("toy", {entry.name: entry for entry in classes})


HIGHEST = (7, 65535, 65536, 1 << 31)
DTYPES = (np.uint8, np.uint16, np.int32, np.uint32, np.int64)
HELD = [(highest, one) for one in DTYPES for highest in HIGHEST if highest <= np.iinfo(one).max]


@pytest.mark.parametrize(("highest", "dtype"), HELD)
def test_values_are_found_whatever_their_type_and_size(highest: int, dtype: type) -> None:
    values = np.array([[highest, 3, 3], [0, 1, 3]], dtype=dtype)
    found = table((highest,), (0, 3)).look_up(values)
    assert (found.dtype, found.tolist()) == (np.int16, [[0, 1, 1], [1, -1, 1]])


def test_negative_values_are_of_no_class() -> None:
    for highest in (7, 70000):
        assert table((0,), (highest,)).look_up(np.array([[-1, 0]])).tolist() == [[-1, 0]]


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64])
def test_a_class_may_have_a_negative_value(dtype: type) -> None:
    values = np.array([[-1, 0, 5, -2], [127, -1, -1, -128]], dtype=dtype)
    found = table((0, 127), (-1, 5)).look_up(values)
    assert (found.dtype, found.tolist()) == (np.int16, [[1, 0, 1, -1], [0, 1, 1, -1]])
    assert table((3,), (-1, 5)).look_up(np.array([[3, 255]], np.uint8)).tolist() == [[0, -1]]


def test_within_a_tolerance_the_nearest_class_is_found_byte_by_byte() -> None:
    found = table((0x0A0A0A,), (0x101010,)).look_up(
        np.array([[0x0A0A0A, 0x0C0A0C, 0x0E100E, 0x0D0D0D, 0x0A0A0D, 0x0A0A0E]]), tolerance=3
    )
    # 0x0D is as far from both: the class of the lower value.
    assert found.tolist() == [[0, 0, 1, 0, 0, -1]]


def test_the_highest_value_is_of_all_classes() -> None:
    assert table((3, 9), (4,)).highest == 9
