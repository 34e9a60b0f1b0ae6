"""Sets in archives, in Parquet files and on servers: drafted, checked, trained on, evaluated."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

import tiny
from harmonize import DatasetSpec, HarmonizeError
from harmonize.cli import main
from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import Document, Value
from harmonize.pipeline.train import train
from harmonize.tools.draft.set_place import find_set
from harmonize.tools.refine.refined_set import RefinedSet
from run_files import largest_difference, weights
from stored_sets import TREE, open_set, pack, web_server, write_mapping, write_parquet, write_set

PLACES = {
    "folder": "set",
    "zip": "set.zip",
    "tar": "set.tar",
    "gzip": "set.tar.gz",
    "inside": "all.zip/deep",
    "parquet": "hf",
    "memory": "memory://drafted",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_set(tmp_path / "set")
    (tmp_path / "tiny.txt").write_text(TREE)
    return tmp_path


def place_set(project: Path, kind: str) -> str:
    """Put the set where a kind of root says, and return the root."""
    place = PLACES[kind]
    if kind == "parquet":
        write_parquet(project / "set", project / place)
    elif kind == "inside":
        shutil.copytree(project / "set", project / "up" / "deep")
        pack(project / "up", project / "all.zip")
    elif kind == "memory":
        import fsspec

        fsspec.filesystem("memory").put(f"{project}/set/", "/drafted/", recursive=True)
    elif kind != "folder":
        pack(project / "set", project / place)
    return place


@pytest.mark.parametrize("kind", PLACES)
def test_a_mapping_is_drafted_without_questions_and_right(
    project: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = place_set(project, kind)
    assert main(["new", root, "--tree", "tiny.txt", "--name", "drafted"]) == 0
    capsys.readouterr()
    text = (project / "drafted.yaml").read_text()
    head, _, meaning = text.partition("meaning:")
    assert "TODO" not in head.partition("\n\n")[2]
    assert "TODO" not in meaning
    assert f'root: "{root}/**/*.parquet"' in head if kind == "parquet" else f"{root}" in head
    spec = DatasetSpec.from_file("drafted.yaml")
    assert list(spec.classes) == ["background", "left", "right"]
    assert [*spec.splits][:2] == ["train", "val"]
    assert main(["check", "drafted.yaml", "tiny.txt"]) == 0
    assert "9 label files read" in capsys.readouterr().out


def test_a_set_is_called_as_its_place(project: Path) -> None:
    for root in ("set.zip", "all.zip/deep", "hf"):
        kind = next(kind for kind, place in PLACES.items() if place == root)
        if kind == "inside":
            pack(project / "set", project / "set.zip")
        place_set(project, kind)
        assert main(["new", root, "--tree", "tiny.txt", "--quiet"]) == 0
    assert {path.name for path in project.glob("*.yaml")} == {"set.yaml", "deep.yaml", "hf.yaml"}


def test_nothing_is_drafted_of_a_web_server(project: Path) -> None:
    with web_server(project) as (address, _), pytest.raises(HarmonizeError) as caught:
        main_or_raise(f"{address}/set")
    assert "a web server gives no list of its files, so nothing can be drafted" in str(caught.value)


def main_or_raise(root: str) -> None:
    from harmonize.tools.draft.new_mapping import new_mapping

    new_mapping(find_set(root), output=Path("drafted.yaml"))


def values(project: Path, output: str, roots: Mapping[str, str], workers: int) -> dict[str, Value]:
    """Return a config that mixes sets by their names and roots."""
    datasets: list[Value] = []
    for name, root in roots.items():
        write_mapping(project / f"{name}.yaml", root, parquet="parquet" in root)
        datasets.append({"spec": f"{name}.yaml", "train": "train", "evaluate": "val"})
    data: dict[str, Value] = {"size": 16, "batch_size": 4, "workers": workers}
    return {**tiny.tiny_values(project, output), "datasets": datasets, "data": data}


def test_sets_of_three_kinds_are_trained_on_as_their_folders(project: Path) -> None:
    """Weights and scores are those of the same run on folders, bit for bit."""
    pack(project / "set", project / "set.zip")
    write_parquet(project / "set", project / "hf")
    folders = {"one": "set", "two": "set", "three": "set"}
    stored = {"one": "set.zip", "two": "set", "three": "hf/**/*.parquet"}
    for output, roots, workers in (("plain", folders, 0), ("stored", stored, 2)):
        document = Document("test", values(project, output, roots, workers))
        train(RunConfig.from_document(document), name="test")
    one, other = (weights(project / run, 6) for run in ("plain", "stored"))
    assert largest_difference(one, other) == 0
    plain, there = (
        json.loads((project / run / "evaluation.json").read_text())["datasets"]
        for run in ("plain", "stored")
    )
    for scores in (plain["three"], there["three"]):  # whose pictures are called otherwise
        assert len(scores.pop("worst")) == len(scores.pop("best")) == 1
    assert plain == there
    assert main(["evaluate", "stored", "--quiet"]) == 0


def test_a_refined_set_needs_a_folder(project: Path) -> None:
    pack(project / "set", project / "set.zip")
    dataset = open_set(write_mapping(project / "packed.yaml", "set.zip"))
    refined = RefinedSet.__new__(RefinedSet)
    object.__setattr__(refined, "folder", project / "refined")
    object.__setattr__(refined, "dataset", dataset)
    with pytest.raises(HarmonizeError, match=r"set\.zip: a refined set has a link to the folder"):
        refined.begin()
    assert not (project / "refined").exists()


def test_an_archive_beside_the_mapping_is_found_from_elsewhere(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(project / "set", project / "set.zip")
    write_parquet(project / "set", project / "hf")
    (project / "away").mkdir()
    monkeypatch.chdir(project / "away")
    for root in ("set.zip", "hf/**/*.parquet"):
        spec = write_mapping(project / "m.yaml", root, parquet="parquet" in root)
        assert str(spec.folder({})) == f"{project}/{root}"
    with pytest.raises(HarmonizeError, match=r"looked in gone\.zip"):
        write_mapping(project / "m.yaml", "gone.zip").folder({})
