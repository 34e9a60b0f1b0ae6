"""The mappings of the guide on label files, each on a tiny data set of its kind."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Integer
from numpy import ndarray
from PIL import Image

from documents import marked_blocks
from harmonize.cli import main
from harmonize.data.labels import LabelReader
from harmonize.labels.dataset_spec import DatasetSpec

PARTS = np.zeros((16, 24), dtype=np.int64)
PARTS[:, 8:16] = 1
PARTS[:, 16:] = 2
"""Number of the class of each pixel."""


def grey(*values: int, bits: int = 8) -> Callable[[Path, int], None]:
    """Return what writes a label whose classes have these values."""

    def write(path: Path, number: int) -> None:
        del number
        dtype = np.uint8 if bits == 8 else np.uint16
        Image.fromarray(np.array(values)[PARTS].astype(dtype)).save(path)

    return write


def jpeg(path: Path, number: int) -> None:
    """Write a mask with losses: a slanted edge that its quality blurs."""
    rows, columns = np.indices((16, 24))
    white = np.where(columns + rows // 2 + number >= 14, 255, 0).astype(np.uint8)
    Image.fromarray(white).save(path, quality=30)
    assert len(np.unique(np.asarray(Image.open(path)))) > 2


def indexed(path: Path, number: int) -> None:
    """Write a palette picture whose indexes are the ids."""
    del number
    picture = Image.fromarray(with_border(np.array([0, 7, 15])[PARTS]).astype(np.uint8))
    palette = np.zeros((256, 3), dtype=np.uint8)
    palette[[7, 15, 255]] = (128, 128, 128), (192, 128, 128), (224, 224, 192)
    picture.putpalette(palette.tobytes())
    picture.save(path)


def reordered(path: Path, number: int) -> None:
    """Write a palette picture whose table is another in each file."""
    colors = np.array([(0, 0, 0), (128, 128, 128), (192, 128, 128)], dtype=np.uint8)
    order = np.roll(np.arange(3), number)
    picture = Image.fromarray(np.argsort(order)[PARTS].astype(np.uint8))
    picture.putpalette(colors[order].tobytes())
    picture.save(path)


def with_border(ids: Integer[ndarray, "H W"]) -> Integer[ndarray, "H W"]:
    ids = ids.copy()
    ids[:, 7] = 255
    return ids


def counted(path: Path, number: int) -> None:
    """Write other numbers of objects into each file."""
    Image.fromarray(np.array([0, number + 1, 300 + number])[PARTS].astype(np.uint16)).save(path)


VOID = with_border(np.zeros_like(PARTS)) == 255
KINDS: dict[str, tuple[Callable[[Path, int], None], ndarray | None]] = {
    "instances": (grey(0, 13002, 24017, bits=16), PARTS),
    "counted": (counted, np.minimum(PARTS, 1)),
    "jpeg_masks": (jpeg, None),
    "masks": (grey(0, 255, 0), PARTS % 2),
    "palette": (indexed, np.where(VOID, 3, PARTS)),
    "palette_colours": (reordered, PARTS),
    "deep": (grey(0, 1300, 40000, bits=16), PARTS),
}
"""By the name of a mapping: what writes a label, and the class of each pixel by its number."""


@pytest.fixture
def guide(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Write the files that the guide shows into the working directory; return them by name."""
    monkeypatch.chdir(tmp_path)
    blocks = marked_blocks(repo / "docs" / "guides" / "label-files.md")
    files = {block.file: block.text for block in blocks if block.file}
    for name, text in files.items():
        Path(name).write_text(text)
    return files


def write_set(name: str) -> None:
    """Write four pictures with labels."""
    write, _ = KINDS[name]
    root = Path("data") / name
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    extension = DatasetSpec.from_file(Path(f"{name}.yaml")).label.text.rpartition(".")[2]
    for number in range(4):
        picture = np.random.default_rng(number).integers(0, 256, (16, 24, 3), dtype=np.uint8)
        Image.fromarray(picture).save(root / "images" / f"{number}.jpg")
        write(root / "labels" / f"{number}.{extension}", number)


def test_every_mapping_of_the_guide_is_tried(guide: dict[str, str]) -> None:
    assert set(guide) == {"scene.txt", *(f"{name}.yaml" for name in KINDS)}


@pytest.mark.parametrize("name", KINDS)
def test_a_recipe_passes_the_check_and_reads_each_pixel_as_its_class(
    name: str, guide: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"{name}.yaml" in guide
    write_set(name)
    status = main(["check", f"{name}.yaml"])
    said = capsys.readouterr().out
    assert (status, said.splitlines()[-1].endswith("4 label files read")) == (0, True), said
    spec = DatasetSpec.from_file(Path(f"{name}.yaml"))
    wanted = KINDS[name][1]
    read = [
        LabelReader(spec).read(spec.folder({}), str(label.relative_to(spec.folder({}))))
        for label in sorted((spec.folder({}) / "labels").iterdir())
    ]
    if wanted is None:  # edges move by a pixel at most
        rows, columns = np.indices((16, 24))
        for number, classes in enumerate(read):
            far = abs(columns + rows // 2 + number - 14) > 1
            assert ((classes == (columns + rows // 2 + number >= 14)) | ~far).all()
    else:
        assert all((classes == wanted).all() for classes in read)
