"""Instance ids are one class, ranges of ids and label maps in array files are read."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from folder_cases import HEIGHT, WIDTH, counts, draft, label, photo, save
from harmonize import HarmonizeError
from harmonize.labels.encoding import parse_ids
from harmonize.pictures.arrays import read_array
from harmonize.pictures.stored import read_stored


def write_instances(root: Path, most: int, *, dtype: type = np.uint16) -> None:
    rng = np.random.default_rng(0)
    for number in range(6):
        ids = np.zeros((HEIGHT, WIDTH), dtype=int)
        count = most - 3 * number
        places = rng.permutation(HEIGHT * WIDTH)[:count]
        ids.ravel()[places] = np.arange(1, count + 1)
        save(root / "images" / f"x{number}y.jpg", photo())
        save(root / "labels" / f"x{number}y.png", ids, mode=dtype)


@pytest.mark.parametrize(("most", "range_"), [(30, "1-255"), (134, "1-255"), (700, "1-9999")])
def test_ids_that_number_objects_are_one_class(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    most: int,
    range_: str,
) -> None:
    monkeypatch.setattr("harmonize.tools.draft.draft_pixels._FEW_GREYS", 1000)  # small, scattered
    write_instances(tmp_path / "set", most)
    spec = draft(tmp_path / "set", monkeypatch)
    last = int(range_.partition("-")[2])
    assert {name: one.values for name, one in spec.classes.items()} == {
        "background": (0,),
        "objects": tuple(range(1, last + 1)),
    }
    text = (tmp_path / "set.yaml").read_text()
    assert f"objects: [{range_}]  # TODO instances of what? each" in text
    assert "1 name of 2, 2 meanings of 2" in capsys.readouterr().out
    assert counts(spec, tmp_path / "set")["all"] == 6


def test_classes_that_happen_to_start_at_1_stay_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        save(tmp_path / "set" / "images" / f"x{number}y.jpg", photo())
        save(tmp_path / "set" / "labels" / f"x{number}y.png", label(range(10)))  # all in each
    assert len(draft(tmp_path / "set", monkeypatch).classes) == 10


def test_instances_that_a_file_names_are_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_instances(tmp_path / "set", 30)
    names = "".join(f"{number} class{number}x\n" for number in range(31))
    (tmp_path / "set" / "ids.txt").write_text(names)
    assert "class7x" in draft(tmp_path / "set", monkeypatch).classes


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        (["1-3"], (1, 2, 3)),
        ("1-3", (1, 2, 3)),
        ([0, "5 - 6", 9], (0, 5, 6, 9)),
        ("3-1", None),
        ("3-3", None),
        ("1-9999999", None),
        (["a-b"], None),
        (["-1-3"], None),
    ],
)
def test_ranges_of_ids(value: list[int | str] | str, ids: tuple[int, ...] | None) -> None:
    assert parse_ids(value, ranges=True) == ids  # type: ignore[arg-type]
    assert parse_ids("1-3") is None


def _npy(path: Path, ids: np.ndarray) -> None:
    np.save(path.with_suffix(".npy"), ids.astype(np.int64))


def _floats(path: Path, ids: np.ndarray) -> None:
    np.save(path.with_suffix(".npy"), ids[None].astype(np.float32))


def _npz(path: Path, ids: np.ndarray) -> None:
    np.savez(path.with_suffix(".npz"), image=photo(), mask=ids.astype(np.uint8), other=ids)


def _mat(path: Path, ids: np.ndarray) -> None:
    savemat = pytest.importorskip("scipy.io").savemat
    savemat(path.with_suffix(".mat"), {"groundTruth": ids.astype(np.uint16), "name": "x"})


@pytest.mark.parametrize("write", [_npy, _floats, _npz, _mat])
def test_label_maps_in_array_files_are_read_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, np.ndarray], None]
) -> None:
    (tmp_path / "set" / "labels").mkdir(parents=True)
    for number in range(6):
        save(tmp_path / "set" / "images" / f"x{number}y.jpg", photo())
        ids = label([0, 3, 188 if number else 5])
        write(tmp_path / "set" / "labels" / f"x{number}y", ids)
    spec = draft(tmp_path / "set", monkeypatch)
    assert [one.values for one in spec.classes.values()] == [(0,), (3,), (5,), (188,)]
    assert counts(spec, tmp_path / "set")["all"] == 6


def test_array_files_without_a_label_map_are_refused_by_name(tmp_path: Path) -> None:
    def refusal(path: Path) -> str:
        with pytest.raises(HarmonizeError) as error:
            read_stored(path)
        return str(error.value)

    np.save(tmp_path / "a.npy", np.zeros((3, 4, 5)))
    assert f"{tmp_path / 'a.npy'}: expected one array of height x width" in refusal(
        tmp_path / "a.npy"
    )
    np.savez(tmp_path / "two.npz", x=np.zeros((3, 4)), y=np.zeros((3, 4)))
    assert "got x float64 (3, 4), y float64 (3, 4)" in refusal(tmp_path / "two.npz")
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert "not a readable array file" in refusal(tmp_path / "o.npy")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "two.npz").read_bytes()[:200])
    assert "not a readable array file" in refusal(tmp_path / "cut.npz")
    (tmp_path / "text.mat").write_text("no matrix")
    shown = refusal(tmp_path / "text.mat")
    assert "not a readable array file" in shown
    assert "no such file" in refusal(tmp_path / "none.npy")
    np.save(tmp_path / "b.npy", np.array([[True, False]]))
    assert read_array(tmp_path / "b.npy").dtype == np.uint8
