"""Which files are in a data set's folders."""

from pathlib import Path

import pytest

from harmonize import HarmonizeError
from harmonize.data.folder_listings import FolderListings


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
