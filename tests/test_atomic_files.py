"""Files that are whole under their name, or not there."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harmonize.errors import HarmonizeError
from harmonize.system.atomic_files import part_of, write_whole, writing


def failing(number: int, *, at: int) -> Callable[[int], None]:
    """Return an ``os.fsync`` whose n-th call fails."""
    calls: list[int] = []

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == at:
            raise OSError(number, os.strerror(number))

    return fsync


def test_a_file_is_replaced_and_nothing_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for data in (b"", b"one", bytes(3 << 20)):
        write_whole(path, data)
        assert path.read_bytes() == data
    assert list(tmp_path.iterdir()) == [path]


def test_what_the_disk_refuses_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    write_whole(path, b"old")
    monkeypatch.setattr(os, "fsync", failing(errno.EIO, at=1))
    with pytest.raises(OSError, match="Input/output error"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_reads_back_otherwise_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(descriptor: int) -> None:
        os.pwrite(descriptor, b"x", 1)

    monkeypatch.setattr(os, "fsync", spoil)
    with pytest.raises(OSError, match="does not read back as it was written"):
        write_whole(tmp_path / "a.json", b"data")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("number", "refused"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_a_file_system_that_flushes_no_folders_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, refused: bool
) -> None:
    monkeypatch.setattr(os, "fsync", failing(number, at=2))
    if refused:
        with pytest.raises(OSError, match="Input/output error"):
            write_whole(tmp_path / "a.json", b"data")
    else:
        write_whole(tmp_path / "a.json", b"data")
    assert (tmp_path / "a.json").read_bytes() == b"data"


def test_the_name_aside_is_hidden_and_in_the_same_folder() -> None:
    assert part_of(Path("runs/a.json")) == Path("runs/.a.json.part")


def test_a_device_is_written_to_and_stays_one() -> None:
    with pytest.raises(OSError, match="No space left on device"):
        write_whole(Path("/dev/full"), b"new")
    assert Path("/dev/full").is_char_device()


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_loop_of_links_is_an_error_of_the_file_system(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(OSError, match="symbolic links"):
        write_whole(loop, b"data")


def test_what_the_system_says_becomes_one_line_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "none" / "a.json"
    with pytest.raises(HarmonizeError) as caught, writing(path):
        write_whole(path, b"data")
    assert caught.value.problems == (f"{path}: cannot be written: No such file or directory",)
    with pytest.raises(HarmonizeError) as caught, writing(path, problem="is lost", advice="; buy"):
        raise OSError(None, "worn out")
    assert caught.value.problems == (f"{path}: is lost: worn out; buy",)
    with pytest.raises(HarmonizeError) as caught, writing(path):
        raise OSError("no number")
    assert caught.value.problems == (f"{path}: cannot be written: no number",)


def test_an_error_of_another_kind_is_not_said_to_be_the_disks(tmp_path: Path) -> None:
    with pytest.raises(KeyError), writing(tmp_path):
        raise KeyError("a")
