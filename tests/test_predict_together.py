"""harmonize predict in two processes writes what one does, and says each thing once."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from group import run_group
from hand_made import untrained_run
from several_processes import predict, predict_with_a_full_disk

KINDS = ("coco", "labelme", "label-studio", "cvat")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run and five pictures, of which one cannot be read."""
    folder = tmp_path_factory.mktemp("together")
    untrained_run(folder)
    rng = np.random.default_rng(1)
    (folder / "new" / "sub").mkdir(parents=True)
    for number, name in enumerate(["a", "b", "sub/c", "sub/d"]):
        pixels = rng.integers(0, 256, (4 + number, 5, 3), dtype=np.uint8)
        picture = Image.fromarray(pixels).resize((20 + number, 17), Image.Resampling.BICUBIC)
        picture.save(folder / "new" / f"{name}.png")
    (folder / "bad.png").write_text("no picture")
    return folder


def words(kind: str, out: str, *more: str) -> list[str]:
    plain = ["--no-overlay", "--cpu", "--as", "fine", "--precision", "float32"]
    return ["run", "new", *more, "-o", out, "--write", kind, *plain]


def files(folder: Path) -> dict[str, bytes]:
    """Return what a folder holds; whatever has the folder's own path in it has it replaced."""
    paths = [path for path in sorted(folder.rglob("*")) if not path.is_dir()]
    return {
        str(path.relative_to(folder)): path.read_bytes().replace(str(folder).encode(), b"HERE")
        for path in paths
    }


def test_two_processes_write_what_one_does(project: Path) -> None:
    for number in (1, 2):
        commands = [words(kind, f"by {number}/{kind}") for kind in KINDS]
        ended = run_group(number, predict, project, *commands)
        assert [one.status for one in ended] == [0] * number, ended
        assert [one.stderr for one in ended] == [""] * number
        assert [bool(one.stdout) for one in ended] == [True, False][:number]
        assert ended[0].stdout.count("reads the annotations for") == len(KINDS)
    for kind in KINDS:
        one, two = (files(project / f"by {number}" / kind) for number in (1, 2))
        assert len(one) > 9
        assert one == two


def test_a_bad_picture_of_any_process_is_told_once_and_the_others_annotated(project: Path) -> None:
    # The second process has it, as it has every second picture.
    command = words("coco", "of five", "bad.png", "new/a.png")
    command[1:3] = ["new/a.png", "bad.png"]
    first, second = run_group(2, predict, project, command)
    assert (first.status, second.status) == (2, 2)
    (line,) = first.stderr.splitlines()
    assert line.startswith("error: bad.png: ")
    assert second.stderr == ""
    assert (project / "of five" / "pictures.txt").read_text() == "a.png\n"
    assert not (project / "of five" / ".lock").exists()


def test_annotations_that_cannot_be_written_end_all_processes(project: Path) -> None:
    command = words("coco", "full")
    first, second = run_group(2, predict_with_a_full_disk, project, command)
    assert (first.status, second.status) == (2, 2)
    assert "No space left on device" in first.stderr
    assert second.stderr == ""
