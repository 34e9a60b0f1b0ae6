"""The demo's two synthetic data sets: layouts, labels, and writing whole sets only."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harmonize.data.dataset import SegmentationDataset
from harmonize.demo import demo_data as demo
from harmonize.demo.faces import Face
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.system import progress

AMOUNTS = {"train": 4, "validation": 2, "test": 1}
NUM_PICTURES = sum(AMOUNTS.values())
COLOURS = {(255, 0, 0), (0, 255, 0), (0, 0, 255)}


@pytest.fixture(autouse=True, scope="module")
def _few_pictures() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "NUM_PICTURES", AMOUNTS)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both sets."""
    path = tmp_path_factory.mktemp("demo") / "data" / "demo"
    demo.write_demo_data(path, progress=False)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_helen_has_the_official_layout(folder: Path) -> None:
    names = [f"demo_{number:04d}" for number in range(1, 8)]
    masks = {f"labels/{name}/{name}_lbl{part:02d}.png" for name in names for part in range(11)}
    lists = {"exemplars.txt", "tuning.txt", "testing.txt"}
    pictures = {f"images/{name}.jpg" for name in names}
    assert set(contents(folder / "helen")) == masks | lists | pictures
    assert (folder / "helen/exemplars.txt").read_text() == (
        "1 , demo_0001\n2 , demo_0002\n3 , demo_0003\n4 , demo_0004\n"
    )
    assert (folder / "helen/tuning.txt").read_text() == "5 , demo_0005\n6 , demo_0006\n"
    assert (folder / "helen/testing.txt").read_text() == "7 , demo_0007\n"


def test_lfw_parts_has_the_official_layout(folder: Path) -> None:
    people = [("Ada_Example", 1), ("Ada_Example", 2), ("Ada_Example", 3), ("Ada_Sample", 1)]
    people += [("Ada_Sample", 2), ("Ada_Sample", 3), ("Ada_Demo", 1)]
    pictures = {f"lfw_funneled/{name}/{name}_{number:04d}.jpg" for name, number in people}
    labels = {f"parts_lfw_funneled_gt_images/{name}_{number:04d}.ppm" for name, number in people}
    lists = {f"parts_{split}.txt" for split in ("train", "validation", "test")}
    assert set(contents(folder / "lfw_parts")) == pictures | labels | lists
    assert (folder / "lfw_parts/parts_validation.txt").read_text() == "Ada_Sample 2\nAda_Sample 3\n"


@pytest.mark.parametrize("name", ["helen", "lfw_parts"])
def test_the_shipped_mappings_read_every_picture(repo: Path, folder: Path, name: str) -> None:
    spec = DatasetSpec.from_file(repo / "datasets" / f"{name}.yaml")
    seen: set[int] = set()
    for split, amount in zip(("train", "val", "test"), AMOUNTS.values(), strict=True):
        dataset = SegmentationDataset(spec, split, root=folder / name)
        assert len(dataset) == amount
        for number in range(amount):
            sample = dataset[number]
            assert min(sample.classes.shape) >= 128
            assert sample.picture.float().std() > 5  # no blank sheet
            seen |= set(sample.classes.unique().tolist())
    assert seen == set(range(len(spec.classes)))


def test_lfw_labels_have_exactly_the_three_colours(folder: Path) -> None:
    seen: set[tuple[int, ...]] = set()
    for path in (folder / "lfw_parts/parts_lfw_funneled_gt_images").iterdir():
        with Image.open(path) as label:
            assert (label.mode, label.size, label.format) == ("RGB", (128, 128), "PPM")
            colours = label.getcolors()
        assert colours is not None
        found = {color for _, color in colours if isinstance(color, tuple)}
        assert found <= COLOURS
        seen |= found
    assert seen == COLOURS


def centre(mask: Path) -> float:
    """Return the mean x of a soft mask."""
    with Image.open(mask) as picture:
        weights = np.asarray(picture).astype(float)
    return float((weights * np.arange(weights.shape[1])).sum() / weights.sum())


def test_left_is_the_viewers_left(folder: Path) -> None:
    labels = sorted((folder / "helen/labels").iterdir())
    assert len(labels) == NUM_PICTURES
    for label in labels:
        masks = [label / f"{label.name}_lbl{part:02d}.png" for part in range(11)]
        left_brow, right_brow, left_eye, right_eye, nose = (centre(mask) for mask in masks[2:7])
        assert left_eye + 10 < right_eye
        assert left_brow + 10 < right_brow
        assert left_eye < nose < right_eye


def test_soft_masks_share_each_pixel_among_them(folder: Path) -> None:
    for label in (folder / "helen/labels").iterdir():
        masks: list[np.ndarray] = []
        for mask in label.iterdir():
            with Image.open(mask) as picture:
                assert picture.mode == "L"
                masks.append(np.asarray(picture).astype(float))
        assert abs(np.sum(masks, axis=0) - 255).max() <= 6  # eleven roundings of half a step


def test_the_same_seed_writes_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    demo.write_demo_data(tmp_path / "again", progress=False)
    assert contents(tmp_path / "again") == contents(folder)


def test_another_seed_writes_other_pictures_under_the_same_names(
    folder: Path, tmp_path: Path
) -> None:
    demo.write_demo_data(tmp_path, seed=1, progress=False)
    one, other = contents(folder), contents(tmp_path)
    assert set(one) == set(other)
    assert all(one[file] != other[file] for file in one if file.endswith(".jpg"))


def test_pictures_differ_from_one_another(folder: Path) -> None:
    pictures = [data for file, data in contents(folder).items() if file.endswith(".jpg")]
    assert len(set(pictures)) == len(pictures) == 2 * NUM_PICTURES


def test_a_second_call_touches_nothing(tmp_path: Path) -> None:
    demo.write_demo_data(tmp_path, progress=False)
    (tmp_path / "helen/images/demo_0001.jpg").write_bytes(b"changed by its user")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    texts = contents(tmp_path)
    demo.write_demo_data(tmp_path, seed=5, progress=False)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert contents(tmp_path) == texts


def test_an_interrupted_set_leaves_nothing_and_is_written_next_time(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw, sizes = demo.draw_parts, []

    def stop_at_the_third(face: Face, height: int, width: int) -> Any:
        sizes.append((height, width))
        if sizes[-3:] == [(128, 128)] * 3:  # as only the second set's pictures are
            raise KeyboardInterrupt
        return draw(face, height, width)

    with monkeypatch.context() as patch:
        patch.setattr(demo, "draw_parts", stop_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            demo.write_demo_data(tmp_path, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["helen"]
    assert contents(tmp_path / "helen") == contents(folder / "helen")
    demo.write_demo_data(tmp_path, progress=False)
    assert contents(tmp_path) == contents(folder)


def test_progress_is_shown_only_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "NUM_PICTURES", {"train": 2})
    monkeypatch.setattr(progress, "EVERY", 0)  # a line for each picture but the last
    demo.write_demo_data(tmp_path / "quiet", progress=False)
    assert capsys.readouterr() == ("", "")
    demo.write_demo_data(tmp_path / "shown", progress=True)
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(",")[0] for line in said] == [
        f"drawing {name}: 1 of 2 pictures" for name in ("helen", "lfw_parts")
    ]
