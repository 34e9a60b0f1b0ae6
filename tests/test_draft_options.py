"""What is said on the command line holds, and the command that is printed works as printed."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from folder_cases import HEIGHT, WIDTH, draft, label, photo, save, write_scene
from harmonize import DatasetSpec, HarmonizeError, cli
from harmonize.data.dataset import SegmentationDataset
from harmonize.tools.draft.new_mapping import new_mapping


def printed_command(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return shlex.split(capsys.readouterr().out.splitlines()[-1])


@pytest.mark.parametrize("place", ["elsewhere/my_tree.txt", "my_tree.txt", "elsewhere/roads.txt"])
def test_the_printed_command_finds_the_tree_that_was_given(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    place: str,
) -> None:
    write_scene(tmp_path / "set")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / place).write_text("only_here\nand_this\n")
    draft(tmp_path / "set", monkeypatch, tree=Path(place))
    words = printed_command(capsys)
    assert words[0] == "harmonize"
    assert cli.main(words[1:]) == 1
    shown = capsys.readouterr().out
    stem = Path(place).stem
    assert "there is no tree" not in shown
    assert f"still a TODO of the draft; write a node of {stem} in its place" in shown
    assert words[3:] == ([] if place == "my_tree.txt" else [place])  # else it is beside the mapping


def test_a_relative_folder_is_found_from_beside_the_mapping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scene(tmp_path / "data" / "set")
    (tmp_path / "maps").mkdir()
    monkeypatch.chdir(tmp_path)
    new_mapping(Path("data/set"), output=Path("maps/mine.yaml"))
    assert "root: ../data/set\n" in (tmp_path / "maps" / "mine.yaml").read_text()
    monkeypatch.chdir("/")
    spec = DatasetSpec.from_file(tmp_path / "maps" / "mine.yaml")
    assert len(SegmentationDataset(spec, "all", root=spec.folder({}))) == 6


def test_lists_may_lie_beside_the_mapping_or_anywhere_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scene(tmp_path / "set")
    draft(tmp_path / "set", monkeypatch)
    mapping, lists = tmp_path / "set.yaml", tmp_path / "my {lists}"
    text = mapping.read_text()
    start = text.index("splits:\n") + len("splits:\n")
    end = text.index("\n\n", start)
    inside = "  train: {list: train.txt}\n  val: {list: 'own/{split}.txt'}\n"
    full = str(lists / "test.txt").replace("{", "{{").replace("}", "}}")
    mapping.write_text(f"{text[:start]}{inside}  test: {{list: '{full}'}}{text[end:]}")
    lists.mkdir()
    (tmp_path / "own").mkdir()
    (tmp_path / "train.txt").write_text("frame0a\nframe1a\n")
    (tmp_path / "own" / "val.txt").write_text("frame2a\n")
    (lists / "test.txt").write_text("frame3a\nframe4a\nframe5a\n")
    monkeypatch.chdir("/")
    spec = DatasetSpec.from_file(mapping)
    sizes = [
        len(SegmentationDataset(spec, split, root=tmp_path / "set"))
        for split in ("train", "val", "test")
    ]
    assert sizes == [2, 1, 3]
    (tmp_path / "set" / "train.txt").write_text("frame5a\n")  # the data set's own comes first
    spec = DatasetSpec.from_file(mapping)
    assert len(SegmentationDataset(spec, "train", root=tmp_path / "set")) == 1


def test_a_mapping_is_replaced_by_force_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scene(tmp_path / "set")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set.yaml").write_text("mine")
    with pytest.raises(HarmonizeError, match="replace it with --force"):
        new_mapping(tmp_path / "set")
    assert cli.main(["new", str(tmp_path / "set"), "--force"]) == 0
    assert DatasetSpec.from_file(tmp_path / "set.yaml").name == "set"
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(HarmonizeError, match="is there already"):
        new_mapping(tmp_path / "set", output=tmp_path / "folder.yaml", force=True)


def test_the_folders_of_labels_and_pictures_can_be_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "set"
    for number in range(4):
        save(folder / "left" / f"p{number}x.jpg", photo())
        save(folder / "right" / f"p{number}x.jpg", photo())
        save(folder / "fine" / f"p{number}x.png", label([0, 1, 2, 3]))
        save(folder / "coarse" / f"p{number}x.png", label([5, 6]))
    spec = draft(folder, monkeypatch, labels=Path("coarse"), images=Path("right"))
    assert (spec.picture.text, spec.label.text) == ("right/{id}.jpg", "coarse/{id}.png")
    assert "several files" not in (tmp_path / "set.yaml").read_text()
    spec = draft(folder, monkeypatch, labels=folder / "fine", force=True)
    assert spec.label.text == "fine/{id}.png"


def test_a_folder_that_is_said_needs_no_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "set"
    for number in range(4):
        save(folder / "a" / f"p{number}x.png", label([0, 1, 2]))  # a drawing
        save(folder / "b" / f"p{number}x.png", label([3, 4]))
    spec = draft(folder, monkeypatch, images=Path("a"), labels=Path("b"))
    assert (spec.picture.text, spec.label.text) == ("a/{id}.png", "b/{id}.png")


def test_a_folder_that_is_not_there_or_outside_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scene(tmp_path / "set")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HarmonizeError, match=r"--labels nowhere: no folder in .*set; name one"):
        new_mapping(Path("set"), labels=Path("nowhere"))
    with pytest.raises(HarmonizeError, match="--images other: no folder in"):
        new_mapping(Path("set"), images=Path("other"))


def save_turned(path: Path, pixels: np.ndarray, orientation: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels.astype(np.uint8)).save(path, exif=exif)


@pytest.mark.parametrize(
    ("orientation", "size", "value"),
    [
        (6, (WIDTH, HEIGHT), "apply"),  # the labels lie as the pictures are seen
        (6, (HEIGHT, WIDTH), "ignore"),
        (8, (WIDTH, HEIGHT), "apply"),
        (3, (HEIGHT, WIDTH), None),  # upside down: the size tells nothing
    ],
)
def test_the_sizes_of_labels_tell_whether_pictures_are_turned(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    orientation: int,
    size: tuple[int, int],
    value: str | None,
) -> None:
    for number in range(6):
        turned = orientation if number % 2 else 1
        pixels = photo(*size) if turned == 1 and value == "apply" else photo(HEIGHT, WIDTH)
        save_turned(tmp_path / "set" / "images" / f"p{number}x.jpg", pixels, turned)
        ids = label([0, 1, 2])
        ids = ids.T if size == (WIDTH, HEIGHT) else ids
        save(tmp_path / "set" / "labels" / f"p{number}x.png", ids)
    spec = draft(tmp_path / "set", monkeypatch)
    text = (tmp_path / "set.yaml").read_text()
    assert (spec.exif, spec.resize_picture) == (value, False)
    asked = "# TODO: exif: apply or ignore? 3 of 6 pictures have an EXIF orientation" in text
    assert asked == (value is None)
    if value is not None:
        assert len(SegmentationDataset(spec, "all", root=tmp_path / "set")) == 6
