"""Proofs, numbers and tables of studies, on runs that are made by hand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harmonize import HarmonizeError
from harmonize.evaluation.saved_scores import SavedDepth, SavedScores
from harmonize.runs.metrics_log import EvaluationLine, StartLine, TrainLine
from harmonize.tools.studies.finished_runs import Proof, RunRecord, prove_identical
from harmonize.tools.studies.loss_results import (
    comparison_tables,
    dataset_results,
    short,
    to_dict,
)
from harmonize.tools.studies.measures import depth_measures
from harmonize.tools.studies.spread import (
    differences,
    mean_name,
    relative_change,
    spread_name,
    summarize,
)
from harmonize.tools.studies.study_output import change, listed, markdown, value


def scores(mean: float | None, *, left: float | None = None) -> SavedScores:
    """Return a data set's scores; some numbers follow from the mean."""
    return SavedScores(
        split="val",
        pictures=5,
        mean_iou=mean,
        pixel_accuracy=0.75,
        iou={"background": mean, "left": left},
        depths=(SavedDepth(1, 0.5, {"background": 0.5, "thing": 0.5}),),
        loss_by_depth=(0.25,),
        mistakes={"lca_height": 1.5, "precision": 0.5, "recall": 0.5, "f": 0.5},
        calibration_error=0.125,
    )


def record(
    means: dict[int, float | None],
    *,
    weights: str = "aa",
    inputs: tuple[str | None, ...] = ("i1", "i2", "i3"),
) -> RunRecord:
    """Return a run that was scored at these steps, and logged every two steps."""
    return RunRecord(
        folder=Path("somewhere"),
        datasets={"fine": scores([*means.values()][-1], left=0.25)},
        start=StartLine(0, weights),
        training=[TrainLine(2 * n, 0.5, input=text) for n, text in enumerate(inputs, 1)],
        evaluations=[EvaluationLine(step, {"fine": scores(mean)}) for step, mean in means.items()],
    )


RUNS = {
    "flat = finest": [
        record({2: 0.1, 4: 0.3, 6: 0.4}),
        record({2: 0.3, 4: 0.2, 6: 0.6}),
    ],
    "hierarchical": [
        record({2: 0.2, 4: 0.4, 6: 0.5}),
        record({2: 0.3, 4: 0.4, 6: 0.5}),
    ],
}


def test_equal_checksums_prove_all_steps() -> None:
    runs = {"flat": record({6: 0.5}), "hierarchical": record({6: 0.4})}
    assert prove_identical(runs, seed=3) == Proof("aa", steps=6, of=6)


def test_steps_of_a_line_that_was_cut_are_not_proven() -> None:
    cut = record({6: 0.5}, inputs=("i1", None, "i3"))
    assert prove_identical({"flat": cut, "finest": record({6: 0.5})}, seed=0).steps == 4
    assert prove_identical({"flat": record({6: 0.5}), "finest": cut}, seed=0).steps == 4


def test_other_input_is_refused_with_seed_loss_and_steps() -> None:
    runs = {name: record({6: 0.5}) for name in ("flat", "finest", "hierarchical")}
    runs["finest"] = record({6: 0.5}, inputs=("i1", "i9", "i3"))
    with pytest.raises(HarmonizeError, match=r"seed 7: finest was fed other .* flat .* 3 to 4, so"):
        prove_identical(runs, seed=7)
    # A line of the first run that was cut hides nothing of the others.
    runs["flat"] = record({6: 0.5}, inputs=("i1", None, "i3"))
    with pytest.raises(HarmonizeError, match="seed 7: hierarchical was fed other input than fine"):
        prove_identical(runs, seed=7)


def test_other_weights_are_refused() -> None:
    one = record({6: 0.5})
    with pytest.raises(HarmonizeError, match=r"seed 0: b started from other weights than a \(at s"):
        prove_identical({"a": one, "b": record({6: 0.5}, weights="bb")}, seed=0)


def test_the_spread_is_half_the_range_of_two_and_else_the_standard_deviation() -> None:
    assert (summarize([1.0, 4.0]).mean, summarize([1.0, 4.0]).spread) == (2.5, 1.5)
    assert summarize([1.0, 3.0, 5.0]).spread == 2.0
    assert (summarize([2.0]).mean, summarize([2.0]).spread) == (2.0, None)
    assert (summarize([2.0, None]).mean, summarize([]).mean) == (None, None)
    assert [mean_name(number) for number in (1, 3)] == ["numbers of one seed", "means of 3 seeds"]
    names = [spread_name(number) for number in (1, 2, 3)]
    assert names == [
        "numbers of one seed, so no spread is known",
        "mean of two seeds ± half their difference",
        "mean of 3 seeds ± their standard deviation",
    ]


def test_differences_are_paired_and_changes_are_of_the_means() -> None:
    assert differences([3.0, None, 5.0], [1.0, 1.0, None]) == (2.0, None, None)
    assert relative_change([3.0, 5.0], [1.0, 3.0]) == pytest.approx(1.0)
    assert relative_change([3.0], [0.0]) is None
    assert relative_change([None], [1.0]) is None


def test_numbers_are_written_with_their_spread() -> None:
    assert value(summarize([0.5, 0.25]), percent=True) == "37.50 ± 12.50"
    assert value(summarize([1.5]), percent=False, signed=True) == "+1.50"
    assert value(summarize([None]), percent=True) == change(None) == "–"
    assert change(-0.0312) == "-3.1 %"
    assert listed([2, None]) == "2, –"


def test_a_table_is_markdown_whatever_its_cells_hold() -> None:
    assert markdown(["a", "number"], [["x|y", "1"], ["z", "22"]]).split("\n") == [
        "| a    | number |",
        "| :--- | -----: |",
        "| x\\|y |      1 |",
        "| z    |     22 |",
    ]


def test_losses_are_compared_seed_by_seed() -> None:
    results = dataset_results(RUNS, "fine")
    assert (results.split, results.pictures) == ("val", 5)
    flat, ours = results.mean.values["flat = finest"], results.mean.values["hierarchical"]
    assert (flat.mean, flat.spread) == (pytest.approx(0.5), pytest.approx(0.1))
    assert (ours.mean, ours.spread) == (pytest.approx(0.5), pytest.approx(0))
    gain = results.mean.gains["hierarchical − flat"]
    assert gain.values == (pytest.approx(0.1), pytest.approx(-0.1))
    assert (gain.mean, gain.spread) == (pytest.approx(0), pytest.approx(0.1))
    assert results.mean.relative == pytest.approx(0)
    assert [row.measure.name for row in results.classes] == ["background", "left"]
    assert short("flat = finest") == "flat"


def test_the_first_step_that_reaches_a_part_of_the_first_losss_end_is_found() -> None:
    reached = dataset_results(RUNS, "fine").reached
    # Half of 0.4 and of 0.6; the second run falls below its half again, which does not matter.
    assert reached[0.5] == {"flat = finest": [4, 2], "hierarchical": [2, 2]}
    # Nine tenths of 0.6 are more than the hierarchical loss ever has with the second seed.
    assert reached[0.9] == {"flat = finest": [6, 6], "hierarchical": [4, None]}


def test_every_number_of_every_seed_is_kept() -> None:
    facts: Any = to_dict(dataset_results(RUNS, "fine"))
    assert facts["iou"]["background"]["values"]["hierarchical"]["values"] == [0.5, 0.5]
    assert facts["mean_iou"]["gains"]["hierarchical − flat"]["mean"] == pytest.approx(0)
    assert facts["further"]["calibration error, % (less is better)"]["relative"] == 0
    assert facts["steps_to_reach"]["0.5"]["flat = finest"] == [4, 2]


def depth(number: int, mean: float | None, **iou: float | None) -> SavedDepth:
    return SavedDepth(number, mean, iou)


def test_depths_that_say_nothing_new_have_no_row() -> None:
    one = replace(
        scores(0.5),
        iou={"brow": 0.75, "sky": 0.25, "never": None},
        depths=(
            depth(1, 0.625, sky=0.25, face=1.0, other=None),
            depth(2, 0.5, sky=0.25, eyebrow=0.75, other=None),
            depth(3, None, left=None, right=None),
        ),
    )
    measures = depth_measures([one, one])
    assert [measure.name for measure in measures] == ["mean IoU at depth 1 (2 groups), %"]
    assert measures[0].read(one) == 0.625
    # A depth is kept as soon as one run tells it from the classes, or has a mean there.
    deeper = (one.depths[0], depth(2, 0.4, sky=0.25, eyebrow=0.55), depth(3, 0.1, left=0.1))
    kept = depth_measures([one, replace(one, depths=deeper)])
    assert [measure.path[1] for measure in kept] == [0, 1, 2]
    assert kept[2].name == "mean IoU at depth 3 (1 group), %"


@pytest.mark.parametrize(("flat", "shown"), [(0.0099, "–"), (0.0101, "-50.5 %"), (None, "–")])
def test_a_change_of_almost_nothing_is_not_shown(flat: float | None, shown: str) -> None:
    runs = {"flat": [record({6: 0.5})], "hierarchical": [record({6: 0.5})]}
    runs["flat"][0].datasets["fine"].iou["left"] = flat
    runs["hierarchical"][0].datasets["fine"].iou["left"] = 0.005
    lines = comparison_tables("x", [dataset_results(runs, "fine")], {0: Proof("aa", 6, 6)})
    (left,) = [line for line in lines.splitlines() if line.startswith("| left")]
    assert left.split("|")[-2].strip() == shown
    assert "A change relative to less than 1 % says nothing, and is left out." in lines


def test_the_tables_say_what_was_proven_what_was_gained_and_how_soon() -> None:
    proof = {0: Proof("aa", 6, 6), 1: Proof("bb", 4, 6)}
    lines = comparison_tables("tiny", [dataset_results(RUNS, "fine")], proof).splitlines()
    assert lines[0] == "# tiny: flat = finest and hierarchical"
    assert lines[2].endswith("Steps proven equal: seed 0: 6 of 6; seed 1: 4 of 6.")
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    gain = ["hierarchical − flat", "hierarchical relative to flat"]
    assert ["IoU, %", "flat = finest", "hierarchical", *gain] in cells
    assert ["left", "25.00 ± 0.00", "25.00 ± 0.00", "+0.00 ± 0.00", "+0.0 %"] in cells
    mean = ["**mean IoU**", "**50.00 ± 10.00**", "**50.00 ± 0.00**", "**+0.00 ± 10.00**"]
    assert [*mean, "**+0.0 %**"] in cells
    height = "height of mistakes, levels (less is better)"
    assert [height, "1.50 ± 0.00", "1.50 ± 0.00", "+0.00 ± 0.00"] in cells
    assert ["90 %", "6, 6", "4, –"] in cells
