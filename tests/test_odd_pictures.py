"""Pictures and labels of every kind: refused by name and place, or read."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

import spoiled
from harmonize import HarmonizeError
from harmonize.config.run_config import RunConfig
from harmonize.pictures.reading import picture_size, read_picture, read_reduced
from harmonize.pipeline.train import train

PICTURE, LABEL = Path("data/images/a.png"), Path("data/labels/a.png")

RGB = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def photo(kind: str, mode: str = "RGB", **options: object) -> bytes:
    """Return a file of the colours in some format and mode."""
    return encoded(Image.fromarray(RGB).convert(mode), kind, **options)


def turned(kind: str, number: int = 6, image: Image.Image | None = None) -> bytes:
    """Return a file with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = number
    return encoded(image or Image.fromarray(RGB), kind, exif=exif)


def several(kind: str) -> bytes:
    """Return a file with two different pictures."""
    first, second = Image.fromarray(RGB), Image.fromarray(255 - RGB)
    return encoded(first, kind, save_all=True, append_images=[second])


def huge(width: int, height: int) -> bytes:
    """Return a PNG of which the header alone is there."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header
    data = struct.pack(">I", 9) + b"IDAT" + zlib.compress(b"")[:9]
    return start + struct.pack(">I", zlib.crc32(header)) + data


def ids(pixels: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    return encoded(Image.fromarray(pixels), kind, **options)


BAD: dict[str, tuple[Path, bytes, str]] = {
    "empty picture": (PICTURE, b"", "not a readable picture: cannot identify"),
    "truncated picture": (PICTURE, photo("PNG")[:-40], "not a readable picture"),
    "16-bit picture": (PICTURE, ids(RGB[..., 0].astype(np.uint16)), "mode I;16; save it with 8"),
    "float picture": (PICTURE, ids(RGB[..., 0] / np.float32(2), "TIFF"), "mode F; save it with 8"),
    "turned JPEG": (PICTURE, turned("JPEG"), "EXIF orientation is 6; say in the mapping `exif: ap"),
    "turned PNG": (PICTURE, turned("PNG", 3), "EXIF orientation is 3; say in the mapping `exif: "),
    "turned WebP": (PICTURE, turned("WEBP", 8), "EXIF orientation is 8; say in the mapping `exif"),
    "animated GIF": (PICTURE, several("GIF"), "holds 2 pictures; save the one that the label is"),
    "animated WebP": (PICTURE, several("WEBP"), "holds 2 pictures; save the one"),
    "animated PNG": (PICTURE, several("PNG"), "holds 2 pictures; save the one"),
    "stack of pages": (PICTURE, several("TIFF"), "holds 2 pictures; save the one"),
    "bomb": (PICTURE, huge(60000, 60000), "60000 x 60000 pixels, more than the 268 million"),
    "other size": (PICTURE, ids(RGB[:3]), "6 x 3 pixels, but its label labels/a.png has 6 x 4"),
    "empty label": (LABEL, b"", "not a readable picture: cannot identify"),
    "truncated label": (LABEL, ids(spoiled.LABEL)[:-20], "not a readable picture"),
    "unknown id": (LABEL, ids(spoiled.LABEL + 1), "ids that no class of fine stands for: 3 (8 pix"),
    "colour label": (LABEL, photo("PNG"), "expected ids in one channel, got mode RGB"),
    "CMYK label": (LABEL, photo("TIFF", "CMYK"), "expected ids in one channel, got mode CMYK"),
    "label with alpha": (LABEL, photo("PNG", "LA"), "expected ids in one channel, got mode LA"),
    "turned label": (
        LABEL,
        turned("PNG", 3, Image.fromarray(spoiled.LABEL)),
        "EXIF orientation is 3, by which labels are not turned; save it upright",
    ),
    "animated label": (LABEL, several("PNG"), "holds 2 pictures; save the one"),
    "huge label": (LABEL, huge(1 << 15, 1 << 14), "32768 x 16384 pixels, more than"),
}
"""For each fault the file, its content and what is said of it."""


def small_config(*overrides: str) -> RunConfig:
    told = ["train.steps=1", "data.batch_size=2", "data.size=16", "data.workers=0"]
    told += ["train.precision=float32", "model.width=8", "output=run"]
    return RunConfig.from_file("run.yaml", [*told, *overrides])


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_sample_ends_a_run_with_the_line_that_the_check_shows(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoiled.write_set(tmp_path, monkeypatch)
    path, content, said = BAD[kind]
    path.write_bytes(content)
    with pytest.raises(HarmonizeError) as caught:
        train(small_config(), name="x")
    [line] = caught.value.problems
    assert line.startswith(f"{path}: ")
    assert said in line
    assert line.endswith("; a sample of fine, train: mend it, or go on without such by "
                         "data.on_bad_sample=skip")  # fmt: skip
    capsys.readouterr()
    told = spoiled.problems(capsys, "fine.yaml")
    if kind == "unknown id":  # counted over all files there
        assert any("no class" in problem and "3" in problem for problem in told)
    else:
        assert any(said.partition(";")[0] in problem for problem in told), told


def lab() -> bytes:
    profiles = [ImageCms.createProfile(name) for name in ("sRGB", "LAB")]
    change = ImageCms.buildTransform(*profiles, "RGB", "LAB")  # type: ignore[arg-type]
    found = ImageCms.applyTransform(Image.fromarray(RGB), change)
    assert found is not None
    return encoded(found, "TIFF")


def with_overview() -> bytes:
    small = Image.fromarray(RGB[::2, ::2])
    small.encoderinfo = {"tiffinfo": {254: 1}}
    return encoded(Image.fromarray(RGB), "TIFF", save_all=True, append_images=[small])


GOOD: dict[str, bytes] = {
    "CMYK": photo("TIFF", "CMYK"),
    "CMYK JPEG": photo("JPEG", "CMYK", quality=100),
    "LAB": lab(),
    "grey": photo("PNG", "L"),
    "grey with alpha": photo("PNG", "LA"),
    "colour with alpha": ids(np.dstack([RGB, RGB[..., :1]])),
    "palette": photo("PNG", "P"),
    "palette with transparency": photo("PNG", "P", transparency=bytes(range(256))),
    "1-bit": photo("PNG", "1"),
    "TIFF that turns itself": turned("TIFF", 3),
    "TIFF with an overview": with_overview(),
    "upright by its tag": turned("JPEG", 1),
    "unknown orientation": turned("JPEG", 9),
    "interlaced": photo("GIF", "L", interlace=1),
}
"""What is read, and how."""


def test_other_kinds_of_pictures_are_read_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoiled.write_set(tmp_path, monkeypatch, names=[f"n{number}" for number in range(len(GOOD))])
    for number, content in enumerate(GOOD.values()):
        Path(f"data/images/n{number}.png").write_bytes(content)
    spoiled.passes(capsys, "fine.yaml")
    train(small_config(f"data.batch_size={len(GOOD)}"), name="x")
    assert "warning" not in capsys.readouterr().err.lower()


def test_colours_become_rgb_and_transparency_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "a"

    def read(kind: str) -> np.ndarray:
        path.write_bytes(GOOD[kind])
        return np.asarray(read_picture(path)).astype(int)

    assert (read("CMYK") == RGB).all()
    assert (read("colour with alpha") == RGB).all()
    assert (read("palette with transparency") == read("palette")).all()
    assert abs(read("LAB") - RGB).mean() < 5
    assert set(np.unique(read("1-bit"))) == {0, 255}
    assert (read("TIFF that turns itself") == RGB[::-1, ::-1]).all()


@pytest.mark.parametrize("number", range(2, 9))
@pytest.mark.parametrize("least", [1000, 8])
def test_a_picture_is_turned_as_its_orientation_says_if_the_mapping_does(
    tmp_path: Path, number: int, least: int
) -> None:
    path = tmp_path / "a.png"
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (33, 49, 3), dtype=np.uint8))
    path.write_bytes(turned("PNG", number, image))
    ignored = read_reduced(path, least=least, exif="ignore")
    applied = read_reduced(path, least=least, exif="apply")
    with Image.open(path) as stored:
        upright = ImageOps.exif_transpose(stored)
    factor = 4 if least == 8 else 1
    assert (ignored.factor, applied.factor) == (factor, factor)
    assert (np.asarray(ignored.image) == np.asarray(image.reduce(factor))).all()
    assert (np.asarray(applied.image) == np.asarray(upright.reduce(factor))).all()
    assert applied.size == upright.size == picture_size(path, exif="apply")
    assert picture_size(path, exif="ignore") == (49, 33)


def test_sizes_that_only_the_orientation_makes_agree_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoiled.write_set(tmp_path, monkeypatch)
    PICTURE.write_bytes(turned("JPEG", 6, Image.fromarray(np.rot90(RGB).copy())))
    spoiled.spoil(exif="ignore")
    [line] = spoiled.problems(capsys, "fine.yaml")
    assert line.endswith("EXIF orientation swaps the sides: change `exif` in the mapping between "
                         "apply and ignore")  # fmt: skip
    spoiled.spoil(exif="apply")
    spoiled.passes(capsys, "fine.yaml")


def test_a_picture_of_many_pixels_is_no_bomb(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("1", (10000, 9500)).save(path)  # Pillow itself warns of it
    assert picture_size(path) == (10000, 9500)
