"""The scores that a run keeps: what an evaluation writes is read back whole."""

import json
from pathlib import Path

import pytest
import torch
from jsonschema import Draft202012Validator, ValidationError

from harmonize.cli import main
from harmonize.config.json_schema import json_schema
from harmonize.errors import HarmonizeError
from harmonize.evaluation.by_depth import DepthScores
from harmonize.evaluation.dataset_scores import DatasetScores
from harmonize.evaluation.metrics import scores
from harmonize.evaluation.mistakes import Mistakes
from harmonize.evaluation.results import report_results
from harmonize.evaluation.sampling import PixelSample
from harmonize.evaluation.saved_scores import (
    VERSION,
    Evaluation,
    PictureScore,
    SavedConfusion,
    SavedDepth,
    SavedScores,
    read_evaluation,
)

NAN = float("nan")


def test_an_evaluation_is_read_as_it_was_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    confusion = torch.tensor([[3, 1], [0, 0]])
    nothing = torch.zeros(0, dtype=torch.int64)
    found = DatasetScores(
        name="a",
        split="val",
        pictures=2,
        classes=("sky", "road"),
        scores=scores(confusion),
        confusion=confusion,
        tree_order=(1, 0),
        depths=(DepthScores(1, ("sky", "ground"), scores(confusion)),),
        mistakes=Mistakes(NAN, 1.0, 0.5, 0.75),
        calibration_error=NAN,
        loss_by_depth=(0.5, NAN),
        sample=PixelSample(torch.zeros(0, 2), nothing, nothing),
        picture_scores=(PictureScore(0, "a.png", 0.25), PictureScore(1, "b.png", 0.75)),
        unanswerable={"car": "untaught"},
        skipped={"c.png": "broken"},
    )
    report_results([found], tmp_path / "evaluation.json")
    assert "a, val: 2 pictures" in capsys.readouterr().out
    expected = SavedScores(
        split="val",
        pictures=2,
        mean_iou=0.375,  # of 3/4 and 0/1
        pixel_accuracy=0.75,
        iou={"sky": 0.75, "road": 0.0},
        depths=(SavedDepth(1, 0.375, {"sky": 0.75, "ground": 0.0}, 0.75),),
        loss_by_depth=(0.5, None),
        mistakes={"lca_height": None, "precision": 1.0, "recall": 0.5, "f": 0.75},
        calibration_error=None,
        frequency_weighted_iou=0.75,  # no pixel is road
        left_out={"car": "untaught"},
        precision={"sky": 1.0, "road": 0.0},
        recall={"sky": 0.75, "road": None},
        mean_iou_per_picture=0.5,
        skipped={"c.png": "broken"},
        confusion=SavedConfusion(("road", "sky"), ((0, 0), (1, 3))),
        worst=(PictureScore(0, "a.png", 0.25),),
        best=(PictureScore(1, "b.png", 0.75),),
    )
    assert read_evaluation(tmp_path / "evaluation.json", "x") == {"a": expected}
    whole = json.loads((tmp_path / "evaluation.json").read_text())
    assert whole["version"] == VERSION
    schema = json_schema(Evaluation, "An evaluation")
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(whole)
    written = whole["datasets"]["a"]
    assert written == {**found.to_dict(), **found.details()}
    assert not found.to_dict().keys() & {"confusion", "worst", "best"}


SMALL = {"split": "val", "pictures": 2, "mean_iou": 0.5, "pixel_accuracy": 0.5, "iou": {}}


def test_the_schema_refuses_slips(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "evaluation"]) == 0
    check = Draft202012Validator(json.loads(capsys.readouterr().out)).validate
    check({"version": 1, "datasets": {"a": SMALL}})
    for slip in ({"mean_iou": 1.5}, {"pictures": -1}, {"mean_iuo": 1}, {"worst": [{"number": 1}]}):
        with pytest.raises(ValidationError):
            check({"version": 1, "datasets": {"a": {**SMALL, **slip}}})
    with pytest.raises(ValidationError):
        check({"version": 1})


def test_files_of_a_newer_program_are_refused_and_older_ones_read(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps({"datasets": {"a": SMALL}}))
    assert read_evaluation(path, "x")["a"].mean_iou == 0.5
    path.write_text(json.dumps({"datasets": {"a": SMALL}, "version": VERSION + 1}))
    with pytest.raises(HarmonizeError, match=r"version: is 2, of a newer harmonize, .* knows 1"):
        read_evaluation(path, "x")


def test_a_file_on_a_device_has_nothing_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    report_results([], Path("/dev/null"))
    assert not Path("/dev/null.pictures.npz").exists()
    assert capsys.readouterr().out == ""
