"""harmonize calibrate, from the command line to the file."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harmonize import HarmonizeError
from harmonize.calibration.calibration_file import read_calibration, write_calibration
from harmonize.cli import main
from harmonize.inference.calibrated import Use, use_calibration
from harmonize.pipeline.train import train
from tiny import tiny_config, write_project


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = write_project(tmp_path_factory.mktemp("calibrate"))
    train(tiny_config(project, project / "run", "train.steps=25", "optim.lr=0.1"), name="tiny")
    return project


@pytest.fixture
def project(trained: Path, tmp_path: Path) -> Path:
    """A project whose run is this test's own; its data are shared."""
    shutil.copytree(trained / "run", tmp_path / "run")
    (tmp_path / "run" / "calibration.json").unlink(missing_ok=True)
    for name in ("fine.yaml", "coarse.yaml"):
        shutil.copy(trained / name, tmp_path / name)
    return tmp_path


Calibrate = Callable[..., int]


@pytest.fixture
def calibrate(project: Path) -> Calibrate:
    def run(*words: str | Path) -> int:
        try:
            return main(["calibrate", str(project / "run"), *map(str, words)])
        except SystemExit as end:
            return int(str(end.code))

    return run


def written(project: Path) -> dict[str, Any]:
    return json.loads((project / "run" / "calibration.json").read_text())


def test_all_scored_sets_are_calibrated_on_halves(
    project: Path, calibrate: Calibrate, capsys: pytest.CaptureFixture[str]
) -> None:
    assert calibrate() == 0
    facts = written(project)
    assert facts["step"] == 25
    assert facts["checkpoint"] == "step-00000025.safetensors"
    assert facts["size"] == 16
    fine, coarse = facts["datasets"]["fine"], facts["datasets"]["coarse"]
    assert (fine["split"], fine["fitted_on"], fine["checked_on"]) == ("val", 2, 3)
    assert (coarse["split"], coarse["fitted_on"], coarse["checked_on"]) == ("val", 2, 2)
    assert list(fine["temperatures"]) == ["background", "left", "right"]  # void means nothing
    assert list(coarse["temperatures"]) == ["background", "thing"]
    assert list(coarse["leaf_temperatures"]) == ["background", "left", "right"]
    assert {"before", "after"} == fine["calibration_error"].keys()
    wanted = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99]
    assert [point["confidence"] for point in fine["curve"]] == wanted
    for point in fine["curve"]:
        assert isinstance(point["kept"], bool)
        for kind in (point, point["uncalibrated"], point["cautious"]):
            assert kind.keys() >= {"coverage", "accuracy", "error_bar", "mean_depth"}
    printed = capsys.readouterr().out
    assert "fine, val: temperatures fitted on 2 pictures, checked on 3 others" in printed
    assert f"{project / 'run' / 'calibration.json'} is written" in printed


def test_sets_splits_and_the_checkpoint_can_be_chosen(
    project: Path, calibrate: Calibrate, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--split", "val", "--check", "train", "--checkpoint", "best"]
    assert calibrate("--dataset", project / "fine.yaml", "data.workers=0", *options) == 0
    facts = written(project)
    assert facts["checkpoint"] == "best.safetensors"
    assert list(facts["datasets"]) == ["fine"]
    fine = facts["datasets"]["fine"]
    assert (fine["split"], fine["check_split"]) == ("val", "train")
    assert (fine["fitted_on"], fine["checked_on"]) == (5, 10)
    printed = capsys.readouterr()
    assert "checked on 10 of train" in printed.out
    assert "the network was trained on the split train" in printed.err


def test_fitting_to_pictures_that_were_trained_on_is_warned_of(
    project: Path, calibrate: Calibrate, capsys: pytest.CaptureFixture[str]
) -> None:
    assert calibrate("--dataset", "fine", "--split", "train") == 0
    warning = "warning: fine: the network was trained on the split train, so what is found does not"
    assert warning in capsys.readouterr().err
    assert written(project)["datasets"]["fine"]["fitted_on"] == 5


def test_a_set_with_too_few_pictures_is_left_out(
    trained: Path, project: Path, calibrate: Calibrate, capsys: pytest.CaptureFixture[str]
) -> None:
    short = (trained / "fine.yaml").read_text().replace("[10, 14]", "[10, 12]")
    (project / "short.yaml").write_text(short.replace("name: fine", "name: short"))
    assert calibrate("--dataset", "coarse", project / "short.yaml") == 0
    assert list(written(project)["datasets"]) == ["coarse"]
    warning = (
        "short: pictures with labels: 1 to fit temperatures on, 2 to check them; at least 2 of"
    )
    assert f"warning: {warning}" in capsys.readouterr().err
    before = written(project)
    assert calibrate("--dataset", project / "short.yaml") == 2
    assert f"error: {warning}" in capsys.readouterr().err
    assert written(project) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--check", "val"], "--check val: fine is fitted on this split; leave the option out"),
        (["--check", "tes"], "no split 'tes'"),
        (["--split", "vall"], "no split 'vall'; did you mean val?"),
        (["--dataset", "fin"], "--dataset fin: neither a data set of this run nor a mapping file"),
        (["train.steps=3"], "train.steps=3: scoring takes only data., evaluate., train.precision="),
        (["something"], "something"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    project: Path,
    calibrate: Calibrate,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    assert calibrate(*options) == 2
    errors = capsys.readouterr().err.splitlines()
    assert any(line.startswith("error: ") and message in line for line in errors)
    assert not (project / "run" / "calibration.json").exists()


def test_a_folder_without_a_run_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["calibrate", str(tmp_path / "none")])
    assert "none: no such run folder" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_told(
    project: Path, calibrate: Calibrate, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "run" / "calibration.json").mkdir()  # in the way, even for the superuser
    assert calibrate("--dataset", "fine") == 2
    assert "calibration.json: cannot be written: Is a directory" in capsys.readouterr().err


CURVE = [
    {"confidence": 0.5, "kept": True, "cautious": {"kept": True}},
    {"confidence": 0.9, "kept": True, "cautious": {"kept": True}},
    {"confidence": 0.99, "kept": False, "cautious": {"kept": True}},
]
HALF = {"leaf_temperatures": {"x": 1.0}}
GOOD = {
    "step": 3,
    "checkpoint": "step-00000003.safetensors",
    "size": 16,
    "crop": False,
    "datasets": {
        "a": {"leaf_temperatures": {"x": 1.0, "y": 2}, "curve": CURVE},
        "b": {"leaf_temperatures": {"y": 1.5, "x": 1.25}, "curve": CURVE[:2]},
    },
}


def write(folder: Path, **changes: object) -> Path:
    (folder / "calibration.json").write_text(json.dumps({**GOOD, **changes}))
    return folder


def test_the_temperatures_of_a_data_set_are_read(tmp_path: Path) -> None:
    file = read_calibration(write(tmp_path))
    assert file is not None
    assert (file.step, file.size) == (3, 16)
    found = file.temperatures(("x", "y"), "b")
    assert found.by_leaf.tolist() == [1.25, 1.5]
    assert found.like == ("b",)


def test_a_set_with_a_size_of_its_own_is_doubtful_at_the_runs(tmp_path: Path) -> None:
    file = read_calibration(write(tmp_path))
    assert file is not None
    config = tiny_config(Path("nowhere"), "nowhere", "evaluate.size=16")
    found = [*file.datasets.values()]
    found = [dataclasses.replace(one, name=name) for name, one in zip("ab", found, strict=True)]
    more = {"checkpoint": "x", "step": 3, "config": config}
    for sizes, known in (({}, [16]), ({"a": 8}, [8, 16]), ({"a": 8, "b": 8}, [8])):
        write_calibration(tmp_path, found, sizes=sizes, **more)  # type: ignore[arg-type]
        again = read_calibration(tmp_path)
        assert again is not None
        assert again.sizes(("a", "b")) == known
        warning = use_calibration(again, ("x", "y"), Use(0.5, None, 16, 3, "last"), "").warning
        said = "calibrated at --size 8, not 16" in (warning or "")
        assert said == (8 in known)


def test_of_all_data_sets_the_largest_temperature_of_each_leaf_is_read(tmp_path: Path) -> None:
    file = read_calibration(write(tmp_path))
    assert file is not None
    found = file.temperatures(("x", "y"), None)
    assert found.by_leaf.tolist() == [1.25, 2.0]
    assert found.like == ("a", "b")


def test_a_run_without_the_file_has_no_calibration(tmp_path: Path) -> None:
    assert read_calibration(tmp_path) is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100000,
        b'{"step": 3}',
        *(
            json.dumps({**GOOD, **changes}).encode()
            for changes in (
                {"step": "3"},
                {"step": -1},
                {"step": True},
                {"size": None},
                {"crop": "false"},
                {"datasets": {"a": {"leaf_temperatures": {"x": 10**400}}}},
                {"datasets": {"a": {"leaf_temperatures": {"x": 1e300}}}},
                {"datasets": {"a": {**HALF, "curve": [{**CURVE[0], "confidence": 10**400}]}}},
                {"datasets": {"a": {**HALF, "curve": [{**CURVE[0], "confidence": 1.5}]}}},
                {"datasets": {}},
                {"datasets": []},
                {"datasets": {"a": 1}},
                {"datasets": {"a": {}}},
                {"datasets": {"a": {"leaf_temperatures": {}}}},
                {"datasets": {"a": {"leaf_temperatures": {"x": 0}}}},
                {"datasets": {"a": {"leaf_temperatures": {"x": -1.0}}}},
                {"datasets": {"a": {"leaf_temperatures": {"x": "1"}}}},
                {"datasets": {"a": {"leaf_temperatures": {"x": float("nan")}}}},
                {"datasets": {"a": {"leaf_temperatures": {"x": float("inf")}}}},
                {"datasets": {"a": HALF}},
                {"datasets": {"a": {**HALF, "curve": []}}},
                {"datasets": {"a": {**HALF, "curve": [{"confidence": 0.5, "kept": True}]}}},
                {"datasets": {"a": {**HALF, "curve": [{**CURVE[0], "kept": 1}]}}},
                {"datasets": {"a": {**HALF, "curve": [{**CURVE[0], "confidence": "high"}]}}},
            )
        ),
    ],
)
def test_a_damaged_file_is_one_line_with_the_way_out(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "calibration.json").write_bytes(text)
    with pytest.raises(HarmonizeError) as caught:
        read_calibration(tmp_path)
    assert len(caught.value.problems) == 1
    assert "\n" not in str(caught.value)
    assert f"{tmp_path / 'calibration.json'}: is damaged: " in str(caught.value)
    assert str(caught.value).endswith(
        f"; run `harmonize calibrate {tmp_path}` again, or say --uncalibrated"
    )


def test_a_folder_in_the_files_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "calibration.json").mkdir()
    with pytest.raises(HarmonizeError, match=r"calibration.json: cannot be read: Is a directory"):
        read_calibration(tmp_path)


def test_a_file_of_another_tree_is_refused(tmp_path: Path) -> None:
    file = read_calibration(write(tmp_path))
    assert file is not None
    for leaves in (("x",), ("x", "z"), ("x", "y", "z")):
        with pytest.raises(HarmonizeError, match=r"is of another tree than the run's; run `harm"):
            file.temperatures(leaves, None)


def test_a_data_set_that_was_not_calibrated_is_refused(tmp_path: Path) -> None:
    file = read_calibration(write(tmp_path))
    assert file is not None
    with pytest.raises(HarmonizeError, match=r"--like c: .* has no such data set; choose from: a"):
        file.temperatures(("x", "y"), "c")


@pytest.mark.parametrize(
    ("confidence", "like", "doubts"),
    [
        (0.5, "a", []),
        (0.9, "a", []),
        (0.95, "a", ["on pictures of a fewer answers were right"]),
        (0.99, "a", ["on pictures of a fewer answers were right"]),
        (0.999, "a", ["a was checked at 0.5 to 0.99 only"]),
        (0.3, "b", ["b was checked at 0.5 to 0.9 only"]),
        (0.99, None, ["b was checked at 0.5 to 0.9 only"]),
        (0.7, None, []),
    ],
)
def test_a_promise_that_was_not_kept_or_not_looked_at_is_doubtful(
    tmp_path: Path, confidence: float, like: str | None, doubts: list[str]
) -> None:
    file = read_calibration(write(tmp_path))
    assert file is not None
    assert file.doubts(confidence, like) == doubts
