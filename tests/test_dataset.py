"""Pictures and labels on disk to class numbers, codes and training samples."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dataset_files import (
    codes_of,
    make_space,
    make_spec,
    photograph,
    save,
    shipped,
    write_helen,
    write_lfw,
)
from harmonize.config.strict_yaml import Value
from harmonize.data.dataset import SegmentationDataset
from harmonize.errors import HarmonizeError
from harmonize.labels.ontology import Ontology
from harmonize.labels.target_space import TargetSpace

IGNORE = 255


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        # background, skin, brows, eyes, nose, upper lip, inner mouth, lower lip, hair
        ("faces", [0, 5, 9, 10, 7, 8, 6, 2, 3, 4, 1]),
        # Here background and skin are unions of leaves, the first codes after the 21 leaves.
        ("faces_full", [21, 22, 10, 11, 8, 9, 7, 3, 4, 5, 1]),
    ],
)
def test_helen_reads_to_exact_classes_and_codes(
    repo: Path, tmp_path: Path, tree: str, expected: list[int]
) -> None:
    classes = np.array([[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 0]])
    masks = np.where(classes == np.arange(11)[:, None, None], 200, 7)
    masks[:, 2, 3] = [90, 120, 0, 0, 120, 0, 0, 0, 0, 0, 120]  # a tie of 1, 4 and 10
    classes[2, 3] = 1
    write_helen(tmp_path, "100032540_1", masks)
    write_helen(tmp_path, "10_2", np.full((11, 2, 5), 1))  # all tie
    spec = shipped(repo, "helen")
    dataset = SegmentationDataset(spec, "train", root=tmp_path)
    assert len(dataset) == 2
    assert dataset[0].classes.tolist() == classes.tolist()
    assert codes_of(dataset, make_space(repo, tree, spec)) == np.array(expected)[classes].tolist()
    assert dataset[1].classes.tolist() == np.zeros((2, 5)).tolist()


@pytest.mark.parametrize(
    ("ending", "override"),
    [
        ("ppm", None),
        ("png", None),
        ("png", {"label": "parts_lfw_funneled_gt_images/{person}_{number:04d}.png"}),
    ],
)
def test_lfw_parts_reads_to_exact_classes_and_codes(
    repo: Path, tmp_path: Path, ending: str, override: dict[str, Value] | None
) -> None:
    write_lfw(tmp_path, "Ada_Example", 7, np.array([[0, 1, 2], [2, 1, 0]]), ending)
    write_lfw(tmp_path, "Ben", 12, np.array([[1, 1]]), ending)
    spec = shipped(repo, "lfw_parts", override)
    dataset = SegmentationDataset(spec, "train", root=tmp_path)
    space = make_space(repo, "faces", spec)
    face = space.code(["mouth", "skin", "eyes", "eyebrows"])
    assert len(dataset) == 2
    assert dataset[0].classes.tolist() == [[0, 1, 2], [2, 1, 0]]
    assert face == 11  # the first code after the leaves
    assert codes_of(dataset, space) == [[0, face, 1], [1, face, 0]]
    assert codes_of(dataset, space, 1) == [[face, face]]


def test_an_override_of_one_key_names_the_files_that_it_asks_for(
    repo: Path, tmp_path: Path
) -> None:
    write_lfw(tmp_path, "Ada_Example", 7, np.array([[0, 1, 2]]), "png")
    label = "parts_lfw_funneled_gt_images/{person}_{number:04d}.ppm"
    with pytest.raises(HarmonizeError) as caught:
        SegmentationDataset(shipped(repo, "lfw_parts", {"label": label}), "train", root=tmp_path)
    assert "1 file of lfw_parts is missing" in str(caught.value)
    assert "parts_lfw_funneled_gt_images/Ada_Example_0007.ppm" in str(caught.value)


@pytest.mark.parametrize("split", ["train", "all"])
def test_face_synthetics_reads_to_exact_classes_and_codes(
    repo: Path, tmp_path: Path, split: str
) -> None:
    ids = np.array([[*range(10)], [*range(10, 19), 255]])
    for number in range(2):
        save(tmp_path / f"{number:06d}.png", photograph(2, 10, seed=number))
        save(tmp_path / f"{number:06d}_seg.png", np.roll(ids, number))
        (tmp_path / f"{number:06d}_ldmks.txt").write_text("0 0\n")
    spec = shipped(repo, "face_synthetics", {"splits.train.range": [0, 1]})
    dataset = SegmentationDataset(spec, split, root=tmp_path)
    space = make_space(repo, "faces", spec)
    assert len(dataset) == 2
    assert dataset[0].classes.tolist() == [[*range(10)], [*range(10, 20)]]
    assert dataset[1].classes.tolist() == [[19, *range(9)], [*range(9, 19)]]
    beard, glasses = space.code(["hair", "face_skin"]), space.code("face")
    facewear = space.code(["background", "face"])
    assert len({beard, glasses, facewear, *range(11)}) == 14
    assert codes_of(dataset, space) == [
        # background, skin, nose, eyes (right first), brows, ears, inner mouth
        [0, 5, 6, 8, 7, 10, 9, 0, 0, 3],
        # lips, neck, hair, beard, clothing, glasses, headwear, facewear, ignore
        [2, 4, 0, 1, beard, 0, glasses, 0, facewear, IGNORE],
    ]


def test_camvid_reads_to_exact_classes_and_codes(repo: Path, tmp_path: Path) -> None:
    ids = np.arange(12).reshape(3, 4)
    for split, name, ending in (
        ("train", "0001TP_006690", "png"),
        ("val", "0016E5_07959", "jpg"),
    ):
        save(tmp_path / split / f"{name}.{ending}", photograph(3, 4))
        save(tmp_path / f"{split}annot" / f"{name}.png", ids)
    spec = shipped(repo, "camvid")
    for split in ("train", "val"):
        dataset = SegmentationDataset(spec, split, root=tmp_path)
        assert len(dataset) == 1
        assert dataset[0].classes.tolist() == ids.tolist()
        # sky building pole road; pavement tree sign fence; car pedestrian bicyclist void
        expected = [[4, 2, 6, 0], [1, 5, 7, 3], [8, 9, 10, IGNORE]]
        assert codes_of(dataset, make_space(repo, "camvid", spec)) == expected


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK"])
def test_every_kind_of_picture_becomes_three_channels_of_bytes(tmp_path: Path, mode: str) -> None:
    pixels = photograph(4, 6)
    source = Image.fromarray(pixels).convert(mode)
    source.save(tmp_path / "a.tif")
    save(tmp_path / "a_label.png", np.zeros((4, 6)))
    dataset = SegmentationDataset(make_spec("{one: 0}", "{}"), "all", root=tmp_path)
    picture = dataset[0].picture
    assert picture.dtype == torch.uint8
    assert picture.shape == (3, 4, 6)
    np.testing.assert_array_equal(picture.permute(1, 2, 0), np.asarray(source.convert("RGB")))
    if mode == "RGB":
        np.testing.assert_array_equal(picture.permute(1, 2, 0), pixels)


def test_a_label_of_another_size_is_named_with_both_sizes(tmp_path: Path) -> None:
    save(tmp_path / "a.png", photograph(4, 6))
    save(tmp_path / "a_label.png", np.zeros((6, 4)))
    dataset = SegmentationDataset(make_spec("{one: 0}", "{}"), "all", root=tmp_path)
    with pytest.raises(HarmonizeError) as caught:
        dataset[0]
    assert str(caught.value) == (
        f"{tmp_path}/a.png: 6 x 4 pixels, but its label a_label.png has 4 x 6; one of the two is "
        "turned by 90 degrees: save it as the other is; a sample of tiny, all: mend it, or go on "
        "without such by data.on_bad_sample=skip"
    )


def test_a_picture_is_scaled_to_its_label_where_the_mapping_says_so(tmp_path: Path) -> None:
    halves = np.zeros((4, 6, 3), dtype=np.uint8)
    halves[:, :2], halves[:, 2:4, 1], halves[::2, 4:] = (10, 20, 30), 200, 100
    save(tmp_path / "a.png", halves)
    save(tmp_path / "a_label.png", [[0, 1, 0], [0, 0, 1]])
    spec = make_spec("{zero: 0, one: 1}", "{}", "resize_picture: true")
    sample = SegmentationDataset(spec, "all", root=tmp_path)[0]
    # Each pixel is the mean of two by two.
    row = [[10, 20, 30], [0, 200, 0], [50, 50, 50]]
    assert sample.picture.permute(1, 2, 0).tolist() == [row, row]
    assert sample.classes.tolist() == [[0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize("size", [(4, 6), (8, 11), (2, 3)])
def test_a_scaled_picture_has_the_size_of_its_label(tmp_path: Path, size: tuple[int, int]) -> None:
    save(tmp_path / "a.png", photograph(4, 6))
    save(tmp_path / "a_label.png", np.zeros(size))
    spec = make_spec("{one: 0}", "{}", "resize_picture: true")
    picture = SegmentationDataset(spec, "all", root=tmp_path)[0].picture
    assert picture.shape == (3, *size)
    if size == (4, 6):  # left as it is
        np.testing.assert_array_equal(picture.permute(1, 2, 0), photograph(4, 6))


def write_class_file(root: Path, *names: str) -> None:
    """Write a picture with the ids 2, 0, 1 and the file that says which classes these are."""
    save(root / "a.png", photograph(1, 3))
    save(root / "a_label.png", [[2, 0, 1]])
    (root / "config.json").write_text(json.dumps({"labels": [{"name": name} for name in names]}))


def test_a_class_file_gives_the_ids_of_the_classes(tmp_path: Path) -> None:
    write_class_file(tmp_path, "road", "void", "sky")
    meaning = "{wide: {sky: n0, void: ignore, road: n1}}"
    spec = make_spec("{sky: ~, void: ~, road: ~}", meaning, "class_file: {json: config.json}")
    dataset = SegmentationDataset(spec, "all", root=tmp_path)
    assert dataset[0].classes.tolist() == [[0, 2, 1]]
    assert [one.values for one in dataset.spec.classes.values()] == [(2,), (1,), (0,)]
    assert [one.values for one in spec.classes.values()] == [()] * 3
    space = TargetSpace(Ontology("n0\nn1", name="wide"), [spec])
    assert codes_of(dataset, space) == [[0, 1, IGNORE]]


def test_a_class_file_with_other_classes_is_refused_before_anything_is_read(
    tmp_path: Path,
) -> None:
    write_class_file(tmp_path, "road", "void", "sky", "hill")
    spec = make_spec("{sky: ~, void: ~, road: ~}", "{}", "class_file: {json: config.json}")
    with pytest.raises(HarmonizeError) as caught:
        SegmentationDataset(spec, "all", root=tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/config.json: the class 'hill' is not in the mapping; add it to `classes`"
    )


@pytest.mark.parametrize("file", ["a.jpg", "a.png", "a_label.png"])
def test_a_file_cut_short_is_named(tmp_path: Path, file: str) -> None:
    picture = tmp_path / (file if file != "a_label.png" else "a.png")
    save(picture, photograph(40, 40))
    save(tmp_path / "a_label.png", np.random.default_rng(0).integers(2, size=(40, 40)))
    dataset = SegmentationDataset(make_spec("{zero: 0, one: 1}", "{}"), "all", root=tmp_path)
    assert dataset[0].picture.shape == (3, 40, 40)
    whole = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(HarmonizeError) as caught:
        dataset[0]
    assert str(caught.value).startswith(f"{tmp_path}/{file}: not a readable picture: ")
