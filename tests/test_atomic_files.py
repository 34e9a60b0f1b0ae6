"""Files that are whole under their name, or not there."""

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from harmonize.errors import HarmonizeError
from harmonize.system import atomic_files
from harmonize.system.atomic_files import is_part, part_of, remove_parts, write_whole, writing


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


def test_the_name_aside_is_hidden_in_the_same_folder_and_cannot_be_foreseen() -> None:
    names = [part_of(Path("runs/a.json")) for _ in range(3)]
    for path in names:
        assert re.fullmatch(r"runs/\.a\.json\.[0-9a-f]{16}\.part", str(path))
        assert is_part(path)
    assert len(set(names)) == 3
    assert len(part_of(Path("\u00e4" * 127)).name.encode()) <= 255
    assert not is_part(Path(".a.json.part"))  # a user's own


def test_what_interrupted_writing_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in ("a.json", ".b.part", "c.0123456789abcdef.part"):
        (tmp_path / name).touch()
    part_of(tmp_path / "a.json").touch()
    part_of(tmp_path / "checkpoints").mkdir()
    remove_parts(tmp_path)
    remove_parts(tmp_path / "none")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"a.json", ".b.part", "c.0123456789abcdef.part"}


def test_a_link_under_the_name_aside_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"theirs")
    (tmp_path / ".a.part").symlink_to(victim)
    monkeypatch.setattr(atomic_files, "part_of", lambda path: path.with_name(".a.part"))
    with pytest.raises(FileExistsError):
        write_whole(tmp_path / "a", b"ours")
    assert victim.read_bytes() == b"theirs"


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_a_file_has_the_mode_that_the_umask_gives(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_whole(tmp_path / "a", b"data")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no file system in memory")
def test_a_file_in_memory_below_dev_is_written_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    with TemporaryDirectory(dir="/dev/shm") as folder:
        path = Path(folder) / "a.json"
        write_whole(path, b"old")
        monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC, at=1))
        with pytest.raises(OSError, match="No space left"):
            write_whole(path, b"new")
        assert path.read_bytes() == b"old"
        assert list(Path(folder).iterdir()) == [path]


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(pipe, b"data")
    assert os.read(reader, 9) == b"data"
    os.close(reader)
    assert pipe.is_fifo()


@pytest.mark.parametrize("path", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_in_a_file_is_gone_on_with(
    capfd: pytest.CaptureFixture[str], path: str
) -> None:
    print("before", flush=True)
    write_whole(Path(path), b"data\n")
    print("after", flush=True)
    assert capfd.readouterr().out == "before\ndata\nafter\n"


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
    with pytest.raises(ValueError, match="a bug"), writing(tmp_path):
        raise ValueError("a bug")


def test_a_name_with_a_nul_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "a\0b"
    with pytest.raises(HarmonizeError, match="cannot be written: embedded null"), writing(path):
        write_whole(path, b"data")
