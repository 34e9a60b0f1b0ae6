"""Labels of one mask a class."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from folder_cases import save
from harmonize.errors import HarmonizeError
from harmonize.plurals import counted
from label_files import (
    CHANNELS,
    COLOUR,
    COLOUR_ALPHA,
    GREY,
    GREY_ALPHA,
    PALETTE,
    make_reader,
    refused,
    write_png,
)


def write_masks(folder: Path, masks: dict[int, np.ndarray]) -> None:
    """Write one grey mask per id, as the mapping of ``make_reader`` names them."""
    for number, mask in masks.items():
        Image.fromarray(mask.astype(np.uint8)).save(folder / f"a_{number}.png")


@given(data=st.data())
def test_the_largest_soft_mask_wins_and_ties_go_to_the_lower_id(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("masks")
    ids = data.draw(st.permutations([0, 3, 4, 12]), label="ids in the order of the classes")
    levels = st.lists(st.sampled_from([0, 1, 127, 128, 255]), min_size=6, max_size=6)
    masks = {number: np.array(data.draw(levels)).reshape(2, 3) for number in ids}
    write_masks(folder, masks)
    names = ", ".join([*(f"c{number}: {number}" for number in ids), "none: ~"])
    classes = make_reader("soft_masks", f"{{{names}}}").read(folder, "a_{class}.png")
    for place in np.ndindex(2, 3):
        top = max(mask[place] for mask in masks.values())
        winner = min(number for number, mask in masks.items() if mask[place] == top)
        assert classes[place] == (ids.index(winner) if top else 4)
    assert classes.dtype == np.int16


@pytest.mark.parametrize(
    ("encoding", "wanted"),
    [
        ("soft_masks", "the one id that stands in the mask's file name"),
        ("masks", "the text that stands in the mask's file name"),
    ],
)
def test_a_mapping_without_any_mask_is_refused(encoding: str, wanted: str) -> None:
    with pytest.raises(HarmonizeError, match=f"no class has a mask; give one at least {wanted}"):
        make_reader(encoding, "{rest: ~}")


def test_pixels_that_are_0_in_all_soft_masks_are_an_error(tmp_path: Path) -> None:
    write_masks(tmp_path, {0: np.array([[0, 9, 0]]), 1: np.array([[0, 0, 1]])})
    message = refused(make_reader("soft_masks", "{a: 0, b: 1}"), tmp_path, "a_{class}.png")
    assert message == (
        f"{tmp_path}/a_{{class}}.png: pixels that are 0 in all masks: 1; give one class the value "
        "~, for these (with the meaning `ignore` if they are void)"
    )


def test_masks_of_different_sizes_are_refused(tmp_path: Path) -> None:
    write_masks(tmp_path, {0: np.zeros((4, 6)), 1: np.zeros((4, 5))})
    message = refused(make_reader("soft_masks", "{a: 0, b: 1}"), tmp_path, "a_{class}.png")
    assert message == f"{tmp_path}/a_1.png: 5 x 4 pixels, but the other masks have 6 x 4"


def test_a_mask_must_be_grey(tmp_path: Path) -> None:
    write_masks(tmp_path, {0: np.zeros((4, 4)), 1: np.zeros((4, 4, 3))})
    message = refused(make_reader("soft_masks", "{a: 0, b: 1}"), tmp_path, "a_{class}.png")
    assert message == f"{tmp_path}/a_1.png: expected an 8-bit grey mask, got mode RGB"


def test_a_mask_that_has_gone_is_named(tmp_path: Path) -> None:
    write_masks(tmp_path, {0: np.zeros((4, 4))})
    message = refused(make_reader("soft_masks", "{a: 0, b: 1}"), tmp_path, "a_{class}.png")
    assert message == f"{tmp_path}/a_1.png: no such file"


PARTS = "{rest: ~, skin: '1', nose: '2', hair: '3'}"


def test_a_later_mask_covers_the_classes_before_it(tmp_path: Path) -> None:
    skin, nose, hair = np.array([[1, 25, 9, 0, 0]]), np.array([[0, 1, 1, 0, 0]]), [[0, 0, 1, 1, 0]]
    write_masks(tmp_path, {1: skin, 2: nose, 3: np.array(hair)})
    classes = make_reader("masks", PARTS).read(tmp_path, "a_{class}.png")
    assert classes.dtype == np.int16
    np.testing.assert_array_equal(classes, [[1, 2, 3, 3, 0]])
    backwards = "{hair: '3', nose: '2', rest: ~, skin: '1'}"
    classes = make_reader("masks", backwards).read(tmp_path, "a_{class}.png")
    np.testing.assert_array_equal(classes, [[3, 3, 3, 0, 2]])


def test_masks_that_are_not_there_cover_nothing(tmp_path: Path) -> None:
    write_masks(tmp_path, {2: np.array([[0, 1]])})
    classes = make_reader("masks", PARTS).read(tmp_path, "a_{class}.png")
    np.testing.assert_array_equal(classes, [[0, 2]])


def test_a_pixel_that_no_mask_covers_is_refused_unless_a_class_stands_for_it(
    tmp_path: Path,
) -> None:
    write_masks(tmp_path, {1: np.array([[0, 1, 0]]), 2: np.array([[0, 0, 1]])})
    reader = make_reader("masks", "{skin: '1', nose: '2'}")
    assert refused(reader, tmp_path, "a_{class}.png") == (
        f"{tmp_path}/a_{{class}}.png: no mask covers 1 pixel; "
        "give one class the value ~, for what no mask covers"
    )
    write_masks(tmp_path, {1: np.array([[1, 1, 0]])})
    np.testing.assert_array_equal(reader.read(tmp_path, "a_{class}.png"), [[0, 0, 1]])


@pytest.mark.parametrize("kind", [COLOUR, COLOUR_ALPHA, GREY_ALPHA])
def test_a_mask_of_several_channels_is_its_first(tmp_path: Path, kind: int) -> None:
    values = np.zeros((1, 3, CHANNELS[kind]), dtype=int)
    values[0, 0] = 25
    values[0, 1, 1:] = 255
    values[0, 2, 0] = 1
    write_png(tmp_path / "a_1.png", values, bits=8, kind=kind)
    classes = make_reader("masks", PARTS).read(tmp_path, "a_{class}.png")
    np.testing.assert_array_equal(classes, [[1, 0, 1]])


@pytest.mark.parametrize(("bits", "kind"), [(1, GREY), (2, GREY), (8, PALETTE), (16, GREY)])
def test_a_mask_covers_wherever_it_is_not_zero(tmp_path: Path, bits: int, kind: int) -> None:
    top = 2**bits - 1
    write_png(tmp_path / "a_1.png", np.array([[0, top, 0, top]]), bits=bits, kind=kind)
    numbers = np.array([[3, 2, 0, 1]]) if bits >= 8 else np.array([[1, 1, 0, 1]])
    write_png(tmp_path / "a_2.png", numbers, bits=bits, kind=kind)
    classes = make_reader("masks", PARTS).read(tmp_path, "a_{class}.png")
    np.testing.assert_array_equal(classes, [[2, 2, 0, 2]])


@pytest.mark.parametrize(
    ("values", "half"),
    [([0, 1, 255], 128), ([0, 128, 255], 128), ([0, 254, 65535, 1], 32768), ([255, 1], 128)],
)
def test_what_lies_between_0_and_the_largest_value_is_refused_unless_it_is_said_how_it_counts(
    tmp_path: Path, values: list[int], half: int
) -> None:
    bits = 8 if max(values) < 256 else 16
    write_png(tmp_path / "a_1.png", np.array([values]), bits=bits, kind=GREY)
    between = [value for value in values if value not in (0, max(values))]
    assert refused(make_reader("masks", PARTS), tmp_path, "a_{class}.png") == (
        f"{tmp_path}/a_1.png: its values lie around 0 and {max(values)}, such as {between[0]} "
        f"({counted(len(between), 'pixel')} between them); say `value: V//{half}` to cut them in "
        "the middle, "
        "or `value: V` where every value but 0 belongs to the class"
    )
    cut = make_reader("masks", PARTS, f"value: V//{half}").read(tmp_path, "a_{class}.png")
    np.testing.assert_array_equal(cut, [[int(value >= half) for value in values]])
    every = make_reader("masks", PARTS, "value: V").read(tmp_path, "a_{class}.png")
    np.testing.assert_array_equal(every, [[int(value > 0) for value in values]])


def jpeg_mask(path: Path, *, quality: int = 75) -> np.ndarray:
    """Write a disk of 255 on 0 as JPEG; return where it is."""
    rows, columns = np.ogrid[:60, :80]
    disk = (rows - 30) ** 2 + (columns - 40) ** 2 < 20**2
    Image.fromarray((255 * disk).astype(np.uint8)).save(path, format="JPEG", quality=quality)
    return disk


def test_masks_stored_as_jpeg_are_cut_in_the_middle_or_refused(tmp_path: Path) -> None:
    disk = jpeg_mask(tmp_path / "a_1.jpg")
    told = refused(make_reader("masks", PARTS), tmp_path, "a_{class}.jpg")
    assert "its values lie around 0 and 255, such as " in told
    assert "say `value: V//128`" in told
    found = make_reader("masks", PARTS, "value: V//128").read(tmp_path, "a_{class}.jpg")
    assert (found != disk).mean() < 0.01
    Image.open(tmp_path / "a_1.jpg").save(tmp_path / "a_1.png")  # no longer known to be a JPEG
    assert "say `value: V//128`" in refused(make_reader("masks", PARTS), tmp_path, "a_{class}.png")


def test_numbers_of_instances_in_a_mask_are_no_soft_edge(tmp_path: Path) -> None:
    write_masks(tmp_path, {1: np.repeat(np.arange(20), 5)[None]})
    classes = make_reader("masks", PARTS).read(tmp_path, "a_{class}.png")
    assert (classes[0] == (np.arange(100) >= 5)).all()


def test_the_formula_of_masks_is_of_one_channel() -> None:
    with pytest.raises(HarmonizeError, match=r"value: of masks the channel is V, got 'R//128'"):
        make_reader("masks", PARTS, "value: R//128")


def test_fractions_in_masks_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 0.5, 1]], np.float32)).save(tmp_path / "a_1.tif")
    told = refused(make_reader("masks", PARTS), tmp_path, "a_{class}.tif")
    assert told.startswith(f"{tmp_path}/a_1.tif: holds numbers that are not whole, such as 0.5")
    found = make_reader("masks", PARTS, "value: 2*V//1").read(tmp_path, "a_{class}.tif")
    np.testing.assert_array_equal(found, [[0, 1, 1]])


def test_binary_masks_of_different_sizes_are_refused(tmp_path: Path) -> None:
    write_masks(tmp_path, {1: np.zeros((4, 6)), 3: np.zeros((4, 5))})
    message = refused(make_reader("masks", PARTS), tmp_path, "a_{class}.png")
    assert message == f"{tmp_path}/a_3.png: 5 x 4 pixels, but the other masks have 6 x 4"


@pytest.mark.parametrize(
    "tree", ["[tree-0, tree-1, tree-2]", "tree-*", "[tree-0, 'tree-[*', tree-1]"]
)
def test_a_class_may_have_several_masks(tmp_path: Path, tree: str) -> None:
    masks = {"tree-0": [255, 0, 0, 0], "tree-1": [0, 255, 0, 0], "treehouse": [0, 0, 0, 255]}
    for name, row in masks.items():
        save(tmp_path / f"a b_{name}.png", np.array([row]))
    save(tmp_path / "c_tree-0.png", np.full((1, 4), 255))
    classes = f"{{rest: ~, tree: {tree}, house: treehouse}}"
    found = make_reader("masks", classes).read(tmp_path, "a b_{class}.png")
    assert found.tolist() == [[1, 1, 0, 2]]


def test_a_mask_that_comes_later_is_found_by_its_pattern(tmp_path: Path) -> None:
    reader = make_reader("masks", "{rest: ~, tree: tree-*}")
    save(tmp_path / "a_tree-0.png", np.array([[255, 0]]))
    assert reader.read(tmp_path, "a_{class}.png").tolist() == [[1, 0]]
    save(tmp_path / "a_tree-1.png", np.array([[0, 255]]))
    assert reader.read(tmp_path, "a_{class}.png").tolist() == [[1, 1]]
    assert [path.name for path in reader.files(tmp_path, "a_{class}.png")] == [
        "a_tree-0.png",
        "a_tree-1.png",
    ]
