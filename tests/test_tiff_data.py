"""TIFF labels of a data set: checked, drafted, and measured by their headers."""

from pathlib import Path

import numpy as np
import pytest

import spoiled
from folder_cases import counts, draft, label, photo, save
from harmonize import DatasetSpec, HarmonizeError
from harmonize.data.dataset import SegmentationDataset
from tiff_files import LZW, SUBFILE, Kind, write_tiff

HOLES = np.where(np.arange(6) == 5, -9999, spoiled.LABEL.astype(np.int16))
MASK = (HOLES >= 0, Kind(bits=1, photometric=4, tags={SUBFILE: [4]}))


def write_labels(kind: Kind) -> None:
    for name in "ab":
        write_tiff(Path(f"data/labels/{name}.png"), HOLES, kind, MASK)


@pytest.mark.parametrize("order", "<>")
def test_what_the_check_advises_for_no_data_works(
    order: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoiled.write_set(tmp_path, monkeypatch)
    write_labels(Kind(order, LZW))
    told = spoiled.problems(capsys, "fine.yaml")
    assert told == [
        "fine.yaml:7:1: classes: the id -9999 is no class's, but stands in 8 pixels of 2 label "
        "files, such as labels/a.png; add it to a class, with the meaning `ignore` if it is void"
    ]
    spoiled.spoil(
        classes="{background: 0, left: 1, right: 2, none: -9999}",
        meaning="{tiny: {background: background, left: left, right: right, none: ignore}}",
    )
    spoiled.passes(capsys, "fine.yaml")
    dataset = SegmentationDataset(DatasetSpec.from_file("fine.yaml"), "train", root=Path("data"))
    assert dataset[0].classes[0].tolist() == [0, 0, 1, 1, 2, 3]


def test_the_size_of_a_label_that_pillow_cannot_open_comes_from_its_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled.write_set(tmp_path, monkeypatch)
    spoiled.spoil(resize_picture="true")
    write_tiff(Path("data/labels/a.png"), HOLES[:2].astype(np.int64), Kind(compression=LZW), MASK)
    dataset = SegmentationDataset(DatasetSpec.from_file("fine.yaml"), "train", root=Path("data"))
    assert dataset.size(0) == (6, 2)


def test_a_mapping_is_drafted_of_tiff_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "fields"
    values = label([-9999, 0, 1, 70000]).astype(np.int32)
    for number in range(4):
        save(folder / f"images/{number}.png", photo())
        (folder / "labels").mkdir(exist_ok=True)
        write_tiff(folder / f"labels/{number}.tif", values, Kind(compression=LZW, tile=(16, 16)))
    spec = draft(folder, monkeypatch)
    found = {entry.values for entry in spec.classes.values()}
    assert found == {(-9999,), (0,), (1,), (70000,)}
    assert sum(counts(spec, folder).values()) == 4


def test_numbers_beyond_ids_are_not_drafted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "fields"
    save(folder / "images/0.png", photo())
    (folder / "labels").mkdir()
    values = np.where(label([0, 1]) == 1, 1 << 40, 0)
    write_tiff(folder / "labels/0.tif", values, Kind())
    with pytest.raises(HarmonizeError, match="holds 1099511627776, but ids reach from -2147483648"):
        draft(folder, monkeypatch)


def test_a_picture_of_other_sides_that_pillow_cannot_open_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled.write_set(tmp_path, monkeypatch)
    write_tiff(Path("data/images/a.png"), np.zeros((6, 4, 3), np.uint8), Kind(separate=True))
    dataset = SegmentationDataset(DatasetSpec.from_file("fine.yaml"), "train", root=Path("data"))
    told = r"4 x 6 pixels, but its label labels/a.png has 6 x 4; one of the two is turned"
    with pytest.raises(HarmonizeError, match=told):
        dataset[0]
