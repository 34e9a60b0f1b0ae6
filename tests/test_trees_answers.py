"""What a run of several trees gives: calibration, examples, report, answers by tree in Python."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from harmonize import DatasetSpec, HarmonizeError, Run, cli
from harmonize.calibration.calibration_file import read_calibration
from harmonize.calibration.fitting import calibrate, calibrate_trees
from harmonize.pipeline.evaluate_run import open_for_scoring
from harmonize.pipeline.train import train
from two_trees import two_trees_config, write_two_trees

NAMES = ["fine:tiny", "coarse:tiny", "fine:material"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_two_trees(tmp_path_factory.mktemp("answers"))


@pytest.fixture(scope="module")
def folder(project: Path) -> Path:
    """A run with a report and with examples."""
    options = ("train.report=true", "evaluate.pictures=1", "train.steps=8")
    return train(two_trees_config(project, *options), name="tiny")


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return Run.open(folder)


def test_each_tree_is_calibrated_over_its_own_leaves(folder: Path) -> None:
    whole = read_calibration(folder)
    assert whole is not None
    assert list(whole.datasets) == NAMES
    leaves = {"tiny": ("background", "left", "right"), "material": ("stone", "metal", "soft")}
    for tree, names in leaves.items():
        own = read_calibration(folder, tree)
        assert own is not None
        assert list(own.datasets) == [n.split(":")[0] for n in NAMES if n.endswith(f":{tree}")]
        found = own.temperatures(names, "fine")
        expected = whole.datasets[f"fine:{tree}"].leaf_temperatures
        assert found.by_leaf.tolist() == pytest.approx([expected[name] for name in names])
    assert whole.of_tree("none") is None


def test_calibrating_all_trees_is_calibrating_each(folder: Path) -> None:
    with open_for_scoring(folder, "last", [], several="any", last=False) as scoring:
        datasets = scoring.datasets([], None)
        results = scoring.score(datasets)
    sources = scoring.run.sources
    found, problems = calibrate_trees(results, [one.spec for one in datasets], sources)
    assert not problems
    assert [one.name for one in found] == NAMES
    its = sources.of_trees[1][1]
    (alone,), _ = calibrate([results[2]], [datasets[0].spec], its)
    assert alone == found[2]


def test_calibrate_writes_what_the_training_did(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (folder / "calibration.json").read_text()
    assert cli.main(["calibrate", str(folder)]) == 0
    assert (folder / "calibration.json").read_text() == before
    capsys.readouterr()
    picture = "15.png"
    Image.new("RGB", (24, 20)).save(tmp_path / picture)
    words = ["calibrate", str(folder), "--ontology", "material", "--json", str(tmp_path / "a.json")]
    assert cli.main([*words, "--unlabelled", str(tmp_path / picture)]) == 0
    found = json.loads((tmp_path / "a.json").read_text())
    assert list(found["classes"]) == ["hard", "soft"]


def test_confident_answers_go_by_the_calibration_of_their_tree(
    folder: Path, project: Path, tmp_path: Path
) -> None:
    picture = str(project / "fine_data" / "10.png")
    words = ["predict", str(folder), picture, "--no-overlay", "-o", str(tmp_path / "out")]
    assert cli.main([*words, "--confidence", "0.5"]) == 0
    sets = {"tiny": ["fine", "coarse"], "material": ["fine"]}
    for tree, names in sets.items():
        legend = json.loads((tmp_path / "out" / tree / "legend.json").read_text())
        assert legend["calibrated_for"] == names


def test_answers_as_a_data_set_are_by_the_trees_that_it_is_about(
    folder: Path, project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = str(project / "fine_data" / "10.png")
    words = ["predict", str(folder), picture, "--no-overlay", "-o"]
    assert cli.main([*words, str(tmp_path / "out"), "--as", "coarse"]) == 0
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["tiny"]
    with pytest.raises(SystemExit):
        cli.main([*words, str(tmp_path / "none"), "--depth", "3"])
    assert "depth" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_examples_are_drawn_in_the_colours_of_each_tree(folder: Path) -> None:
    found = sorted(
        str(path.parent.relative_to(folder)) for path in folder.rglob("pictures/**/truth.png")
    )
    assert [re.sub(r"/\d+$", "", one) for one in found] == [
        "pictures/material/fine",
        "pictures/tiny/coarse",
        "pictures/tiny/fine",
    ]
    material, scene = (Image.open(folder / one / "truth.png") for one in (found[0], found[2]))
    classes = [np.asarray(one) for one in (material, scene)]
    assert (classes[0] == classes[1])[classes[0] != 255].all()
    assert material.convert("RGB").tobytes() != scene.convert("RGB").tobytes()


def test_the_report_has_a_part_for_each_tree(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    titles = re.findall(r'<h3 class="run">(.*?)</h3>', page)
    assert titles == ["tiny", "material"] * 5  # pictures, trees, confusion, confidence, extremes
    assert "No pictures are answered" not in page
    assert re.findall(r"<caption>(tiny|material)</caption>", page) == ["tiny", "material"]
    for name in NAMES:
        assert f"<h2>{name}</h2>" in page
    assert "material, depth 2" in page
    again = folder.parent / "again.html"
    assert cli.main(["report", str(folder), "-o", str(again)]) == 0
    assert re.findall(r'<h3 class="run">(.*?)</h3>', again.read_text()) == titles


def test_python_answers_by_tree(run: Run, project: Path) -> None:
    assert run.trees == ("tiny", "material")
    picture = project / "fine_data" / "10.png"
    answers = run.predict_trees(picture)
    assert list(answers) == ["tiny", "material"]
    assert answers["tiny"].names == ("background", "left", "right")
    part = run.of_tree("material")
    assert (part.predict(picture).map == answers["material"].map).all()
    assert part.trees == ("material",)
    assert list(part.scores) == ["fine"]
    assert list(run.scores) == NAMES
    alone = Run.open(run.folder, ontology="material")
    assert (alone.predict(picture).map == answers["material"].map).all()
    seen = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    assert torch.equal(part.network(seen), run.network(seen)[:, 3:])
    assert list(run.predict_trees(picture, as_="coarse")) == ["tiny"]
    roots = [f"data.roots.coarse={project / 'coarse_data'}"]  # of a set of the other tree alone
    with open_for_scoring(
        run.folder, "last", roots, several="one", ontology="material", last=False
    ) as scoring:
        assert [one.spec.name for one in scoring.datasets([], None)] == ["fine"]
    assert part.evaluate("fine")["fine"].scores.mean_iou == pytest.approx(
        run.evaluate()["fine:material"].scores.mean_iou
    )


def test_python_asks_which_tree(run: Run, project: Path, tmp_path: Path) -> None:
    picture = project / "fine_data" / "10.png"
    way = r"say run\.of_tree\('tiny'\)\.predict\(picture\) or .* or run\.predict_trees\(picture\)"
    with pytest.raises(HarmonizeError, match=way):
        run.predict(picture)
    with pytest.raises(HarmonizeError, match=r"run\.of_tree\('material'\)\.annotate"):
        run.annotate([picture], tmp_path / "x", "coco")
    with pytest.raises(HarmonizeError, match="no tree 'stuff'"):
        run.of_tree("stuff")


def test_labels_are_completed_in_one_tree(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "refined"
    words = ["refine", str(folder), "--dataset", "coarse", "--ontology", "tiny", "--no-fit"]
    assert cli.main([*words, "-o", str(output), "--scales", "1", "--pictures", "0"]) == 0
    spec = DatasetSpec.from_file(output / "coarse_refined.yaml")
    assert list(spec.meaning) == ["tiny"]


def test_one_tree_is_exported(folder: Path, project: Path, tmp_path: Path) -> None:
    model, picture = str(tmp_path / "material.onnx"), str(project / "fine_data" / "10.png")
    assert cli.main(["export", str(folder), "-o", model, "--ontology", "material"]) == 0
    for source, out in ((model, "exported"), (str(folder), "run")):
        own = ["--ontology", "material"] if out == "run" else []
        words = ["predict", source, picture, *own, "--no-overlay", "-o", str(tmp_path / out)]
        assert (
            cli.main([*words, "--as", "fine", "--precision", "float32"][: None if own else -2]) == 0
        )
    found, expected = (np.asarray(Image.open(tmp_path / o / "10.png")) for o in ("exported", "run"))
    assert (found == expected).mean() > 0.99
    assert json.loads((tmp_path / "exported" / "legend.json").read_text())["size"] == 16
