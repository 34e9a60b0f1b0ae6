"""A large file of labels is gone through by the first process that needs it, and kept."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from harmonize.labels import coco_index, kept_index, set_index
from harmonize.labels.set_index import SetIndex
from harmonize.system import compile_c


@pytest.fixture
def indexes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Any file is large; return the folder where indexes are kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.setattr(kept_index, "LEAST", 1)
    monkeypatch.setattr(set_index, "_open", {})
    compile_c.cache_folder.cache_clear()
    yield tmp_path / "caches" / "harmonize" / "indexes"
    compile_c.cache_folder.cache_clear()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "coco.json"
    write(path, pictures=3)
    return path


def write(path: Path, *, pictures: int) -> None:
    value = {
        "images": [{"id": n, "file_name": f"f/{n}.jpg"} for n in range(pictures)],
        "annotations": [
            {"id": n, "image_id": n % pictures, "category_id": 7 + n % 2} for n in range(5)
        ],
        "categories": [{"id": 7, "name": "seven"}, {"id": 8, "name": "ähnlich"}],
    }
    path.write_text(json.dumps(value))


def again(path: Path) -> SetIndex:
    """Return the index as another process would."""
    set_index._open.clear()
    return coco_index.coco_index(path)


def forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("the file is gone through")

    monkeypatch.setattr(coco_index, "json_items", fail)


def same(one: SetIndex, other: SetIndex) -> bool:
    arrays = ("names", "numbers", "own", "starts", "spans")
    return (one.categories, one.used, one.stamp) == (
        other.categories,
        other.used,
        other.stamp,
    ) and all(np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays)


def test_another_process_takes_what_was_kept(
    indexes: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = coco_index.coco_index(file)
    assert first.used == {"seven": 3, "ähnlich": 2}
    assert len([*indexes.iterdir()]) == 1
    forbid(monkeypatch)
    second = again(file)
    assert second is not first
    assert same(first, second)
    own, annotations = second.records(second.find("f/1.jpg"))
    assert json.loads(own)["id"] == 1
    assert [json.loads(one)["id"] for one in annotations] == [1, 4]


def test_a_file_that_has_changed_is_gone_through_again(indexes: Path, file: Path) -> None:
    coco_index.coco_index(file)
    write(file, pictures=4)
    assert len(again(file).own) == 4
    assert len([*indexes.iterdir()]) == 1  # in place of the other


def test_a_kind_of_labels_has_an_index_of_its_own(indexes: Path, file: Path) -> None:
    coco_index.coco_index(file)
    value = {
        "annotations": [{"file_name": "a.png", "segments_info": [{"category_id": 1}]}],
        "categories": [{"id": 1, "name": "one"}],
    }
    file.write_text(json.dumps(value))
    assert coco_index.panoptic_index(file).used == {"one": 1}
    assert len([*indexes.iterdir()]) == 2


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_what_was_kept_and_is_damaged_is_made_again(
    indexes: Path, file: Path, content: bytes | None
) -> None:
    first = coco_index.coco_index(file)
    (kept,) = indexes.iterdir()
    kept.write_bytes(kept.read_bytes()[:-30] if content is None else content)
    assert same(first, again(file))
    assert len(kept.read_bytes()) > 1000


def test_where_nothing_can_be_kept_the_file_is_gone_through(
    indexes: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(kept_index, "write_whole", fail)
    first = coco_index.coco_index(file)
    assert same(first, again(file))
    assert not indexes.exists() or not [*indexes.iterdir()]


def test_a_small_file_is_not_worth_it(
    indexes: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_index, "LEAST", file.stat().st_size + 1)
    coco_index.coco_index(file)
    assert not indexes.exists()
