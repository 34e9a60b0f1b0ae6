"""Known layouts of data sets on disk are recognised."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from folder_cases import SCENE, celeba, cityscapes, counts, draft, label, photo, save


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
        (
            by_class,
            "photos/p{id}.jpg",
            "masks/{class}/p{id}.png",
            "masks",
            {"train": 4, "val": 2, "all": 6},
        ),
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
