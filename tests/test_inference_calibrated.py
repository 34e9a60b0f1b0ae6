"""Predict goes by a run's calibration: which, when, and what it says of it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from PIL import Image

from decoders import by_tree
from harmonize.calibration.calibration_file import Temperatures
from harmonize.cli import main
from harmonize.decoding.tiled_network import TiledNetwork
from harmonize.inference.answer_space import AnswerSpace, confident_nodes
from harmonize.labels.sources import load_sources
from harmonize.models.segmenter import Segmenter
from harmonize.models.unet import UNet
from harmonize.pipeline.train import train
from tiny import tiny_config, write_project

LEAVES = ("background", "left", "right")
CURVE = [
    {"confidence": 0.6, "kept": True, "cautious": {"kept": True}},
    {"confidence": 0.9, "kept": True, "cautious": {"kept": False}},
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_project(tmp_path_factory.mktemp("calibrated"))
    train(tiny_config(folder, folder / "run", "train.steps=25", "optim.lr=0.1"), name="tiny")
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained / "run", tmp_path / "run")
    (tmp_path / "run" / "calibration.json").unlink(missing_ok=True)
    return tmp_path / "run"


Predict = Callable[..., int]


@pytest.fixture
def predict(trained: Path, run: Path) -> Predict:
    """Answer a picture into a folder."""

    def answer(out: Path, *words: str) -> int:
        picture = trained / "fine_data" / "11.png"
        try:
            return main(["predict", str(run), str(picture), "-o", str(out), *words])
        except SystemExit as end:
            return int(str(end.code))

    return answer


def write(run: Path, temperatures: dict[str, float], **changes: object) -> None:
    """Write a calibration with one temperature for each data set."""
    sets = {
        name: {"leaf_temperatures": dict.fromkeys(LEAVES, value), "curve": CURVE}
        for name, value in temperatures.items()
    }
    facts = {"step": 25, "checkpoint": "x", "size": 16, "crop": False, "datasets": sets}
    (run / "calibration.json").write_text(json.dumps({**facts, **changes}))


def depths(out: Path) -> np.ndarray[Any, Any]:
    """Return the depth of each pixel's answer."""
    legend = json.loads((out / "legend.json").read_text())["classes"]
    with Image.open(out / "11.png") as answer:
        return np.vectorize(lambda value: legend[str(value)]["depth"])(np.asarray(answer))


CONFIDENT = ("--confidence", "0.6")


def test_temperatures_make_answers_more_cautious_or_less(
    run: Path, predict: Predict, tmp_path: Path
) -> None:
    mean: dict[float, float] = {}
    for temperature in (0.25, 1.0, 4.0):
        write(run, {"fine": temperature})
        out = tmp_path / f"out{temperature}"
        assert predict(out, *CONFIDENT) == 0
        mean[temperature] = float(depths(out).mean())
    assert predict(tmp_path / "own", *CONFIDENT, "--uncalibrated") == 0
    assert mean[0.25] > mean[1.0] > mean[4.0]
    assert depths(tmp_path / "own").mean() == mean[1.0]


def test_predict_says_that_it_is_calibrated_and_so_does_the_legend(
    run: Path, predict: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(run, {"fine": 1.5})
    assert predict(tmp_path / "out", *CONFIDENT) == 0
    printed = capsys.readouterr()
    file = run / "calibration.json"
    assert f"probabilities are calibrated as for fine ({file})\n" in printed.out
    assert "warning" not in printed.err
    legend = json.loads((tmp_path / "out" / "legend.json").read_text())
    assert legend["calibrated_for"] == ["fine"]
    assert legend["answers"] == "nodes of calibrated probability 0.6 and more, as for fine"


def test_a_calibration_on_centre_squares_is_doubted(
    run: Path, predict: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(run, {"fine": 1.5}, crop=True)
    assert predict(tmp_path / "out", *CONFIDENT) == 0
    doubt = "confidence 0.6 may not hold: calibrated on the centre squares of pictures"
    assert doubt in capsys.readouterr().err


def test_of_several_sets_the_most_cautious_is_taken_unless_one_is_named(
    run: Path, predict: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(run, {"fine": 0.25, "coarse": 4.0})
    assert predict(tmp_path / "both", *CONFIDENT) == 0
    assert (
        "calibrated as for fine and coarse, of each temperature the largest ("
        in capsys.readouterr().out
    )
    assert predict(tmp_path / "coarse", *CONFIDENT, "--like", "coarse") == 0
    assert predict(tmp_path / "fine", *CONFIDENT, "--like", "fine") == 0
    both, coarse, fine = (depths(tmp_path / one) for one in ("both", "coarse", "fine"))
    assert (both == coarse).all()
    assert fine.mean() > coarse.mean()


def test_a_run_that_is_not_calibrated_is_told(
    run: Path, predict: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(tmp_path / "out", *CONFIDENT) == 0
    expected = (
        f"warning: probabilities are not calibrated: there is no {run / 'calibration.json'}; "
        f"run `harmonize calibrate {run}`\n"
    )
    assert expected in capsys.readouterr().err
    legend = json.loads((tmp_path / "out" / "legend.json").read_text())
    assert "calibrated_for" not in legend
    assert legend["answers"] == "nodes of probability 0.6 and more"


def test_a_calibration_of_another_step_is_not_used(
    run: Path, predict: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(run, {"fine": 4.0}, step=24)
    assert predict(tmp_path / "stale", *CONFIDENT) == 0
    expected = (
        f"warning: probabilities are not calibrated: {run / 'calibration.json'} is of step 24, "
        f"the checkpoint of step 25; run `harmonize calibrate {run}`\n"
    )
    assert expected in capsys.readouterr().err
    assert predict(tmp_path / "own", *CONFIDENT, "--uncalibrated") == 0
    assert "warning" not in capsys.readouterr().err
    assert (depths(tmp_path / "stale") == depths(tmp_path / "own")).all()


def test_the_way_out_names_the_checkpoint_that_was_asked_for(
    run: Path, predict: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(tmp_path / "out", *CONFIDENT, "--checkpoint", "best") == 0
    assert f"run `harmonize calibrate {run} --checkpoint best`" in capsys.readouterr().err


@pytest.mark.parametrize("size", ["8", "full"])
def test_another_size_than_was_calibrated_at_is_warned_of(
    run: Path, predict: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str], size: str
) -> None:
    write(run, {"fine": 1.5})
    assert predict(tmp_path / "out", *CONFIDENT, "--size", size) == 0
    expected = f"warning: confidence 0.6 may not hold: calibrated at --size 16, not {size} ("
    assert expected in capsys.readouterr().err


def test_a_promise_that_was_not_kept_is_warned_of(
    run: Path, predict: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(run, {"fine": 1.5})
    assert predict(tmp_path / "own", "--confidence", "0.9", "--like", "fine") == 0
    assert "warning" not in capsys.readouterr().err
    assert predict(tmp_path / "largest", "--confidence", "0.9") == 0
    expected = "warning: confidence 0.9 may not hold: on pictures of fine fewer answers were right"
    assert f"{expected} ({run / 'calibration.json'})\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--like", "fine"], "--like fine: is about probabilities; add --confidence, or leave it"),
        (["--uncalibrated", "--depth", "1"], "--uncalibrated: is about probabilities; add --conf"),
        ([*CONFIDENT, "--like", "fin"], "--like fin: {file} has no such data set; did you mean fi"),
        (["--uncalibrated", "--like", "fine", *CONFIDENT], "not allowed with argument"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    run: Path,
    predict: Predict,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    write(run, {"fine": 1.5})
    assert predict(tmp_path / "out", *options) == 2
    assert message.format(file=run / "calibration.json") in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("stale", [False, True])
def test_a_set_cannot_be_named_where_none_is_calibrated(
    run: Path, predict: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str], stale: bool
) -> None:
    if stale:
        write(run, {"fine": 1.5}, step=3)
    assert predict(tmp_path / "out", *CONFIDENT, "--like", "fine") == 2
    reason = "is of step 3" if stale else "there is no"
    error = capsys.readouterr().err
    assert error.startswith("error: --like fine: ")
    assert reason in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["{", '{"step": 25}'])
def test_a_damaged_calibration_stops_unless_it_is_not_wanted(
    run: Path, predict: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (run / "calibration.json").write_text(text)
    assert predict(tmp_path / "out", *CONFIDENT) == 2
    assert "calibration.json: is damaged: " in capsys.readouterr().err
    assert predict(tmp_path / "out", *CONFIDENT, "--uncalibrated") == 0
    assert predict(tmp_path / "leaves") == 0  # it is about probabilities alone


def test_a_calibration_of_another_tree_stops(
    run: Path, predict: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = {"leaf_temperatures": {"left": 1.0, "middle": 1.0}, "curve": CURVE}
    write(run, {}, datasets={"fine": other})
    assert predict(tmp_path / "out", *CONFIDENT) == 2
    assert "calibration.json: is of another tree than the run's" in capsys.readouterr().err


def test_answers_with_and_without_calibration_do_not_share_a_folder(
    run: Path, predict: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(tmp_path / "out", *CONFIDENT) == 0
    write(run, {"fine": 1.5})
    assert predict(tmp_path / "out", *CONFIDENT) == 2
    assert "the folder holds answers in other words" in capsys.readouterr().err


def test_calibrate_and_predict_work_together(
    run: Path, predict: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", str(run)]) == 0
    assert predict(tmp_path / "out", *CONFIDENT) == 0
    assert predict(tmp_path / "fine", *CONFIDENT, "--like", "fine") == 0
    assert "calibrated as for fine and coarse" in capsys.readouterr().out


def test_calibrated_answers_of_tiles_are_those_of_the_whole_picture(trained: Path) -> None:
    torch.manual_seed(3)
    network = TiledNetwork(Segmenter(UNet(3, 8)), Accelerator(cpu=True))
    sources = load_sources(tiny_config(trained, "none"))
    temperatures = Temperatures(np.array([0.3, 0.5, 0.2], dtype=np.float32), ("fine",))
    space: AnswerSpace = confident_nodes(sources, by_tree(sources), 0.5, temperatures)
    own = confident_nodes(sources, by_tree(sources), 0.5)
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    pixels = np.array(Image.fromarray(noise).resize((600, 400), Image.Resampling.BICUBIC))
    picture = torch.from_numpy(pixels).permute(2, 0, 1)
    whole = network.answer(picture, (391, 607), space, tile=1024)
    tiled = network.answer(picture, (391, 607), space, tile=320)
    assert len(np.unique(whole)) > 2
    assert (whole != tiled).mean() < 0.001
    assert (whole != network.answer(picture, (391, 607), own, tile=1024)).mean() > 0.01
