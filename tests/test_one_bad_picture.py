"""One bad picture never ends the others, whatever it makes the readers raise."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from harmonize import HarmonizeError, cli
from harmonize.config.strict_yaml import load_file
from harmonize.data.bad_samples import BadSampleError
from harmonize.data.dataset import SegmentationDataset
from harmonize.decoding.views import ViewedNetwork
from harmonize.inference import answering, drawing
from harmonize.inference.answer_space import AnswerLabel
from harmonize.inference.drawing import draw_list
from harmonize.inference.inputs import Wanted
from harmonize.inference.read_pictures import SeenPicture, read_to_see
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.pictures import opening
from harmonize.pictures.limits import MOST_SCALED, refuse_scaled
from harmonize.pipeline.evaluate_run import evaluate_run
from harmonize.pipeline.train import train
from harmonize.tools.check import scan
from spoiled import check, passes, write_set
from tiny import tiny_config, write_project

RAISED = (MemoryError(), KeyError("x"), OverflowError("large"), RuntimeError("odd"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = write_project(tmp_path_factory.mktemp("bad"))
    train(tiny_config(project, project / "run", "data.on_bad_sample=skip"), name="tiny")
    return project / "run"


def failing_at(name: str, whole: Callable[..., object], error: Exception) -> Callable[..., object]:
    """Return a function that fails for files of a name."""

    def call(path: Path, *args: object, **options: object) -> object:
        if path.name == name:
            raise error
        return whole(path, *args, **options)

    return call


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_predict_names_it_and_answers_the_others(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    fail = failing_at("11.png", answering.read_to_see, error)
    monkeypatch.setattr(answering, "read_to_see", fail)
    pictures = [str(run.parent / "fine_data" / f"{number}.png") for number in range(10, 13)]
    with pytest.raises(SystemExit) as end:
        cli.main(["predict", str(run), *pictures, "-o", str(tmp_path / "out"), "--no-overlay"])
    assert end.value.code == 2
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == [
        "10.png",
        "12.png",
        "legend.json",
    ]
    (line,) = [one for one in capsys.readouterr().err.splitlines() if one.startswith("error")]
    assert line.startswith(f"error: {pictures[1]}: cannot be read: {type(error).__name__}")


@pytest.mark.parametrize("error", [RuntimeError("boom\nmore"), IndexError("boom")])
def test_a_network_that_fails_at_one_answers_the_others(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    answer = ViewedNetwork.answer
    calls: list[int] = []

    def fail_first(network: ViewedNetwork, *arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise error
        return answer(network, *arguments)

    monkeypatch.setattr(ViewedNetwork, "answer", fail_first)
    pictures = [str(run.parent / "fine_data" / f"{number}.png") for number in range(10, 12)]
    words = ["predict", str(run), *pictures, "--no-overlay", "-o", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as end:
        cli.main(words)
    assert end.value.code == 2
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == ["11.png", "legend.json"]
    (line,) = [one for one in capsys.readouterr().err.splitlines() if one.startswith("error")]
    name = type(error).__name__
    assert line == f"error: {pictures[0]}: the network fails at it: {name}: boom"


def test_a_device_that_is_lost_ends_the_command(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(ViewedNetwork, "answer", fail)
    picture = str(run.parent / "fine_data" / "10.png")
    with pytest.raises(torch.AcceleratorError):
        cli.main(["predict", str(run), picture, "--no-overlay", "-o", str(tmp_path / "out")])


def test_predict_goes_on_where_a_drawing_fails(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise OSError("encoder error")

    monkeypatch.setattr(answering, "draw_overlay", fail)
    pictures = [str(run.parent / "fine_data" / f"{number}.png") for number in (10, 11)]
    with pytest.raises(SystemExit):
        cli.main(["predict", str(run), *pictures, "-o", str(tmp_path / "out")])
    told = [one for one in capsys.readouterr().err.splitlines() if one.startswith("error")]
    assert [line.split(": ")[1] for line in told] == pictures
    assert "its answer cannot be drawn or written: OSError: encoder error" in told[0]
    assert (tmp_path / "out" / "11.png").is_file()


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_check_names_it_and_reads_the_others(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    write_set(tmp_path, monkeypatch, "abc")
    passes(capsys, "fine.yaml", "tiny.txt")
    monkeypatch.setattr(scan, "num_cores", lambda: 1)
    monkeypatch.setattr(scan, "picture_size", failing_at("b.png", scan.picture_size, error))
    status, lines = check(capsys, "fine.yaml", "tiny.txt")
    told = "data/labels/b.png: it or its picture cannot be read: "
    assert status == 1
    assert lines[0].startswith(told + type(error).__name__)
    assert lines[-1] == "1 problem"


def test_want_of_memory_is_the_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = write_project(tmp_path)
    spec = DatasetSpec.from_document(load_file(project / "fine.yaml"))
    dataset = SegmentationDataset(spec, "train", root=project / "fine_data")
    fail = failing_at("03.png", read_to_see, MemoryError())
    monkeypatch.setattr("harmonize.data.dataset.read_reduced", fail)
    with pytest.raises(BadSampleError) as caught:
        dataset[3]
    assert caught.value.sample.picture == "03.png"
    assert "there is not enough memory to read it and its label" in caught.value.sample.reason


def test_evaluation_skips_what_a_decoder_fails_at(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = run.parent / "fine_data" / "11.png"
    open_plain = opening.open_plain

    def named(path: Path) -> object:
        if Path(path) == bad:
            raise ZeroDivisionError
        return open_plain(path)

    monkeypatch.setattr(opening, "open_plain", named)
    written = tmp_path / "scores.json"
    evaluate_run(run, json_file=written, datasets=["fine"])
    scores = json.loads(written.read_text())["datasets"]["fine"]
    assert scores["skipped"] == {"11.png": f"{bad}: not a readable picture: damaged"}
    assert scores["pictures"] == 4


@pytest.mark.parametrize("size", [(20000, 1), (1, 20000), (100_000, 8)])
def test_pictures_that_scaling_would_make_huge_are_refused_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    path = tmp_path / "long.png"
    Image.new("RGB", size).save(path)
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", None)  # would fail
    scale = 512 // min(size)
    with pytest.raises(HarmonizeError) as caught:
        read_to_see(path, size=512)
    assert str(caught.value) == (
        f"{path}: its {size[0]} x {size[1]} pixels would be scaled to {size[0] * scale} x "
        f"{size[1] * scale}, more than the 34 million that pictures are enlarged to; cut it into "
        "pieces that are less long"
    )


def test_pictures_are_enlarged_up_to_the_limit_and_reduced_from_any_size(tmp_path: Path) -> None:
    least, longest = 512, MOST_SCALED // 512
    refuse_scaled((longest // 512, 1), least, "long")
    with pytest.raises(HarmonizeError):
        refuse_scaled((longest // 512 + 1, 1), least, "long")
    refuse_scaled((1 << 14, 1 << 14), least, "large")
    refuse_scaled((1 << 14, 1), float("inf"), "as it is")
    Image.new("RGB", (300, 2)).save(tmp_path / "strip.png")
    assert isinstance(read_to_see(tmp_path / "strip.png", size=64), SeenPicture)


def test_a_long_picture_is_scored_by_no_evaluation(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    spec = DatasetSpec.from_document(load_file(project / "fine.yaml"))
    Image.new("RGB", (20000, 1)).save(project / "fine_data" / "03.png")
    Image.new("L", (20000, 1)).save(project / "fine_data" / "03_ids.png")
    dataset = SegmentationDataset(spec, "train", root=project / "fine_data")
    with pytest.raises(BadSampleError, match="would be scaled to"):
        dataset.scaled_down(3, least=512)
    assert dataset.pixels(3, least=512).classes.shape == (1, 20000)  # of which training takes crops


@pytest.mark.parametrize("name", ["n" * 5000, " + ".join(f"a long name {n}" for n in range(65))])
def test_a_long_name_is_cut_so_that_the_overlay_can_be_written(name: str) -> None:
    listed = [(AnswerLabel(name, 0, (name,), 1, (9, 9, 9)), 73.0)]
    panel = draw_list(listed, height=3000, longest=4000)
    assert panel.width <= 4000 + 3 * 132 + 1
    font = drawing.ImageFont.load_default(88)
    text = drawing._shortened(name, "  73 %", font, 4000)
    assert text.endswith("...  73 %")
    assert name.startswith(text.removesuffix("...  73 %"))
    assert font.getlength(text) <= 4000 < font.getlength(text + "nnn")
    assert drawing._shortened("road", "  73 %", font, 4000) == "road  73 %"


def test_a_wanted_picture_is_named_once(tmp_path: Path) -> None:
    wanted = Wanted(tmp_path / "a.png", Path("a"))
    with (
        pytest.raises(HarmonizeError, match=r"a\.png: cannot be read: ValueError: first$"),
        answering._naming(wanted, "cannot be read"),
    ):
        raise ValueError("first\nsecond")
