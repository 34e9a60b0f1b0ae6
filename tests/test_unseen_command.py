"""harmonize calibrate --unlabelled, from the command line to the table."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from accelerate.state import AcceleratorState

from harmonize.cli import main
from harmonize.pipeline.train import train
from tiny import tiny_config, write_project

BARE = """
name: bare
picture: "{id}.png"
label: null
splits: {train: {list: train.txt}}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = write_project(tmp_path_factory.mktemp("unseen"))
    train(tiny_config(project, project / "run", "train.steps=25", "optim.lr=0.1"), name="tiny")
    (project / "bare.yaml").write_text(f"root: {project}/coarse_data\n{BARE}")
    two = BARE.replace("bare", "two").replace("}}", "}, extra: {list: val.txt}}")
    (project / "two.yaml").write_text(f"root: {project}/coarse_data\n{two}")
    return project


Calibrate = Callable[..., int]


@pytest.fixture
def calibrate(project: Path) -> Calibrate:
    def run(*words: str | Path) -> int:
        AcceleratorState._reset_state(reset_partial_state=True)
        try:
            return main(["calibrate", str(project / "run"), *map(str, words)])
        except SystemExit as end:
            return int(str(end.code))

    return run


def test_pictures_are_estimated_and_the_run_stays_as_it_is(
    project: Path, calibrate: Calibrate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def files() -> dict[Path, bytes]:
        run = project / "run"
        return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}

    before = files()
    words = ["--unlabelled", project / "coarse_data" / "*.png", "--dataset", "fine", "--json"]
    assert calibrate(*words, tmp_path / "found.json") == 0
    assert files() == before
    printed = capsys.readouterr().out
    assert "12 pictures without labels, leaves; labels: fine, val (5)" in printed
    facts = json.loads((tmp_path / "found.json").read_text())
    assert facts["step"] == 25
    assert facts["pictures"] == 12
    assert facts["labelled"] == {"fine": {"split": "val", "pictures": 5}}
    assert [*facts["classes"]] == ["background", "left", "right"]
    assert sum(one["share"] for one in facts["classes"].values()) == pytest.approx(1)
    known = sum(one["labelled_pixels"] for one in facts["classes"].values())
    assert known == 5 * (20 * 24 - 1) == facts["overall"]["labelled_pixels"]
    assert 0 < facts["overall"]["accuracy"] < 1
    assert facts["overall"]["error"] > 0
    assert facts["overall"]["errors"]["sets"] is None
    assert calibrate(*words, tmp_path / "again.json") == 0
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "found.json").read_bytes()


def test_a_data_set_without_labels_is_estimated_from_all_sets_that_are_scored(
    project: Path, calibrate: Calibrate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--depth", "1", "--json", tmp_path / "found.json"]
    assert calibrate("--unlabelled", project / "bare.yaml", *options, "data.workers=0") == 0
    assert "8 pictures without labels, groups at depth 1; labels: fine" in capsys.readouterr().out
    facts = json.loads((tmp_path / "found.json").read_text())
    assert [*facts["labelled"]] == ["fine", "coarse"]
    assert [*facts["classes"]] == ["background", "thing"]
    assert facts["overall"]["errors"]["sets"] is not None


def test_a_labelled_set_is_estimated_without_its_labels(
    calibrate: Calibrate, capsys: pytest.CaptureFixture[str]
) -> None:
    assert calibrate("--unlabelled", "coarse", "--as", "coarse") == 0
    printed = capsys.readouterr()
    assert "4 pictures without labels, classes of coarse; labels: fine, val (5)" in printed.out
    assert "coarse has labels, which are not looked at" in printed.err
    assert "not calibrated" not in printed.err


def test_a_run_that_is_not_calibrated_is_warned_of(
    project: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shutil.copytree(project / "run", tmp_path / "run")
    (tmp_path / "run" / "calibration.json").unlink()
    words = [tmp_path / "run", "--unlabelled", project / "bare.yaml"]
    assert main(["calibrate", *map(str, words)]) == 0
    assert "probabilities are not calibrated: there is no" in capsys.readouterr().err


def test_labels_of_pictures_that_were_trained_on_are_warned_of(
    project: Path, calibrate: Calibrate, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--unlabelled", project / "bare.yaml", "--dataset", "fine", "--split", "train"]
    assert calibrate(*words) == 0
    assert "fine: the network was trained on the split train" in capsys.readouterr().err


def test_a_run_that_averages_views_is_told_what_is_estimated(
    project: Path, calibrate: Calibrate, capsys: pytest.CaptureFixture[str]
) -> None:
    assert calibrate("--unlabelled", project / "bare.yaml", "evaluate.flip=true") == 0
    assert "this estimates those of the first alone" in capsys.readouterr().err


def test_a_picture_that_cannot_be_read_is_left_out(
    project: Path, calibrate: Calibrate, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shutil.copy(project / "coarse_data" / "c0.png", tmp_path)
    (tmp_path / "broken.png").write_text("no picture")
    assert calibrate("--unlabelled", tmp_path) == 0
    printed = capsys.readouterr()
    assert "1 picture without labels" in printed.out
    assert f"warning: left out: {tmp_path / 'broken.png'}" in printed.err
    (tmp_path / "c0.png").unlink()
    assert calibrate("--unlabelled", tmp_path) == 2
    assert f"error: {tmp_path / 'broken.png'}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--unlabelled", "x.jpg"], "x.jpg: no such picture or folder"),
        (["--unlabelled", "none.yaml"], "--unlabelled none.yaml: no such mapping file"),
        (
            ["--unlabelled", "fine", "coarse"],
            "--unlabelled: fine is a data set and coarse is beside it; name pictures alone or one",
        ),
        (
            ["--unlabelled", "PROJECT/coarse_data", "PROJECT/bare.yaml"],
            "bare.yaml is a data set and",
        ),
        (
            ["--unlabelled", "PROJECT/two.yaml"],
            "--unlabelled two: which of its splits train, extra? None is called val",
        ),
        (
            ["--unlabelled", "coarse", "--dataset", "coarse"],
            "--dataset coarse: its accuracy is to be estimated without its labels",
        ),
        (
            ["--unlabelled", "coarse", "--dataset", "PROJECT/coarse.yaml"],
            "--dataset coarse: its accuracy is to be estimated without its labels",
        ),
        (
            ["--unlabelled", "PROJECT/coarse_data", "--dataset", "PROJECT/bare.yaml"],
            "bare: has no labels to score by; `harmonize calibrate RUN_DIR --unlabelled` estimates",
        ),
        (
            ["--unlabelled", "PROJECT/bare.yaml", "--check", "val"],
            "--check val: is about temperatures; leave it out with --unlabelled",
        ),
        (["--unlabelled", "PROJECT/bare.yaml", "--depth", "3"], "--depth 3: tiny has the depths"),
        (
            ["--unlabelled", "PROJECT/bare.yaml", "--json", "PROJECT/none/x.json"],
            "none/x.json: name a file in a folder that exists",
        ),
        (["--depth", "1"], "--depth: is for --unlabelled PICTURES; leave it out"),
        (["--as", "fine"], "--as: is for --unlabelled PICTURES; leave it out"),
        (["--json", "x"], "--json: is for --unlabelled PICTURES; leave it out"),
    ],
)
def test_what_cannot_be_estimated_is_one_line(
    project: Path,
    calibrate: Calibrate,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    assert calibrate(*(word.replace("PROJECT", str(project)) for word in options)) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert message in errors[0]


def test_a_run_with_no_other_set_with_labels_says_what_to_name(
    project: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = tiny_config(project, tmp_path / "run", "train.steps=1", "datasets.1.evaluate=null")
    train(config, name="tiny")
    words = [tmp_path / "run", "--unlabelled", "fine"]
    with pytest.raises(SystemExit) as end:
        main(["calibrate", *map(str, words)])
    assert end.value.code == 2
    assert "the run's config scores no other data set; name sets" in capsys.readouterr().err


def test_labels_that_judge_no_answer_are_refused(
    project: Path, calibrate: Calibrate, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of things without a side, and no background, no label tells whether a leaf is right."""
    text = (project / "coarse.yaml").read_text().replace("name: coarse", "name: things")
    text = text.replace("background: background, thing", "background: ignore, thing")
    (project / "things.yaml").write_text(text)
    words = ["--unlabelled", project / "bare.yaml", "--dataset", project / "things.yaml"]
    assert calibrate(*words) == 2
    assert "--dataset: the labels of things are too coarse to judge leaves; say --depth" in (
        capsys.readouterr().err
    )
