"""A mapping held against the files of its splits, as ``harmonize check`` tells it."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spoiled import LABEL, TREE, add, check, passes, problems, save, spoil, write_set

NOISE = np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8)
CHECK = "check data.roots and the mapping's `picture` and `label`"


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_set(tmp_path, monkeypatch)


def test_a_set_without_a_mistake_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert passes(capsys, "fine.yaml") == [
        "fine.yaml: a mapping of 3 classes to tiny; 2 label files read"
    ]


def test_ids_without_a_class_are_told_with_their_pixels_and_an_example(
    capsys: pytest.CaptureFixture[str],
) -> None:
    label = LABEL.copy()
    label[0, :3] = [17, 17, 4]
    add("b", label)
    add("c", np.full((2, 2), 17, np.uint8))
    advice = "add it to a class, with the meaning `ignore` if it is void"
    assert problems(capsys, "fine.yaml") == [
        "fine.yaml:7:1: classes: the id 4 is no class's, but stands in 1 pixel of 1 label file, "
        f"such as labels/b.png; {advice}",
        "fine.yaml:7:1: classes: the id 17 is no class's, but stands in 6 pixels of 2 label files, "
        f"such as labels/b.png; {advice}",
    ]
    spoil(
        classes="{background: 0, left: 1, right: 2, void: [4, 17]}",
        meaning="{tiny: {background: background, left: left, right: right, void: ignore}}",
    )
    passes(capsys, "fine.yaml")


def test_colours_without_a_class_are_told_as_users_write_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    colors = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8)
    for name in "ab":
        add(name, colors[LABEL])
    classes = "{background: '#000000', left: '#ff0000', right: [0, 250, 0]}"
    spoil(encoding="rgb", classes=classes)
    told = problems(capsys, "fine.yaml")
    assert told[0] == (
        "fine.yaml:7:1: classes: the colour #00ff00 is no class's, but stands in 16 pixels of 2 "
        "label files, such as labels/a.png; add it to a class, with the meaning `ignore` if it is "
        "void"
    )
    spoil(encoding="rgb", classes=classes, tolerance="5")
    passes(capsys, "fine.yaml")


def test_only_the_first_ten_values_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    add("c", np.arange(10, 23, dtype=np.uint8)[None])
    told = problems(capsys, "fine.yaml")
    assert len(told) == 11
    assert told[9].startswith("fine.yaml:7:1: classes: the id 19 is no class's")
    assert told[10] == "fine.yaml:7:1: classes: 3 more ids are no class's"


def test_only_the_first_ten_files_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(12):
        add(f"n{number:02d}")
        Path(f"data/images/n{number:02d}.png").write_bytes(b"no picture")
    told = problems(capsys, "fine.yaml")
    assert len(told) == 11
    assert told[9].startswith("data/images/n09.png: not a readable picture")
    assert told[10] == "fine train: 2 more lines like these"


def test_classes_that_are_never_seen_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    classes = "{background: 0, left: 1, right: 2, third: 3, void: 255}"
    meaning = "{background: background, left: left, right: right, third: thing, void: ignore}"
    accept = "{shared-leaves: all}"
    spoil(classes=classes, meaning=f"{{tiny: {meaning}}}", accept=accept)
    assert problems(capsys, "fine.yaml") == [
        "fine.yaml:7:45: classes.third: 'third' is in no label file of train; check its value, or "
        "remove it [accept: {never-seen: [third]}]"
    ]
    accept = "{shared-leaves: all, never-seen: [third]}"
    spoil(classes=classes, meaning=f"{{tiny: {meaning}}}", accept=accept)
    passes(capsys, "fine.yaml")


def test_a_class_may_be_seen_in_any_split_and_a_config_names_those_it_uses(
    capsys: pytest.CaptureFixture[str],
) -> None:
    add("a", np.minimum(LABEL, 1))
    spoil(splits="{train: {list: train.txt}, val: {list: val.txt}}")
    Path("data/train.txt").write_text("a\n")
    Path("data/val.txt").write_text("b\n")
    passes(capsys, "fine.yaml")
    assert problems(capsys, "run.yaml") == [
        "fine.yaml:7:35: classes.right: 'right' is in no label file of train; check its value, or "
        "remove it [accept: {never-seen: [right]}]"
    ]
    override = "datasets.0.evaluate=val"
    passes(capsys, "run.yaml", override)


def test_nothing_is_said_of_unseen_classes_where_files_are_missing_or_unreadable(
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(splits="{train: {list: train.txt}}")
    Path("data/train.txt").write_text("a\nb\n")
    add("a", np.minimum(LABEL, 1))
    Path("data/labels/b.png").write_bytes(b"no label")
    assert len(problems(capsys, "fine.yaml")) == 1
    Path("data/labels/b.png").unlink()
    assert len(problems(capsys, "fine.yaml")) == 1


def test_missing_files_are_told_and_the_rest_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    spoil(splits="{train: {list: train.txt}}")
    Path("data/train.txt").write_text("a\nb\nc\nd\n")
    add("c", LABEL + 1)
    Path("data/images/b.png").unlink()
    told = problems(capsys, "fine.yaml")
    assert told[0] == (
        "fine.yaml:6:10: splits.train: 3 files of fine, for 2 of 4 pictures, "
        "are missing from data: "
        f"images/b.png, images/d.png, labels/d.png; {CHECK}, or take these pictures off the list"
    )
    assert told[1].startswith("fine.yaml:7:1: classes: the id 3 is no class's")
    add("b")
    add("c")
    add("d")
    passes(capsys, "fine.yaml")


def test_a_missing_list_and_an_empty_split_are_told_beside_the_other_splits(
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(
        splits="{train: {list: train.txt}, val: {glob: 'labels/x{id}.png'}, "
        "test: {glob: 'labels/{id}.png'}}"
    )
    Path("data/labels/b.png").write_bytes(b"no label")
    assert problems(capsys, "fine.yaml") == [
        "data/train.txt: no such file",
        "fine.yaml:6:36: splits.val: no pictures in data; check the split's list or pattern",
        "data/labels/b.png: not a readable picture: cannot identify image file 'data/labels/b.png'",
    ]


def test_a_mapping_without_splits_has_no_files_to_read(capsys: pytest.CaptureFixture[str]) -> None:
    spoil(splits="{}")
    assert passes(capsys, "fine.yaml") == ["fine.yaml: a mapping of 3 classes to tiny"]


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_truncated_pictures_are_told(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    spoil(picture=f'"images/{{id}}.{kind}"')
    for name in "ab":
        add(name, np.zeros((30, 50), np.uint8) + np.arange(50, dtype=np.uint8) // 17)
        Image.fromarray(NOISE).save(f"data/images/{name}.{kind}")
    passes(capsys, "fine.yaml")
    path = Path(f"data/images/b.{kind}")
    path.write_bytes(path.read_bytes()[:-400])
    told = problems(capsys, "fine.yaml")
    assert len(told) == 1
    assert told[0].startswith(f"{path}: not a readable picture: image file is truncated")


def test_a_truncated_label_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.BytesIO()
    Image.fromarray(NOISE[..., 0] % 3).save(stream, format="PNG")
    save("data/images/b.png", NOISE)
    Path("data/labels/b.png").write_bytes(stream.getvalue()[:200])
    told = problems(capsys, "fine.yaml")
    assert len(told) == 1
    assert told[0].startswith("data/labels/b.png: not a readable picture: ")
    Path("data/labels/b.png").write_bytes(stream.getvalue())
    passes(capsys, "fine.yaml")


def test_pictures_of_another_size_than_their_label_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    save("data/images/b.png", np.zeros((5, 6, 3), np.uint8))
    assert problems(capsys, "fine.yaml") == [
        "data/images/b.png: 6 x 5 pixels, but its label labels/b.png has 6 x 4; "
        "say `resize_picture: true` in the mapping to scale pictures to their labels"
    ]
    spoil(resize_picture="true")
    passes(capsys, "fine.yaml")


def test_pictures_without_a_label_are_told_with_how_to_say_that_they_are_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in "wxyz":
        save(f"data/images/{name}.png", np.zeros((4, 6, 3), np.uint8))
    told = (
        "fine.yaml:4:1: label: 4 files fit `picture` in data without a label, such as "
        "images/w.png, images/x.png, images/y.png, ...; not used; label them, move them away, or "
        "accept that [accept: {unlabelled: all}]"
    )
    assert problems(capsys, "fine.yaml") == [told]
    assert told in problems(capsys, "run.yaml", "--scan", "1")
    passes(capsys, "fine.yaml", "--scan", "0")
    spoil(accept="{unlabelled: all}")
    passes(capsys, "fine.yaml")
    spoil(accept="{unlabelled: [images/w.png, images/z.png]}")
    assert (
        ": 2 files fit `picture` in data without a label, such as images/x.png, images/y.png;"
        in (problems(capsys, "fine.yaml")[0])
    )


def test_pictures_and_labels_may_share_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("1", "2"):
        save(f"data/{name}.png", np.zeros((4, 6, 3), np.uint8))
        save(f"data/{name}_l.png", LABEL)
    split = "{train: {glob: '{id}_l.png'}}"
    spoil(picture='"{id}.png"', label='"{id}_l.png"', splits=split)
    passes(capsys, "fine.yaml")
    save("data/3.png", np.zeros((4, 6, 3), np.uint8))
    assert (
        ": 1 file fits `picture` in data without a label, such as 3.png;"
        in (problems(capsys, "fine.yaml")[0])
    )
    Path("data/3.png").unlink()
    Path("data/2.png").unlink()  # a label alone
    assert problems(capsys, "fine.yaml") == [
        f"fine.yaml:6:10: splits.train: 1 file of fine is missing from data: 2.png; {CHECK}, or "
        "leave the picture out of the split"
    ]


def test_a_listed_picture_without_a_label_is_missing_it_and_no_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(splits="{train: {glob: 'images/{id}.png'}}")
    Path("data/labels/b.png").unlink()
    assert problems(capsys, "fine.yaml") == [
        f"fine.yaml:6:10: splits.train: 1 file of fine is missing from data: labels/b.png; "
        f"{CHECK}, or leave the picture out of the split"
    ]


@pytest.mark.parametrize("name", ["x", "2"])
def test_what_the_labels_path_cannot_name_or_names_twice_hides_nothing(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    for number in ("1", "2"):
        add(number)
        Path(f"data/labels/{number}.png").rename(f"data/labels/0{number}.png")
    save("data/labels/02.bmp", LABEL)
    save(f"data/images/{name}.png", np.zeros((4, 6, 3), np.uint8))
    spoil(label='"labels/{id:02d}.*"', splits="{train: {range: [1, 1]}}")
    passes(capsys, "fine.yaml")
    Path("data/labels/01.png").write_bytes(b"no label")
    assert problems(capsys, "fine.yaml") == [
        "data/labels/01.png: not a readable picture: cannot identify image file "
        "'data/labels/01.png'"
    ]


def test_every_ambiguous_file_is_told_and_the_rest_is_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(picture='"images/{id}.*"')
    add("c", LABEL + 1)
    for name in "ab":
        save(f"data/images/{name}.bmp", np.zeros((4, 6, 3), np.uint8))
    told = problems(capsys, "fine.yaml")
    assert told[:2] == [f"data/images/{x}.*: which of {x}.bmp, {x}.png? name one" for x in "ab"]
    assert told[2].startswith("fine.yaml:7:1: classes: the id 3 is no class's")


def test_splits_that_overlap_tell_nothing_twice(capsys: pytest.CaptureFixture[str]) -> None:
    split = "{glob: 'labels/{id}.png'}"
    spoil(splits=f"{{train: {split}, trainval: {split}}}")
    add("b", np.full((4, 6), 9, np.uint8))
    Path("data/images/a.png").write_bytes(b"no picture")
    assert problems(capsys, "fine.yaml") == [
        "data/images/a.png: not a readable picture: cannot identify image file 'data/images/a.png'",
        "fine.yaml:7:1: classes: the id 9 is no class's, but stands in 24 pixels of 1 label file, "
        "such as labels/b.png; add it to a class, with the meaning `ignore` if it is void",
    ]


def test_a_list_gives_fields_that_pictures_alone_cannot(capsys: pytest.CaptureFixture[str]) -> None:
    spoil(label='"labels/{mask}.png"', splits="{train: {list: train.txt, columns: [id, mask]}}")
    Path("data/train.txt").write_text("a b\n")
    save("data/images/z.png", np.zeros((4, 6, 3), np.uint8))
    passes(capsys, "fine.yaml")
    Path("data/train.txt").write_text("a b\nb\n")
    assert problems(capsys, "fine.yaml") == [
        "data/train.txt:2: expected 2 columns (id, mask), got 1: 'b'"
    ]


def test_a_field_that_nothing_gives_is_told_once_not_for_every_picture(
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(picture='"images/{city}/{id}.png"')
    assert problems(capsys, "fine.yaml") == [
        "fine.yaml:6:10: splits.train: nothing gives {city} a value in `picture` "
        "('images/{city}/{id}.png'); known: id, split; write the field in the split's `glob`, or "
        "say `fields: {city: ...}`"
    ]


@pytest.mark.parametrize(
    ("line", "columns", "advice"),
    [
        ("bonn/a", "", "say `columns: [city, id], separator: \"/\"`, as for 'bonn/a'"),
        ("bonn,a", "", "say `columns: [city, id], separator: \",\"`, as for 'bonn,a'"),
        ("bonn_a", "", "say `columns: [city, id], separator: \"_\"`, as for 'bonn_a'"),
        (
            "ulm/a",  # no such picture
            "",
            'the list needs a column for it, such as `columns: [city, id], separator: "/"` for '
            "lines like a/b",
        ),
        (
            "a x",
            ", columns: [id, z]",
            "the list needs a column for it: `columns: [id, z, city]`",
        ),
    ],
)
def test_the_columns_that_a_list_lacks_are_told_as_they_are_written(
    line: str, columns: str, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(picture='"images/{city}/{id}.png"', splits=f"{{train: {{list: train.txt{columns}}}}}")
    Path("data/train.txt").write_text(f"{line}\n{line}\n")
    Path("data/images/bonn").mkdir()
    for name in "ab":
        Path(f"data/images/{name}.png").rename(f"data/images/bonn/{name}.png")
    (told,) = problems(capsys, "fine.yaml")
    known = "id, split, z" if columns else "id, split"
    assert told == (
        "fine.yaml:6:10: splits.train: nothing gives {city} a value in `picture` "
        f"('images/{{city}}/{{id}}.png'); known: {known}; {advice}"
    )
    if advice.startswith("say"):
        written = advice.split("`")[1]
        Path("data/train.txt").write_text(f"{line}\n{line[:-1]}b\n")
        spoil(
            picture='"images/{city}/{id}.png"',
            splits=f"{{train: {{list: train.txt, {written}}}}}",
        )
        passes(capsys, "fine.yaml")


def test_a_range_that_lacks_a_field_is_told_what_gives_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(picture='"images/{city}/{id}.png"', splits="{train: {range: [1, 2]}}")
    (told,) = problems(capsys, "fine.yaml")
    assert told.endswith(
        "; write the field in `glob` in place of `range`, or say `fields: {city: ...}`"
    )


def test_the_class_file_and_the_other_files_are_told_together(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("data/images/b.png").unlink()
    spoil(class_file="{json: c.json, items: ''}", classes="{background: ~, left: ~, right: ~}")
    missing = (
        "fine.yaml:6:10: splits.train: 1 file of fine is missing from data: images/b.png; "
        f"{CHECK}, or leave the picture out of the split"
    )
    assert problems(capsys, "fine.yaml") == ["data/c.json: no such file", missing]
    Path("data/c.json").write_text('[{"name": "background"}, {"name": "lft"}, {"name": "right"}]')
    assert problems(capsys, "fine.yaml") == [
        "data/c.json: no class 'left', which the mapping has; did you mean lft?",
        "data/c.json: the class 'lft' is not in the mapping; add it to `classes`",
        missing,
    ]
    add("b")
    Path("data/c.json").write_text('[{"name": "background"}, {"name": "left"}, {"name": "right"}]')
    passes(capsys, "fine.yaml")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("b\nc", r"b\nc"),
        ("b\x1b[31m", r"b\x1b[31m"),
        (os.fsdecode(b"b\xff"), r"b\udcff"),
        ("Zoë 7", "Zoë 7"),
    ],
)
def test_whatever_a_file_is_called_its_problem_is_one_line(
    capsys: pytest.CaptureFixture[str], name: str, shown: str
) -> None:
    add("c")
    Path("data/labels/c.png").rename(f"data/labels/{name}.png")
    Path("data/images/c.png").rename(f"data/images/{name}.png")
    passes(capsys, "fine.yaml")
    Path(f"data/images/{name}.png").write_bytes(b"no picture")
    (line,) = problems(capsys, "fine.yaml")
    assert line.startswith(f"data/images/{shown}.png: not a readable picture: ")


def test_a_nul_in_a_list_is_told_as_a_missing_file(capsys: pytest.CaptureFixture[str]) -> None:
    spoil(splits="{train: {list: train.txt}}")
    Path("data/train.txt").write_text("a\nb\0c\nb\n")
    assert problems(capsys, "fine.yaml") == [
        r"fine.yaml:6:10: splits.train: 2 files of fine, for 1 of 3 pictures, "
        r"are missing from data: images/b\x00c.png, "
        rf"labels/b\x00c.png; {CHECK}, or take the picture off the list"
    ]


def test_a_folder_in_place_of_a_label_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    Path("data/labels/b.png").unlink()
    Path("data/labels/b.png").mkdir()
    (line,) = problems(capsys, "fine.yaml")
    assert line.startswith("data/labels/b.png: not a readable picture: [Errno ")


def test_sides_of_pictures_are_compared_only_where_names_say_sides(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("tiny.txt").write_text("background\nthing\n\tone\n\ttwo\n@mirror one two\n")
    spoil(meaning="{tiny: {background: background, left: two, right: one}}")
    passes(capsys, "fine.yaml")
    Path("tiny.txt").write_text(TREE)
    assert check(capsys, "fine.yaml")[0] == 1


def test_label_files_of_several_splits_are_counted_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    every = '{glob: "labels/{id}.png"}'
    spoil(splits=f"{{train: {{list: train.txt}}, val: {{list: val.txt}}, all: {every}}}")
    Path("data/train.txt").write_text("a\n")
    Path("data/val.txt").write_text("b\n")
    assert passes(capsys, "fine.yaml")[0].endswith("; 2 label files read")
