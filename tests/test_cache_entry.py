"""What the cache trusts: files as they were written, of labels as they are now."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harmonize import HarmonizeError
from harmonize.config.strict_yaml import load_file
from harmonize.data import cache_entry
from harmonize.data.cache import DiskCache
from harmonize.data.cache_entry import EntryNames, entry_path, read_entry, write_entry
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.label_counts import count_labels
from harmonize.data.pixels import Pixels
from harmonize.labels.dataset_spec import DatasetSpec
from tiny import write_project

RNG = np.random.default_rng(3)
NAME = "ab" * 16


def drawn(height: int, width: int, *, num_classes: int) -> Pixels:
    picture = RNG.integers(0, 256, (height, width, 3)).astype(np.uint8)
    return Pixels(picture, RNG.integers(0, num_classes, (height, width)).astype(np.int16))


def same(one: Pixels | None, other: Pixels) -> bool:
    assert one is not None
    return bool((one.picture == other.picture).all() and (one.classes == other.classes).all())


@pytest.fixture
def fine(tmp_path: Path) -> SegmentationDataset:
    project = write_project(tmp_path)
    spec = DatasetSpec.from_document(load_file(project / "fine.yaml"))
    return SegmentationDataset(spec, "train", root=project / "fine_data")


def kept_times(path: Path, content: bytes) -> None:
    """Write a file in place, with the size and the time that it had."""
    before = path.stat()
    assert len(content) == before.st_size
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 5), (64, 64), (97, 131)])
@pytest.mark.parametrize("num_classes", [4, 300])
def test_what_was_written_is_read(
    tmp_path: Path, height: int, width: int, num_classes: int
) -> None:
    pixels = drawn(height, width, num_classes=num_classes)
    path = entry_path(tmp_path, NAME)
    write_entry(path, pixels, num_classes)
    assert path.stat().st_size == cache_entry.entry_bytes((width, height), num_classes)
    assert same(read_entry(path), pixels)
    assert same(read_entry(path, num_classes=num_classes), pixels)


@pytest.mark.parametrize("place", [64, 65, 64 + 4096, -4097, -300, -1])
def test_one_changed_bit_is_noticed_once_and_the_file_removed(
    tmp_path: Path, place: int, capsys: pytest.CaptureFixture[str]
) -> None:
    path = entry_path(tmp_path, NAME)
    write_entry(path, drawn(80, 90, num_classes=4), 4)
    content = bytearray(path.read_bytes())
    content[place] ^= 16
    path.write_bytes(content)
    assert read_entry(path) is not None  # the header is whole
    cache = DiskCache(tmp_path, [np.array([NAME.encode()])], [4])
    assert cache(0, 0) is None
    assert not path.exists()
    warning = f"warning: {path}: is damaged, and removed; its picture is read from its file\n"
    assert capsys.readouterr().err == warning
    assert cache(0, 0) is None
    assert not capsys.readouterr().err


def test_blocks_that_are_zero_or_exchanged_are_noticed(tmp_path: Path) -> None:
    path = entry_path(tmp_path, NAME)
    write_entry(path, drawn(100, 100, num_classes=4), 4)
    whole = path.read_bytes()
    first, second = slice(64, 64 + 4096), slice(64 + 4096, 64 + 8192)
    zeros, exchanged = bytearray(whole), bytearray(whole)
    zeros[second] = bytes(4096)
    exchanged[first], exchanged[second] = whole[second], whole[first]
    for damaged in (zeros, exchanged):
        path.write_bytes(damaged)
        assert read_entry(path, num_classes=4) is None


def test_an_entry_is_gone_through_once_by_each_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    checksum = cache_entry._content_checksum

    def counted(content: bytes, start: int) -> int:
        calls.append(start)
        return checksum(content, start)

    pixels = drawn(9, 9, num_classes=4)
    write_entry(entry_path(tmp_path, NAME), pixels, 4)
    monkeypatch.setattr(cache_entry, "_content_checksum", counted)
    cache = DiskCache(tmp_path, [np.array([NAME.encode(), b""])], [4])
    assert all(same(cache(0, 0), pixels) for _ in range(3))
    assert cache(0, 1) is None
    assert len(calls) == 1


@pytest.mark.parametrize("wrong", [-1, 4, 32767])
def test_class_numbers_that_a_data_set_does_not_have_are_an_error(
    tmp_path: Path, wrong: int
) -> None:
    pixels = drawn(9, 9, num_classes=4)
    pixels.classes[3, 3] = wrong
    path = entry_path(tmp_path, NAME)
    write_entry(path, pixels, 300)
    cache = DiskCache(tmp_path, [np.array([NAME.encode()])], [4])
    with pytest.raises(HarmonizeError) as caught:
        cache(0, 0)
    assert str(caught.value) == (
        f"{path}: holds the class number {wrong}, but its data set has the classes 0 to 3; remove "
        "the cache's folder, or name another one with data.cache_folder=FOLDER"
    )


def test_files_are_on_the_disk_before_they_have_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen = entry_path(tmp_path, NAME), list[bool]()
    monkeypatch.setattr(os, "fsync", lambda _: seen.append(path.exists()))
    write_entry(path, drawn(9, 9, num_classes=4), 4)
    assert seen == [False]


def test_a_label_that_is_corrected_with_size_and_time_kept_has_another_name(
    fine: SegmentationDataset,
) -> None:
    path = fine.root / "03_ids.png"
    ids = np.asarray(Image.open(path)).copy()
    old = {number: EntryNames(fine).name(number, 1) for number in range(10)}
    raw = path.with_suffix(".bmp")
    Image.fromarray(ids).save(raw)
    content = raw.read_bytes()
    path.write_bytes(content)
    before = EntryNames(fine).name(3, 1)
    assert before != old[3]
    kept_times(path, content[:-1] + bytes([content[-1] ^ 1]))
    assert EntryNames(fine).name(3, 1) != before
    assert all(EntryNames(fine).name(number, 1) == old[number] for number in old if number != 3)


def test_a_label_that_is_replaced_by_another_file_with_all_times_kept_has_another_name(
    fine: SegmentationDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = EntryNames(fine).name(3, 1)
    real = cache_entry._status

    def other_file(path: Path) -> os.stat_result:
        status = [*real(path)]
        status[1] += 1  # the inode
        return os.stat_result(status, vars_of(real(path)))

    monkeypatch.setattr(cache_entry, "_status", other_file)
    assert EntryNames(fine).name(3, 1) != before


def vars_of(status: os.stat_result) -> dict[str, int]:
    return {name: getattr(status, name) for name in dir(status) if name.startswith("st_")}


def test_counts_are_not_taken_from_a_damaged_file(
    fine: SegmentationDataset, tmp_path: Path
) -> None:
    (right,) = count_labels([fine], tmp_path / "counts")
    (path,) = (tmp_path / "counts").iterdir()
    content = path.read_bytes()
    path.write_bytes(content[:8] + struct.pack("<q", 10**6) + content[16:])
    (again,) = count_labels([fine], tmp_path / "counts")
    assert (again.pixels == right.pixels).all()
    assert path.read_bytes() == content


def test_the_checksum_is_of_sums_of_blocks_and_of_the_rest() -> None:
    """Reckoned by hand: 600 numbers are a block of 512 and a rest of 704 bytes."""
    numbers = np.arange(600, dtype=np.uint64)
    content = b"head" * 2 + numbers.tobytes()
    whole = zlib.crc32(np.array([511 * 512 // 2], dtype=np.uint64).tobytes())
    assert cache_entry._content_checksum(content, 8) == zlib.crc32(numbers[512:].tobytes(), whole)
