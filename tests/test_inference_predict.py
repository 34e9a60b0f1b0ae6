"""Pictures answered by a run, from the command line to the files."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from PIL import Image

from decoders import flat_decoder
from harmonize import DatasetSpec
from harmonize.cli import main
from harmonize.data.labels import LabelReader
from harmonize.decoding import native_decoding
from harmonize.decoding.tiled_network import TiledNetwork
from harmonize.evaluation.metrics import confusion_matrix
from harmonize.inference import predict as predicting
from harmonize.inference.answer_space import AnswerLabel, AnswerSpace
from harmonize.models.segmenter import Segmenter, Traits
from harmonize.models.unet import UNet
from harmonize.pipeline.evaluate_run import evaluate_run
from harmonize.pipeline.train import train
from tiny import tiny_config, write_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_project(tmp_path_factory.mktemp("predict"))
    rng = np.random.default_rng(1)
    parts = np.kron(rng.integers(0, 3, (7, 6)), np.ones((8, 11), dtype=int)).astype(np.uint8)
    colors = np.array([(40, 90, 40), (200, 60, 60), (60, 60, 200)], dtype=np.uint8)
    Image.fromarray(colors[parts]).save(folder / "fine_data" / "10.png")  # larger than the others
    Image.fromarray(parts).save(folder / "fine_data" / "10_ids.png")
    train(tiny_config(folder, folder / "run", "train.steps=25", "optim.lr=0.1"), name="tiny")
    return folder


Predict = Callable[..., int]


@pytest.fixture
def predict(project: Path) -> Predict:
    def run(*words: str | Path) -> int:
        try:
            return main(["predict", str(project / "run"), *map(str, words)])
        except SystemExit as end:
            return int(str(end.code))

    return run


def val_pictures(project: Path) -> list[Path]:
    return [project / "fine_data" / f"{number}.png" for number in range(10, 15)]


def test_answers_as_a_data_set_are_those_that_evaluation_scores(
    project: Path, predict: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native_decoding, "is_available", lambda: False)  # rounds differently
    evaluate_run(project / "run", datasets=["fine"], json_file=tmp_path / "scores.json")
    scores = json.loads((tmp_path / "scores.json").read_text())["datasets"]["fine"]
    assert predict(*val_pictures(project), "--as", "fine", "-o", tmp_path / "out") == 0
    spec = DatasetSpec.from_file(project / "fine.yaml")
    reader = LabelReader(spec)
    total = torch.zeros(4, 4, dtype=torch.int64)
    for path in val_pictures(project):
        truth = reader.read(project / "fine_data", f"{path.stem}_ids.png")
        found = reader.read(tmp_path / "out", path.name)
        right, answer = (torch.from_numpy(one.astype(np.int64)).flatten() for one in (truth, found))
        total += confusion_matrix(right, answer, 4)
    assert (total[:3, :3] > 0).sum() > 3  # wrong answers are among them
    assert scores["confusion"]["classes"] == ["background", "left", "right"]
    assert total[:3, :3].tolist() == scores["confusion"]["counts"]


def test_colours_are_read_back_as_the_data_sets_own_labels(
    project: Path, predict: Predict, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert (
        predict(project / "coarse_data" / "c8.png", "--as", project / "coarse.yaml", "-o", out) == 0
    )
    found = LabelReader(DatasetSpec.from_file(project / "coarse.yaml")).read(out, "c8.png")
    assert found.shape == (20, 24)
    assert set(np.unique(found)) == {0, 1}


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ([], ["background", "left", "right"]),
        (["--depth", "1"], ["background", "thing"]),
        (["--confidence", "0.8"], ["unknown", "background", "thing", "left", "right"]),
    ],
)
def test_the_legend_says_what_the_ids_mean(
    project: Path, predict: Predict, tmp_path: Path, options: list[str], names: list[str]
) -> None:
    assert predict(project / "fine_data" / "11.png", *options, "-o", tmp_path) == 0
    legend = json.loads((tmp_path / "legend.json").read_text())
    assert [one["name"] for one in legend["classes"].values()] == names
    with Image.open(tmp_path / "11.png") as answer:
        assert answer.size == (24, 20)
        assert {str(value) for value in np.unique(np.asarray(answer))} <= legend["classes"].keys()
    assert (tmp_path / "11.overlay.jpg").is_file()
    assert legend["step"] == 25


def test_full_size_in_tiles_is_near_what_the_whole_picture_gives() -> None:
    torch.manual_seed(3)
    network = TiledNetwork(
        Segmenter(UNet(4, 8), Traits(stride=16, reach=107)), Accelerator(cpu=True)
    )
    words = AnswerSpace(
        "leaves",
        tuple(AnswerLabel(str(n), n, (str(n),), 1, (n, n, n)) for n in range(4)),
        np.eye(4, dtype=bool),
        flat_decoder(4),
    )
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
    pixels = np.array(noise.resize((600, 400), Image.Resampling.BICUBIC))
    picture = torch.from_numpy(pixels).permute(2, 0, 1)
    for size in [(400, 600), (391, 607)]:
        whole = network.answer(picture, size, words, tile=1024)
        tiled = network.answer(picture, size, words, tile=320)
        assert whole.shape == tiled.shape == size
        assert len(np.unique(whole)) > 2
        assert (whole != tiled).mean() < 0.001


def test_one_bad_picture_does_not_stop_the_others_and_is_told(
    project: Path, predict: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    good = (project / "fine_data" / "11.png").read_bytes()
    for name, data in {"a": good, "b": good[:200], "c": b"", "d": good}.items():
        (folder / f"{name}.png").write_bytes(data)
    assert predict(folder, "-o", tmp_path / "out", "--no-overlay") == 2
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["a.png", "d.png", "legend.json"]
    said = capsys.readouterr()
    assert f"{tmp_path / 'out'}: 2 of 4 pictures answered, leaves, by {project}" in said.out
    errors = [line for line in said.err.splitlines() if line.startswith("error")]
    assert len(errors) == 2
    assert "b.png: not a readable picture" in errors[0]
    assert "c.png: not a readable picture" in errors[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--as", "fin"],
            "--as fin: neither a data set of this run nor a mapping file; did you me",
        ),
        (["--depth", "9"], "--depth 9: tiny has the depths 1 to 2"),
        (["--confidence", "0"], "--confidence 0: a probability above 0, up to 1"),
        (["--tile", "100"], "--tile 100: at least 288 pixels"),
        (["--precision", "fp16", "--cpu"], "fp16 needs a GPU"),
        (["--checkpoint", "best", "none.png"], "none.png: no such picture or folder"),
        (["data.roots.nope=x"], "data.roots.nope: the run has no data set 'nope'; choose from: fi"),
        (["data.roots.fine="], "data.roots.fine=: only data.roots.NAME=FOLDER can be said here"),
        (["seed=3"], "seed=3: only data.roots.NAME=FOLDER can be said here"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(
    project: Path,
    predict: Predict,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    assert predict(project / "fine_data" / "11.png", "-o", tmp_path / "out", *options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_no_picture_is_refused_too(
    predict: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict("data.roots.fine=x", "-o", tmp_path / "out") == 2
    assert "no picture is named; name files, folders or patterns" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options", [["--size", "0"], ["--size", "big"], ["--depth", "-1"], ["--depth", "9" * 5000]]
)
def test_options_that_are_no_numbers_are_usage_errors(
    project: Path, predict: Predict, tmp_path: Path, options: list[str]
) -> None:
    assert predict(project / "fine_data" / "11.png", "-o", tmp_path / "out", *options) == 2


def test_a_picture_too_large_for_the_memory_is_told_with_the_way_out(
    project: Path,
    predict: Predict,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr(predicting.TiledNetwork, "answer", fail)
    assert predict(project / "fine_data" / "11.png", "-o", tmp_path / "out") == 2
    assert "11.png: out of memory; lower --tile, now 768" in capsys.readouterr().err


@pytest.mark.parametrize(("size", "seen"), [([], (16, 19)), (["--size", "8"], (8, 10))])
def test_the_network_sees_the_runs_size_unless_told(
    project: Path,
    predict: Predict,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: list[str],
    seen: tuple[int, int],
) -> None:
    shapes: list[tuple[int, ...]] = []
    real = TiledNetwork.logits
    monkeypatch.setattr(
        TiledNetwork, "logits", lambda net, x: shapes.append(x.shape[1:]) or real(net, x)
    )
    assert predict(project / "fine_data" / "11.png", "-o", tmp_path / "out", *size) == 0
    assert shapes == [seen]


def test_size_full_shows_the_network_every_pixel(
    project: Path, predict: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes: list[tuple[int, ...]] = []
    real = TiledNetwork.logits
    monkeypatch.setattr(
        TiledNetwork, "logits", lambda net, x: shapes.append(x.shape[1:]) or real(net, x)
    )
    assert predict(project / "fine_data" / "10.png", "-o", tmp_path / "out", "--size", "full") == 0
    assert shapes == [(56, 66)]
