"""harmonize refine, from a trained run to a data set that can be trained on."""

import html
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import scenarios
from group import run_group
from harmonize.cli import main
from harmonize.config.run_config import RunConfig
from harmonize.inference.drawing import percent
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.pipeline.train import train
from tiny import tiny_config, write_project


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = write_project(tmp_path_factory.mktemp("refine"))
    train(tiny_config(project, project / "run", "train.steps=80", "optim.lr=0.3"), name="tiny")
    return project


Refine = Callable[..., dict[str, Any]]


@pytest.fixture
def refine(trained: Path, tmp_path: Path) -> Refine:
    def run(*words: str | Path) -> dict[str, Any]:
        main(["refine", str(trained / "run"), "-o", str(tmp_path / "out"), *map(str, words)])
        return json.loads((tmp_path / "out" / "refine.json").read_text())

    return run


def labels(folder: Path) -> dict[str, np.ndarray]:
    return {path.name: np.asarray(Image.open(path)) for path in folder.rglob("labels/**/*.png")}


def test_labels_become_finer_inside_what_they_say(
    refine: Refine, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = refine("--dataset", "coarse", "--confidence", "0.6", "--no-fit")
    mapping = tmp_path / "out" / "coarse_refined.yaml"
    spec = DatasetSpec.from_file(mapping)
    assert set(spec.classes) == {"background", "thing", "left", "right"}
    assert main(["check", str(mapping)]) == 0  # its tree lies beside it
    assert (tmp_path / "out" / "tiny.txt").read_text() == (trained / "tiny.txt").read_text()
    assert "[" not in capsys.readouterr().out.partition("is written")[2]  # no finding
    ids = {entry.values[0]: name for name, entry in spec.classes.items()}
    pixels = dict.fromkeys(spec.classes, 0)
    found = labels(tmp_path / "out")
    assert len(found) == 8
    right = completed = 0
    for name, label in found.items():
        mask = np.asarray(Image.open(trained / "coarse_data" / "masks" / name))[..., 0] > 0
        background = [number for number, one in ids.items() if one == "background"]
        assert (np.isin(label, background) == ~mask).all()
        for number, one in ids.items():
            pixels[one] += int((label == number).sum())
        columns = np.flatnonzero(mask.any(0))
        middle = columns[0] + 7  # left ends there
        left = np.arange(label.shape[1])[None] < middle
        for number, one in ids.items():
            if one in ("left", "right"):
                here = label == number
                completed += int(here.sum())
                right += int((here & (left == (one == "left"))).sum())
    became = {row["became"]: row["pixels"] for row in facts["became"]}
    assert became == {name: count for name, count in pixels.items() if count}
    assert completed > 0.2 * (completed + pixels["thing"])
    assert right > 0.9 * completed
    assert facts["run"].startswith(str(trained / "run"))
    assert facts["checkpoint"].startswith("sha256 ")
    assert facts["checkpoint"].removeprefix("sha256 ") in mapping.read_text()
    page = (tmp_path / "out" / "refine.html").read_text()
    assert page.count("<article>") == 8
    for name, label in found.items():
        mask = np.asarray(Image.open(trained / "coarse_data" / "masks" / name))[..., 0] > 0
        finer = np.isin(label, [number for number, one in ids.items() if one in ("left", "right")])
        shown = percent(100 * finer.sum() / mask.sum())
        assert f"<h2>{name} <span>{html.escape(shown)} completed" in page
    assert facts["completed"] == completed / (completed + pixels["thing"])


def test_a_refined_set_is_trained_on_as_any(refine: Refine, trained: Path, tmp_path: Path) -> None:
    refine("--dataset", "coarse", "--confidence", "0.6", "--no-fit", "--name", "better")
    mapping = tmp_path / "out" / "better.yaml"
    config = tiny_config(
        trained, tmp_path / "again", f"datasets.1.spec={mapping}", "datasets.1.evaluate=null"
    )
    run = train(config, name="again")
    assert (run / "evaluation.json").is_file()


def test_with_confidence_1_nothing_changes(refine: Refine, trained: Path, tmp_path: Path) -> None:
    facts = refine("--dataset", "coarse", "--confidence", "1")
    assert facts["completed"] == 0
    spec = DatasetSpec.from_file(tmp_path / "out" / "coarse_refined.yaml")
    thing = spec.classes["thing"].values[0]
    for name, label in labels(tmp_path / "out").items():
        mask = np.asarray(Image.open(trained / "coarse_data" / "masks" / name))[..., 0] > 0
        assert ((label == thing) == mask).all()


def test_void_stays_void_unless_asked(refine: Refine, tmp_path: Path) -> None:
    facts = refine("--dataset", "fine", "--coarsen", "1", "--confidence", "0.5", "--no-fit")
    assert facts["void"] == 10  # the corner of each picture
    assert all(label[0, 0] == 0 for label in labels(tmp_path / "out").values())
    shutil.rmtree(tmp_path / "out")
    facts = refine("--dataset", "fine", "--confidence", "0.5", "--no-fit", "--unlabelled")
    assert facts["void"] < 10
    spec = DatasetSpec.from_file(tmp_path / "out" / "fine_refined.yaml")
    background = spec.classes["background"].values[0]
    corners = [label[0, 0] for label in labels(tmp_path / "out").values()]
    assert corners.count(background) >= 5  # things begin further inside


def test_truth_tells_how_much_is_right(refine: Refine, trained: Path, tmp_path: Path) -> None:
    facts = refine(
        *("--dataset", "fine", "--coarsen", trained / "coarse.yaml", "--confidence", "0.6"),
        *("--no-fit", "--split", "val"),
    )
    spec = DatasetSpec.from_file(tmp_path / "out" / "fine_refined.yaml")
    number = {name: entry.values[0] for name, entry in spec.classes.items()}
    counts = {"left": [0, 0, 0], "right": [0, 0, 0]}
    for name, label in labels(tmp_path / "out").items():
        truth = np.asarray(Image.open(trained / "fine_data" / name.replace(".png", "_ids.png")))
        for one, value in (("left", 1), ("right", 2)):
            its = label[truth == value]
            sums = (its.size, (its != number["thing"]).sum(), (its == number[one]).sum())
            counts[one] = [
                before + int(more) for before, more in zip(counts[one], sums, strict=True)
            ]
    assert [[*row.values()] for row in facts["truth"]] == [
        [name, *numbers] for name, numbers in counts.items()
    ]
    rows = {(row["label"], row["became"]): row for row in facts["became"]}
    assert rows["thing", "left"]["right"] == counts["left"][2]
    assert rows["background", "background"]["right"] is None


def test_two_processes_complete_as_one(trained: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        for ended in run_group(number, scenarios.refine, trained, tmp_path / f"by{number}"):
            assert ended.status == 0
    files = sorted(p.relative_to(tmp_path / "by1") for p in (tmp_path / "by1").rglob("*.*"))
    assert len(files) == 8 + 5  # a list, a mapping, its tree, a page and numbers
    for file in files:
        one, two = ((tmp_path / f"by{number}" / file).read_bytes() for number in (1, 2))
        if file.suffix == ".yaml":
            one = one.replace(b"by1", b"by2")
        assert one == two, file


def test_thresholds_are_fitted_on_held_out_labels(refine: Refine, tmp_path: Path) -> None:
    fitted = refine("--dataset", "coarse", "--confidence", "0.55", "--uncalibrated")
    shutil.rmtree(tmp_path / "out")
    plain = refine("--dataset", "coarse", "--confidence", "0.55", "--uncalibrated", "--no-fit")
    assert not plain["thresholds"]
    for by_set in fitted["thresholds"].values():
        assert all(0.55 < value <= 1 for value in by_set.values())
    assert fitted["completed"] <= plain["completed"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--dataset", "coarse", "--confidence", "0"), "--confidence 0: a probability above 0"),
        (("--dataset", "coarse", "--scales", "1", "1"), "--scales: different numbers from 0.1 to"),
        (
            ("--dataset", "coarse", "--like", "fine", "--fit-on", "nothing.yaml"),
            "--dataset nothing.yaml: neither a data set of this run nor a mapping file",
        ),
        (("--dataset", "fine"), "fine: the labels say all that the network can answer"),
        (("--dataset", "fine", "--coarsen", "7"), "--coarsen 7: tiny has the depths 1 to 2"),
        (("--dataset", "fine", "--coarsen", "0"), "--coarsen 0: the first depth is 1"),
        (("--dataset", "fine", "--coarsen", "no.yaml"), "--coarsen no.yaml: neither a depth nor"),
        (("--dataset", "coarse", "--split", "non"), "no split 'non'"),
    ],
)
def test_what_cannot_be_done_is_said(
    refine: Refine, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(SystemExit):
        refine(*words)
    assert problem in capsys.readouterr().err


def test_a_folder_with_something_in_it_is_refused(
    refine: Refine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    with pytest.raises(SystemExit):
        refine("--dataset", "coarse")
    assert "exists already; name another folder, or remove it" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_bad_picture_stops_it_unless_such_are_skipped(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("coarse_data", "coarse.yaml", "run"):
        source = trained / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    (tmp_path / "coarse_data" / "c3.png").write_bytes(b"no picture")
    words = ["refine", str(tmp_path / "run"), "--dataset", "coarse", "--no-fit"]
    words.append(f"data.roots.coarse={tmp_path / 'coarse_data'}")
    with pytest.raises(SystemExit):
        main([*words, "-o", str(tmp_path / "one")])
    said = capsys.readouterr().err
    assert "c3.png: " in said
    assert "data.on_bad_sample=skip" in said
    assert main([*words, "-o", str(tmp_path / "two"), "data.on_bad_sample=skip"]) == 0
    listed = (tmp_path / "two" / "train.txt").read_text()
    assert [line.split("\t")[0] for line in listed.splitlines()] == [
        f"c{number}.png" for number in (0, 1, 2, 4, 5, 6, 7)
    ]
    skipped = json.loads((tmp_path / "two" / "refine.json").read_text())["skipped"]
    assert [*skipped] == ["c3.png"]


def test_in_two_rounds_the_second_is_of_a_network_that_learned_from_the_first(
    refine: Refine, tmp_path: Path
) -> None:
    facts = refine("--dataset", "coarse", "--confidence", "0.6", "--no-fit", "--rounds", "2")
    assert facts["run"].startswith(str(tmp_path / "out-round-1-run"))
    again = RunConfig.from_file(tmp_path / "out-round-1-run" / "config.yaml")
    first = tmp_path / "out-round-1" / "coarse_refined.yaml"
    assert again.datasets[1].spec == str(first)
    assert again.evaluate_also[0].evaluate == "val"
    assert again.data.batch_size == 4
    spec = DatasetSpec.from_file(tmp_path / "out" / "coarse_refined.yaml")
    assert {"left", "right"} <= set(spec.classes)
    one, two = (labels(tmp_path / folder) for folder in ("out-round-1", "out"))
    assert one.keys() == two.keys()
    assert any((one[name] != two[name]).any() for name in one)
