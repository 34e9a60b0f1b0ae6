"""harmonize export --format executorch: programs that ExecuTorch runs, where it is installed."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hand_made import facts_of, untrained_run
from harmonize import HarmonizeError
from harmonize.cli import main
from harmonize.exporting.executorch_file import finish_executorch, read_executorch
from harmonize.exporting.exported_model import open_model
from harmonize.exporting.facts import Facts

PROGRAM = b"\x3c\x00\x00\x00ET12" + b"a program" * 9
"""What begins as one."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_run(tmp_path_factory.mktemp("executorch"))


@pytest.fixture(scope="module")
def made(run: Path) -> tuple[Facts, str]:
    facts, legend = facts_of(run)
    return dataclasses.replace(facts, largest=64), legend


def harmonize(*words: str | Path) -> int:
    try:
        return main([*map(str, words)])
    except SystemExit as end:
        return int(str(end.code))


def test_what_a_file_says_of_itself_is_read_back(made: tuple[Facts, str], tmp_path: Path) -> None:
    facts, program = read_executorch(finish_executorch(PROGRAM, *made), tmp_path)
    assert (facts, program) == (made[0], PROGRAM)
    (tmp_path / "m.pte").write_bytes(finish_executorch(PROGRAM, *made))
    assert open_model(tmp_path / "m.pte").sources.ontology.leaves == ("background", "left", "right")


def test_other_programs_and_changed_ones_are_refused(
    made: tuple[Facts, str], tmp_path: Path
) -> None:
    data = finish_executorch(PROGRAM, *made)
    path = tmp_path / "m.pte"

    def problem(found: bytes) -> str:
        path.write_bytes(found)
        with pytest.raises(HarmonizeError) as caught:
            open_model(path)
        return caught.value.problems[0].removeprefix(f"{path}: ")

    foreign = "is a program of ExecuTorch, but no whole one of `harmonize export`; it does not say "
    for other in (PROGRAM, data[:-1], data[:-17] + bytes(8) + data[-9:], PROGRAM + data[-17:]):
        assert problem(other) == foreign + "what its answers mean"
    changed = "is damaged or was changed since its export; export the run again"
    assert problem(data.replace(b"a program", b"A program", 1)) == changed
    assert problem(data.replace(b'"legend"', b'"legenD"', 1)) == changed
    text = b"[1]"
    assert problem(PROGRAM + text + len(text).to_bytes(8, "little") + b"harmonize") == changed


@pytest.mark.parametrize("words", [("export", "-o"), ("predict", "-o")])
def test_a_missing_extra_is_named(
    run: Path,
    made: tuple[Facts, str],
    tmp_path: Path,
    words: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "executorch", None)
    file = tmp_path / "m.pte"
    if words[0] == "export":
        status = harmonize("export", run, "-o", file, "--format", "executorch")
    else:
        file.write_bytes(finish_executorch(PROGRAM, *made))
        picture = run.parent / "fine_data" / "10.png"
        status = harmonize("predict", file, picture, "-o", tmp_path / "out", "--cpu")
    assert status == 2
    needs = "needs executorch, which is not installed; pip install 'harmonize-seg[executorch]'"
    assert needs in capsys.readouterr().err


def test_int8_is_for_onnx(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["export", run, "-o", tmp_path / "m.pte", "--format", "executorch", "--int8", "fine"]
    assert harmonize(*words) == 2
    assert "--int8 fine: is for --format onnx alone; leave it out" in capsys.readouterr().err


@pytest.mark.slow
def test_executorch_answers_as_predict_does(
    run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    runtime: Any = pytest.importorskip("executorch.runtime")
    capfd.readouterr()  # what it says when it is loaded
    file = tmp_path / "m.pte"
    assert harmonize("export", run, "-o", file, "--format", "executorch", "--as", "fine") == 0
    said = capfd.readouterr()
    assert "classes of fine, float32" in said.out
    assert said.err == ""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number, (height, width) in enumerate([(24, 20), (17, 33), (5, 61), (16, 16)]):
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    different = total = 0
    for words in (["--as", "fine"], ["--size", "full", "--flip"], ["--depth", "1"]):
        words = [*words, "-q", "--cpu", "--no-overlay", "--precision", "float32"]
        for source in (run, file):
            out = tmp_path / f"by {source.name}"
            assert harmonize("predict", source, folder, "-o", out, *words) == 0
        for number in range(4):
            one, other = (
                np.asarray(Image.open(tmp_path / f"by {source.name}" / f"{number}.png"))
                for source in (run, file)
            )
            different += (one != other).sum()
            total += one.size
        for source in (run, file):
            for path in (tmp_path / f"by {source.name}").iterdir():
                path.unlink()
    assert different <= total / 1000
    # Any runtime takes the whole file.
    program = runtime.Runtime.get().load_program(file.read_bytes())  # kept: a method does not
    method = program.load_method("forward")
    legend = json.loads(_metadata(file)["legend"])
    picture = torch.randint(0, 256, (1, 3, 48, 32), dtype=torch.uint8)
    classes, probabilities, logits = method.execute([picture])
    assert classes.shape == (1, 48, 32)
    assert probabilities.shape == (1, len(legend["classes"]), 48, 32)
    assert logits.shape == (1, 3, 48, 32)
    capfd.readouterr()
    words = ["-o", tmp_path / "large", "--cpu", "--size", "1100"]
    assert harmonize("predict", file, folder / "3.png", *words, "--tile", "1200") == 2
    assert "takes pictures of up to 1024 pixels a side, got 1100 x 1100" in capfd.readouterr().err


def _metadata(file: Path) -> dict[str, str]:
    data = file.read_bytes()
    length = int.from_bytes(data[-17:-9], "little")
    return json.loads(data[-17 - length : -17])
