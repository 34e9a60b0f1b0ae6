"""Data sets in Parquet files, as Hugging Face's `datasets` writes them."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import harmonize.stores.parquet
from harmonize import HarmonizeError
from harmonize.data.cache_entry import EntryNames
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.stores.open_store import open_root
from harmonize.stores.stored_path import StoredPath
from stored_sets import assert_same, open_set, write_mapping, write_parquet, write_set

ANYWHERE = "**/*.parquet"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_set(tmp_path / "set")


def test_cells_are_read_pixel_for_pixel_as_the_folder_is(folder: Path, tmp_path: Path) -> None:
    write_parquet(folder, tmp_path / "hf")
    for root in ("hf/**/*.parquet", "hf/data/*.parquet"):
        for split in ("train", "val"):
            plain = open_set(write_mapping(tmp_path / "plain.yaml", str(folder)), split)
            cells = open_set(write_mapping(tmp_path / "cells.yaml", root, parquet=True), split)
            assert_same(plain, cells)


def test_where_the_files_lie_may_be_said_without_their_pattern(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parquet(folder, tmp_path / "moved" / "cells")
    spec = write_mapping(tmp_path / "cells.yaml", "gone/**/*.parquet", parquet=True)
    found = spec.folder({"cells": str(tmp_path / "moved" / "cells")})
    assert str(found) == f"{tmp_path}/moved/cells/**/*.parquet"
    monkeypatch.setenv("HARMONIZE_DATA", str(tmp_path / "moved"))
    assert spec.folder({}) == found


def test_text_files_beside_are_there_and_ids_are_rows(folder: Path, tmp_path: Path) -> None:
    write_parquet(folder, tmp_path / "hf")
    root = open_root(f"{tmp_path}/hf/{ANYWHERE}")
    assert isinstance(root, StoredPath)
    assert sorted(root.names()) == ["README.md", "id2label.json", "train", "val"]
    assert sorted((root / "train").names()) == ["image", "label"]  # `scene` holds no files
    assert (root / "train/image").names() == [f"{row:07d}" for row in range(6)]
    assert (root / "id2label.json").read_bytes() == (tmp_path / "hf/id2label.json").read_bytes()
    fifth = (root / "train/image/0000004").read_bytes()  # the first of the second file
    assert fifth == (folder / "train/images/p4.jpg").read_bytes()
    sent = pickle.loads(pickle.dumps(root.store))
    assert sent.open("train/image/0000004").read() == fifth
    assert not (root / "train/image/0000006").exists()


def test_files_of_numbers_alone_and_columns_of_bytes_or_text(tmp_path: Path) -> None:
    (tmp_path / "set" / "train").mkdir(parents=True)
    table = pa.table({"picture": [b"one", b"two"], "polygons": ["0 0.1", ""], "n": [1, 2]})
    pq.write_table(table, tmp_path / "set" / "train" / "0000.parquet")
    root = open_root(f"{tmp_path}/set/{ANYWHERE}")
    assert isinstance(root, StoredPath)
    assert (root / "train/picture/0000001").read_bytes() == b"two"
    assert (root / "train/polygons/0000000").read_bytes() == b"0 0.1"
    assert (root / "train/polygons/0000001").read_bytes() == b""
    assert (root / "train/picture/0000001").start(2) == b"tw"


def test_a_change_of_the_files_is_seen(folder: Path, tmp_path: Path) -> None:
    write_parquet(folder, tmp_path / "hf")
    spec = write_mapping(tmp_path / "cells.yaml", "hf/**/*.parquet", parquet=True)
    before = [EntryNames(open_set(spec)).name(number, 1) for number in range(6)]
    assert len(set(before)) == 6
    last = tmp_path / "hf/data/train-00001-of-00002.parquet"
    pq.write_table(pq.read_table(last), last, row_group_size=1)
    after = [EntryNames(open_set(spec)).name(number, 1) for number in range(6)]
    assert after[:4] == before[:4]
    assert not {*after[4:]} & {*before[4:]}


def _write(to: Path, name: str, rows: list[dict[str, object]]) -> None:
    path = to / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def _two_configs(to: Path) -> None:
    for config in ("a", "b"):
        _write(to, f"{config}/train-00000-of-00001.parquet", [{"image": b"x"}])


def _other_columns(to: Path) -> None:
    _write(to, "train-00000-of-00002.parquet", [{"image": b"x"}])
    _write(to, "train-00001-of-00002.parquet", [{"picture": b"x"}])


def _damaged(to: Path) -> None:
    to.mkdir()
    (to / "train.parquet").write_bytes(b"PAR1 nothing PAR1")


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "two configs": (_two_configs, "two sets of files hold a split 'train', in a/ and in b/; name"),
    "other columns": (_other_columns, "its columns of files are picture, those of"),
    "no files": (lambda to: _write(to, "train.parquet", [{"n": 1}]), "no column holds files"),
    "damaged": (_damaged, "train.parquet: not a readable Parquet file"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_parquet_files_that_are_refused(tmp_path: Path, case: str) -> None:
    write, reason = REFUSED[case]
    write(tmp_path / "set")
    with pytest.raises(HarmonizeError) as caught:
        open_root(f"{tmp_path}/set/{ANYWHERE}")
    assert len(caught.value.problems) == 1
    assert reason in caught.value.problems[0]


def test_a_cell_without_bytes_is_named(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"image": {"bytes": b"x", "path": None}}]
    rows.append({"image": {"bytes": None, "path": "images/1.jpg"}})
    _write(tmp_path / "set", "train.parquet", rows)
    root = open_root(f"{tmp_path}/set/{ANYWHERE}")
    assert root is not None
    with pytest.raises(HarmonizeError, match=r"train/image/0000001: .* holds no bytes in that row"):
        (root / "train/image/0000001").read_bytes()


def test_a_huge_row_group_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parquet(folder, tmp_path / "hf")
    root = open_root(f"{tmp_path}/hf/{ANYWHERE}")
    assert root is not None
    monkeypatch.setattr(harmonize.stores.parquet, "_MOST", 1000)
    with pytest.raises(HarmonizeError, match=r"GiB of image.*write it with row_group_size=100"):
        (root / "train/image/0000001").read_bytes()


def test_pyarrow_is_asked_for(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parquet(folder, tmp_path / "hf")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(HarmonizeError, match=r"needs pyarrow.*harmonize-seg\[parquet\]"):
        open_root(f"{tmp_path}/hf/{ANYWHERE}")
    assert open_root(f"{tmp_path}/hf/none") is None


def test_few_row_groups_are_kept(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parquet(folder, tmp_path / "hf")
    monkeypatch.setattr(harmonize.stores.parquet, "_KEPT", 1)
    spec: DatasetSpec = write_mapping(tmp_path / "cells.yaml", "hf/**/*.parquet", parquet=True)
    dataset = open_set(spec)
    for number in (5, 0, 3, 5):
        assert dataset[number].classes.shape == (20, 24)
    assert isinstance(dataset.root, StoredPath)
    assert len(dataset.root.store._cells) == 1  # pyright: ignore[reportAttributeAccessIssue]
