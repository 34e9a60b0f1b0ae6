"""The mappings of faces, Pascal VOC and ADE20K: files in the official layouts to exact codes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from harmonize import DatasetSpec, HarmonizeError, Ontology, TargetSpace
from harmonize.data.dataset import SegmentationDataset

HELEN_ORDER = [
    *("background", "skin", "left_eyebrow", "right_eyebrow", "left_eye", "right_eye", "nose"),
    *("upper_lip", "inner_mouth", "lower_lip", "hair"),
]
CELEBA_ORDER = [
    *("skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear", "mouth"),
    *("u_lip", "l_lip", "hair", "hat", "ear_r", "neck_l", "neck", "cloth"),
]
VOC_ORDER = [
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat"),
    *("chair", "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant"),
    *("sheep", "sofa", "train", "tvmonitor"),
]

ADE = """
wall building sky floor tree ceiling road bed windowpane grass cabinet sidewalk person earth door
table mountain plant curtain chair car water painting sofa shelf house sea mirror rug field
armchair seat fence desk rock wardrobe lamp bathtub railing cushion base box column signboard
chest_of_drawers counter sand sink skyscraper fireplace refrigerator grandstand path stairs runway
case pool_table pillow screen_door stairway river bridge bookcase blind coffee_table toilet flower
book hill bench countertop stove palm kitchen_island computer swivel_chair boat bar arcade_machine
hovel bus towel light truck tower chandelier awning streetlight booth television airplane
dirt_track apparel pole land bannister escalator ottoman bottle buffet poster stage van ship
fountain conveyer_belt canopy washer plaything swimming_pool stool barrel basket waterfall tent
bag minibike cradle oven ball food step tank trade_name microwave pot animal bicycle lake
dishwasher screen blanket sculpture hood sconce vase traffic_light tray ashcan fan pier crt_screen
plate monitor bulletin_board shower radiator glass clock flag
"""
ADE_ORDER = ADE.split()


def shipped(repo: Path, name: str) -> DatasetSpec:
    return DatasetSpec.from_file(repo / "datasets" / f"{name}.yaml")


def shipped_tree(repo: Path, name: str) -> Ontology:
    return Ontology.from_file(repo / "trees" / f"{name}.txt")


def save(path: Path, pixels: np.ndarray, *, palette: bool = False) -> None:
    """Write a picture, making its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels.astype(np.uint8))
    if palette:
        picture.putpalette(np.random.default_rng(0).permutation(768).astype(np.uint8).tobytes())
    picture.save(path)


def photograph(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(256, size=(height, width, 3))


def names_of(dataset: SegmentationDataset, number: int = 0) -> list[list[str]]:
    """Return the class of each pixel of a label."""
    names = list(dataset.spec.classes)
    return [[names[one] for one in row] for row in dataset[number].classes.tolist()]


def codes_of(dataset: SegmentationDataset, space: TargetSpace) -> list[list[int]]:
    """Return the code of each pixel of the first label."""
    return space.class_codes(dataset.spec.name)[dataset[0].classes.numpy()].tolist()


def write_celeba(root: Path, masks: dict[int, dict[str, np.ndarray]], originals: list[int]) -> None:
    """Write pictures of twice the size of their masks, and which of CelebA's they are."""
    lines = ["idx      orig_idx      orig_file\n"]
    for (number, parts), original in zip(masks.items(), originals, strict=True):
        lines.append(f"{number}        {original}       {original + 1:06d}.jpg\n")
        height, width = next(iter(parts.values())).shape[:2]
        save(root / "CelebA-HQ-img" / f"{number}.jpg", photograph(2 * height, 2 * width))
        for part, mask in parts.items():
            folder = root / "CelebAMask-HQ-mask-anno" / str(number // 2000)
            save(folder / f"{number:05d}_{part}.png", mask)
    (root / "CelebA-HQ-to-CelebA-mapping.txt").write_text("".join(lines))


@pytest.mark.parametrize(
    ("tree", "codes"),
    [
        (
            "faces",
            # background; skin, nose, glasses (any part of a face), eyes, brows: right first
            [
                *(0, 5, 6, "face", 8, 7, 10, 9),
                # ears, mouth, lips, hair; hat, earring, necklace, neck, clothing
                *(0, 0, 3, 2, 4, 1, 0, 0, 0, 0, 0),
            ],
        ),
        (
            "faces_full",
            [
                *(["background", "facewear"], ["face_skin", "beard", "facewear"]),
                *(7, 15, 9, 8, 11, 10, 13, 12, 4, 3, 5, "all_hair", 17, 18, 19, 14, 20),
            ],
        ),
    ],
)
def test_celebamask_hq_reads_to_exact_classes_and_codes(
    repo: Path, tmp_path: Path, tree: str, codes: list[int | str | list[str]]
) -> None:
    # Part n covers pixel n alone; the first pixel is covered by none.
    places = np.arange(19)[None]
    masks = {part: (places == n) * 255 for n, part in enumerate(CELEBA_ORDER, 1)}
    write_celeba(tmp_path, {2000: masks}, [7])
    spec = shipped(repo, "celebamask_hq")
    dataset = SegmentationDataset(spec, "train", root=tmp_path)
    assert names_of(dataset) == [["background", *CELEBA_ORDER]]
    space = TargetSpace(shipped_tree(repo, tree), [spec])
    expected = [code if isinstance(code, int) else space.code(code) for code in codes]
    assert codes_of(dataset, space) == [expected]
    assert dataset[0].picture.shape == (3, 1, 19)


def test_later_parts_of_celebamask_hq_cover_earlier_ones(repo: Path, tmp_path: Path) -> None:
    places = np.arange(19)[None]
    masks = {part: (places <= n) * 255 for n, part in enumerate(CELEBA_ORDER, 1)}
    colours = {part: np.stack([mask] * 3, -1) for part, mask in masks.items()}  # as some copies do
    write_celeba(tmp_path, {0: dict(reversed(colours.items()))}, [7])
    dataset = SegmentationDataset(shipped(repo, "celebamask_hq"), "train", root=tmp_path)
    assert names_of(dataset) == [["cloth"] * 19]
    for part in CELEBA_ORDER[:0:-1]:
        (tmp_path / "CelebAMask-HQ-mask-anno" / "0" / f"00000_{part}.png").unlink()
    assert names_of(dataset) == [["skin"] * 2 + ["background"] * 17]


def test_left_and_right_of_celebamask_hq_are_the_pictured_persons(
    repo: Path, tmp_path: Path
) -> None:
    # The person's left eye, brow and ear lie on the viewer's right: at the larger x.
    parts = {}
    for row, part in enumerate(("eye", "brow", "ear")):
        for side, x in (("r", 0), ("l", 3)):
            parts[f"{side}_{part}"] = np.zeros((3, 4))
            parts[f"{side}_{part}"][row, x] = 255
    write_celeba(tmp_path, {3: parts}, [0])
    spec = shipped(repo, "celebamask_hq")
    dataset = SegmentationDataset(spec, "train", root=tmp_path)
    space = TargetSpace(shipped_tree(repo, "faces_full"), [spec])
    codes = codes_of(dataset, space)
    leaves = [[space.name(codes[row][x]) for x in (0, 3)] for row in range(3)]
    assert leaves == [
        ["left_eye", "right_eye"],
        ["left_eyebrow", "right_eyebrow"],
        ["left_ear", "right_ear"],
    ]
    # A flipped picture has the same leaves in the same places.
    flipped = torch.from_numpy(space.mirror)[torch.tensor(codes)].flip(1)
    assert flipped.tolist() == codes


def test_the_splits_of_celebamask_hq_are_those_of_celeba(repo: Path, tmp_path: Path) -> None:
    originals = [0, 162770, 162771, 182637, 182638, 202598]
    numbers = [5, 1999, 2000, 29999, 0, 12]
    write_celeba(tmp_path, {number: {"skin": np.ones((2, 2))} for number in numbers}, originals)
    spec = shipped(repo, "celebamask_hq")
    found = {
        name: [SegmentationDataset(spec, name, root=tmp_path).files.label(n) for n in range(2)]
        for name in spec.splits
    }
    folder = "CelebAMask-HQ-mask-anno"
    assert found == {
        "train": [f"{folder}/0/00005_{{class}}.png", f"{folder}/0/01999_{{class}}.png"],
        "val": [f"{folder}/1/02000_{{class}}.png", f"{folder}/14/29999_{{class}}.png"],
        "test": [f"{folder}/0/00000_{{class}}.png", f"{folder}/0/00012_{{class}}.png"],
    }


def test_a_portrait_without_any_mask_is_missing_its_label(repo: Path, tmp_path: Path) -> None:
    write_celeba(tmp_path, {4001: {"skin": np.ones((2, 2))}}, [0])
    (tmp_path / "CelebAMask-HQ-mask-anno" / "2" / "04001_skin.png").unlink()
    with pytest.raises(HarmonizeError, match=r"-mask-anno/2/04001_skin\.png;"):
        SegmentationDataset(shipped(repo, "celebamask_hq"), "train", root=tmp_path)


@pytest.mark.parametrize(
    ("name", "split", "picture", "label"),
    [
        ("lapa", "train", "train/images/1_0.jpg", "train/labels/1_0.png"),
        ("lapa", "val", "val/images/1_0.jpg", "val/labels/1_0.png"),
        ("lapa", "test", "test/images/1_0.jpg", "test/labels/1_0.png"),
        ("ibugmask", "train", "train/1_00.jpg", "train/1_00.png"),
        ("ibugmask", "test", "test/1.jpg", "test/1.png"),
    ],
)
def test_sets_in_the_order_of_helen_read_to_exact_classes_and_codes(
    repo: Path, tmp_path: Path, name: str, split: str, picture: str, label: str
) -> None:
    ids = np.array([[*range(11), 0]])
    save(tmp_path / picture, photograph(1, 12))
    save(tmp_path / label, ids)
    spec = shipped(repo, name)
    dataset = SegmentationDataset(spec, split, root=tmp_path)
    assert len(dataset) == 1
    assert names_of(dataset) == [[*HELEN_ORDER, "background"]]
    faces = TargetSpace(shipped_tree(repo, "faces"), [spec])
    # background, skin, brows, eyes, nose, upper lip, inner mouth, lower lip, hair
    assert codes_of(dataset, faces) == [[0, 5, 9, 10, 7, 8, 6, 2, 3, 4, 1, 0]]
    full = TargetSpace(shipped_tree(repo, "faces_full"), [spec])
    rest = full.code(["background", "neck", "ears", "worn"])
    skin = full.code(["face_skin", "beard", "ears", "glasses", "facewear"])
    expected = [rest, skin, 10, 11, 8, 9, 7, 3, 4, 5, full.code("all_hair"), rest]
    assert codes_of(dataset, full) == [expected]


@pytest.mark.parametrize("name", ["celebamask_hq", "lapa", "ibugmask"])
@pytest.mark.parametrize("tree", ["faces", "faces_full"])
def test_the_classes_of_each_face_set_cover_the_whole_tree(
    repo: Path, name: str, tree: str
) -> None:
    masks = shipped(repo, name).leaf_masks(shipped_tree(repo, tree))
    assert masks.any(axis=0).all()


def test_voc_reads_to_exact_classes_and_codes(repo: Path, tmp_path: Path) -> None:
    ids = np.array([[*range(11)], [*range(11, 21), 255]])
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    for split, name in (("train", "2007_000032"), ("val", "2007_000033")):
        save(tmp_path / "JPEGImages" / f"{name}.jpg", photograph(2, 11))
        save(tmp_path / "SegmentationClass" / f"{name}.png", ids, palette=True)
        (lists / f"{split}.txt").write_text(f"{name}\n")
    (lists / "trainval.txt").write_text("2007_000032\n2007_000033\n")
    spec = shipped(repo, "voc")
    tree = shipped_tree(repo, "voc")
    space = TargetSpace(tree, [spec])
    for split, count in (("train", 1), ("val", 1), ("trainval", 2)):
        dataset = SegmentationDataset(spec, split, root=tmp_path)
        assert len(dataset) == count
        assert names_of(dataset) == [VOC_ORDER[:11], [*VOC_ORDER[11:], "void"]]
        codes = [code for row in codes_of(dataset, space) for code in row]
        assert codes == [*(tree.leaves.index(leaf) for leaf in VOC_ORDER), space.ignore]
        # Counted by hand: leaves in the order of the tree's file.
        assert codes[:8] == [0, 8, 11, 2, 9, 15, 13, 14]


def test_ade20k_reads_to_exact_classes_and_codes(repo: Path, tmp_path: Path) -> None:
    ids = np.arange(151)[None]
    files = {"train": ("training", "ADE_train_00000001"), "val": ("validation", "ADE_val_00000001")}
    for folder, name in files.values():
        save(tmp_path / "images" / folder / f"{name}.jpg", photograph(1, 151))
        save(tmp_path / "annotations" / folder / f"{name}.png", ids)
    spec = shipped(repo, "ade20k")
    tree = shipped_tree(repo, "ade20k")
    space = TargetSpace(tree, [spec])
    assert (np.dtype(space.dtype).name, space.ignore) == ("int16", 32767)
    names: list[str] = []
    for split, (folder, name) in files.items():
        dataset = SegmentationDataset(spec, split, root=tmp_path)
        assert len(dataset) == 1
        assert dataset.files.picture(0) == f"images/{folder}/{name}.jpg"
        (names,) = names_of(dataset)
        (codes,) = codes_of(dataset, space)
        assert codes == [space.ignore, *(tree.leaves.index(leaf) for leaf in names[1:])]
    assert names == ["void", *ADE_ORDER]


@pytest.mark.parametrize("name", ["voc", "ade20k"])
def test_every_leaf_is_meant_alone_by_exactly_one_class(repo: Path, name: str) -> None:
    tree, spec = shipped_tree(repo, name), shipped(repo, name)
    masks = spec.leaf_masks(tree)
    void = list(spec.classes).index("void")
    assert not masks[void].any()
    assert (np.delete(masks, void, axis=0).sum(axis=1) == 1).all()
    assert (masks.sum(axis=0) == 1).all()
    assert all(nodes in ((), (key,)) for key, nodes in spec.meaning[name].items())
