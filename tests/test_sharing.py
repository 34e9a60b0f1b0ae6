"""Runs pushed as packages and pulled: what is in them, what is refused, what works without data."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors import safe_open

import harmonize
from fake_hub import FakeHub
from harmonize import HarmonizeError, Run
from harmonize.cli import main
from harmonize.runs.checkpoint import load, save
from harmonize.runs.checkpoints import newest
from harmonize.sharing.address import open_store
from harmonize.sharing.build_package import PackOptions
from harmonize.sharing.manifest import MANIFEST
from harmonize.sharing.private import check_nothing_private, shared_mapping
from harmonize.sharing.pull import pull_run
from harmonize.sharing.push import push_run
from tiny import tiny_config, write_project

NAMES = {
    "README.md",
    "calibration.json",
    "checkpoints/step-00000006.safetensors",
    "config.yaml",
    "evaluation.json",
    "legend.json",
    "manifest.json",
    "mappings/coarse.yaml",
    "mappings/fine.yaml",
    "metrics.jsonl",
    "report.html",
    "trees/tiny.txt",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, and one that started from it; the second mapping says what it is about."""
    folder = write_project(tmp_path_factory.mktemp("sharing"))
    text = (folder / "coarse.yaml").read_text()
    (folder / "coarse.yaml").write_text(f"about: Boxes | drawn, CC BY 4.0.\n{text}")
    config = tiny_config(folder, folder / "first", "train.ema=0.5", "train.report=true")
    harmonize.train(config)
    start = f"train.start_from={folder / 'first'}"
    harmonize.train(tiny_config(folder, folder / "second", start, "train.steps=2"))
    return folder


@pytest.fixture(scope="module")
def made(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of the first run."""
    folder = tmp_path_factory.mktemp("packages") / "tiny"
    push_run(project / "first", str(folder), PackOptions(license="mit"))
    return folder


@pytest.fixture
def package(made: Path, tmp_path: Path) -> Path:
    """A package that may be spoiled."""
    return Path(shutil.copytree(made, tmp_path / "package"))


def files_of(folder: Path) -> set[str]:
    return {one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file()}


def refused(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    """Run a command that fails, and return its one line."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        raise SystemExit(main([*map(str, words)]))
    assert end.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    return "\n".join(line for line in lines if "|" not in line)


def test_a_package_has_its_files_and_their_checksums(made: Path) -> None:
    assert files_of(made) == NAMES
    manifest = json.loads((made / MANIFEST).read_text())
    assert manifest["files"].keys() == NAMES - {MANIFEST}
    for name, facts in manifest["files"].items():
        data = (made / name).read_bytes()
        assert facts == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def test_weights_are_those_that_answer_and_nothing_of_training(project: Path, made: Path) -> None:
    path = newest(project / "first")
    assert path is not None
    before, after = load(path), load(made / "checkpoints" / path.name)
    wanted = before.model | (before.ema if before.standing.answers_with == "ema" else {})
    assert after.model.keys() == wanted.keys()
    assert all((after.model[name] == wanted[name]).all() for name in wanted)
    with safe_open(made / "checkpoints" / path.name, framework="pt") as file:
        assert {name.split("/")[0] for name in file.keys()} == {"model", "meter"}  # noqa: SIM118
    assert after.ontology == before.ontology


def test_no_path_of_the_machine_and_no_name_of_a_picture_is_told(project: Path, made: Path) -> None:
    for name in files_of(made):
        data = (made / name).read_bytes()
        for secret in (project, project.parent, Path.cwd(), Path.home()):
            assert bytes(secret) not in data or secret == Path("/root"), (name, secret)
        assert b"11.png" not in data, name
    page = (made / "report.html").read_text()
    assert "Pictures of the data sets are left out of this page." in page
    assert "data:image/jpeg" not in page


def test_pictures_are_shown_if_they_are_asked_for(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push", str(project / "first"), str(tmp_path / "p"), "--pictures"]) == 0
    said = capsys.readouterr().out
    assert "the card names no licence of the weights: say --license, such as mit" in said
    assert "data:image/" in (tmp_path / "p" / "report.html").read_text()
    assert json.loads((tmp_path / "p" / "evaluation.json").read_text())["datasets"]["fine"]["worst"]
    for name in files_of(tmp_path / "p"):
        assert bytes(project) not in (tmp_path / "p" / name).read_bytes(), name


def test_the_card_is_read_by_hubs_and_says_what_the_network_is(made: Path) -> None:
    text = (made / "README.md").read_text()
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["license"] == "mit"
    assert front["pipeline_tag"] == "image-segmentation"
    assert front["datasets"] == ["fine", "coarse"]
    scores = json.loads((made / "evaluation.json").read_text())["datasets"]
    (model,) = front["model-index"]
    assert [one["dataset"]["name"] for one in model["results"]] == ["fine", "coarse"]
    value = model["results"][0]["metrics"][0]["value"]
    assert value == pytest.approx(100 * scores["fine"]["mean_iou"], abs=0.01)
    assert "| fine | trained on | 4 | 3 leaves, 1 ignored | - |" in text
    wanted = r"| coarse | trained on | 2 | 1 leaf, 1 of depth 1 | Boxes \| drawn, CC BY 4.0. |"
    assert wanted in text
    assert f"| fine | val | 5 | {100 * scores['fine']['mean_iou']:.1f} | " in text
    assert 'Run.open("ADDRESS")' in text
    assert "Probabilities are calibrated for fine, coarse" in text


def test_huggingface_reads_the_card(made: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    card = hub.ModelCard.load(made / "README.md")
    assert card.data.license == "mit"
    results = card.data.eval_results
    assert {one.metric_type for one in results} == {"mean_iou", "accuracy"}
    assert {one.dataset_split for one in results} == {"val"}


def test_a_pulled_run_works_without_the_data(
    project: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = shutil.copy(project / "fine_data" / "11.png", tmp_path / "photo.png")
    wanted = Run.open(project / "first").predict(picture).map
    monkeypatch.chdir(tmp_path)
    hidden = project.rename(project.with_name("hidden"))
    try:
        assert main(["pull", str(made), "-o", "run", "-q"]) == 0
        assert files_of(tmp_path / "run") == NAMES
        assert np.array_equal(Run.open("run").predict(picture).map, wanted)
        words = ["predict", "run", str(picture), "-o", "out", "--confidence", "0.5", "-q"]
        assert main([*words, "--write", "coco"]) == 0
        assert (tmp_path / "out" / "annotations.json").is_file()
        assert main(["report", "run"]) == 0
        assert "fine is not shown" in (tmp_path / "run" / "report.html").read_text()
        assert main(["tree", "run/trees/tiny.txt"]) == 0
        pytest.importorskip("onnxscript")
        assert main(["export", "run", "-o", "model.onnx", "-q"]) == 0
    finally:
        hidden.rename(project)


def test_ancestry_is_kept_without_folders(project: Path, tmp_path: Path) -> None:
    push_run(project / "second", str(tmp_path / "p"), PackOptions())
    found = json.loads((tmp_path / "p" / "ancestry.json").read_text())
    assert [one["run"] for one in found["ancestors"]] == ["first"]
    assert "start_from: first" in (tmp_path / "p" / "config.yaml").read_text()
    run = pull_run(str(tmp_path / "p"), tmp_path / "run")
    start = f"train.start_from={run}"
    harmonize.train(tiny_config(project, tmp_path / "third", start, "train.steps=1"))
    names = [Path(one["run"]).name for one in _ancestors(tmp_path / "third")]
    assert names == ["run", "first"]


def _ancestors(run: Path) -> list[dict[str, Any]]:
    return json.loads((run / "ancestry.json").read_text())["ancestors"]


def test_a_run_that_is_there_already_is_told_and_another_refused(
    project: Path, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {name: (package / name).stat().st_mtime_ns for name in files_of(package)}
    assert main(["push", str(project / "first"), str(package), "--license", "mit"]) == 0
    assert "holds first after 6 steps already; nothing is written" in capsys.readouterr().out
    assert {name: (package / name).stat().st_mtime_ns for name in files_of(package)} == before
    said = refused(capsys, "push", project / "second", package)
    assert said.endswith(
        f"{package}: holds another package already, first after 6 steps; replace it with --force, "
        "or name another address"
    )
    (package / "LICENSE").write_text("mine")
    assert main(["push", str(project / "second"), str(package), "--force"]) == 0
    assert pull_run(str(package), package.parent / "run").is_dir()
    assert (package / "LICENSE").read_text() == "mine"
    assert "checkpoints/step-00000006.safetensors" not in files_of(package)
    assert not [one for one in package.parent.iterdir() if one.name.startswith(".")]


def test_files_of_others_are_never_replaced_or_mixed_with(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    for force in ([], ["--force"]):
        said = refused(capsys, "push", project / "first", tmp_path, *force)
        assert "holds files that are of no package (thesis.tex); name a folder that is" in said
    (tmp_path / "thesis.tex").rename(tmp_path / "README.md")
    said = refused(capsys, "push", project / "first", tmp_path)
    assert "has a file README.md already, which is of no package; replace it with --force" in said
    assert main(["push", str(project / "first"), str(tmp_path), "--force", "-q"]) == 0
    assert "library_name: harmonize" in (tmp_path / "README.md").read_text()


def change_manifest(package: Path, how: Callable[[dict[str, Any]], object]) -> None:
    value = json.loads((package / MANIFEST).read_text())
    how(value)
    (package / MANIFEST).write_text(json.dumps(value))


def listed(package: Path, name: str, data: bytes) -> None:
    """Write a file, and have the manifest say so."""
    (package / name).parent.mkdir(parents=True, exist_ok=True)
    (package / name).write_bytes(data)
    facts = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    change_manifest(package, lambda value: value["files"].update({name: facts}))


def rename_in_manifest(package: Path, name: str) -> None:
    def how(value: dict[str, Any]) -> None:
        value["files"][name] = value["files"].pop("legend.json")

    change_manifest(package, how)


def other_tree(package: Path) -> None:
    """Give the weights a tree with one more leaf, in a checkpoint that is whole."""
    path = package / "checkpoints" / "step-00000006.safetensors"
    state = load(path)
    name, text = state.ontology
    text += "more\n"
    config = tiny_tree(state, (name, text))
    save(config, path)
    listed(package, "trees/tiny.txt", text.encode())
    listed(package, "checkpoints/step-00000006.safetensors", path.read_bytes())


def tiny_tree(state: Any, ontology: tuple[str, str]) -> Any:
    import dataclasses

    return dataclasses.replace(state, ontology=ontology)


SPOILED: list[tuple[Callable[[Path], object], str]] = [
    (lambda one: (one / MANIFEST).unlink(), "has no manifest.json; it is no package of `harmon"),
    (lambda one: (one / MANIFEST).write_text("{"), "manifest.json: is damaged: not JSON"),
    (lambda one: change_manifest(one, lambda m: m.update(version=2)), "is of version 2 by 'harmon"),
    (lambda one: (one / "legend.json").unlink(), "legend.json is missing; push the run again"),
    (
        lambda one: (one / "legend.json").write_text("{}"),
        "legend.json has 2 bytes, its manifest says",
    ),
    (
        lambda one: (one / "trees/tiny.txt").write_text(
            (one / "trees/tiny.txt").read_text().replace("left", "lift")
        ),
        "trees/tiny.txt is not what its manifest says (SHA-256); it was damaged or changed",
    ),
    (
        lambda one: (one / "setup.py").write_text("evil"),
        "setup.py is not in its manifest; it may be anything",
    ),
    (lambda one: listed(one, "setup.py", b"evil"), "'setup.py' is no file of a package"),
    (lambda one: listed(one, "w.pkl", b"evil"), "'w.pkl' is no file of a package"),
    (lambda one: rename_in_manifest(one, "/etc/passwd"), "'/etc/passwd' would be written outside"),
    (lambda one: rename_in_manifest(one, "trees/../../x.txt"), "x.txt' would be written outside"),
    (lambda one: rename_in_manifest(one, "trees\\x.txt"), "x.txt' would be written outside"),
    (
        lambda one: change_manifest(one, lambda m: m["files"]["README.md"].update(bytes=10**9)),
        "README.md is too large: 1000000000 bytes",
    ),
    (
        lambda one: change_manifest(
            one, lambda m: m["files"].pop("checkpoints/step-00000006.safetensors")
        ),
        "has 0 files of weights, expected one",
    ),
    (
        lambda one: listed(one, "trees/tiny.txt", b"background\nleft\nright\n"),
        "trees/tiny.txt is not what the weights belong to; push the run again",
    ),
    (
        lambda one: listed(one, "trees/other.txt", b"background\nleft\nright\n"),
        "trees/other.txt is not what the weights belong to; push the run again",
    ),
    (
        lambda one: listed(one, "config.yaml", b"ontology: trees/other.txt\n"),
        "config.yaml is not what the weights belong to; push the run again",
    ),
    (
        lambda one: change_manifest(one, lambda m: m.update(step=7)),
        "the weights are of step 6, not 7",
    ),
    (
        lambda one: listed(one, "checkpoints/step-00000006.safetensors", b"weights"),
        "checkpoints/step-00000006.safetensors: not a whole checkpoint",
    ),
    (other_tree, "checkpoints/step-00000006.safetensors: belongs to another network"),
]


@pytest.mark.parametrize(("spoil", "problem"), SPOILED, ids=[problem for _, problem in SPOILED])
def test_what_is_no_whole_package_is_refused_and_leaves_nothing(
    package: Path,
    tmp_path: Path,
    spoil: Callable[[Path], object],
    problem: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(package)
    said = refused(capsys, "pull", package, "-o", tmp_path / "new" / "run")
    assert problem in said
    assert "\n" not in said
    assert not [*(tmp_path / "new").glob("*")] if (tmp_path / "new").exists() else True


def test_what_is_wrong_with_places_is_told(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("x")
    cases = [
        (["pull", tmp_path / "none"], "there is nothing"),
        (["pull", tmp_path / "file"], "is no folder"),
        (["pull", made, "-o", tmp_path], "exists already; name another folder with --output"),
        (
            ["pull", made, "-o", "r", "--max-gib", "1e-6"],
            "raise --max-gib, now 9.99e-07",
        ),
        (["pull", made, "--max-gib", "0"], "--max-gib 0: a number above 0"),
        (["pull", "hub:name"], "hub:name: expected hub:USER/NAME or hub:USER/NAME@REVISION"),
        (["pull", "nothing://x"], "nothing://x: cannot be opened: Protocol not known"),
        (["push", tmp_path, tmp_path / "p"], "holds no last checkpoint; is it a run folder?"),
        (["push", tmp_path, tmp_path / "p", "--public"], "--public: is about hubs"),
        (["push", tmp_path, tmp_path / "p", "data.roots.x=y"], "data.roots.x: is for --pictures"),
        (["push", tmp_path, "p", "q"], "q: expected data.roots.NAME=FOLDER"),
    ]
    for words, problem in cases:
        assert problem in refused(capsys, *words), words
    assert not (tmp_path / "p").exists()


def test_any_file_system_of_fsspec_will_do(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for address in ("memory://shared/tiny", f"file://{tmp_path}/store/tiny"):
        assert main(["push", str(project / "first"), address, "-q"]) == 0
        assert set(open_store(address).sizes()) == NAMES
        run = pull_run(address, tmp_path / address.partition(":")[0])
        assert files_of(run) == NAMES
        assert "another package already" in refused(capsys, "push", project / "second", address)
        assert main(["push", str(project / "second"), address, "-q", "--force"]) == 0
        assert "checkpoints/step-00000002.safetensors" in open_store(address).sizes()
        assert "checkpoints/step-00000006.safetensors" not in open_store(address).sizes()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    client = pytest.importorskip("huggingface_hub")
    fake = FakeHub()
    monkeypatch.setattr(client, "HfApi", fake)
    return fake


def test_a_hub_keeps_and_gives_packages(
    hub: FakeHub,
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    address = "hub:someone/tiny"
    assert "hub:someone/tiny: there is nothing" in refused(capsys, "pull", address)
    assert main(["push", str(project / "first"), address, "-q"]) == 0
    assert hub.private == {"someone/tiny": True}
    assert 'Run.open("hub:someone/tiny")' in hub.commits["someone/tiny"][-1]["README.md"].decode()
    assert files_of(pull_run(address, tmp_path / "run")) == NAMES
    monkeypatch.setattr("harmonize.sharing.pull.cache_folder", lambda: tmp_path / "cache")
    picture = project / "fine_data" / "11.png"
    wanted = Run.open(project / "first").predict(picture).map
    for _ in range(2):
        run = Run.open(address)
        assert run.folder.is_relative_to(tmp_path / "cache")
        assert np.array_equal(run.predict(picture).map, wanted)
    assert main(["push", str(project / "second"), address, "-q", "--force"]) == 0
    assert Run.open(address).step == 2
    assert len([*(tmp_path / "cache" / "pulled").iterdir()]) == 2
    hub.is_down = True
    said = refused(capsys, "pull", address)
    assert "hub:someone/tiny: cannot be looked up: no route to the hub; is there a network" in said


def test_a_mapping_loses_folders_and_keeps_what_it_means() -> None:
    text = "root: /home/me/data\nname: a\nsplits: {train: {list: /home/me/train.txt}}\n"
    assert yaml.safe_load(shared_mapping(text)) == {
        "name": "a",
        "splits": {"train": {"list": "train.txt"}},
    }
    assert "list: '{split}.txt'" in shared_mapping("splits: {a: {list: '{split}.txt'}}\n")
    assert "root: data/a" in shared_mapping("root: data/a\nname: a\nsplits: {}\n")


def test_a_file_that_would_tell_a_path_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("about: see /home/me/notes\n")
    (tmp_path / "b.yaml").write_text("about: see /home/men or x/home/me\n")
    with pytest.raises(HarmonizeError) as caught:
        check_nothing_private(tmp_path, ["a.yaml", "b.yaml"], ["/home/me"])
    (problem,) = caught.value.problems
    assert problem.startswith("a.yaml: would tell /home/me, a path of this machine; take it out")
