"""The answers that a run keeps while it is trained, in its folder and for trackers."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harmonize import HarmonizeError
from harmonize.pipeline.train import train
from harmonize.training import examples as writing
from harmonize.training.examples import example_folder
from harmonize.training.scoring import examples
from tiny import COLORS, tiny_config, write_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("project"))


@pytest.mark.parametrize(
    ("pictures", "number", "expected"),
    [(10, 2, (2, 7)), (3, 3, (0, 1, 2)), (2, 4, (0, 1)), (100, 1, (50,)), (5, 0, ())],
)
def test_examples_are_spread_evenly_over_a_data_set(
    pictures: int, number: int, expected: tuple[int, ...]
) -> None:
    assert examples(pictures, number) == expected


def test_a_run_keeps_picture_truth_and_an_answer_for_each_evaluation(project: Path) -> None:
    config = tiny_config(project, project / "run", "train.evaluate_every=3", "evaluate.pictures=2")
    run = train(config, name="tiny")
    assert sorted(path.name for path in (run / "pictures" / "fine").iterdir()) == [
        "000001",
        "000003",
    ]
    folder = example_folder(run, "fine", 3)
    assert sorted(path.name for path in folder.iterdir()) == [
        "input.jpg",
        "step-00000003.png",
        "step-00000006.png",
        "truth.png",
    ]
    label = np.asarray(Image.open(project / "fine_data" / "13_ids.png"))
    with Image.open(folder / "truth.png") as truth:
        found = np.asarray(truth)
        assert truth.mode == "P"
        colors = np.asarray(truth.convert("RGB"))
    assert (found == np.where(label == 255, 3, label)).all()  # the fourth class is void
    assert colors[0, 0].tolist() == [0, 0, 0]
    assert len({tuple(color) for color in colors.reshape(-1, 3).tolist()}) == 4
    with Image.open(folder / "step-00000006.png") as answer:
        assert answer.size == (24, 20)
        assert set(np.unique(np.asarray(answer))) <= {0, 1, 2}
    with Image.open(folder / "input.jpg") as picture:
        gap = np.asarray(picture).astype(int) - COLORS[np.where(label == 255, 0, label)]
    assert abs(gap).mean() < 40


def test_the_paper_s_crop_is_what_is_shown(project: Path) -> None:
    config = tiny_config(
        project, project / "crop", "evaluate.crop=true", "evaluate.pictures=1", "train.steps=1"
    )
    folder = example_folder(train(config, name="tiny"), "coarse", 2)
    for name in ("input.jpg", "truth.png", "step-00000001.png"):
        with Image.open(folder / name) as image:
            assert image.size == (16, 16)
    with Image.open(folder / "truth.png") as truth:
        colors = {tuple(color) for color in np.asarray(truth.convert("RGB")).reshape(-1, 3)}
    assert colors <= {(0, 0, 0), (255, 255, 255)}  # the set's own


def test_no_pictures_are_kept_if_none_are_wanted(project: Path) -> None:
    config = tiny_config(project, project / "none", "evaluate.pictures=0", "train.steps=1")
    assert not (train(config, name="tiny") / "pictures").exists()


def test_trackers_that_show_pictures_are_given_them(project: Path) -> None:
    event_accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    config = tiny_config(
        project, project / "tracked", "evaluate.pictures=1", "train.track=[tensorboard]"
    )
    run = train(config, name="tiny")
    events = event_accumulator.EventAccumulator(str(run / "tracking"))
    events.Reload()
    assert events.Tags()["images"] == ["fine/000002", "coarse/000002"]
    (image,) = events.Images("fine/000002")
    assert (image.step, image.width, image.height) == (6, 3 * 24, 20)
    assert "datasets/fine/depths/1/mean_iou" in events.Tags()["scalars"]


def full_disk(path: Path, data: bytes) -> None:
    raise OSError(28, "No space left on device", str(path), data)


def test_a_full_disk_ends_the_run_in_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "write_whole", full_disk)
    with pytest.raises(HarmonizeError, match=r"input\.jpg: cannot be written: No space left on"):
        train(tiny_config(project, project / "full", "train.steps=1"), name="tiny")


def test_or_is_only_warned_of_if_the_run_goes_on_then(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(writing, "write_whole", full_disk)
    overrides = ("train.steps=1", "train.on_failed_checkpoint=continue")
    run = train(tiny_config(project, project / "goes_on", *overrides), name="tiny")
    assert (run / "evaluation.json").exists()
    warnings = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert len(warnings) == 1
    assert "input.jpg: cannot be written: No space left on device" in warnings[0]
