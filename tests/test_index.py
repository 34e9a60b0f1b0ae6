"""Which files a split consists of, and what is said when they do not fit."""

from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from harmonize.config.strict_yaml import load_text
from harmonize.data.index import (
    FileIndex,
    index_files,
    list_files,
    unlabelled_pictures,
)
from harmonize.errors import HarmonizeError
from harmonize.labels.dataset_spec import DatasetSpec


def make_spec(
    splits: str,
    *,
    picture: str = "images/{id}.png",
    label: str = "labels/{id}.png",
    encoding: str = "ids",
    classes: str = "{thing: 7, stuff: 2}",
    more: str = "",
) -> DatasetSpec:
    """Return a mapping with two classes; its splits start on line 6."""
    text = dedent(f"""\
        name: tiny
        picture: "{picture}"
        label: "{label}"
        encoding: {encoding}
        splits:
          {splits}
        classes: {classes}
        meaning: {{}}
        """)
    return DatasetSpec.from_document(load_text(text + more, "tiny.yaml"))


def touch(root: Path, *files: str) -> None:
    """Make empty files."""
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()


def pairs(index: FileIndex) -> list[tuple[str, str]]:
    """Return the picture and label of each entry."""
    return [(index.picture(number), index.label(number)) for number in range(len(index))]


def refused(spec: DatasetSpec, root: Path, split: str = "train") -> HarmonizeError:
    """Return the error that indexing a split raises."""
    with pytest.raises(HarmonizeError) as caught:
        index_files(spec, split, root)
    return caught.value


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
        f"tiny.yaml:6:3: splits.train: 4 files of tiny are missing from {tmp_path}: "
        "labels/a.png, images/b.*, images/c.*, ...; "
        "check data.roots and the mapping's `picture` and `label`"
    )


def test_a_name_that_no_file_can_have_is_missing(tmp_path: Path) -> None:
    spec = make_spec("train: {list: train.txt}", picture="{id}/a.png", label="{id}/b.png")
    (tmp_path / "train.txt").write_text("a\0b\n")
    assert "2 files of tiny are missing" in str(refused(spec, tmp_path))


@pytest.mark.parametrize(("there", "missing"), [("02", "07"), ("07", "02")])
def test_every_mask_of_a_soft_label_must_be_there(tmp_path: Path, there: str, missing: str) -> None:
    spec = make_spec(
        "train: {list: train.txt}", label="labels/{id}/{class:02d}.png", encoding="soft_masks"
    )
    touch(tmp_path, "images/a.png", f"labels/a/{there}.png")
    (tmp_path / "train.txt").write_text("a\n")
    error = str(refused(spec, tmp_path))
    assert "1 files of tiny are missing" in error
    assert f": labels/a/{missing}.png;" in error


def class_files(spec: DatasetSpec, label: str) -> dict[int, str]:
    """Return the file of each class for a label of the index."""
    return spec.encoding.files(label, tuple(spec.classes.values()))


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
        f"tiny.yaml:6:3: splits.train: 1 files of tiny are missing from {tmp_path}: "
        "labels/a_face_skin.png; check data.roots and the mapping's `picture` and `label`"
    )


def test_a_mask_whose_text_does_not_fit_the_template_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("a\n")
    error = refused(make_masks("labels/{id}_{class:02d}.png"), tmp_path)
    assert str(error).endswith("{class:02d} needs a whole number, got 'face_skin'")


@pytest.mark.parametrize("line", ["../../secret", "..", "x/../../y"])
@pytest.mark.parametrize("encoding", ["ids", "soft_masks"])
def test_two_dots_in_a_list_cannot_leave_the_folder(
    tmp_path: Path, line: str, encoding: str
) -> None:
    root = tmp_path / "root"
    ending = "/{class}.png" if encoding == "soft_masks" else "/a.png"
    spec = make_spec(
        "train: {list: train.txt}", picture="{id}/a.png", label="{id}" + ending, encoding=encoding
    )
    touch(root, "train.txt")
    for stray in (tmp_path, root, tmp_path.parent / "secret", tmp_path / "y"):
        touch(stray, "a.png", "2.png", "7.png")
    (root / "train.txt").write_text(f"{line}\n")
    error = refused(spec, root)
    assert (
        str(error) == f"tiny.yaml:2:1: picture: '{line}/a.png' leads out of the data set's folder; "
        "if it is meant to, say `outside_root: true` in the mapping"
    )


def test_a_label_cannot_leave_the_folder_either(tmp_path: Path) -> None:
    for encoding, label in (("ids", "labels/{mask}"), ("soft_masks", "labels/{mask}{class}")):
        spec = make_spec(
            "train: {list: train.txt, columns: [id, mask]}", label=label, encoding=encoding
        )
        touch(tmp_path, "images/a.png")
        (tmp_path / "train.txt").write_text("a ../b.png\n")
        assert str(refused(spec, tmp_path)).startswith("tiny.yaml:3:1: label: 'labels/../b.png")


def test_an_absolute_path_cannot_leave_the_folder(tmp_path: Path) -> None:
    spec = make_spec("train: {list: train.txt}", picture="{id}", label="{id}")
    stray = tmp_path / "stray.png"
    touch(tmp_path, "stray.png")
    touch(tmp_path / "root", "train.txt")
    (tmp_path / "root" / "train.txt").write_text(f"{stray}\n")
    assert f"'{stray}' leads out of" in str(refused(spec, tmp_path / "root"))


@pytest.mark.parametrize("split", ["list: ../train.txt", "glob: '../labels/{id}.png'"])
def test_a_split_cannot_leave_the_folder(tmp_path: Path, split: str) -> None:
    root = tmp_path / "root"
    touch(tmp_path, "labels/a.png", "images/a.png")
    touch(root, "labels/a.png", "images/a.png")
    (tmp_path / "train.txt").write_text("a\n")
    with pytest.raises(HarmonizeError) as caught:
        make_spec(f"train: {{{split}}}")
    error = str(caught.value)
    assert error.startswith("tiny.yaml:6:3: splits.train: '../")
    assert error.endswith("if it is meant to, say `outside_root: true` in the mapping")
    allowed = make_spec(f"train: {{{split}}}", more="outside_root: true\n")
    assert pairs(index_files(allowed, "train", root)) == [("images/a.png", "labels/a.png")]


def test_paths_may_lead_out_of_the_folder_where_the_mapping_says_so(tmp_path: Path) -> None:
    spec = make_spec("train: {range: [1, 1]}", picture="../{id}.png", more="outside_root: true\n")
    touch(tmp_path, "1.png", "root/labels/1.png")
    assert pairs(index_files(spec, "train", tmp_path / "root")) == [("../1.png", "labels/1.png")]


def test_linked_folders_and_files_are_followed(tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere/a.png", "root/labels/a.png")
    (tmp_path / "root/images").symlink_to(tmp_path / "elsewhere")
    spec = make_spec("train: {glob: 'labels/{id}.png'}")
    index = index_files(spec, "train", tmp_path / "root")
    assert pairs(index) == [("images/a.png", "labels/a.png")]


def test_dots_inside_a_name_are_harmless(tmp_path: Path) -> None:
    touch(tmp_path, "images/a..b.png", "labels/a..b.png")
    (tmp_path / "train.txt").write_text("a..b\n")
    index = index_files(make_spec("train: {list: train.txt}"), "train", tmp_path)
    assert pairs(index) == [("images/a..b.png", "labels/a..b.png")]


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


def test_listing_tells_all_that_is_wrong_and_keeps_the_pictures_that_are_whole(
    tmp_path: Path,
) -> None:
    spec = make_spec("train: {list: train.txt}", picture="images/{id}.*")
    (tmp_path / "train.txt").write_text("a\nb\nc\nd\n../x\n")
    touch(tmp_path, "images/a.png", "labels/a.png", "images/b.png", "images/b.jpg", "labels/b.png")
    touch(tmp_path, "images/c.png", "images/d.png", "labels/d.png")
    index, problems = list_files(spec, "train", tmp_path)
    assert pairs(index) == [(f"images/{x}.png", f"labels/{x}.png") for x in "ad"]
    assert problems == [
        f"{tmp_path}/images/b.*: which of b.jpg, b.png? name one",
        "tiny.yaml:2:1: picture: 'images/../x.*' leads out of the data set's folder; "
        "if it is meant to, say `outside_root: true` in the mapping",
        f"tiny.yaml:6:3: splits.train: 1 files of tiny are missing from {tmp_path}: labels/c.png; "
        "check data.roots and the mapping's `picture` and `label`",
    ]
    assert refused(spec, tmp_path).problems == tuple(problems)


def test_listing_a_whole_split_finds_nothing_wrong(tmp_path: Path) -> None:
    touch(tmp_path, "images/1.png", "labels/1.png")
    index, problems = list_files(make_spec("train: {range: [1, 1]}"), "train", tmp_path)
    assert (pairs(index), problems) == ([("images/1.png", "labels/1.png")], [])


def test_listing_where_nothing_is_there_is_an_empty_index(tmp_path: Path) -> None:
    index, problems = list_files(make_spec("train: {range: [1, 9]}"), "train", tmp_path)
    assert (len(index), len(problems)) == (0, 1)
    assert ": 18 files of tiny are missing from " in problems[0]


def test_one_mistake_of_the_mapping_is_listed_once_and_no_more_than_twenty(
    tmp_path: Path,
) -> None:
    spec = make_spec("train: {range: [1, 9]}", picture="{city}/{id}.png")
    assert len(list_files(spec, "train", tmp_path)[1]) == 1
    spec = make_spec("train: {list: train.txt}", picture="{id:02d}.png")
    (tmp_path / "train.txt").write_text("".join(f"x{number}\n" for number in range(30)))
    problems = list_files(spec, "train", tmp_path)[1]
    assert len(problems) == 20
    assert problems[19] == "tiny.yaml:2:1: picture: {id:02d} needs a whole number, got 'x19'"


@pytest.mark.parametrize("split", ["range: [1, 2]", "glob: 'labels/{id}.png'", "list: train.txt"])
def test_pictures_beside_the_splits_are_unlabelled_if_they_have_no_label(
    tmp_path: Path, split: str
) -> None:
    (tmp_path / "train.txt").write_text("1\n2\n")
    touch(tmp_path, *(f"{folder}/{n}.png" for folder in ("images", "labels") for n in (1, 2, 3)))
    spec = make_spec(f"train: {{{split}}}")
    assert unlabelled_pictures(spec, tmp_path) == []
    touch(tmp_path, "images/5.png", "images/4.png", "images/note.txt", "images/deeper/6.png")
    assert unlabelled_pictures(spec, tmp_path) == ["images/4.png", "images/5.png"]


def test_a_label_in_any_split_will_do(tmp_path: Path) -> None:
    splits = "{a: {glob: 'labels/a/{id}.png'}, b: {glob: 'labels/b/{id}.png'}}"
    text = f"""\
        name: tiny
        picture: "images/{{id}}.png"
        label: "labels/{{split}}/{{id}}.png"
        encoding: ids
        splits: {splits}
        classes: {{thing: 0}}
        meaning: {{}}
        """
    spec = DatasetSpec.from_document(load_text(dedent(text), "tiny.yaml"))
    touch(tmp_path, "images/1.png", "images/2.png", "images/3.png")
    touch(tmp_path, "labels/a/1.png", "labels/b/2.png")
    assert unlabelled_pictures(spec, tmp_path) == ["images/3.png"]


def test_pictures_of_another_split_than_their_path_says_are_not_asked_for(tmp_path: Path) -> None:
    spec = make_spec(
        "train: {glob: 'labels/train/{id}.png'}",
        picture="{split}/{id}.png",
        label="labels/{split}/{id}.png",
    )
    touch(tmp_path, "train/1.png", "labels/train/1.png", "train/2.png", "test/3.png")
    assert unlabelled_pictures(spec, tmp_path) == ["train/2.png"]


def test_labels_among_the_pictures_are_no_pictures(tmp_path: Path) -> None:
    spec = make_spec("train: {glob: '{id}_l.png'}", picture="{id}.png", label="{id}_l.png")
    touch(tmp_path, "1.png", "1_l.png", "2.png", "3_l.png")
    assert unlabelled_pictures(spec, tmp_path) == ["2.png"]


def test_pictures_that_a_split_lists_are_not_told_as_unlabelled(tmp_path: Path) -> None:
    touch(tmp_path, "images/1.png", "images/2.png", "labels/1.png")
    assert unlabelled_pictures(make_spec("train: {range: [1, 2]}"), tmp_path) == []
    assert unlabelled_pictures(make_spec("train: {glob: 'images/{id}.png'}"), tmp_path) == []


@pytest.mark.parametrize("encoding", ["masks", "soft_masks"])
def test_one_mask_is_a_label(tmp_path: Path, encoding: str) -> None:
    classes = "{thing: t, stuff: '2'}" if encoding == "masks" else "{thing: 7, stuff: 2}"
    spec = make_spec(
        "train: {range: [1, 1]}",
        label="labels/{id}_{class}.png",
        encoding=encoding,
        classes=classes,
    )
    touch(tmp_path, "images/1.png", "images/2.png", "images/3.png", "labels/2_2.png")
    assert unlabelled_pictures(spec, tmp_path) == ["images/3.png"]


@pytest.mark.parametrize(
    ("splits", "label"),
    [
        ("train: {list: train.txt, columns: [id, mask]}", "labels/{mask}.png"),
        ("train: {list: none.txt}", "labels/{id:02d}.png"),
        ("train: {range: [1, 1]}", "labels/{id}.*"),
    ],
)
def test_pictures_whose_label_cannot_be_named_are_left_alone(
    tmp_path: Path, splits: str, label: str
) -> None:
    touch(tmp_path, "images/x.png", "labels/x.png", "labels/x.bmp")
    (tmp_path / "train.txt").write_text("a b\n")
    assert unlabelled_pictures(make_spec(splits, label=label), tmp_path) == []


def test_any_extension_will_do_for_a_label(tmp_path: Path) -> None:
    spec = make_spec("train: {range: [1, 1]}", picture="images/{id}.*", label="labels/{id}.*")
    touch(tmp_path, "images/1.jpg", "labels/1.png", "images/2.png", "images/3.png", "labels/3.gif")
    assert unlabelled_pictures(spec, tmp_path) == ["images/2.png"]
