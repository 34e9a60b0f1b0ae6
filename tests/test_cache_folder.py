"""Making room in the cache's folder: what goes, in which order, and what is never touched."""

import os
import time
from pathlib import Path

import pytest

from harmonize.data.cache_entry import entry_path
from harmonize.data.cache_folder import make_room

DAY = 24 * 3600


def put(folder: Path, name: str, *, size: int = 100, age: float) -> Path:
    """Write a file of a cache that was used ``age`` seconds ago."""
    path = entry_path(folder, name * 32)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    used = time.time() - age
    os.utime(path, (used, used))
    return path


@pytest.mark.parametrize(
    ("missing", "left", "free"),
    [
        (0, "abcd", 0),
        (1, "abc", 100),  # the oldest goes first
        (100, "abc", 100),
        (101, "ab", 200),
        (999, "ab", 200),  # what is wanted or was used lately stays, however much is missing
    ],
)
def test_old_pictures_that_nobody_wants_make_room_as_far_as_need_be(
    tmp_path: Path, missing: int, left: str, free: int
) -> None:
    ages = {"a": 9 * DAY, "b": DAY / 2, "c": 3 * DAY, "d": 4 * DAY}
    paths = {name: put(tmp_path, name, age=age) for name, age in ages.items()}
    room = make_room(tmp_path, {"a" * 32}, missing, 400)
    assert "".join(name for name, path in paths.items() if path.exists()) == left
    assert room.free == free
    assert room.needed == 100 * len(left) + missing
    assert (room.num_removed, room.removed_bytes) == (4 - len(left), 100 * (4 - len(left)))


def test_what_was_removed_is_said(tmp_path: Path) -> None:
    assert make_room(tmp_path, set(), 5, 400).describe() == ""
    put(tmp_path, "a", age=2 * DAY, size=2**20)
    told = make_room(tmp_path, set(), 1, 2**20).describe()
    assert told == "; 1 others, not used for a day, were removed (0.000977 GiB)"


def test_a_limit_that_is_passed_already_leaves_nothing_free(tmp_path: Path) -> None:
    put(tmp_path, "a", age=0)
    assert make_room(tmp_path, {"a" * 32}, 0, 60).free == -40


@pytest.mark.parametrize(("age", "stays"), [(60, True), (2 * 3600, False)])
def test_parts_that_were_left_behind_are_removed(tmp_path: Path, age: float, stays: bool) -> None:
    whole = put(tmp_path, "a", age=age)
    part = whole.with_name(f"{whole.stem}-0123abcd.part")
    whole.rename(part)
    room = make_room(tmp_path, set(), 0, 1000)
    assert part.exists() == stays
    assert room.free == (900 if stays else 1000)


def test_files_of_others_are_neither_counted_nor_touched(tmp_path: Path) -> None:
    others = [tmp_path / "aa" / "mine.pixels", tmp_path / ("b" * 32 + ".pixels")]
    others.append(tmp_path / "photos" / ("c" * 32 + ".pixels"))
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(1000))
        os.utime(path, (0, 0))
    room = make_room(tmp_path, set(), 10, 5)
    assert (room.free, room.num_removed) == (5, 0)
    assert all(path.exists() for path in others)
