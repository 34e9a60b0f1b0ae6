"""harmonize export, from the command line to the file and to its answers."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as runtime
import pytest
import torch
from PIL import Image

from hand_made import untrained_run
from harmonize import HarmonizeError
from harmonize.api.run import Run
from harmonize.cli import main


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_run(tmp_path_factory.mktemp("export"))


def export(*words: str | Path) -> int:
    try:
        return main(["export", *map(str, words)])
    except SystemExit as end:
        return int(str(end.code))


@pytest.fixture(scope="module")
def file(run: Path) -> Path:
    """The run as an ONNX file that answers in the classes of ``fine``."""
    path = run.parent / "m.onnx"
    assert export(run, "-o", path, "--as", "fine", "-q") == 0
    return path


@pytest.mark.slow
def test_a_bare_session_answers_as_predict_does(run: Path, file: Path, tmp_path: Path) -> None:
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    session = runtime.InferenceSession(str(file), options)
    legend = json.loads(session.get_modelmeta().custom_metadata_map["legend"])
    assert [one["name"] for one in legend["classes"]] == ["background", "left", "right", "void"]
    network = Run.open(run, cpu=True)
    rng = np.random.default_rng(0)
    different = total = 0
    for height, width in [(20, 24), (33, 17), (16, 16), (61, 90), (7, 41)]:
        picture = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        expected = network.predict(picture, as_="fine", probabilities=True)
        found: Any = session.run(None, {"pictures": picture.transpose(2, 0, 1)[None]})
        assert expected.probabilities is not None
        assert np.abs(found[1][0] - expected.probabilities).max() < 1e-4
        different += (found[0][0] != expected.map).sum()
        total += expected.map.size
    assert different <= total / 10000
    out = tmp_path / "out"
    picture = run.parent / "fine_data" / "12.png"
    for source in (run, file):
        assert main(["predict", str(source), str(picture), "-q", "-o", str(out / source.name)]) == 0


@pytest.mark.slow
def test_a_program_of_pytorch_gives_the_same(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "m.pt2"
    assert export(run, "-o", file, "--format", "torch", "-q") == 0
    extra = {"harmonize": "", "legend": ""}
    program = torch.export.load(str(file), extra_files=extra).module()
    assert len(json.loads(extra["legend"])["classes"]) == 3
    pictures = torch.randint(0, 256, (1, 3, 35, 50), dtype=torch.uint8)
    classes, _, logits = program(pictures, torch.tensor(16))
    assert logits.shape == (1, 3, 16, 23)
    expected = Run.open(run, cpu=True).predict(pictures[0].permute(1, 2, 0).numpy())
    assert (classes[0].numpy() != expected.map).mean() <= 1e-3


@pytest.mark.slow
def test_int8_is_smaller_and_near(
    run: Path, file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in "ab":
        shutil.copy(file, tmp_path / f"{name}.onnx")
    # A file of ours is replaced.
    words = ["--as", "fine", "--int8", "fine", "-q"]
    assert export(run, "-o", tmp_path / "b.onnx", *words) == 0
    assert capfd.readouterr() == ("", "")
    picture = run.parent / "fine_data" / "12.png"
    found: list[np.ndarray] = []
    for name in "ab":
        out = tmp_path / name
        words = ["predict", str(tmp_path / f"{name}.onnx"), str(picture), "-q", "-o", str(out)]
        assert main(words) == 0
        with Image.open(out / "12.png") as answer:
            found.append(np.asarray(answer))
    legend = json.loads((tmp_path / "b" / "legend.json").read_text())
    assert legend["precision"] == "int8"
    assert (found[0] != found[1]).mean() < 0.2
    assert (tmp_path / "b.onnx").stat().st_size < (tmp_path / "a.onnx").stat().st_size


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--split", "val"], "--split val: is about --int8; give that too"),
        (
            ["--format", "torch", "--int8", "fine"],
            "--int8 fine: is for --format onnx alone; leave it out",
        ),
        (["--int8", "fin"], "--int8 fin: neither a data set of this run nor a mapping file; did"),
        (["nonsense"], "nonsense: expected data.roots.NAME=FOLDER"),
        (["--as", "other"], "--as other: neither a data set of this run nor a mapping file"),
        (["--depth", "9"], "--depth 9: tiny has the depths 1 to 2"),
        (["--uncalibrated"], "--uncalibrated: is about probabilities; add --confidence"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_written(
    run: Path,
    tmp_path: Path,
    words: list[str],
    expected: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert export(run, "-o", tmp_path / "m.onnx", *words) == 2
    assert f"error: {expected}" in capsys.readouterr().err
    assert not (tmp_path / "m.onnx").exists()


def test_files_of_others_are_not_replaced(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.onnx").write_text("mine")
    assert export(run, "-o", tmp_path / "m.onnx") == 2
    assert "m.onnx: is there already, and not from this command" in capsys.readouterr().err


def test_a_mapping_with_the_name_of_a_set_of_the_run_is_refused(
    run: Path,
) -> None:
    other = run.parent / "other.yaml"
    other.write_text((run.parent / "fine.yaml").read_text())
    from harmonize.exporting.export_run import _other_mapping
    from harmonize.runs.opened import open_run

    with pytest.raises(HarmonizeError, match=r"is called fine as a data set of the run; rename it"):
        _other_mapping(open_run(run), str(other))


@pytest.mark.parametrize("missing", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_extra_is_named(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    missing: str,
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, missing, None)
    assert export(run, "-o", tmp_path / "m.onnx") == 2
    assert (
        f"--format onnx: needs {missing}, which is not installed; "
        "pip install 'harmonize-seg[export]'" in capsys.readouterr().err
    )
