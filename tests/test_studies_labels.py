"""The label-efficiency study: what its runs are trained on, and what it says of them."""

import dataclasses
import json
import runpy
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from harmonize import HarmonizeError
from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import dump
from harmonize.data.open_datasets import open_trained
from harmonize.evaluation.saved_scores import SavedScores
from harmonize.labels.sources import load_sources
from harmonize.runs.metrics_log import StartLine
from harmonize.tools.studies import label_plan
from harmonize.tools.studies.finished_runs import RunRecord
from harmonize.tools.studies.label_plan import (
    ALL,
    FINE,
    MIXED,
    LabelStudy,
    Subject,
    parse_shares,
    plan_study,
)
from harmonize.tools.studies.label_results import share_rows, share_table
from harmonize.tools.studies.measures import MEAN_IOU
from tiny import tiny_config, tiny_values, write_project

REPO = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("project"))


def plan(config: RunConfig, dataset: str | None = None, depth: int = 1) -> LabelStudy:
    return plan_study(
        config,
        name="label_efficiency_tiny",
        seeds=[0, 1],
        shares=[0.5, 0.25],
        depth=depth,
        dataset=dataset,
        folder=None,
    )


def leaves_only(project: Path, *overrides: str) -> RunConfig:
    config = tiny_config(project, "unused", *overrides)
    return dataclasses.replace(config, datasets=config.datasets[:1])


def test_runs_are_planned_for_each_seed_share_and_kind_of_labels(project: Path) -> None:
    study = plan(leaves_only(project))
    assert study.folder == Path("runs/label-efficiency-tiny")
    assert study.pictures == {0.5: 5, 0.25: 2, 1.0: 10}
    assert [run.name for run in study.runs.values()][:5] == [
        "all-seed0",
        "fine-0.5-seed0",
        "fine-0.5-coarse-seed0",
        "fine-0.25-seed0",
        "fine-0.25-coarse-seed0",
    ]
    assert len(study.runs) == 10
    configs = [run.config for run in study.runs.values()]
    assert len({(c.train.steps, c.data.batch_size, c.loss) for c in configs}) == 1
    assert study.runs[ALL, 1.0, 1].config.datasets == study.config.datasets
    assert study.runs[FINE, 0.25, 1].config.seed == 1


def test_fine_and_coarse_labels_share_no_picture_and_are_drawn_equally_often(
    project: Path,
) -> None:
    study = plan(leaves_only(project, "datasets.0.weight=4"))
    taken: dict[str, set[str]] = {}
    for kind in (FINE, MIXED):
        config = study.runs[kind, 0.25, 1].config
        for dataset in open_trained(load_sources(config), config):
            key = f"{kind} {dataset.spec.name}"
            taken[key] = {dataset.files.picture(n) for n in range(len(dataset))}
    assert taken[f"{MIXED} fine"] == taken[f"{FINE} fine"]
    assert len(taken[f"{MIXED} fine"]) == 2
    assert not taken[f"{MIXED} fine"] & taken[f"{MIXED} fine_coarse"]
    assert len(taken[f"{MIXED} fine"] | taken[f"{MIXED} fine_coarse"]) == 10
    fine, coarse = study.runs[MIXED, 0.25, 1].config.datasets
    assert (fine.weight, coarse.weight) == (1.0, 3.0)
    assert (fine.take, fine.max_depth, fine.evaluate) == (0.25, None, "val")
    assert (coarse.take, coarse.max_depth, coarse.evaluate) == ((0.25, 1.0), 1, None)


def test_the_coarse_part_says_no_more_than_its_depth_and_is_found_by_any_root(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARMONIZE_DATA", str(project))
    (project / "fine").symlink_to(project / "fine_data")
    config = plan(leaves_only(project)).runs[MIXED, 0.5, 0].config
    assert config.data.roots == {"fine_coarse": str(project / "fine")}
    sources = load_sources(config)
    names = [spec.name for spec in sources.taught]
    assert names == ["fine", "fine_coarse"]
    whole, coarse = (spec.leaf_masks(sources.ontology).tolist() for spec in sources.taught)
    nothing, background, thing = [False] * 3, [True, False, False], [False, True, True]
    assert coarse == [background, thing, thing, nothing]
    assert whole == [background, [False, True, False], [False, False, True], nothing]
    assert len(open_trained(sources, config)[1]) == 5


def test_other_data_sets_stay_as_they_are(project: Path) -> None:
    config = tiny_config(project, "unused")
    study = plan(config, dataset="fine")
    mixed = study.runs[MIXED, 0.5, 0].config.datasets
    assert [entry.max_depth for entry in mixed] == [None, 1, None]
    assert mixed[2] == config.datasets[1]
    assert study.runs[FINE, 0.5, 0].config.datasets[1] == config.datasets[1]


@pytest.mark.parametrize(
    ("dataset", "depth", "overrides", "message"),
    [
        (None, 1, [], "say --dataset: the config trains on fine, coarse"),
        ("fin", 1, [], r"--dataset fin: the config trains on no such set; did you mean fine\?"),
        ("fine", 2, [], "--depth 2: labels of fine say no more than that; give a smaller depth"),
        ("fine", 0, [], "--depth: the first depth is 1, got 0"),
        ("coarse", 1, [], "--depth 1: labels of coarse say no more than that"),
        ("fine", 1, ["loss.coarse=ignore"], "loss.coarse: ignores the labels that the study is"),
        ("fine", 1, ["datasets.0.take=0.5"], "fine: take and max_depth are set by the study"),
        ("fine", 1, ["datasets.0.evaluate=null"], "fine: is not scored, so nothing can be said"),
    ],
)
def test_a_study_that_would_say_nothing_is_refused(
    project: Path, dataset: str | None, depth: int, overrides: list[str], message: str
) -> None:
    with pytest.raises(HarmonizeError, match=message):
        plan(tiny_config(project, "unused", *overrides), dataset, depth)


def test_shares_are_fractions_or_numbers_and_each_is_given_once() -> None:
    assert parse_shares(["1/8", "0.5", "0.25"]) == (0.5, 0.25, 0.125)
    for wrong in (["1"], ["0"], ["-1/2"], ["half"], ["1/0"], ["nan"]):
        with pytest.raises(HarmonizeError, match="--shares: a share lies between 0 and 1, got"):
            parse_shares(wrong)
    for wrong in (["1/2", "0.5"], []):
        with pytest.raises(HarmonizeError, match="--shares: give each share once, got"):
            parse_shares(wrong)


def test_a_share_of_no_picture_is_refused(project: Path) -> None:
    with pytest.raises(HarmonizeError, match=r"--shares: 0\.04 is 0 of 10 pictures; change it"):
        plan_study(
            leaves_only(project),
            name="x",
            seeds=[0],
            shares=[0.04],
            depth=1,
            dataset=None,
            folder=None,
        )


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        (
            [1 / 3, 0.333333],
            r"--shares: 0\.33333+ is 3 and 0\.333333 is 3 of 10 pictures, which ",
        ),
        ([0.18, 0.5, 0.2], r"--shares: 0\.2 is 2 and 0\.18 is 2 of 10 pictures, .*; leave one out"),
    ],
)
def test_shares_of_the_same_pictures_are_refused(
    project: Path, shares: list[float], message: str
) -> None:
    with pytest.raises(HarmonizeError, match=message):
        plan_study(
            leaves_only(project),
            name="x",
            seeds=[0],
            shares=shares,
            depth=1,
            dataset=None,
            folder=None,
        )


def test_shares_whose_folders_have_the_same_name_are_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [range(10_000_000)]
    monkeypatch.setattr(label_plan, "open_datasets", lambda *_, **__: many)
    config = leaves_only(project)
    subject = Subject(0, "fine", "x")
    sources = load_sources(config)
    with pytest.raises(HarmonizeError, match=r"is 3333333 and 0\.333333 is 3333330 of 10000000 p"):
        label_plan.count_pictures(config, sources, subject, [1 / 3, 0.333333])
    assert label_plan.count_pictures(config, sources, subject, [0.33334, 0.33333]) == {
        0.33334: 3333400,
        0.33333: 3333300,
        1.0: 10_000_000,
    }


def record(mean: float | None) -> RunRecord:
    scores = {"fine": SavedScores("val", 5, mean, 0.5, {})}
    return RunRecord(Path("x"), scores, StartLine(0, "aa"), (), ())


def hand_made(*by_seed: tuple[float, float, float]) -> tuple[LabelStudy, dict[Any, Any]]:
    """Return a study of one share with the means of each seed: fine, fine + coarse, all."""
    kinds = {(FINE, 0.5): 0, (MIXED, 0.5): 1, (ALL, 1.0): 2}
    records = {kind: [record(seed[n]) for seed in by_seed] for kind, n in kinds.items()}
    config = RunConfig(ontology="x", datasets=())
    seeds = tuple(range(len(by_seed)))
    counts = {0.5: 5, 1.0: 10}
    subject = Subject(0, "fine", "x")
    return LabelStudy("x", Path("x"), config, subject, 1, (0.5,), counts, seeds, {}), records


def test_what_coarse_labels_recover_is_a_part_of_the_gap() -> None:
    study, records = hand_made((0.5, 0.7, 0.9), (0.3, 0.4, 0.9))
    (row,) = share_rows(study, records, MEAN_IOU)
    assert row.recovered == pytest.approx((0.55 - 0.4) / (0.9 - 0.4))
    assert row.by_seed == (pytest.approx(0.5), pytest.approx(1 / 6))
    assert row.gain.mean == pytest.approx(0.15)
    cells = [
        cell.strip() for cell in share_table(study, MEAN_IOU, [row]).split("\n")[-1].split("|")
    ]
    assert cells[1:-1] == [
        "1/2 (5)",
        "40.00 ± 10.00",
        "55.00 ± 15.00",
        "90.00 ± 0.00",
        "+15.00 ± 5.00",
        "30 %",
        "50 %, 17 %",
    ]


def test_where_all_labels_are_no_better_there_is_no_gap_to_recover() -> None:
    study, records = hand_made((0.5, 0.7, 0.5), (0.5, 0.6, 0.7))
    (row,) = share_rows(study, records, MEAN_IOU)
    assert row.by_seed == (None, pytest.approx(0.5))
    assert "| –, 50 % |" in share_table(study, MEAN_IOU, [row]).replace("     –", "–")
    worse, records = hand_made((0.5, 0.7, 0.4))
    assert share_rows(worse, records, MEAN_IOU)[0].recovered is None


def test_the_script_trains_tells_and_goes_on(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    values = tiny_values(project, "unused")
    assert isinstance(values["datasets"], list)
    values["datasets"] = values["datasets"][:1]
    Path("tiny.yaml").write_text(dump(values))
    words = ["--config", "tiny.yaml", "--shares", "1/2", "train.steps=1", "--seeds", "3"]
    monkeypatch.setattr(sys, "argv", ["label_efficiency.py", *words, "evaluate.pictures=0"])
    for left in (3, 0):
        with pytest.raises(SystemExit, match=r"^0$"):
            runpy.run_path(str(REPO / "scripts" / "label_efficiency.py"), run_name="__main__")
        printed = capsys.readouterr().out
        assert f"3 runs of 1 step, {left} to be trained:" in printed
        assert printed.endswith("The study lies in runs/label-efficiency-tiny\n")
    folder = Path("runs/label-efficiency-tiny")
    found = json.loads((folder / "label_efficiency.json").read_text())
    (row,) = found["measures"]["mean IoU"]
    for kind, run in ((FINE, "fine-0.5"), (MIXED, "fine-0.5-coarse"), (ALL, "all")):
        scores = json.loads((folder / f"{run}-seed3" / "evaluation.json").read_text())["datasets"]
        assert list(scores) == ["fine"]
        assert row[kind]["values"] == [scores["fine"]["mean_iou"]]
    assert (row["share"], row["pictures"], found["depth"]) == (0.5, 5, 1)
    table = (folder / "table.md").read_text()
    assert table.partition("\n<!-- harmonize study -->")[0] in printed
    assert "| fine labels on | these alone | depth 1 on the rest | all fine |" in table
    about = "In percent, numbers of one seed, so no spread is known."
    assert f"## mean IoU at depth 1 (2 groups), %\n\n{about}\n\n| fine labels on" in table
    figure = ElementTree.fromstring((folder / "figure_label_efficiency.svg").read_text())
    texts = [text.strip() for text in figure.itertext()]
    assert {"fine labels alone", "depth 1 on the rest", "pictures with fine labels"} <= set(texts)
    assert np.isfinite(row["fine"]["mean"])
