"""What each encoding of labels takes for a class, writes, and depends on; reading: test_labels."""

import dataclasses
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from harmonize.config.strict_yaml import Value
from harmonize.labels.class_table import DataClass
from harmonize.labels.encodings import ENCODINGS
from harmonize.labels.formula import ValueFormula
from harmonize.labels.number_encodings import Ids, Rgb


def test_each_encoding_is_found_by_its_own_name() -> None:
    assert [encoding.name for encoding in ENCODINGS.values()] == list(ENCODINGS)


def numbers_of(encoding: str, value: Value) -> tuple[int, ...] | None:
    """Return the numbers that stand for a class of a value; None if it is refused."""
    entry = ENCODINGS[encoding].parse("a", value)
    return None if entry is None else entry.values


@pytest.mark.parametrize(
    ("value", "numbers"),
    [
        ([1, 2, 3], (0x010203,)),
        ([1, 2, 3, 4], (0x04010203,)),
        ([0, 0, 0, 255], (0xFF000000,)),
        ("#01020304", (0x04010203,)),
        (["#01020304", [1, 2, 3]], (0x04010203, 0x010203)),
        ([1, 2, 3, 4, 5], None),
        ([1, 2, 3, 256], None),
        ([1, 2, 3, -1], None),
        ("#0102030", None),
    ],
)
def test_a_colour_may_have_a_fourth_part(value: Value, numbers: tuple[int, ...] | None) -> None:
    assert numbers_of("rgb", value) == numbers


@pytest.mark.parametrize(
    ("encoding", "number", "written"),
    [
        ("ids", 0x04010203, "67174915"),
        ("rgb", 0x010203, "#010203"),
        ("rgb", 0x04010203, "#01020304"),
    ],
)
def test_a_number_is_written_as_users_write_it(encoding: str, number: int, written: str) -> None:
    assert ENCODINGS[encoding].write(number) == written


@pytest.mark.parametrize(
    ("value", "known"),
    [
        (1 << 32, False),
        ((1 << 32) - 1, True),
        (-1, True),
        (-(1 << 31), True),
        (-(1 << 31) - 1, False),
    ],
)
def test_ids_have_at_most_32_bits(value: int, known: bool) -> None:
    assert numbers_of("ids", value) == ((value,) if known else None)


@pytest.mark.parametrize(
    ("value", "entry"),
    [
        (7, DataClass("a", (7,), "7")),
        ([7], DataClass("a", (7,), "7")),
        ([7, 8], None),
        ("7", None),
    ],
)
def test_a_soft_mask_is_named_by_its_one_id(value: Value, entry: DataClass | None) -> None:
    assert ENCODINGS["soft_masks"].parse("a", value) == entry


@pytest.mark.parametrize(
    ("value", "entry"),
    [("nose", DataClass("a", mask="nose")), (None, DataClass("a")), ("", None), (7, None)],
)
def test_a_mask_is_named_by_text_or_is_the_rest(value: Value, entry: DataClass | None) -> None:
    assert ENCODINGS["masks"].parse("a", value) == entry


def test_what_stands_for_a_class_is_written_as_in_a_mapping() -> None:
    masks = ENCODINGS["masks"]
    keys = [masks.keys(DataClass("a", mask=mask)) for mask in ("nose", None)]
    assert keys == [("nose",), (None,)]
    assert [masks.write(key) for (key,) in keys] == ["'nose'", "~"]
    assert ENCODINGS["ids"].keys(DataClass("a", (3, 4))) == (3, 4)


def test_only_colours_have_a_colour_of_their_own() -> None:
    entry = DataClass("a", (0xFF010203, 0), "4278321667")
    colors = {name: encoding.color(entry) for name, encoding in ENCODINGS.items()}
    assert colors == {**dict.fromkeys(ENCODINGS), "rgb": (1, 2, 3)}


def test_what_is_needed_is_all_of_a_label_but_masks_that_are_not_there() -> None:
    files, there = ["a_0", "a_1", "a_2"], {"a_1"}

    def find(file: str) -> list[str]:
        return [file] if file in there else []

    needed = {name: one.needed(files, find) for name, one in ENCODINGS.items()}
    assert needed.pop("masks") == ["a_1"]
    assert list(needed.values()) == [files] * len(needed)
    assert ENCODINGS["masks"].needed(files, lambda _: []) == ["a_0"]


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_fingerprint_tells_what_would_be_read_otherwise(name: str) -> None:
    encoding = ENCODINGS[name]
    classes = [DataClass("a", (1, 2), "m"), DataClass("b", (3,), "n")]
    changed = [
        [DataClass("a", (1,), "m"), classes[1]],
        [DataClass("a", (1, 2), None), classes[1]],
        [classes[1], classes[0]],
        classes[:1],
    ]
    known = {encoding.fingerprint(classes), *map(encoding.fingerprint, changed)}
    others = [one for one in ENCODINGS.values() if one.name != name]
    known |= {other.fingerprint(classes) for other in others}
    assert len(known) == 5 + len(others)
    assert encoding.fingerprint([DataClass("c", (1, 2), "m"), classes[1]]) in known  # the name


def test_a_fingerprint_tells_the_options_by_what_they_say() -> None:
    values: dict[str, list[Callable[[], object]]] = {
        "formula": [
            lambda: None,
            *(partial(ValueFormula, text, where="") for text in ("V", "V//2")),
        ],
        "tolerance": [partial(int, number) for number in range(3)],
        "order": [lambda: None, *(partial(str, text) for text in ("area", "file"))],
        "annotations": [lambda: None, partial(str, "a.json")],
    }
    found: list[str] = []
    for encoding in ENCODINGS.values():
        for field in dataclasses.fields(encoding):
            for make in values[field.name]:
                both = [dataclasses.replace(encoding, **{field.name: make()}) for _ in range(2)]
                texts = {one.fingerprint([]) for one in both}
                assert len(texts) == 1  # no address in it
                found += texts
    assert len(set(found)) == len(found) == 14


def test_the_pictures_of_answers_hold_ids_of_8_or_16_bits() -> None:
    values = np.array([3, 255, 256])
    small = Ids().pixels(values, np.array([True, True, False]))
    assert (small.dtype, small[:2].tolist()) == (np.uint8, [3, 255])
    large = Ids().pixels(values, np.array([True, True, True]))
    assert (large.dtype, large.tolist()) == (np.uint16, [3, 255, 256])


def test_the_pictures_of_answers_hold_colours_of_3_or_4_parts() -> None:
    every = np.array([True, True])
    assert Rgb().pixels(np.array([0x010203, 0xFF0000]), every).tolist() == [[1, 2, 3], [255, 0, 0]]
    pixels = Rgb().pixels(np.array([0x80010203, 0xFF0000]), every)
    assert (pixels.dtype, pixels.tolist()) == (np.uint8, [[1, 2, 3, 128], [255, 0, 0, 0]])
