"""The Python API: training, opening a run, asking it, scoring it, parts for one's own loop."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import harmonize
from harmonize import HarmonizeError, Progress, Run
from harmonize.cli import main
from harmonize.config.strict_yaml import dump
from tiny import tiny_config, tiny_values, write_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def run(project: Path) -> Run:
    return harmonize.train(tiny_config(project, project / "run"))


@pytest.fixture
def picture(project: Path) -> Path:
    return project / "fine_data" / "11.png"


class Plain(nn.Module):
    """One convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.layer(pictures)


def test_training_gives_the_run_and_its_scores(run: Run) -> None:
    assert run.step == 6
    assert run.datasets == ("fine", "coarse")
    assert run.ontology.leaves == ("background", "left", "right")
    assert run.scores["fine"]["mean_iou"] == pytest.approx(
        json.loads((run.folder / "evaluation.json").read_text())["datasets"]["fine"]["mean_iou"]
    )
    assert "6 steps, fine, coarse" in repr(run)
    assert "<td>fine</td><td>val</td>" in run._repr_html_()


def test_a_config_may_be_a_file_or_its_values_with_changes(project: Path) -> None:
    values = tiny_values(project, project / "values")
    run = harmonize.train(values, overrides=["train.steps=2"])
    assert (run.folder, run.step) == (project / "values", 2)
    (project / "a.yaml").write_text(dump(tiny_values(project, project / "file")))
    assert harmonize.train(project / "a.yaml", overrides=["train.steps=1"]).step == 1
    with pytest.raises(HarmonizeError, match=r"config: train\.stps: unknown key"):
        harmonize.train({**values, "train": {"stps": 1}})


def test_a_picture_is_answered_the_same_as_file_image_and_pixels(run: Run, picture: Path) -> None:
    by_file = run.predict(picture)
    image = Image.open(picture)
    for same in (str(picture), image, np.asarray(image)):
        assert np.array_equal(run.predict(same).map, by_file.map)
    assert by_file.map.shape == (20, 24)
    assert by_file.names == ("background", "left", "right")
    assert sum(by_file.shares.values()) == pytest.approx(1)
    assert by_file.mask("left").sum() == (by_file.map == 1).sum()
    with pytest.raises(HarmonizeError, match="'nose': no such answer; choose from back"):
        by_file.mask("nose")


def test_answers_are_those_of_the_command(run: Run, picture: Path, tmp_path: Path) -> None:
    for number, (option, given) in enumerate(
        {
            "--depth 1": {"depth": 1},
            "--as coarse": {"as_": "coarse"},
            "--confidence 0.6": {"confidence": 0.6},
            "--size full": {"size": "full"},
        }.items()
    ):
        folder = tmp_path / str(number)
        assert (
            main(["predict", str(run.folder), str(picture), *option.split(), "-o", str(folder)])
            == 0
        )
        answer: Any = run.predict(picture, **given)
        assert np.array_equal(
            np.asarray(Image.open(folder / "11.png")), np.asarray(answer.labels())
        )


def test_probabilities_are_those_of_the_leaves_of_each_answer(run: Run, picture: Path) -> None:
    answer = run.predict(picture, probabilities=True)
    assert answer.probabilities is not None
    assert answer.probabilities.shape == (3, 20, 24)
    np.testing.assert_allclose(answer.probabilities.sum(0), 1, atol=1e-5)  # 3 terms of float32
    coarse = run.predict(picture, depth=1, probabilities=True)
    assert coarse.probabilities is not None
    np.testing.assert_allclose(coarse.probabilities[1], answer.probabilities[1:].sum(0), atol=1e-5)
    assert np.array_equal(coarse.map, coarse.probabilities.argmax(0))
    assert np.array_equal(answer.map > 0, coarse.map > 0)  # left and right are things
    things = answer.map > 0
    best = 1 + answer.probabilities[1:].argmax(0)
    assert np.array_equal(answer.map[things], best[things])


def test_an_answer_is_drawn_written_and_shown(
    run: Run, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = run.predict(picture)
    assert answer._repr_png_().startswith(b"\x89PNG")
    answer.save(tmp_path / "a.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), answer.map)
    shown: list[Image.Image] = []
    monkeypatch.setattr(Image.Image, "show", lambda image: shown.append(image))
    answer.show()
    assert shown[0].size == answer.overlay().size
    assert "<Answer 24 x 20, leaves: " in repr(answer)


def test_a_turned_picture_is_answered_upright(run: Run, picture: Path) -> None:
    image = Image.open(picture)
    turned = image.transpose(Image.Transpose.ROTATE_90)
    exif = turned.getexif()
    exif[0x0112] = 6  # shown turned by 90 degrees to the right
    assert np.array_equal(run.predict(turned).map, run.predict(image).map)


def test_what_is_no_picture_is_refused(run: Run, picture: Path) -> None:
    with pytest.raises(HarmonizeError, match=r"uint8 in 0\.\.255, got float64 of shape"):
        run.predict(np.zeros((20, 24, 3)))
    with pytest.raises(HarmonizeError, match=r"got the shape \(3, 20, 24\); channels come last"):
        run.predict(np.zeros((3, 20, 24), dtype=np.uint8))
    with pytest.raises(HarmonizeError, match="depth and confidence: give one of them"):
        run.predict(picture, depth=1, confidence=0.5)
    with pytest.raises(HarmonizeError, match=r"absent\.png"):
        run.predict("absent.png")


def test_a_run_is_scored_as_at_its_end(run: Run) -> None:
    found = run.evaluate()
    assert list(found) == ["fine", "coarse"]
    assert found["fine"].to_dict()["mean_iou"] == run.scores["fine"]["mean_iou"]
    assert list(run.evaluate("coarse", split="train")) == ["coarse"]


def test_a_run_is_opened_again(run: Run, picture: Path, tmp_path: Path) -> None:
    again = Run.open(run.folder)
    assert np.array_equal(again.predict(picture).map, run.predict(picture).map)
    with pytest.raises(HarmonizeError, match="no such run folder"):
        Run.open(tmp_path / "absent")
    (again.folder / "evaluation.json").rename(tmp_path / "kept")
    with pytest.raises(HarmonizeError, match=r"evaluation\.json: is not there"):
        _ = again.scores
    (tmp_path / "kept").rename(again.folder / "evaluation.json")


def test_a_network_of_ones_own_is_trained_and_opened(project: Path, picture: Path) -> None:
    network = Plain()
    run = harmonize.train(tiny_config(project, project / "own"), model=network)
    assert run.network.network is network
    answer = run.predict(picture)
    with pytest.raises(HarmonizeError, match="model="):
        Run.open(run.folder)
    again = Run.open(run.folder, model=Plain())
    assert np.array_equal(again.predict(picture).map, answer.map)


def test_callbacks_follow_every_line_of_metrics(project: Path) -> None:
    seen: list[Progress] = []
    run = harmonize.train(tiny_config(project, project / "followed"), callbacks=[seen.append])
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert [one.metrics for one in seen] == lines
    assert [one.step for one in seen] == [2, 4, 6, 6]
    assert all(one.steps == 6 and one.folder == run.folder for one in seen)

    def stop(_: Progress) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        harmonize.train(tiny_config(project, project / "ended"), callbacks=[stop])


def test_the_loss_and_the_loader_of_a_config_make_a_loop(project: Path) -> None:
    config = tiny_config(project, project / "loop")
    loss, loader = harmonize.loss_for(config), harmonize.loader(config)
    batches = list(loader)
    assert len(batches) == 6
    assert batches[0].pictures.shape == (4, 3, 16, 16)
    value = loss(torch.zeros(4, 3, 16, 16, requires_grad=True), batches[0].codes)
    assert value.ndim == 0
    assert value.isfinite()
    later = list(harmonize.loader(config, start=4))
    assert torch.equal(later[0].pictures, batches[4].pictures)
    assert len(list(harmonize.loader(config, start=1, steps=3))) == 2


def test_a_loader_raises_what_its_files_lack(project: Path, tmp_path: Path) -> None:
    config = tiny_config(project, tmp_path / "x", f"data.roots.fine={tmp_path}")
    with pytest.raises(HarmonizeError, match="fine"):
        harmonize.loader(config)
