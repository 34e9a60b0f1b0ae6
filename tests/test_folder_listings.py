"""Which files are in a data set's folders."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harmonize import HarmonizeError
from harmonize.data import folder_listings
from harmonize.data.folder_listings import FolderListings
from index_cases import touch


@pytest.fixture
def listings(tmp_path: Path) -> FolderListings:
    for name in ("top.png", "sub/a.b.png", "sub/two.jpg", "sub/two.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return FolderListings(tmp_path)


def test_a_file_is_found_in_its_folder_only(listings: FolderListings) -> None:
    wanted = ("top.png", "sub/a.b.png", "sub/top.png", "none/top.png", "a\0/top.png")
    assert [listings.has(file) for file in wanted] == [True, True, False, False, False]


def test_an_open_extension_becomes_the_one_that_is_there(listings: FolderListings) -> None:
    wanted = ("top.*", "sub/a.b.*", "sub/a.*", "none/top.*", "sub/two.png")
    expected = ["top.png", "sub/a.b.png", "sub/a.*", "none/top.*", "sub/two.png"]
    assert [listings.complete(file) for file in wanted] == expected


def test_an_open_extension_that_two_files_fit_is_refused(listings: FolderListings) -> None:
    with pytest.raises(HarmonizeError) as caught:
        listings.complete("sub/two.*")
    assert str(caught.value) == f"{listings.root}/sub/two.*: which of two.jpg, two.png? name one"


def test_a_folder_is_listed_once(listings: FolderListings) -> None:
    assert not listings.has("late.png")
    (listings.root / "late.png").touch()
    assert not listings.has("late.png")


def test_small_folders_are_dropped_when_many_are_held_and_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_listings, "_HELD", 8)
    monkeypatch.setattr(folder_listings, "_LARGE", 4)
    touch(tmp_path, *(f"{folder}/{name}.png" for folder in range(20) for name in range(2)))
    touch(tmp_path, *(f"large/{name}.png" for name in range(50)))
    listings = FolderListings(tmp_path)
    listed: list[str] = []
    monkeypatch.setattr(folder_listings.os, "listdir", counting(listed))
    for folder in ("large", *range(20), "large"):
        assert listings.complete(f"{folder}/1.*") == f"{folder}/1.png"
        assert not listings.has(f"{folder}/x.png")
    assert len(listed) == 21
    assert len(listings._names) <= 5
    assert listings.has("0/1.png")  # which was dropped
    assert len(listed) == 22
    for _ in range(9):  # a list in no order: nothing is dropped any more
        assert all(listings.has(f"{folder}/0.png") for folder in range(20))
    assert len(listed) <= 22 + 8 + 20


def counting(listed: list[str]) -> Callable[[Path], list[str]]:
    """Return what lists a folder and notes its name."""
    listdir = os.listdir

    def list_(folder: Path) -> list[str]:
        listed.append(folder.name)
        return listdir(folder)

    return list_
