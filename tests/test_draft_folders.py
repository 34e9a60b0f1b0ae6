"""Drafting mappings of folders in all kinds of layouts; the folders serve the other tests too."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harmonize import DatasetSpec
from harmonize.data.dataset import SegmentationDataset
from harmonize.tools.draft.new_mapping import new_mapping

HEIGHT, WIDTH = 24, 40
SCENE = {
    "Sky": (128, 128, 128),
    "Building": (128, 0, 0),
    "Road": (128, 64, 128),
    "Tree": (128, 128, 0),
    "Void": (0, 0, 0),
}


def save(path: Path, pixels: np.ndarray, *, palette: bool = False, mode: type = np.uint8) -> None:
    """Write a picture, making its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels.astype(mode))
    if palette:
        picture.putpalette(np.random.default_rng(0).permutation(768).astype(np.uint8).tobytes())
    picture.save(path)


def photo(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    return np.random.default_rng(0).integers(256, size=(height, width, 3))


def label(values: Sequence[int]) -> np.ndarray:
    """Return a label whose columns hold the values in bands of about equal width."""
    places = np.arange(WIDTH) * len(values) // WIDTH
    return np.broadcast_to(np.array(values)[places], (HEIGHT, WIDTH))


def draft(folder: Path, monkeypatch: pytest.MonkeyPatch, **options: object) -> DatasetSpec:
    """Draft a mapping in another folder and load it."""
    output = folder.parent / f"{folder.name}.yaml"
    monkeypatch.chdir(folder.parent)
    new_mapping(folder, output=output, **options)  # type: ignore[arg-type]
    return DatasetSpec.from_file(output)


def counts(spec: DatasetSpec, folder: Path) -> dict[str, int]:
    """Read every picture of every split; return how many there are."""
    opened = {name: SegmentationDataset(spec, name, root=folder) for name in spec.splits}
    for dataset in opened.values():
        for number in range(len(dataset)):
            assert dataset[number].classes.min() >= 0
    return {name: len(dataset) for name, dataset in opened.items()}


def write_scene(root: Path, *, number: int = 6) -> None:
    """Write pictures with colour labels whose names nothing tells."""
    colors = np.array(list(SCENE.values()))
    for place in range(number):
        save(root / "images" / f"frame{place}a.png", photo())
        save(root / "labels" / f"frame{place}a.png", colors[label(range(len(SCENE)))])


def cityscapes(root: Path) -> None:
    for split, cities in {"train": ["aachen", "bochum"], "val": ["frankfurt"]}.items():
        for city in cities:
            for number in range(3):
                name = f"{city}_{number:06d}_000019"
                ids = label([7, 8, 11, 26])
                folder = root / "gtFine" / split / city
                save(root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png", photo())
                save(folder / f"{name}_gtFine_labelIds.png", ids)
                save(folder / f"{name}_gtFine_instanceIds.png", ids * 1000, mode=np.uint16)
                opaque = np.full_like(ids, 255)
                save(folder / f"{name}_gtFine_color.png", np.dstack([ids, ids * 3, ids, opaque]))


def vistas(root: Path) -> None:
    names = ["animal--bird", "construction--flat--road", "nature--sky", "void--unlabeled"]
    save(root / "testing" / "images" / "x1.jpg", photo())
    for split in ("training", "validation"):
        for name in ("Ab-C_d", "q_qZ", "mmX"):
            save(root / split / "images" / f"{split[0]}{name}.jpg", photo())
            folder = root / split / "v1.2"
            save(folder / "labels" / f"{split[0]}{name}.png", label(range(4)), palette=True)
            big = label(range(4)) * 256
            save(folder / "instances" / f"{split[0]}{name}.png", big, mode=np.uint16)
    labels = [{"name": name, "readable": name.title(), "color": [1, 2, 3]} for name in names]
    (root / "config_v1.2.json").write_text(json.dumps({"labels": labels}))


def celeba(root: Path) -> None:
    for number in (*range(4), 2000, 2001, 4001):
        save(root / "CelebA-HQ-img" / f"{number}.jpg", photo(2 * HEIGHT, 2 * WIDTH))
        folder = root / "CelebAMask-HQ-mask-anno" / str(number // 2000)
        for place, part in enumerate(("skin", "l_eye", "r_eye", "hair", "hat")):
            if part != "hat" or number % 2:
                mask = label([0] * (5 - place) + [255] * (place + 1))
                save(folder / f"{number:05d}_{part}.png", np.dstack([mask] * 3))


def helen(root: Path) -> None:
    lists: dict[str, list[str]] = {"exemplars": [], "tuning": [], "testing": []}
    ramp = np.linspace(0, 255, 12).round()
    for number in range(9):
        name = f"{number + 1}{number * 7919 % 997}_1"
        lists[["exemplars", "tuning", "testing"][number % 3]].append(name)
        save(root / "images" / f"{name}.jpg", photo())
        for part in range(3):
            soft = np.broadcast_to(np.concatenate([np.zeros(70), ramp, np.full(38, 255)]), (8, 120))
            save(root / "images" / f"{name}.jpg", photo(8, 120))
            save(root / "labels" / name / f"{name}_lbl{part:02d}.png", np.roll(soft, part * 40, 1))
    for split, names in lists.items():
        text = "".join(f"{place} , {name}\n" for place, name in enumerate(names, 1))
        (root / f"{split}.txt").write_text(text)


def ade(root: Path) -> None:
    for split, short in {"training": "train", "validation": "val"}.items():
        for number in range(1, 4):
            name = f"ADE_{short}_{number:08d}"
            save(root / "images" / split / f"{name}.jpg", photo())
            save(root / "annotations" / split / f"{name}.png", label([0, 1, 2, 3]))
    rows = [
        "Idx\tRatio\tTrain\tVal\tName",
        "1\t0.15\t900\t80\twall",
        "2\t0.11\t800\t70\tbuilding, edifice",
    ]
    (root / "objectInfo150.txt").write_text("\n".join([*rows, "3\t0.09\t700\t60\tsky"]) + "\n")


def voc(root: Path) -> None:
    names = [f"2007_{number * 7919 % 9999:06d}" for number in range(12)]
    for place, name in enumerate(names):
        save(root / "JPEGImages" / f"{name}.jpg", photo())
        if place < 9:
            save(root / "SegmentationClass" / f"{name}.png", label([0, 15, 255]), palette=True)
            save(root / "SegmentationObject" / f"{name}.png", label([0, 1, 255]), palette=True)
    lists = {"Segmentation/train": names[:6], "Segmentation/val": names[6:9], "Main/val": names[5:]}
    for path, listed in lists.items():
        file = root / "ImageSets" / f"{path}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(listed) + "\n")


def kitti(root: Path) -> None:
    for number in range(4):
        save(root / "testing" / "image_2" / f"{number:06d}_10.png", photo())
        save(root / "training" / "image_2" / f"{number:06d}_10.png", photo())
        save(root / "training" / "semantic" / f"{number:06d}_10.png", label([7, 8, 26]))
        colors = np.array(list(SCENE.values()))[label([0, 1, 2])]
        save(root / "training" / "semantic_rgb" / f"{number:06d}_10.png", colors)


def lfw(root: Path) -> None:
    people = {"Ann_Lee": 3, "Bob_Ray": 2, "Cy_Young_Jr": 3}
    lines: list[str] = []
    for person, number in people.items():
        for place in range(1, number + 1):
            name = f"{person}_{place:04d}"
            save(root / "lfw_funneled" / person / f"{name}.jpg", photo())
            colors = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255)])[label(range(3))]
            save(root / "parts_gt_images" / f"{name}.ppm", colors)
            lines.append(f"{person} {place}\n")
    (root / "parts_train.txt").write_text("".join(lines[:5]))
    (root / "parts_validation.txt").write_text("".join(lines[5:]))


def camvid(root: Path) -> None:
    for split, names in {"train": ("a1_001", "a1_002", "b7_003"), "val": ("c9_004",)}.items():
        for name in names:
            save(root / split / f"{name}.jpg", photo())
            save(root / f"{split}annot" / f"{name}.png", label([0, 1, 11]))


def drives(root: Path) -> None:
    for drive in ("day", "night", "rain"):
        for number in range(3):
            save(root / drive / "rgb" / f"{number:04d}.jpg", photo())
            save(root / drive / "gt" / f"{number:04d}.png", label([0, 1]))


def prefixed(root: Path) -> None:
    for number in range(6):
        save(root / "all" / f"img_{number:03d}.png", photo())
        save(root / "all" / f"mask_{number:03d}.png", label([0, 1, 2]))


def by_class(root: Path) -> None:
    for number in range(6):
        save(root / "photos" / f"p{number}.jpg", photo())
        for place, name in enumerate(("cat", "left hand")):
            save(root / "masks" / name / f"p{number}.png", label([0, 255 * place, 255]))


def other_words(root: Path) -> None:
    for split, word in (("training", "train"), ("validation", "val")):
        for number in range(3):
            save(root / "images" / split / f"{word}{number}x.jpg", photo())
            save(root / "labels" / word / f"{word}{number}x.png", label([0, 1, 2]))


@pytest.mark.parametrize(
    ("write", "picture", "label_", "encoding", "splits"),
    [
        (
            cityscapes,
            "leftImg8bit/{split}/{folder}/{id}_leftImg8bit.png",
            "gtFine/{split}/{folder}/{id}_gtFine_labelIds.png",
            "ids",
            {"train": 6, "val": 3},
        ),
        (
            vistas,
            "{split}/images/{id}.jpg",
            "{split}/v1.2/labels/{id}.png",
            "ids",
            {"train": 3, "val": 3},
        ),
        (
            celeba,
            "CelebA-HQ-img/{id}.jpg",
            "CelebAMask-HQ-mask-anno/{id//2000}/{id:05d}_{class}.png",
            "masks",
            {"train": 5, "val": 2, "all": 7},
        ),
        (
            helen,
            "images/{id}.jpg",
            "labels/{id}/{id}_lbl{class:02d}.png",
            "soft_masks",
            {"train": 3, "val": 3, "test": 3},
        ),
        (
            ade,
            "images/{split}/{id}.jpg",
            "annotations/{split}/{id}.png",
            "ids",
            {"train": 3, "val": 3},
        ),
        (
            voc,
            "JPEGImages/{id}.jpg",
            "SegmentationClass/{id}.png",
            "ids",
            {"train": 6, "val": 3},
        ),
        (
            kitti,
            "{split}/image_2/{id}.png",
            "{split}/semantic/{id}.png",
            "ids",
            {"all": 4},
        ),
        (
            lfw,
            "lfw_funneled/{folder}/{folder}_{number:04d}.jpg",
            "parts_gt_images/{folder}_{number:04d}.ppm",
            "rgb",
            {"train": 5, "val": 3},
        ),
        (camvid, "{split}/{id}.jpg", "{split}annot/{id}.png", "ids", {"train": 3, "val": 1}),
        (drives, "{folder}/rgb/{id:04d}.jpg", "{folder}/gt/{id:04d}.png", "ids", {"all": 9}),
        (
            prefixed,
            "all/img_{id:03d}.png",
            "all/mask_{id:03d}.png",
            "ids",
            {"train": 4, "val": 2, "all": 6},
        ),
        (by_class, "photos/{id}.jpg", "masks/{class}/{id}.png", "masks", {"all": 6}),
        (
            other_words,
            "images/{picture_split}/{id}.jpg",
            "labels/{split}/{id}.png",
            "ids",
            {"train": 3, "val": 3},
        ),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_a_layout_is_recognised_and_every_split_can_be_read(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Path], None],
    picture: str,
    label_: str,
    encoding: str,
    splits: dict[str, int],
) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    write(folder)
    spec = draft(folder, monkeypatch)
    assert (spec.picture.text, spec.label.text, spec.encoding.name) == (picture, label_, encoding)
    assert counts(spec, folder) == splits
    assert spec.root == str(folder)


def test_pictures_of_another_size_than_their_labels_are_scaled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    celeba(tmp_path / "set")
    assert draft(tmp_path / "set", monkeypatch).resize_picture


def test_what_is_not_used_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cityscapes(tmp_path / "set")
    draft(tmp_path / "set", monkeypatch)
    text = (tmp_path / "set.yaml").read_text()
    assert "#   gtFine/{split}/*/*_gtFine_color.png: 9 files, colours" in text
    assert "#   gtFine/{split}/*/*_gtFine_instanceIds.png: 9 files, ids" in text


def test_numbered_pictures_without_gaps_become_ranges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        save(tmp_path / "set" / f"{number:06d}.png", photo())
        save(tmp_path / "set" / f"{number:06d}_seg.png", label([0, 1, 255]))
    spec = draft(tmp_path / "set", monkeypatch)
    assert (spec.picture.text, spec.label.text) == ("{id:06d}.png", "{id:06d}_seg.png")
    assert (spec.splits["train"].range, spec.splits["val"].range) == ((0, 7), (8, 9))
    assert counts(spec, tmp_path / "set") == {"train": 8, "val": 2, "all": 10}


def test_numbered_pictures_with_gaps_are_parted_by_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2, 3, 5, 8, 13, 21):
        save(tmp_path / "set" / "images" / f"{number}.jpg", photo())
        save(tmp_path / "set" / "labels" / f"{number}.png", label([0, 1]))
    spec = draft(tmp_path / "set", monkeypatch)
    assert spec.splits["train"].where == {"id": (1, 8)}
    assert counts(spec, tmp_path / "set") == {"train": 5, "val": 2, "all": 7}


def test_lists_with_a_header_and_commas_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scene(tmp_path / "set")
    (tmp_path / "set" / "train.csv").write_text("id,weather\n" + "frame0a,dry\nframe1a,wet\n")
    (tmp_path / "set" / "test.csv").write_text("id,weather\n" + "frame2a,dry\nframe5a,wet\n")
    spec = draft(tmp_path / "set", monkeypatch)
    train = spec.splits["train"]
    assert (train.columns, train.separator, train.skip) == (("id", "column_2"), ",", 1)
    assert counts(spec, tmp_path / "set") == {"train": 2, "test": 2}


def test_lists_of_files_or_of_missing_pictures_are_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scene(tmp_path / "set")
    (tmp_path / "set" / "train.txt").write_text("images/frame0a.png\nimages/frame1a.png\n")
    (tmp_path / "set" / "val.txt").write_text("frame2a\nframe3a\nframe99a\n")
    spec = draft(tmp_path / "set", monkeypatch)
    assert list(spec.splits) == ["all"]
    text = (tmp_path / "set.yaml").read_text()
    assert "# not used: train.txt lists files; a split's list needs ids" in text
    assert "# not used: val.txt lists pictures without a label (1 of 3)" in text
    assert "# TODO: nothing tells which pictures to train on" in text


def test_a_person_called_val_is_no_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [f"P{place}_Doe" for place in range(12)] + ["Val_Kilmer"]:
        save(tmp_path / "set" / "img" / name / f"{name}_0001.jpg", photo())
        save(tmp_path / "set" / "gt" / f"{name}_0001.png", label([0, 1]))
    spec = draft(tmp_path / "set", monkeypatch)
    assert spec.picture.text == "img/{folder}/{folder}_{number:04d}.jpg"
    assert counts(spec, tmp_path / "set") == {"all": 13}


def test_files_of_several_extensions_share_a_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        ending = "jpg" if number % 2 else "png"
        save(tmp_path / "set" / "images" / f"x{number}y.{ending}", photo())
        save(tmp_path / "set" / "labels" / f"x{number}y.png", label([0, 1, 2]))
    spec = draft(tmp_path / "set", monkeypatch)
    assert spec.picture.text == "images/{id}.*"
    assert counts(spec, tmp_path / "set") == {"all": 6}


def test_drawings_without_photographs_are_told_apart_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        save(tmp_path / "set" / "images" / f"x{number}y.png", np.dstack([label([9, 80, 200])] * 3))
        save(tmp_path / "set" / "labels" / f"x{number}y.png", label([0, 1, 2]))
    spec = draft(tmp_path / "set", monkeypatch)
    assert spec.picture.text == "images/{id}.png"


def test_nasty_names_are_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "my set: #1"
    for number in range(4):
        save(folder / "pho: {tos} #1" / f"it's [a] {number}.png", photo())
        save(folder / "la*bels [v2] {x}" / f"it's [a] {number}_m: k.png", label([0, 1, 2]))
    (folder / "classes.txt").write_text('yes\n"quoted": #no\n- a, [x] {y}\n')
    (folder / "line\nbreak").mkdir()
    (folder / ".hidden.png").write_text("no picture")
    (folder / "around").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    new_mapping(folder)
    spec = DatasetSpec.from_file(tmp_path / "my_set_1.yaml")
    assert spec.picture.text == "pho: {{tos}} #1/{id}.png"
    assert list(spec.classes) == ["yes", '"quoted": #no', "- a, [x] {y}"]
    assert counts(spec, folder) == {"all": 4}


@pytest.mark.skipif(os.name != "posix", reason="such names are possible there alone")
def test_files_whose_names_are_no_text_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_scene(tmp_path / "set")
    strange = tmp_path / "set" / "images" / os.fsdecode(b"\xff.png")
    try:
        strange.write_bytes(b"")
    except OSError:
        pytest.skip("the file system refuses such names")
    draft(tmp_path / "set", monkeypatch)
    assert (
        r"left out: 1 files or folders that cannot be read: '\udcff.png'" in capsys.readouterr().out
    )
