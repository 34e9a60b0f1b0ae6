"""harmonize new parts the pictures of an export into train and val, or says how to."""

from pathlib import Path

import pytest

from harmonize.labels.dataset_spec import DatasetSpec
from test_draft_annotated_splits import seen, write_coco, write_labelme, write_pictures
from test_draft_annotations import ADVICE, draft, lengths, new, root

__all__ = ["root"]


def advice(text: str) -> str:
    """Return what a drafted mapping says to write as splits; empty if it says nothing."""
    lines = text.splitlines()
    return lines[lines.index(ADVICE + "; write lists with one") + 1] if ADVICE in text else ""


def test_nothing_tells_the_splits(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = {"a.png": "can", "b.png": "lid"}
    write_pictures(root, *labels)
    write_labelme(root, labels)
    spec, text = draft(root, capsys)
    assert lengths(spec, root) == {"all": 2}
    assert advice(text) == (
        "# picture per line, then: train: {list: train.txt}, val: {list: val.txt}"
    )


def test_lists_of_pictures_in_several_folders_need_columns(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = {"L/0.png": "can", "R/0.png": "lid"}
    write_pictures(root, *labels)
    write_labelme(root, labels)
    _, text = draft(root, capsys)
    keys = r'columns: [folder, id], separator: "\t"'
    assert advice(text) == (
        f"# picture per line, then: train: {{list: train.txt, {keys}}}, "
        f"val: {{list: val.txt, {keys}}}"
    )
    (root / "train.txt").write_text("L\t0\n")  # as it says
    (root / "val.txt").write_text("R\t0\n")
    start, _, end = Path("drafted.yaml").read_text().partition("  all:")
    parts = [f"  {name}: {{list: {name}.txt, {keys}}}\n" for name in ("train", "val")]
    Path("drafted.yaml").write_text(start + "".join(parts) + "  all:" + end)
    spec = DatasetSpec.from_file("drafted.yaml")
    assert seen(spec, root, "train") == {"L/0.png": "can"}
    assert seen(spec, root, "val") == {"R/0.png": "lid"}


def test_lists_of_names_with_spaces_need_a_separator(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = {"a 1.png": "can", "b 1.png": "lid"}
    write_pictures(root, *labels)
    write_labelme(root, labels)
    _, text = draft(root, capsys)
    assert r'{list: train.txt, separator: "\t"}' in advice(text)


def test_numbers_part_pictures_as_they_do_masks(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = {f"frame {n:02d}.png": "can" if n % 2 else "lid" for n in range(3, 13)}
    write_pictures(root, *labels)
    write_labelme(root, labels)
    spec, text = draft(root, capsys)
    assert spec.picture.text == "frame {id}.png"
    assert spec.label.text == "frame {id}.json"
    assert {**seen(spec, root, "train"), **seen(spec, root, "val")} == labels
    assert lengths(spec, root) == {"train": 8, "val": 2, "all": 10}
    assert {*seen(spec, root, "val")} == {"frame 11.png", "frame 12.png"}
    assert not advice(text)


def test_numbers_part_lists_too(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"p{n}.png" for n in (1, 2, 10, 11, 12)]
    write_pictures(root, *(f"images/{name}" for name in (*names, "p5.png")))
    write_coco(root / "labels.json", names[:2], names[2:])
    new(root, capsys)
    spec = DatasetSpec.from_file("drafted.yaml")
    assert Path("set_all.txt").read_text() == "1\n10\n11\n12\n2\n"
    assert lengths(spec, root) == {"train": 4, "val": 1, "all": 5}
    assert seen(spec, root, "val") == {"images/p12.png": "lid"}


@pytest.mark.parametrize("ending", ["", ".png"])
def test_lists_of_the_folder_part_the_pictures(
    root: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    """Not their numbers, by which an official split would be mixed."""
    labels = {f"{number:03d}.png": "can" for number in range(10)}
    write_pictures(root, *labels)
    write_labelme(root, labels)
    (root / "train.txt").write_text("".join(f"{number:03d}{ending}\n" for number in range(1, 9, 2)))
    (root / "val.txt").write_text("".join(f"{number:03d}{ending}\n" for number in (0, 2, 4, 11)))
    _, text = new(root, capsys)
    spec = DatasetSpec.from_file("drafted.yaml")
    assert lengths(spec, root) == {"train": 4, "val": 3, "all": 10}
    assert sorted(seen(spec, root, "train")) == ["001.png", "003.png", "005.png", "007.png"]
    assert sorted(seen(spec, root, "val")) == ["000.png", "002.png", "004.png"]
    told = "TODO: 1 of 4 lines of val.txt names no picture with a label, left out of set_val.txt: "
    assert f"{told}011" in text


def test_lists_part_pictures_in_several_folders(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = {"L/0.png": "can", "R/0.png": "lid", "R/1.png": "can"}
    write_pictures(root, *labels)
    write_coco(root / "annotations.json", ["L/0.png", "R/1.png"], ["R/0.png"])
    (root / "train.txt").write_text("L/0.png\nR/1.png\n")
    (root / "test.txt").write_text("R/0.png\n")
    spec, _ = draft(root, capsys)
    assert seen(spec, root, "train") == {"L/0.png": "can", "R/1.png": "can"}
    assert seen(spec, root, "test") == {"R/0.png": "lid"}
