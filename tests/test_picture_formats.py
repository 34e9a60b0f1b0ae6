"""Only files of known formats are opened; what is no plain file is not read."""

import ast
import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harmonize import HarmonizeError
from harmonize.config.strict_yaml import read_text
from harmonize.labels.palette_order import palette_bytes, used_colors
from harmonize.pictures import opening
from harmonize.pictures.arrays import read_array
from harmonize.pictures.formats import LABELS, PICTURES, find_format
from harmonize.pictures.reading import header_size, open_image, picture_size, read_picture
from harmonize.pictures.stored import read_stored
from harmonize.stores.plain_files import open_plain

PIXELS = (np.arange(12 * 10 * 3) % 251).astype(np.uint8).reshape(12, 10, 3)

AS_PICTURES: tuple[Callable[[Path], object], ...] = (
    read_picture,
    picture_size,
    header_size,
    open_image,
)
AS_LABELS: tuple[Callable[[Path], object], ...] = (read_stored, used_colors, palette_bytes)
HEADERS = {
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "PDF": b"%PDF-1.4\n",
    "Photoshop": b"8BPS\0\1",
    "icon (ICO)": b"\0\0\1\0\1\0",
    "FITS": b"SIMPLE  =                    T",
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0",
    "WMF": b"\xd7\xcd\xc6\x9a\0\0",
    "GRIB": b"GRIB\0\0",
    "SVG": b"<svg xmlns=",
    "QOI": b"qoif\0\0\0\1",
}
"""By the name of a format that is not opened, how its files begin."""


def refusal(read: Callable[[Path], object], path: Path) -> str:
    with pytest.raises(HarmonizeError) as caught:
        read(path)
    return str(caught.value)


def no_decoder(*_: object, **__: object) -> None:
    raise AssertionError("a decoder was asked")


@pytest.mark.parametrize("read", [*AS_PICTURES, *AS_LABELS])
@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("ending", [".png", ".jpg", ".tga"])
def test_other_formats_are_refused_by_name_before_any_decoder_sees_them(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    read: Callable[[Path], object],
    name: str,
    ending: str,
) -> None:
    monkeypatch.setattr(opening.Image, "open", no_decoder)
    path = tmp_path / f"a{ending}"
    path.write_bytes(HEADERS[name])
    what, remedy = ("a picture", "PNG or JPEG") if read in AS_PICTURES else ("a label", "PNG")
    told = f"{path}: is a file of {name}, not opened as {what}; save it as {remedy}"
    assert refusal(read, path) == told


@pytest.mark.parametrize("kind", PICTURES)
def test_the_formats_on_the_list_are_opened_whatever_their_names(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ("a.tga" if kind == "TGA" else "a.dat")
    Image.fromarray(PIXELS).save(path, format=kind)
    assert find_format(path.read_bytes()[:32], path) == kind
    assert read_picture(path).size == picture_size(path) == header_size(path) == (10, 12)
    if kind in LABELS:
        assert read_stored(path).values.shape[:2] == (12, 10)
    else:
        told = f"{path}: is a file of {kind}, not opened as a label; save it as PNG"
        assert refusal(read_stored, path) == told


def test_decoders_are_asked_for_the_one_format_that_a_file_begins_like(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg", format="PNG")
    asked: list[object] = []
    whole = Image.open

    def noting(file: object, **options: object) -> object:
        asked.append(options["formats"])
        return whole(file, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(opening.Image, "open", noting)
    read_picture(tmp_path / "a.jpg")
    assert asked == [["PNG"]]


@pytest.mark.parametrize(
    "read", [*AS_PICTURES, *AS_LABELS, read_array, read_text, open_plain], ids=lambda r: r.__name__
)
def test_pipes_devices_and_sockets_are_refused(read: Callable[[Path], object]) -> None:
    with tempfile.TemporaryDirectory() as name:  # a socket's path must be short
        pipe, listening = Path(name) / "a.npy", Path(name) / "b.npy"
        os.mkfifo(pipe)
        ending = "is not read; save what it gives as a file"
        assert refusal(read, pipe) == f"{pipe}: is a pipe, which {ending}"
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(listening))
            assert refusal(read, listening) == f"{listening}: is a socket, which {ending}"
        if read is not read_array or Path("/dev/zero").exists():
            device = Path(name) / "c.npy"
            device.symlink_to("/dev/zero")
            assert refusal(read, device) == f"{device}: is a device, which {ending}"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        KeyError("x"),
        IndexError("list index"),
        TypeError("none"),
        ZeroDivisionError("zero"),
        AttributeError("no attribute"),
        Image.DecompressionBombError("large"),
        RecursionError("deep"),
        OverflowError("much"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_decoder_raises_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(PIXELS).save(path)

    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr("harmonize.pictures.quick_png._decoder", lambda: None)
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fail)
    for read in (read_picture, picture_size, read_stored):
        assert refusal(read, path).startswith(f"{path}: not a readable picture: ")


def test_arrays_are_refused_by_their_headers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harmonize.pictures.limits.MOST_PIXELS", 100)
    np.save(tmp_path / "a.npy", np.zeros((20, 20), np.uint8))
    assert "says that it has 20 x 20 pixels" in refusal(read_array, tmp_path / "a.npy")
    np.savez_compressed(tmp_path / "b.npz", label=np.zeros((20, 20), np.uint8))
    assert "says that it has 20 x 20 pixels" in refusal(read_array, tmp_path / "b.npz")
    np.save(tmp_path / "c.npy", np.array([["a", None]], dtype=object))
    assert "holds objects, not numbers" in refusal(read_array, tmp_path / "c.npy")
    scipy_io = pytest.importorskip("scipy.io")
    scipy_io.savemat(tmp_path / "d.mat", {"label": np.zeros((20, 20), np.uint8)})
    assert "says that it has 20 x 20 pixels" in refusal(read_array, tmp_path / "d.mat")


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_read_in_either_order(tmp_path: Path, order: str) -> None:
    ids = np.asarray(PIXELS[..., 0], order=order)  # type: ignore[call-overload]
    np.save(tmp_path / "a.npy", ids)
    np.savez(tmp_path / "b.npz", label=ids)
    for name in ("a.npy", "b.npz"):
        assert (read_array(tmp_path / name) == PIXELS[..., 0]).all()
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content[:-7])
    assert "ends 7 bytes early" in refusal(read_array, tmp_path / "a.npy")


def test_pillow_is_always_told_which_formats_it_may_try(repo: Path) -> None:
    calls = [
        (path, call)
        for path in (repo / "harmonize").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "Image.open"
    ]
    assert len(calls) > 3
    without = [
        f"{path}:{call.lineno}"
        for path, call in calls
        if "formats" not in [keyword.arg for keyword in call.keywords]
    ]
    assert without == []
