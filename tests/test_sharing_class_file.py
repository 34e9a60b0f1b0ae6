"""A pulled run answers in the classes of a set whose ids stand in a file of its data."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from harmonize.cli import main
from harmonize.models.build import build_model
from harmonize.sharing.build_package import PackOptions
from harmonize.sharing.push import push_run
from saved import save_run
from tiny import tiny_config, write_project

NAMES = ["left", "background", "void", "right"]
"""In the order of the data set's own file, whose positions are the ids."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A run of an untrained network; the ids of one set are in a file of its data."""
    (tmp_path / "made").mkdir()
    folder = write_project(tmp_path / "made")
    text = (folder / "fine.yaml").read_text()
    written = "{background: 0, left: 1, right: 2, void: 255}"
    assert written in text
    own = "{background: ~, left: ~, right: ~, void: ~}\nclass_file: {json: classes.json}"
    (folder / "fine.yaml").write_text(text.replace(written, own))
    labels = {"labels": [{"name": name} for name in NAMES]}
    (folder / "fine_data" / "classes.json").write_text(json.dumps(labels))
    config = tiny_config(folder, folder / "run", "model.width=4", "model.norm=batch")
    torch.manual_seed(0)
    save_run(build_model(3, config.model).eval(), config, folder / "run")
    Image.new("RGB", (9, 7), (200, 30, 90)).save(tmp_path / "one.png")
    return folder


def predict(run: Path, picture: Path, out: Path) -> int:
    try:
        return main(["predict", str(run), str(picture), "-o", str(out), "--as", "fine", "-q"])
    except SystemExit as end:
        return int(str(end.code))


def test_its_ids_are_in_the_package(project: Path, tmp_path: Path) -> None:
    assert predict(project / "run", tmp_path / "one.png", tmp_path / "before") == 0
    push_run(project / "run", str(tmp_path / "package"), PackOptions())
    shutil.rmtree(project)
    pulled = tmp_path / "pulled"
    assert main(["pull", str(tmp_path / "package"), "-o", str(pulled), "-q"]) == 0
    assert predict(pulled, tmp_path / "one.png", tmp_path / "after") == 0
    legend = json.loads((tmp_path / "after" / "legend.json").read_text())["classes"]
    assert {one["name"]: int(key) for key, one in legend.items()} == {
        name: NAMES.index(name) for name in ("background", "left", "right")
    }
    one, two = (np.asarray(Image.open(tmp_path / name / "one.png")) for name in ("before", "after"))
    np.testing.assert_array_equal(one, two)


def test_it_is_said_where_they_are_not_found(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(project / "fine_data")
    assert main(["push", str(project / "run"), str(tmp_path / "package")]) == 0
    said = capsys.readouterr()
    line = "no ids of fine, so that --as fine needs its data: "
    assert line in said.out + said.err
    text = (tmp_path / "package" / "mappings" / "fine.yaml").read_text()
    assert "class_file" in text
