"""Which files a split consists of, and what is said when they do not fit."""

from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from harmonize.config.strict_yaml import load_text
from harmonize.data.index import index_files
from harmonize.labels.dataset_spec import DatasetSpec
from index_cases import make_spec, pairs, refused, touch


def test_a_list_gives_one_picture_per_line_in_its_own_order(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{folder}/{name}.png" for folder in ("images", "labels") for name in "abc"))
    (tmp_path / "train.txt").write_text("c\n\n  a \n")
    index = index_files(make_spec("train: {list: train.txt}"), "train", tmp_path)
    assert pairs(index) == [
        ("images/c.png", "labels/c.png"),
        ("images/a.png", "labels/a.png"),
    ]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_endings_and_a_byte_order_mark_do_not_matter(
    tmp_path: Path, ending: str, mark: bytes
) -> None:
    touch(tmp_path, "images/a.png", "labels/a.png", "images/b.png", "labels/b.png")
    (tmp_path / "train.txt").write_bytes(mark + f"a{ending}b{ending}".encode())
    index = index_files(make_spec("train: {list: train.txt}"), "train", tmp_path)
    assert [index.picture(number) for number in range(2)] == ["images/a.png", "images/b.png"]


def test_columns_name_the_fields_of_a_line(tmp_path: Path) -> None:
    spec = make_spec(
        "train: {list: train.txt, columns: [person, number]}",
        picture="{person}/{person}_{number:04d}.jpg",
        label="masks/{person}-{number:03d}.ppm",
    )
    touch(tmp_path, "Ada_X/Ada_X_0012.jpg", "masks/Ada_X-012.ppm")
    (tmp_path / "train.txt").write_text("Ada_X\t 12\n")
    expected = [("Ada_X/Ada_X_0012.jpg", "masks/Ada_X-012.ppm")]
    assert pairs(index_files(spec, "train", tmp_path)) == expected


def test_a_separator_leaves_spaces_inside_a_column(tmp_path: Path) -> None:
    spec = make_spec('train: {list: train.txt, columns: [number, id], separator: ","}')
    touch(tmp_path, "images/my picture.png", "labels/my picture.png")
    (tmp_path / "train.txt").write_text("1 , my picture\n")
    expected = [("images/my picture.png", "labels/my picture.png")]
    assert pairs(index_files(spec, "train", tmp_path)) == expected


def test_a_line_with_the_wrong_number_of_columns_is_named_with_its_line(tmp_path: Path) -> None:
    spec = make_spec("train: {list: train.txt, columns: [person, number]}")
    (tmp_path / "train.txt").write_text("Ada 1\nBen\n\nCleo 2 3\n")
    path = tmp_path / "train.txt"
    assert refused(spec, tmp_path).problems == (
        f"{path}:2: expected 2 columns (person, number), got 1: 'Ben'",
        f"{path}:4: expected 2 columns (person, number), got 3: 'Cleo 2 3'",
    )


def test_skipped_lines_need_not_fit_and_still_count(tmp_path: Path) -> None:
    spec = make_spec("train: {list: train.txt, skip: 2, columns: [id, number]}")
    touch(tmp_path, "images/a.png", "labels/a.png")
    (tmp_path / "train.txt").write_text("a header of five words\n\na 1\n")
    assert pairs(index_files(spec, "train", tmp_path)) == [("images/a.png", "labels/a.png")]
    (tmp_path / "train.txt").write_text("a header\n\na 1\nb\n")
    assert refused(spec, tmp_path).problems == (
        f"{tmp_path}/train.txt:4: expected 2 columns (id, number), got 1: 'b'",
    )


def test_where_keeps_the_pictures_whose_number_lies_inside(tmp_path: Path) -> None:
    spec = make_spec(
        "train: {list: list.txt, columns: [id, original], where: {original: [3, 10], id: [0, 3]}}"
    )
    touch(tmp_path, *(f"{folder}/{n}.png" for folder in ("images", "labels") for n in range(5)))
    (tmp_path / "list.txt").write_text("0 2\n1 3\n2 010\n3 11\n4 5\n")
    index = index_files(spec, "train", tmp_path)
    assert [index.picture(number) for number in range(len(index))] == [
        "images/1.png",
        "images/2.png",
    ]


@pytest.mark.parametrize(
    "split", ["range: [0, 4], where: {id: [3, 9]}", "glob: 'labels/{id}.png', where: {id: [3, 9]}"]
)
def test_where_narrows_ranges_and_globs_too(tmp_path: Path, split: str) -> None:
    touch(tmp_path, *(f"{folder}/{n}.png" for folder in ("images", "labels") for n in range(5)))
    index = index_files(make_spec(f"train: {{{split}}}"), "train", tmp_path)
    assert pairs(index) == [(f"images/{n}.png", f"labels/{n}.png") for n in (3, 4)]


def test_what_where_leaves_out_need_not_be_there(tmp_path: Path) -> None:
    touch(tmp_path, "images/2.png", "labels/2.png")
    spec = make_spec("train: {range: [0, 9], where: {id: [2, 2]}}")
    assert pairs(index_files(spec, "train", tmp_path)) == [("images/2.png", "labels/2.png")]


@pytest.mark.parametrize(("field", "shown"), [("id", "'one'"), ("number", "None")])
def test_where_needs_a_whole_number(tmp_path: Path, field: str, shown: str) -> None:
    spec = make_spec(f"train: {{list: train.txt, where: {{{field}: [0, 9]}}}}")
    (tmp_path / "train.txt").write_text("one\n")
    assert str(refused(spec, tmp_path)) == (
        "tiny.yaml:6:3: splits.train: `where` needs a whole number in the field "
        f"{field!r}, got {shown}"
    )


def test_where_that_leaves_nothing_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "images/1.png", "labels/1.png")
    spec = make_spec("train: {range: [1, 1], where: {id: [2, 1]}}")
    assert "splits.train: no pictures in" in str(refused(spec, tmp_path))


def test_a_part_of_a_number_names_a_folder(tmp_path: Path) -> None:
    spec = make_spec(
        "train: {glob: '{id//100}/{id:03d}.png'}",
        picture="{id}.png",
        label="{id//100}/{id:03d}.png",
    )
    touch(tmp_path, "0/007.png", "007.png", "2/210.png", "210.png")
    expected = [("007.png", "0/007.png"), ("210.png", "2/210.png")]
    assert pairs(index_files(spec, "train", tmp_path)) == expected


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    error = refused(make_spec("train: {list: lists/train.txt}"), tmp_path)
    assert str(error) == f"{tmp_path}/lists/train.txt: no such file"


def test_a_column_that_is_no_number_is_shown_with_the_field_that_needs_one(tmp_path: Path) -> None:
    spec = make_spec("train: {list: train.txt}", picture="images/{id:04d}.png")
    (tmp_path / "train.txt").write_text("one\n")
    error = refused(spec, tmp_path)
    assert str(error) == "tiny.yaml:2:1: picture: {id:04d} needs a whole number, got 'one'"


def test_a_field_that_nothing_gives_is_named_with_those_that_are_known(tmp_path: Path) -> None:
    spec = make_spec("train: {list: train.txt}", picture="images/{city}/{id}.png")
    (tmp_path / "train.txt").write_text("one\n")
    assert "nothing gives {city} a value" in str(refused(spec, tmp_path))
    assert "known: id, split" in str(refused(spec, tmp_path))


def test_a_range_includes_both_ends(tmp_path: Path) -> None:
    spec = make_spec("train: {range: [9, 11]}", picture="{id:03d}.png", label="{id:03d}_seg.png")
    touch(tmp_path, *(f"{number:03d}{end}.png" for number in range(20) for end in ("", "_seg")))
    expected = [(f"{number}.png", f"{number}_seg.png") for number in ("009", "010", "011")]
    assert pairs(index_files(spec, "train", tmp_path)) == expected


def test_a_glob_takes_the_files_that_match_in_sorted_order(tmp_path: Path) -> None:
    spec = make_spec('train: {glob: "labels/{id}.png"}')
    touch(tmp_path, *(f"{folder}/{name}.png" for folder in ("images", "labels") for name in "bca"))
    touch(tmp_path, "labels/notes.txt", "labels/deeper/d.png", "images/e.png")
    index = index_files(spec, "train", tmp_path)
    assert [index.label(number) for number in range(len(index))] == [
        "labels/a.png",
        "labels/b.png",
        "labels/c.png",
    ]


def test_a_glob_obeys_formats_and_repeated_fields(tmp_path: Path) -> None:
    spec = make_spec(
        'train: {glob: "{city}/{city}_{id:03d}_*_label.png"}',
        picture="{city}/{id:03d}.png",
        label="{city}/{city}_{id:03d}_x_label.png",
    )
    touch(tmp_path, "bonn/bonn_007_x_label.png", "bonn/007.png")
    touch(tmp_path, "bonn/ulm_008_x_label.png", "bonn/bonn_09_x_label.png", "bonn/bonn_abc_x_label")
    expected = [("bonn/007.png", "bonn/bonn_007_x_label.png")]
    assert pairs(index_files(spec, "train", tmp_path)) == expected


def test_the_field_split_is_the_name_of_the_split_unless_given(tmp_path: Path) -> None:
    splits = "{one: {list: '{split}.txt'}, two: {list: '{split}.txt', fields: {split: other}}}"
    text = f"""\
        name: tiny
        picture: "{{split}}/{{id}}.png"
        label: "{{split}}/{{id}}_l.png"
        encoding: ids
        splits: {splits}
        classes: {{thing: 0}}
        meaning: {{}}
        """
    spec = DatasetSpec.from_document(load_text(dedent(text), "tiny.yaml"))
    touch(tmp_path, "one/a.png", "one/a_l.png", "other/b.png", "other/b_l.png")
    (tmp_path / "one.txt").write_text("a\n")
    (tmp_path / "other.txt").write_text("b\n")
    assert pairs(index_files(spec, "one", tmp_path)) == [("one/a.png", "one/a_l.png")]
    assert pairs(index_files(spec, "two", tmp_path)) == [("other/b.png", "other/b_l.png")]


def test_fields_fill_the_templates_and_narrow_a_glob(tmp_path: Path) -> None:
    spec = make_spec(
        'train: {glob: "labels/{version}/{id}.png", fields: {version: 2, kind: rgb}}',
        picture="{kind}/{id}.png",
        label="labels/{version}/{id}.png",
    )
    touch(tmp_path, "labels/1/a.png", "labels/2/b.png", "rgb/a.png", "rgb/b.png")
    assert pairs(index_files(spec, "train", tmp_path)) == [("rgb/b.png", "labels/2/b.png")]


def test_a_star_stands_for_the_extension_that_a_file_has(tmp_path: Path) -> None:
    spec = make_spec("train: {list: train.txt}", picture="{id}.*", label="labels/{id}.*")
    touch(tmp_path, "a.jpg", "labels/a.png", "v1.2.JPEG", "labels/v1.2.ppm", "v1.png")
    (tmp_path / "train.txt").write_text("a\nv1.2\n")
    assert pairs(index_files(spec, "train", tmp_path)) == [
        ("a.jpg", "labels/a.png"),
        ("v1.2.JPEG", "labels/v1.2.ppm"),
    ]


def test_a_star_with_two_extensions_to_choose_from_is_refused(tmp_path: Path) -> None:
    spec = make_spec("train: {list: train.txt}", picture="images/{id}.*")
    touch(tmp_path, "images/a.png", "images/a.jpg", "labels/a.png")
    (tmp_path / "train.txt").write_text("a\n")
    error = refused(spec, tmp_path)
    assert str(error) == f"{tmp_path}/images/a.*: which of a.jpg, a.png? name one"


def test_missing_files_are_counted_and_the_first_three_named(tmp_path: Path) -> None:
    spec = make_spec("train: {list: train.txt}", picture="images/{id}.*")
    touch(tmp_path, "images/a.png", "labels/b.png", "images/d.png", "labels/d.png")
    (tmp_path / "train.txt").write_text("a\nb\nc\nd\n")
    assert str(refused(spec, tmp_path)) == (
        "tiny.yaml:6:3: splits.train: 4 files of tiny, for 3 of 4 pictures, "
        f"are missing from {tmp_path}: "
        "labels/a.png, images/b.*, images/c.*, ...; "
        "check data.roots and the mapping's `picture` and `label`, or take these pictures off the "
        "list"
    )


def test_a_name_that_no_file_can_have_is_missing(tmp_path: Path) -> None:
    spec = make_spec("train: {list: train.txt}", picture="{id}/a.png", label="{id}/b.png")
    (tmp_path / "train.txt").write_text("a\0b\n")
    assert "2 files of tiny, for 1 of 1 picture, are missing" in str(refused(spec, tmp_path))


@pytest.mark.parametrize(("there", "missing"), [("02", "07"), ("07", "02")])
def test_every_mask_of_a_soft_label_must_be_there(tmp_path: Path, there: str, missing: str) -> None:
    spec = make_spec(
        "train: {list: train.txt}", label="labels/{id}/{class:02d}.png", encoding="soft_masks"
    )
    touch(tmp_path, "images/a.png", f"labels/a/{there}.png")
    (tmp_path / "train.txt").write_text("a\n")
    error = str(refused(spec, tmp_path))
    assert "1 file of tiny is missing" in error
    assert f": labels/a/{missing}.png;" in error


def class_files(spec: DatasetSpec, label: str) -> dict[int, str]:
    """Return the file of each class for a label of the index."""
    return dict(spec.encoding.files(label, tuple(spec.classes.values())))


def test_soft_masks_are_kept_as_one_template_per_picture(tmp_path: Path) -> None:
    spec = make_spec(
        "train: {list: train.txt}", label="labels/{id}_{class:02d}.png", encoding="soft_masks"
    )
    touch(tmp_path, "images/{a}.png", "labels/{a}_02.png", "labels/{a}_07.png")
    (tmp_path / "train.txt").write_text("{a}\n")
    index = index_files(spec, "train", tmp_path)
    assert index.picture(0) == "images/{a}.png"
    assert class_files(spec, index.label(0)) == {0: "labels/{a}_07.png", 1: "labels/{a}_02.png"}


def make_masks(label: str = "labels/{id}_{class}.png") -> DatasetSpec:
    """Return a mapping with a mask for each part that is there."""
    return make_spec(
        "train: {list: train.txt}",
        label=label,
        encoding="masks",
        classes="{rest: ~, skin: face_skin, nose: '07'}",
    )


def test_only_the_masks_that_are_there_are_asked_for(tmp_path: Path) -> None:
    spec = make_masks()
    touch(tmp_path, "images/{a}.png", "labels/{a}_07.png", "images/b.png", "labels/b_face_skin.png")
    (tmp_path / "train.txt").write_text("{a}\nb\n")
    index = index_files(spec, "train", tmp_path)
    expected = {1: "labels/{a}_face_skin.png", 2: "labels/{a}_07.png"}
    assert class_files(spec, index.label(0)) == expected


def test_a_picture_without_any_mask_is_missing_its_label(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.png", "images/b.png", "labels/b_07.png")
    (tmp_path / "train.txt").write_text("a\nb\n")
    assert str(refused(make_masks(), tmp_path)) == (
        f"tiny.yaml:6:3: splits.train: 1 file of tiny is missing from {tmp_path}: "
        "labels/a_face_skin.png; check data.roots and the mapping's `picture` and `label`, or take "
        "the picture off the list"
    )


def test_a_mask_whose_text_does_not_fit_the_template_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("a\n")
    error = refused(make_masks("labels/{id}_{class:02d}.png"), tmp_path)
    assert str(error).endswith("{class:02d} needs a whole number, got 'face_skin'")


@pytest.mark.parametrize("split", ["list: train.txt", "glob: 'labels/{id}.png'"])
def test_a_split_without_pictures_is_refused(tmp_path: Path, split: str) -> None:
    (tmp_path / "train.txt").write_text("\n \n")
    error = refused(make_spec(f"train: {{{split}}}"), tmp_path)
    assert str(error) == (
        f"tiny.yaml:6:3: splits.train: no pictures in {tmp_path}; check the split's list or pattern"
    )


def test_an_unknown_split_is_named_with_near_matches(tmp_path: Path) -> None:
    error = refused(make_spec("train: {list: train.txt}"), tmp_path, "trian")
    assert str(error) == "tiny.yaml:5:1: splits: no split 'trian'; did you mean train?"


def test_the_index_holds_arrays_of_bytes_and_names_beyond_ascii(tmp_path: Path) -> None:
    touch(tmp_path, "images/Zoë.png", "labels/Zoë.png")
    (tmp_path / "train.txt").write_text("Zoë\n", encoding="utf-8")
    index = index_files(make_spec("train: {list: train.txt}"), "train", tmp_path)
    assert isinstance(index.pictures, np.ndarray)
    assert (index.pictures.dtype.kind, index.labels.dtype.kind) == ("S", "S")
    assert pairs(index) == [("images/Zoë.png", "labels/Zoë.png")]


def test_long_lists_are_read_in_pieces_and_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harmonize.data.index._BLOCK", 7)
    names = [f"{'n' * (number % 9)}{number}" for number in range(60)]
    ends = ["\n", "\r\n", "\n\n", "\r"]
    text = "".join(name + ends[number % 4] for number, name in enumerate(names))
    (tmp_path / "train.txt").write_bytes(text.encode())
    touch(tmp_path, *(f"{kind}/{name}.png" for kind in ("images", "labels") for name in names))
    index = index_files(make_spec("train: {list: train.txt}"), "train", tmp_path)
    assert [index.picture(number) for number in range(60)] == [f"images/{n}.png" for n in names]
