"""Reading the files of a split: what is counted, in every encoding and with several processes."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
from numpy import ndarray
from PIL import Image

from harmonize.config.strict_yaml import load_text
from harmonize.data.index import list_files
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.tools.check.scan import SplitScan, scan_split
from spoiled import LABEL, add, mapping, passes, problems, save, spoil, write_set

ROOT = Path("data")
CONFIG_SUMMARY = "fine.yaml: a mapping of 3 classes to tiny"


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_set(tmp_path, monkeypatch)


def scan(
    changed: dict[str, str] | None = None,
    *,
    number: int | None = None,
    pairs: tuple[tuple[int, int], ...] = (),
    known: set[tuple[str, str]] | None = None,
) -> SplitScan:
    """Scan the split train of a mapping with some keys replaced."""
    spec = DatasetSpec.from_document(load_text(mapping(**(changed or {})), "fine.yaml"))
    files, wrong = list_files(spec, "train", ROOT)
    assert wrong == []
    return scan_split(spec.with_ids(ROOT), files, ROOT, number=number, pairs=pairs, known=known)


def test_pixels_and_pictures_of_each_class_are_counted() -> None:
    add("b", np.array([[0, 0, 0], [0, 0, 2]], np.uint8))
    found = scan()
    assert (found.files, found.read, found.problems, found.unknown) == (2, 2, [], {})
    assert found.pixels.tolist() == [8 + 5, 8, 8 + 1]
    assert found.pictures.tolist() == [2, 1, 2]


def test_values_without_a_class_are_counted_over_the_files_and_the_rest_still_counts() -> None:
    add("b", LABEL + 1)  # the ids 1, 2 and 3
    add("c", np.full((2, 3), 7, np.uint8))
    add("d", np.full((2, 3), 3, np.uint8))
    found = scan()
    assert found.pixels.tolist() == [8, 8 + 8, 8 + 8]
    assert found.pictures.tolist() == [1, 2, 2]
    assert found.problems == []
    counts = {value: dataclasses.astuple(entry) for value, entry in found.unknown.items()}
    assert counts == {3: (8 + 6, 2, "labels/b.png"), 7: (6, 1, "labels/c.png")}


@pytest.mark.parametrize(
    ("changed", "label", "pixels", "unknown"),
    [
        ({"value": '"V // 1000"'}, LABEL.astype(np.uint16) * 1000 + 7, [8, 8, 8], {}),
        ({"value": '"V - 1"'}, LABEL, [8, 8, 0], {-1: 8}),
        (
            {"classes": "{background: 0, left: 1000, right: 65535}"},
            np.choose(LABEL, [0, 1000, 65535]).astype(np.uint16),
            [8, 8, 8],
            {},
        ),
        (
            {"classes": "{background: 0, left: 1000, right: 2000}"},
            np.choose(LABEL, [0, 1000, 2001]).astype(np.uint16),
            [8, 8, 0],
            {2001: 8},
        ),
        (
            {
                "value": '"R + 256*G + 65536*B"',
                "classes": "{background: 0, left: 513, right: 65536}",
            },
            np.array([[0, 0, 0], [1, 2, 0], [0, 0, 1]], np.uint8)[LABEL],
            [8, 8, 8],
            {},
        ),
        (
            {
                "encoding": "rgb",
                "tolerance": "5",
                "classes": "{background: '#000000', left: '#ff0000', right: '#0000ff'}",
            },
            np.array([[0, 5, 5], [250, 0, 0], [0, 6, 249]], np.uint8)[LABEL],
            [8, 8, 0],
            {0x0006F9: 8},
        ),
        (
            {
                "encoding": "rgb",
                "classes": "{background: '#00000000', left: '#ff0000ff', right: '#ff000080'}",
            },
            np.array([[0, 0, 0, 0], [255, 0, 0, 255], [255, 0, 0, 127]], np.uint8)[LABEL],
            [8, 8, 0],
            {0x7FFF0000: 8},
        ),
    ],
)
def test_every_encoding_counts_its_classes_and_its_unknown_values(
    changed: dict[str, str], label: ndarray, pixels: list[int], unknown: dict[int, int]
) -> None:
    Path("data/labels/b.png").unlink()
    add("a", label)
    found = scan(changed)
    assert found.pixels.tolist() == pixels
    assert {value: entry.pixels for value, entry in found.unknown.items()} == unknown


def test_masks_are_counted_once_a_picture() -> None:
    changed = {
        "encoding": "masks",
        "label": '"labels/{id}_{class}.png"',
        "classes": "{background: ~, left: l, right: r}",
        "splits": '{train: {glob: "images/{id}.png"}}',
    }
    for name in "ab":
        save(f"data/labels/{name}_l.png", (LABEL == 1).astype(np.uint8) * 255)
    save("data/labels/a_r.png", (LABEL == 2).astype(np.uint8))
    found = scan(changed)
    assert (found.files, found.read) == (2, 2)
    assert found.pixels.tolist() == [8 + 16, 8 + 8, 8]
    found = scan({**changed, "classes": "{left: l, right: r}", "meaning": "{}"})
    assert found.pixels.tolist() == [0, 0]
    assert found.problems == [
        f"data/labels/{name}_{{class}}.png: no mask covers {pixels} pixels; give one class the "
        "value ~, for what no mask covers"
        for name, pixels in (("a", 8), ("b", 16))
    ]


def test_soft_masks_are_counted_once_a_picture() -> None:
    changed = {
        "encoding": "soft_masks",
        "label": '"labels/{id}_{class}.png"',
        "splits": "{train: {range: [1, 1]}}",
    }
    save("data/images/1.png", np.zeros((4, 6, 3), np.uint8))
    for number in range(3):
        save(f"data/labels/1_{number}.png", np.equal(LABEL, number).astype(np.uint8) * 90)
    assert scan(changed).pixels.tolist() == [8, 8, 8]
    save("data/labels/1_2.png", np.zeros((3, 6), np.uint8))
    assert scan(changed).problems == [
        "data/labels/1_2.png: 6 x 3 pixels, but the other masks have 6 x 4"
    ]


def test_a_class_file_gives_the_ids() -> None:
    (ROOT / "classes.json").write_text(
        '[{"name": "left"}, {"name": "right"}, {"name": "background"}]'
    )
    changed = {
        "class_file": '{json: classes.json, items: ""}',
        "classes": "{background: ~, left: ~, right: ~}",
    }
    add("a", np.array([[0, 0, 0, 1, 1, 2]], np.uint8))
    Path("data/labels/b.png").unlink()
    assert scan(changed).pixels.tolist() == [1, 3, 2]


@pytest.mark.parametrize(
    ("number", "read"),
    [
        (None, [0, 1, 2, 3, 4, 5, 6]),
        (0, []),
        (1, [0]),
        (2, [0, 6]),
        (3, [0, 3, 6]),
        (4, [0, 2, 4, 6]),
        (6, [0, 1, 2, 4, 5, 6]),
        (7, [0, 1, 2, 3, 4, 5, 6]),
        (99, [0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_some_label_files_are_spread_evenly_from_the_first_to_the_last(
    number: int | None, read: list[int]
) -> None:
    for name in "ab":
        Path(f"data/labels/{name}.png").unlink()
    for place in range(7):  # each has pixels of an id of its own
        add(f"n{place}", np.full((1, 1), 10 + place, np.uint8))
    found = scan(number=number)
    assert (found.files, found.read) == (7, len(read))
    assert sorted(found.unknown) == [10 + place for place in read]


def test_any_number_of_files_reads_exactly_as_many() -> None:
    for place in range(11):
        add(f"n{place:02d}", np.full((1, 1), 0, np.uint8))
    for number in range(14):
        assert scan(number=number).read == number


def test_every_file_that_cannot_be_read_or_does_not_fit_is_one_problem() -> None:
    for name in "cdefg":
        add(name)
    Path("data/images/b.png").write_bytes(b"no picture")
    Path("data/labels/c.png").write_bytes(b"no label")
    save("data/images/d.png", np.zeros((5, 7, 3), np.uint8))
    save("data/labels/e.png", np.zeros((4, 6, 3), np.uint8))
    save("data/images/f.png", np.zeros((4, 6), np.uint16))
    Path("data/images/g.png").write_bytes(b"no picture")
    Path("data/labels/g.png").write_bytes(b"no label")
    unreadable = "data/{0}.png: not a readable picture: cannot identify image file 'data/{0}.png'"
    found = scan()
    assert found.problems == [
        unreadable.format("images/b"),
        unreadable.format("labels/c"),
        "data/images/d.png: 7 x 5 pixels, but its label labels/d.png has 6 x 4; say "
        "`resize_picture: true` in the mapping to scale pictures to their labels",
        "data/labels/e.png: expected ids in one channel, got mode RGB; colours need "
        "`encoding: rgb`, ids made of several channels a formula in `value`",
        "data/images/f.png: a picture of mode I;16; save it with 8 bits per channel",
        unreadable.format("images/g"),
        unreadable.format("labels/g"),
    ]
    assert (found.read, found.pixels.tolist()) == (7, [32, 32, 32])  # a, b, d and f


def test_pictures_that_are_scaled_to_their_label_may_have_any_size_of_its_shape() -> None:
    save("data/images/a.png", np.zeros((5, 7, 3), np.uint8))
    assert len(scan().problems) == 1
    assert scan({"resize_picture": "true"}).problems == []


def test_a_photo_in_place_of_a_label_is_told_once_not_by_its_colours() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    add("a", noise)
    changed = {
        "encoding": "rgb",
        "classes": "{background: '#000000', left: '#ff0000', right: '#00ff00'}",
    }
    Path("data/labels/b.png").unlink()
    found = scan(changed)
    assert found.unknown == {}
    assert found.problems == [
        "data/labels/a.png: 600 values that no class of fine stands for; is this a label, stored "
        "without loss?"
    ]


def test_the_mean_columns_say_which_class_lies_left() -> None:
    add("b", LABEL[:, ::-1].copy())
    add("c", np.array([[1, 2, 1]], np.uint8))  # the same mean column
    add("d", np.array([[1, 1, 0]], np.uint8))  # no right
    add("e", np.array([[1, 2, 2, 1, 2]], np.uint8))  # means 1.5 and 7/3
    found = scan(pairs=((1, 2), (2, 1)))
    assert found.sides == {(1, 2): (2, 1), (2, 1): (1, 2)}


def test_files_that_another_split_has_too_are_told_there() -> None:
    add("b", LABEL + 5)
    Path("data/images/a.png").write_bytes(b"no picture")
    known: set[tuple[str, str]] = set()
    first, second = (scan(known=known, pairs=((1, 2),)) for _ in range(2))
    assert known == {(f"images/{name}.png", f"labels/{name}.png") for name in "ab"}
    assert (len(first.problems), sorted(first.unknown), len(first.sides)) == (1, [5, 6, 7], 1)
    assert (second.problems, second.unknown, second.sides) == ([], {}, {})
    assert second.pixels.tolist() == first.pixels.tolist() == [8, 8, 8]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_several_processes_find_what_one_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    for place in range(30):
        add(f"n{place:02d}", rng.integers(0, 5, (4, 6), dtype=np.uint8))
    Path("data/images/n07.png").write_bytes(b"no picture")
    Path("data/labels/n23.png").write_bytes(b"no label")
    results = []
    for cores in (1, 3):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)))
        found = dataclasses.asdict(scan(pairs=((1, 2),)))
        results.append({**found, **{key: found[key].tolist() for key in ("pixels", "pictures")}})
    assert results[0] == results[1]
    assert (results[0]["read"], len(results[0]["problems"])) == (32, 2)
    assert list(results[0]["unknown"]) == list(results[1]["unknown"])


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_check_prints_the_same_with_several_processes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in range(20):
        add(f"n{place:02d}", LABEL + place % 4)
    Path("data/images/n07.png").write_bytes(b"no picture")
    told: list[list[str]] = []
    for cores in (1, 2):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)))
        told.append(problems(capsys, "fine.yaml"))
    assert told[0] == told[1]
    assert [line.split(" is no class's")[0] for line in told[0]] == [
        "data/images/n07.png: not a readable picture: cannot identify image file "
        "'data/images/n07.png'",
        "fine.yaml:7:1: classes: the id 3",
        "fine.yaml:7:1: classes: the id 4",
        "fine.yaml:7:1: classes: the id 5",
    ]


def test_check_reads_as_many_label_files_as_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    for place in range(5):
        add(f"n{place}")
    assert passes(capsys, "fine.yaml") == [f"{CONFIG_SUMMARY}; 7 label files read"]
    assert passes(capsys, "fine.yaml", "--scan", "3") == [f"{CONFIG_SUMMARY}; 3 label files read"]
    assert passes(capsys, "fine.yaml", "--scan", "1") == [f"{CONFIG_SUMMARY}; 1 label file read"]
    assert passes(capsys, "fine.yaml", "--scan", "0") == [CONFIG_SUMMARY]
    add("n4", LABEL + 1)
    assert len(problems(capsys, "fine.yaml", "--scan", "2")) == 1  # the first and the last
    Path("data/images/n4.png").unlink()
    passes(capsys, "fine.yaml", "--scan", "0")


def test_check_finds_classes_that_are_never_seen_only_where_all_files_were_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    add("b", np.minimum(LABEL, 1))
    spoil(splits="{train: {range: [1, 3]}}", picture='"images/{id}.png"')
    for place in (1, 2, 3):
        add(str(place), np.minimum(LABEL, 1))
    assert problems(capsys, "fine.yaml") == [
        "fine.yaml:7:35: classes.right: 'right' is in no label file of train; check its value, or "
        "remove it [accept: {never-seen: [right]}]"
    ]
    passes(capsys, "fine.yaml", "--scan", "2")
    add("2")
    passes(capsys, "fine.yaml")


def test_tiny_jpegs_have_a_size(capsys: pytest.CaptureFixture[str]) -> None:
    for name in "ab":
        Image.new("RGB", (6, 4)).save(f"data/images/{name}.jpg")
    spoil(picture='"images/{id}.jpg"')
    passes(capsys, "fine.yaml")
