"""The study of what coarse labels are worth."""

import dataclasses
import json
import math
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harmonize import HarmonizeError
from harmonize.config.run_config import RunConfig
from harmonize.tools.studies import pays_study
from harmonize.tools.studies.pays_plan import plan_pays
from harmonize.tools.studies.pays_results import paired_interval
from harmonize.tools.studies.pays_study import pays
from tiny import tiny_config, write_project


def small(project: Path, *overrides: str) -> RunConfig:
    made = tiny_config(project, "x", "train.steps=4", "train.checkpoint_every=null", *overrides)
    return dataclasses.replace(made, output=None)


def planned(project: Path, config: RunConfig, *arms: str, coarse: tuple[str, ...] = ("coarse",)):
    return plan_pays(
        config,
        name="pays_tiny",
        coarse=coarse,
        arms=arms,
        seeds=(0, 1),
        confidence=0.7,
        folder=project / "study",
    )


def test_every_arm_sees_as_many_fine_samples(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    config = small(project, "datasets.0.weight=3", "data.batch_size=8", "datasets.1.max_depth=1")
    study = planned(project, config, "refined twice", "in-run")
    assert study.name == "tiny"
    assert study.arms == ("fine", "refined", "refined twice", "in-run")
    assert len(study.runs) == 8
    fine, refined = study.runs["fine", 1].config, study.runs["refined", 1].config
    assert fine.data.batch_size == 6
    assert refined.data.batch_size == 8
    assert [entry.train for entry in fine.datasets] == ["train"]
    assert [entry.weight for entry in refined.datasets] == [3, 1]
    assert refined.datasets[1].spec == str(
        project / "study" / "coarse-refined-seed1" / "coarse_refined.yaml"
    )
    for made in (fine, refined):
        [also] = made.evaluate_also
        assert (also.spec, also.evaluate, also.max_depth) == (
            str(project / "coarse.yaml"),
            "val",
            None,
        )
    all_arms = plan_pays(
        config,
        name="t",
        coarse=("coarse",),
        arms=None,
        seeds=(0,),
        confidence=0.7,
        folder=project / "study",
    )
    assert all_arms.arms[-1] == "truth"
    assert all_arms.runs["truth", 0].config.datasets[1].max_depth is None
    assert all_arms.runs["coarse", 0].config.datasets[1].max_depth == 1
    complete = study.runs["in-run", 0].config.train.complete
    assert complete is not None
    assert (complete.from_, complete.confidence) == (0.33, 0.7)
    assert {run.config.seed for run in study.runs.values()} == {0, 1}


@pytest.mark.parametrize(
    ("overrides", "arms", "coarse", "problem"),
    [
        ((), ("fine", "raw"), ("coarse",), "--arms: no arm 'raw'; choose from"),
        ((), ("truth",), ("coarse",), "--arms truth: is of sets that `max_depth` makes coarse"),
        ((), ("fine",), ("cross",), "--coarse cross: the config trains on no such set"),
        ((), ("fine",), ("coarse", "fine"), "--coarse: names all data sets"),
        (("mix.by=sqrt",), ("fine",), ("coarse",), "mix: the study keeps the samples"),
        (("loss.coarse=ignore",), ("fine",), ("coarse",), "loss.coarse: ignores the labels"),
        (
            ("datasets.0.weight=2",),
            ("fine",),
            ("coarse",),
            "data.batch_size: of 4 samples 2.66667 are of the fine sets",
        ),
    ],
)
def test_what_the_study_cannot_be_made_with(
    tmp_path: Path,
    overrides: tuple[str, ...],
    arms: tuple[str, ...],
    coarse: tuple[str, ...],
    problem: str,
) -> None:
    project = write_project(tmp_path)
    with pytest.raises(HarmonizeError) as error:
        planned(project, small(project, *overrides), *arms, coarse=coarse)
    assert problem in str(error.value)


def test_the_interval_is_that_of_a_paired_t_test() -> None:
    assert paired_interval([0.1]) is None
    assert paired_interval([0.1, None]) is None
    # Of 1, 2, 3: mean 2, standard error 1 / sqrt(3), t = 4.303 with two degrees of freedom.
    interval = paired_interval([1.0, 2.0, 3.0])
    assert interval is not None
    assert interval == pytest.approx((2 - 4.303 / math.sqrt(3), 2 + 4.303 / math.sqrt(3)))


def test_the_study_from_start_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = write_project(tmp_path)
    config = small(project, "datasets.1.take=0.5")

    def run() -> Path:
        return pays(
            config,
            name="tiny",
            coarse=["coarse"],
            arms=["refined", "in-run"],
            seeds=[0, 1],
            confidence=0.5,
            folder=project / "study",
        )

    folder = run()
    table = (folder / "table.md").read_text()
    assert (
        "## coarse, val: 4 pictures\n\n"
        "Mean IoU and gain: mean of two seeds ± half their difference; "
        "by depth: means of 2 seeds.\n\n| labels"
    ) in table
    assert "\n\nIoU of each class, %: means of 2 seeds.\n\n| class" in table
    facts = json.loads((folder / "pays.json").read_text())
    assert [row["arm"] for row in facts["datasets"]["fine"]] == ["fine", "refined", "in-run"]
    row = facts["datasets"]["coarse"][1]
    own = [
        json.loads((folder / f"{arm}-seed1" / "evaluation.json").read_text())
        for arm in ("refined", "fine")
    ]
    known = [its["datasets"]["coarse"] for its in own]
    assert row["gain"]["values"][1] == pytest.approx(known[0]["mean_iou"] - known[1]["mean_iou"])
    assert len((folder / "coarse-refined-seed0" / "train.txt").read_text().splitlines()) == 4
    drawn = (folder / "figure_pays.svg").read_text()
    shapes = [*ElementTree.fromstring(drawn).iter()]
    made = {shape.get("id") for shape in shapes}
    used = [shape.get("href", "").removeprefix("#") for shape in shapes if shape.tag[-4:] == "}use"]
    cut = re.findall(r"url\(#([^)]+)\)", drawn)
    assert used
    assert cut
    assert {*used, *cut} <= made  # or no point would be seen
    capsys.readouterr()
    before = (folder / "pays.json").stat().st_mtime_ns
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pays_study, "refine_dataset", None)  # nothing is done again
        run()
    assert (folder / "pays.json").stat().st_mtime_ns > before
    assert "0 to be trained" in capsys.readouterr().out
    with pytest.raises(HarmonizeError, match="made with another network or confidence"):
        pays(
            config,
            name="tiny",
            coarse=["coarse"],
            arms=["refined"],
            seeds=[0],
            confidence=0.6,
            folder=folder,
        )


def test_pictures_that_are_missing_are_missed_before_anything_is_trained(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    config = small(project, "data.roots.coarse=nowhere")
    with pytest.raises(HarmonizeError, match="nowhere"):
        pays(
            config,
            name="tiny",
            coarse=["coarse"],
            arms=["fine", "coarse"],
            seeds=[0],
            confidence=0.9,
            folder=project / "study",
        )
    assert not (project / "study").exists()
