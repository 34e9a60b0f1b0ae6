"""Folders into which others may have written are not used, nor are files that are not ours."""

import os
import stat
from pathlib import Path

import pytest

from harmonize.system.own_folders import make_own_folder, not_ours_alone, read_own_file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "above" / "own"
    make_own_folder(found)
    return found


@pytest.fixture
def other_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a user who owns nothing that is there."""
    monkeypatch.setattr(os, "geteuid", lambda: 4242)


def test_a_new_folder_is_ours_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_own_folder(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert not_ours_alone(tmp_path / "a" / "b") is None
    for place in (tmp_path / "a", tmp_path / "a" / "b"):
        assert stat.S_IMODE(place.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777, 0o1777])
def test_a_folder_that_others_may_write_to_is_not(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    assert not_ours_alone(folder) == f"others may write to {folder}"


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_nor_is_one_below_such_a_folder(folder: Path, mode: int) -> None:
    folder.parent.chmod(mode)
    assert not_ours_alone(folder) == f"others may write to {folder.parent}"
    folder.parent.chmod(0o1777)  # as /tmp: others cannot put another in its place
    assert not_ours_alone(folder) is None


@pytest.mark.usefixtures("other_user")
def test_a_folder_of_another_user_is_not(folder: Path) -> None:
    assert not_ours_alone(folder) == f"{folder} belongs to another user"


def test_nor_is_one_below_a_folder_of_another_user(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.stat

    def stat_of(path: object, **options: object) -> os.stat_result:
        status = whole(path, **options)  # type: ignore[arg-type]
        if os.fspath(path) != str(folder.parent):  # type: ignore[call-overload]
            return status
        return os.stat_result([*status[:4], 4242, *status[5:10]])

    monkeypatch.setattr(os, "stat", stat_of)
    assert not_ours_alone(folder) == f"{folder.parent} belongs to another user"


def test_a_relative_path_a_link_and_a_file_are_not(folder: Path) -> None:
    assert not_ours_alone(Path("own")) == "own is no absolute path"
    link = folder.with_name("link")
    link.symlink_to(folder)
    assert not_ours_alone(link) == f"{link} is no folder, but a link or a file"
    inside = folder / "inside"
    inside.mkdir(mode=0o700)
    assert not_ours_alone(link / "inside") is None  # our own link above it
    file = folder / "file"
    file.touch()
    assert not_ours_alone(file) == f"{file} is no folder, but a link or a file"


def test_files_are_read_if_they_are_plain_and_ours(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "file"
    assert read_own_file(path) is None
    path.write_bytes(b"content")
    path.chmod(0o600)
    assert read_own_file(path) == b"content"
    path.chmod(0o620)
    assert read_own_file(path) is None
    path.chmod(0o600)
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    assert read_own_file(path) is None


def test_links_second_names_and_pipes_are_not_read(folder: Path) -> None:
    path = folder / "file"
    path.write_bytes(b"content")
    path.chmod(0o600)
    (folder / "link").symlink_to(path)
    assert read_own_file(folder / "link") is None
    os.mkfifo(folder / "pipe", 0o600)
    assert read_own_file(folder / "pipe") is None  # and does not wait for a writer
    os.link(path, folder / "second")
    assert read_own_file(path) is None
