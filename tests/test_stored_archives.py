"""Data sets in archives: read as their folder is, and nothing that leads out of them."""

import io
import pickle
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import harmonize.stores.archives
import harmonize.stores.gzip_bytes
from harmonize import HarmonizeError
from harmonize.data.cache_entry import EntryNames
from harmonize.data.index import list_files
from harmonize.stores.archives import Archive
from harmonize.stores.file_table import FileTable
from harmonize.stores.gzip_bytes import GzipBytes
from harmonize.stores.open_store import open_root, store_of
from harmonize.stores.ranged import LocalBytes, heads_first
from harmonize.stores.stored_path import StoredPath
from stored_sets import assert_same, files_of, open_set, pack, write_mapping, write_set

KINDS = ("set.zip", "set.tar", "set.tar.gz", "set.tgz")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("archives") / "set")


def opened(place: Path) -> StoredPath:
    """Open the root of a set that is no folder."""
    root = open_root(str(place))
    assert isinstance(root, StoredPath)
    return root


@pytest.mark.parametrize("name", KINDS)
def test_an_archive_holds_what_its_folder_does(folder: Path, tmp_path: Path, name: str) -> None:
    root = opened(pack(folder, tmp_path / name))
    for path in files_of(folder):
        stored = root / path.relative_to(folder)
        assert stored.read_bytes() == path.read_bytes()
        assert stored.start(5) == path.read_bytes()[:5]
        assert stored.stat().st_size == path.stat().st_size
        assert str(stored) == f"{tmp_path / name}/{path.relative_to(folder).as_posix()}"
        assert pickle.loads(pickle.dumps(stored)) == stored
        assert stored.relative_to(root).as_posix() == path.relative_to(folder).as_posix()
    assert {path.name for path in root.iterdir()} == {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("name", KINDS)
def test_an_archive_is_read_pixel_for_pixel_as_its_folder(
    folder: Path, tmp_path: Path, name: str
) -> None:
    pack(folder, tmp_path / name)
    for split in ("train", "val"):
        plain = open_set(write_mapping(tmp_path / "plain.yaml", str(folder)), split)
        assert_same(plain, open_set(write_mapping(tmp_path / "packed.yaml", name), split))


def test_a_folder_in_an_archive_may_be_the_root(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as packed:
        for path in files_of(folder):
            packed.write(path, f"deep/set/{path.relative_to(folder)}")
    plain = open_set(write_mapping(tmp_path / "plain.yaml", str(folder)))
    assert_same(plain, open_set(write_mapping(tmp_path / "packed.yaml", "all.zip/deep/set/")))
    assert open_root(str(tmp_path / "all.zip/other")) is None


@pytest.mark.parametrize(
    "pattern", ["*", "train/*", "**/*.png", "*/images/p[01].jpg", "v*/**/p?.*"]
)
def test_patterns_match_what_they_match_in_folders(folder: Path, pattern: str) -> None:
    table = FileTable.of([path.relative_to(folder).as_posix() for path in files_of(folder)])
    expected = [path.relative_to(folder) for path in folder.glob(pattern) if path.is_file()]
    assert list(table.matching(pattern)) == sorted(path.as_posix() for path in expected)


def test_a_set_file_of_annotations_is_read_from_an_archive(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(tmp_path / "set" / "a.png")
    polygon = '<polygon label="car" points="0,0;3,0;3,4;0,4" z_order="0"/>'
    image = f'<image id="0" name="a.png" width="6" height="4">{polygon}</image>'
    (tmp_path / "set" / "all.xml").write_text(f"<annotations>{image}</annotations>")
    pack(tmp_path / "set", tmp_path / "set.zip")
    labels: list[np.ndarray] = []
    for root in ("set", "set.zip"):
        spec = write_mapping(tmp_path / "m.yaml", root)
        text = (tmp_path / "m.yaml").read_text().split("picture:")[0] + CVAT
        (tmp_path / "m.yaml").write_text(text)
        spec = type(spec).from_file(tmp_path / "m.yaml")
        labels.append(open_set(spec).label(0))
    assert labels[0].tolist() == labels[1].tolist() == [[1, 1, 1, 0, 0, 0]] * 4


CVAT = """picture: "{id}.png"
label: all.xml
encoding: cvat
splits: {train: {glob: "{id}.png"}}
classes: {background: [], car: ~}
meaning: {tiny: {background: background, car: left}}
"""


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 40_000), min_size=1, max_size=8), st.booleans())
def test_places_of_gzip_files_are_read_in_any_order(places: list[int], twice: bool) -> None:
    import gzip

    content = np.random.default_rng(0).integers(0, 40, 40_000).astype(np.uint8).tobytes()
    parts = [content[:17_000], content[17_000:]] if twice else [content]
    packed = b"".join(map(gzip.compress, parts)) + bytes(100)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"_SPACING": 500, "_MOST_COPIES": 8, "_UNPACKED": 300}.items():
            patch.setattr(harmonize.stores.gzip_bytes, name, value)
        found = GzipBytes(Row(packed))
        for place in places:
            assert found.read(place, place + 700) == content[place : place + 700]
        assert pickle.loads(pickle.dumps(found)).read(39_990, 50_000) == content[39_990:]


class Row:
    """Bytes in memory."""

    place = "row"
    stamp = "1"

    def __init__(self, data: bytes) -> None:
        self.data, self.size = data, len(data)

    def read(self, start: int, end: int) -> bytes:
        return self.data[start:end]


def zipped(tmp_path: Path, *members: tuple[zipfile.ZipInfo | str, bytes], how: int = 0) -> Path:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w", how) as packed:
        for name, data in members:
            packed.writestr(name, data)
    return tmp_path / "bad.zip"


def tarred(tmp_path: Path, name: str, kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(tmp_path / "bad.tar", "w") as packed:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "/etc/passwd"
        packed.addfile(info)
    return tmp_path / "bad.tar"


def _link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("a.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def _encrypted(tmp_path: Path) -> Path:
    place = zipped(tmp_path, ("a.png", b"x"))
    data = bytearray(place.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    place.write_bytes(bytes(data))
    return place


def _cut(tmp_path: Path) -> Path:
    place = zipped(tmp_path, ("a.png", b"x" * 1000))
    place.write_bytes(place.read_bytes()[:-40])
    return place


def _cut_gzip(tmp_path: Path) -> Path:
    import gzip

    with tarfile.open(tmp_path / "whole.tar", "w") as packed:
        info = tarfile.TarInfo("a.png")
        info.size = 50_000
        packed.addfile(info, io.BytesIO(np.random.default_rng(0).bytes(50_000)))
    data = gzip.compress((tmp_path / "whole.tar").read_bytes())
    (tmp_path / "bad.tar.gz").write_bytes(data[:30_000])
    return tmp_path / "bad.tar.gz"


def _huge_header(tmp_path: Path) -> Path:
    with tarfile.open(tmp_path / "bad.tar", "w") as packed:
        info = tarfile.TarInfo("././@LongLink")
        info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 33
        packed.fileobj.write(info.tobuf(tarfile.GNU_FORMAT))  # type: ignore[union-attr]
    return tmp_path / "bad.tar"


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "above": (lambda t: zipped(t, ("../a.png", b"")), "a name that leads out of it"),
    "inside": (lambda t: zipped(t, ("a/../../b.png", b"")), "a name that leads out of it"),
    "absolute": (lambda t: tarred(t, "/a.png"), "holds '/a.png', a name that leads out of it"),
    "drive": (lambda t: zipped(t, ("C:/a.png", b"")), "a name that leads out of it"),
    "backslash": (lambda t: zipped(t, ("..\\a.png", b"")), "a name that leads out of it"),
    "zip link": (lambda t: zipped(t, (_link(), b"/etc/passwd")), "'a.png', which is a link"),
    "tar link": (lambda t: tarred(t, "a.png", tarfile.SYMTYPE), "which is a link"),
    "hard link": (lambda t: tarred(t, "a.png", tarfile.LNKTYPE), "which is a link"),
    "pipe": (lambda t: tarred(t, "a.png", tarfile.FIFOTYPE), "which is no plain file"),
    "lzma": (lambda t: zipped(t, ("a.png", b""), how=zipfile.ZIP_LZMA), "packed by lzma"),
    "password": (_encrypted, "which is encrypted"),
    "cut": (_cut, "not a readable zip archive: File is not a zip file"),
    "cut gzip": (_cut_gzip, "bad.tar.gz: is cut off"),
    "header": (_huge_header, "not a readable tar archive: a header of 8589934"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_archives_that_are_refused(tmp_path: Path, case: str) -> None:
    make, reason = REFUSED[case]
    with pytest.raises(HarmonizeError) as caught:
        open_root(str(make(tmp_path)))
    (problem,) = caught.value.problems
    assert reason in problem
    assert "bad." in problem


def test_a_file_of_another_kind_of_archive_is_refused(tmp_path: Path) -> None:
    for name in ("a.7z", "a.tar.xz", "a.rar", "a.tar.bz2"):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(HarmonizeError, match=f"{name}: an archive of this kind is not read"):
            open_root(str(tmp_path / name))


def test_a_file_that_says_to_be_huge_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harmonize.stores.archives, "MOST_BYTES", 1 << 20)
    place = zipped(tmp_path, ("bomb.png", bytes(1 << 22)), how=zipfile.ZIP_DEFLATED)
    with pytest.raises(HarmonizeError, match=r"bomb\.png: says that it has 4194304 bytes"):
        (opened(place) / "bomb.png").read_bytes()


def test_a_file_that_holds_more_than_it_says_is_refused(tmp_path: Path) -> None:
    place = zipped(tmp_path, ("a.png", bytes(1 << 20)), how=zipfile.ZIP_DEFLATED)
    data = bytearray(place.read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\1\2") + 24, 10)
    place.write_bytes(bytes(data))
    with pytest.raises(HarmonizeError, match=r"a\.png: is damaged in the archive"):
        (opened(place) / "a.png").read_bytes()


def test_damage_in_an_archive_is_seen(folder: Path, tmp_path: Path) -> None:
    place = pack(folder, tmp_path / "set.zip")
    root = opened(place)
    data = bytearray(place.read_bytes())
    for at in range(0, len(data) - 2000, 16):  # wherever in the packed data
        data[at + 7] ^= 0xFF
    place.write_bytes(bytes(data))
    store = Archive(str(place))
    assert isinstance(store, Archive)
    with pytest.raises(HarmonizeError, match=r"is damaged in the archive|a file is lost"):
        store.open("train/images/p1.jpg")
    assert root.is_dir()


def test_a_change_of_the_archive_is_seen(folder: Path, tmp_path: Path) -> None:
    place = pack(folder, tmp_path / "set.zip")
    spec = write_mapping(tmp_path / "packed.yaml", "set.zip")
    dataset = open_set(spec)
    before = EntryNames(dataset).name(0, 1)
    assert EntryNames(open_set(spec)).name(0, 1) == before
    with zipfile.ZipFile(place, "a") as packed:
        packed.writestr("more.txt", "x")
    store_of(str(place)).facts("classes.json")  # what is known stays
    with pytest.raises(HarmonizeError, match=r"set\.zip: has changed while it was used; begin"):
        dataset.root.joinpath("classes.json").read_bytes()
    again = open_set(spec)
    assert EntryNames(again).name(0, 1) != before
    assert (again.root / "more.txt").read_bytes() == b"x"


def test_a_large_file_that_is_not_packed_is_read_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harmonize.stores.archives, "_LARGE", 1000)
    content = np.random.default_rng(0).integers(0, 255, 300_000).astype(np.uint8).tobytes()
    place = zipped(tmp_path, ("a.bin", content), ("b.bin", b"b"))
    store = Archive(str(place))
    asked: list[tuple[int, int]] = []
    read = LocalBytes.read
    monkeypatch.setattr(
        LocalBytes, "read", lambda self, a, b: asked.append((a, b)) or read(self, a, b)
    )
    with store.open("a.bin") as file:
        file.seek(100_000)
        assert file.read(50) == content[100_000:100_050]
        assert sum(end - start for start, end in asked) < 70_000
        file.seek(-10, io.SEEK_END)
        assert file.read() == content[-10:]
        file.seek(0)
        assert file.read() == content


def test_missing_files_are_named(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "set.tar")
    spec = write_mapping(tmp_path / "packed.yaml", "set.tar")
    text = (
        (tmp_path / "packed.yaml").read_text().replace('labels/{id}.png"\ne', 'other/{id}.png"\ne')
    )
    (tmp_path / "packed.yaml").write_text(text)
    spec = type(spec).from_file(tmp_path / "packed.yaml")
    _, problems = list_files(spec, "train", spec.folder({}))
    assert (
        f"6 files of packed are missing from {tmp_path}/set.tar: train/other/p0.png" in problems[0]
    )
    with pytest.raises(HarmonizeError, match="the data set's folder was not found; looked in gone"):
        write_mapping(tmp_path / "gone.yaml", "gone.zip").folder({})


def test_headers_are_read_without_the_rest(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "set.zip")
    dataset = open_set(write_mapping(tmp_path / "packed.yaml", "set.zip"))
    with heads_first():
        assert dataset.size(0) == (24, 20)
