"""harmonize look MAPPING: what labels mean on the tree, before any training."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harmonize.cli import main
from harmonize.config.strict_yaml import dump
from harmonize.data.open_datasets import open_datasets
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.tools.look.mapped_labels import see_dataset
from tiny import tiny_values, write_project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path)


def test_classes_come_rarest_first_with_the_pictures_that_show_most_of_them(project: Path) -> None:
    label = project / "fine_data" / "03_ids.png"
    ids = np.asarray(Image.open(label)).copy()
    ids[5:9, 5:9] = 7
    Image.fromarray(ids).save(label)
    text = (project / "fine.yaml").read_text()
    text = text.replace("void: 255}", "scar: 7, never: 9, void: 255}")
    text = text.replace("void: ignore}", "scar: [left, right], never: left, void: ignore}")
    (project / "fine.yaml").write_text(text)
    spec = DatasetSpec.from_file(project / "fine.yaml")
    tree = Ontology.from_file(project / "tiny.txt")
    [dataset] = open_datasets([(spec, "train")], {})
    seen = see_dataset(dataset, tree, number=2, side=100)
    assert seen.read == (10, 10)
    assert [one.name for one in seen.classes][:2] == ["void", "scar"]
    assert seen.classes[-1].name == "never"
    assert seen.classes[-1].examples == ()
    scar = seen.classes[1]
    assert (scar.pixels, scar.pictures, scar.nodes) == (16, 1, ("thing",))
    [example] = scar.examples
    assert example.path == "03.png"
    assert example.share == 16 / (20 * 24)
    assert (example.classes == list(spec.classes).index("scar")).sum() == 16
    whole = dict.fromkeys(spec.classes, 0)
    for number in range(10):
        ids = np.asarray(Image.open(project / "fine_data" / f"{number:02d}_ids.png"))
        for name, entry in spec.classes.items():
            whole[name] += int((ids == entry.values[0]).sum())
    assert {one.name: one.pixels for one in seen.classes} == whole
    # From coarse to fine: at depth 1 left and right are one, at depth 2 they are two.
    by_class = zip(*(one.names for one in seen.painted), strict=True)
    names = dict(zip(spec.classes, by_class, strict=True))
    assert names["left"] == ("thing", "left", "left")
    assert names["scar"] == ("thing", "thing", "thing")
    assert names["void"] == ("void", "void", "void")
    colors = [dict(zip(spec.classes, one.colors, strict=True)) for one in seen.painted]
    assert colors[0]["left"] == colors[0]["right"]
    assert colors[1]["left"] != colors[1]["right"]
    assert colors[0]["void"] is None


def test_the_page_has_each_depth_and_a_slider(project: Path, tmp_path: Path) -> None:
    assert main(["look", str(project / "coarse.yaml"), "-o", str(tmp_path / "l.html")]) == 0
    page = (tmp_path / "l.html").read_text()
    assert page.count("<article>") == 2
    assert 'type="range" min="0" max="2"' in page
    shown = re.findall(r'<div class="at" data-at="(\d)"( hidden)?>', page)
    assert shown == 4 * [("0", " hidden"), ("1", " hidden"), ("2", "")]
    assert "8 of 8 label files read" in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_all_sets_of_a_config_are_shown(project: Path, tmp_path: Path) -> None:

    path = project / "run.yaml"
    path.write_text(dump(tiny_values(project, "out")))
    words = ["look", str(path), "--labels", "--number", "1", "-o", str(tmp_path / "l.html")]
    assert main(words) == 0
    page = (tmp_path / "l.html").read_text()
    assert re.findall(r"<h2>(\w+) ", page) == ["fine", "coarse"]


def test_a_label_that_cannot_be_used_is_named(project: Path, tmp_path: Path) -> None:
    (project / "fine_data" / "02_ids.png").write_bytes(b"none")
    assert main(["look", str(project / "fine.yaml"), "-o", str(tmp_path / "l.html")]) == 0
    page = (tmp_path / "l.html").read_text()
    assert "9 of 10 label files read" in page
    assert "02_ids.png" in page


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["fine.yaml", "--augment"], "--augment: is about a config; leave it out for a mapping"),
        (
            ["fine.yaml", "-o", "x.png"],
            "x.png: labels are shown on a page; expected a name",
        ),
        (["fine.yaml", "--split", "tra"], "no split 'tra'"),
        (["other.yaml"], "its tree other.txt is not found; say --tree FILE"),
        (["run.yaml", "--tree", "tiny.txt"], "--tree: is about a mapping; a config names its own"),
        (["run.yaml", "--labels", "--augment"], "--augment: changes samples and not labels"),
    ],
)
def test_a_slip_is_named_in_one_line(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    problem: str,
) -> None:

    monkeypatch.chdir(project)
    text = Path("fine.yaml").read_text()
    Path("other.yaml").write_text(text.replace("{tiny:", "{other:"))
    Path("run.yaml").write_text(dump(tiny_values(project, "out")))
    with pytest.raises(SystemExit):
        main(["look", *words])
    assert problem in capsys.readouterr().err
