"""``harmonize compare``: runs held against each other, picture by picture."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from harmonize import HarmonizeError
from harmonize.cli import main
from harmonize.evaluation.by_depth import DepthScores
from harmonize.evaluation.comparing import Difference, difference_of
from harmonize.evaluation.dataset_scores import DatasetScores
from harmonize.evaluation.metrics import scores
from harmonize.evaluation.mistakes import Mistakes
from harmonize.evaluation.picture_counts import PictureCounts, PixelsByClass, entries_of
from harmonize.evaluation.picture_file import pictures_path, read_pictures
from harmonize.evaluation.results import report_results
from harmonize.evaluation.sampling import PixelSample

PICTURES = 40


def scored(quality: float, seed: int, order: Sequence[int] = range(PICTURES)) -> DatasetScores:
    """Return the scores of a network that is right on about so many of the pixels.

    The pictures are the same for every seed, how hard each is as well; ``order`` lists those that
    are scored.
    """
    hard = np.random.default_rng(0).random(PICTURES)
    rng = np.random.default_rng(seed)
    matrices: dict[int, torch.Tensor] = {}
    for picture in range(PICTURES):
        wrong = np.clip((1 - quality) * (0.5 + hard[picture]) + rng.normal(0, 0.01, 3), 0, 1)
        part = (100 * wrong).astype(int)
        matrices[picture] = torch.tensor(
            [[100 - part[0], part[0], 0], [part[1], 100 - part[1], 0], [0, part[2], 100 - part[2]]]
        )
    chosen = {number: matrices[picture] for number, picture in enumerate(order)}
    counts = PictureCounts.join({number: entries_of(one) for number, one in chosen.items()})
    confusion = torch.stack([*chosen.values()]).sum(0)
    nothing = torch.zeros(0, dtype=torch.int64)
    at_one = scores(confusion[:2, :2])
    return DatasetScores(
        name="made",
        split="val",
        pictures=len(chosen),
        classes=("sky", "road", "tree"),
        scores=scores(confusion),
        confusion=confusion,
        tree_order=(0, 1, 2),
        depths=(DepthScores(1, ("sky", "ground"), at_one, pictures=two_groups(chosen)),),
        mistakes=Mistakes(1.0, 1.0, 0.5, 0.75),
        calibration_error=0.1,
        loss_by_depth=(0.5,),
        sample=PixelSample(torch.zeros(0, 2), nothing, nothing),
        picture_counts=counts,
        picture_names={number: f"p{picture:02d}.png" for number, picture in enumerate(order)},
    )


def two_groups(matrices: dict[int, torch.Tensor]) -> PictureCounts:
    return PictureCounts.join({n: entries_of(one[:2, :2]) for n, one in matrices.items()})


def write_run(name: str, *found: DatasetScores, config: str = "") -> str:
    """Write the scores of a run, and a config if one is given."""
    Path(name).mkdir(parents=True)
    report_results(list(found), Path(name) / "evaluation.json")
    if config:
        (Path(name) / "config.yaml").write_text(config)
    return name


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def compare(*words: str) -> dict[str, object]:
    assert main(["compare", *words, "--json", "compared.json"]) == 0
    return json.loads(Path("compared.json").read_text())


def rows(found: dict[str, object]) -> dict[tuple[str, str], dict[str, object]]:
    """Return the comparisons by the other side and by what is scored."""
    listed = found["comparisons"]
    assert isinstance(listed, list)
    return {(one["other"], one["scored_in"]): one for one in listed}


def test_runs_that_differ_and_runs_that_do_not(capsys: pytest.CaptureFixture[str]) -> None:
    write_run("a", scored(0.80, 1))
    write_run("b", scored(0.84, 2))
    write_run("c", scored(0.80, 3))
    capsys.readouterr()
    found = compare("a", "b", "c")
    told = rows(found)
    assert [*told] == [("b", "classes"), ("b", "depth 1"), ("c", "classes"), ("c", "depth 1")]
    better, same = told["b", "classes"], told["c", "classes"]
    ious = [one.scores.mean_iou for one in (scored(0.80, 1), scored(0.84, 2))]
    assert better["mean_iou"] == pytest.approx({"baseline": ious[0], "other": ious[1]})
    assert better["difference"] == pytest.approx(ious[1] - ious[0])
    assert (better["differs"], same["differs"]) == (True, False)
    assert (better["pictures"], better["classes"]) == (PICTURES, 3)
    assert told["b", "depth 1"]["classes"] == 2
    low, high = better["interval"]  # type: ignore[misc]
    assert 0 < low < ious[1] - ious[0] < high
    assert found["sides"] == [{"name": name, "runs": [name]} for name in ("a", "b", "c")]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "compared with a, by mean IoU in percent and its 95 % interval"
    assert lines[2] == "b"
    head = "data set  scored in  pictures  classes  first   this  difference"
    assert lines[3] == head
    assert lines[4].split() == [
        *("made", "classes", "40", "3", f"{100 * ious[0]:.2f}", f"{100 * ious[1]:.2f}"),
        *(f"{100 * (ious[1] - ious[0]):+.2f}", f"[{100 * low:+.2f},", f"{100 * high:+.2f}]"),
        "differs",
    ]
    assert lines[9].endswith("does not differ")


def test_pictures_are_matched_by_their_names(capsys: pytest.CaptureFixture[str]) -> None:
    order = [*range(PICTURES)][::-1]
    write_run("a", scored(0.80, 1))
    write_run("again", scored(0.80, 1, order))
    write_run("part", scored(0.80, 1, order[:30]))
    told = rows(compare("a", "again", "part"))
    for other, number in (("again", 40), ("part", 30)):
        one = told[other, "classes"]
        assert (one["pictures"], one["difference"], one["interval"]) == (number, 0, [0, 0])
    assert (
        "note: made, classes, a and part: only the 30 pictures that all score are compared"
        in capsys.readouterr().out
    )


def test_runs_of_one_config_are_one_side() -> None:
    qualities = {"a0": (0.80, 1), "a1": (0.86, 2), "b0": (0.83, 3), "b1": (0.89, 4)}
    for name, (quality, seed) in qualities.items():
        config = f"loss: {{terms: {name[0]}}}\noutput: {name}\nseed: {name[1]}\n"
        write_run(name, scored(quality, seed), config=config)
    found = compare("a0", "b0", "a1", "b1")
    assert found["sides"] == [
        {"name": "a0 and 1 more", "runs": ["a0", "a1"]},
        {"name": "b0 and 1 more", "runs": ["b0", "b1"]},
    ]
    one = rows(found)["b0 and 1 more", "classes"]
    ious = {name: scored(*given).scores.mean_iou for name, given in qualities.items()}
    assert one["difference"] == pytest.approx(
        (ious["b0"] + ious["b1"] - ious["a0"] - ious["a1"]) / 2
    )
    assert not one["differs"]  # seeds lie farther apart than the two configs
    assert rows(compare("a0", "b0"))["b0", "classes"]["differs"]  # pictures alone say they differ


def test_seeds_of_one_config_alone_are_compared_with_each_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for seed in (0, 1):
        write_run(f"s{seed}", scored(0.8, seed + 1), config=f"seed: {seed}\n")
    assert not rows(compare("s0", "s1"))["s1", "classes"]["differs"]
    assert "note: all runs are of one config" in capsys.readouterr().out


def test_only_classes_that_both_score_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    write_run("a", scored(0.80, 1))
    other = scored(0.80, 1)
    write_run("b", dataclasses.replace(other, classes=("sky", "road", "shrub")))
    assert rows(compare("a", "b"))["b", "classes"]["classes"] == 2
    assert "only the 2 classes that all score are compared" in capsys.readouterr().out


def test_files_of_scores_can_be_compared_too() -> None:
    write_run("a", scored(0.80, 1))
    report_results([scored(0.84, 2)], Path("b.json"))
    assert rows(compare("a", "b.json"))["b.json", "classes"]["differs"]
    assert pictures_path(Path("b.json")) == Path("b.pictures.npz")
    assert pictures_path(Path("b.json")).is_file()


def test_labels_that_differ_are_noted(capsys: pytest.CaptureFixture[str]) -> None:
    write_run("a", scored(0.80, 1))
    other = scored(0.80, 1)
    counts = other.picture_counts
    assert counts is not None
    twice = dataclasses.replace(counts, entries=counts.entries * [[1], [2], [2], [2]])
    write_run("b", dataclasses.replace(other, picture_counts=twice))
    compare("a", "b")
    assert "note: made, classes, a and b: labels differ" in capsys.readouterr().out


def test_sets_without_a_common_name_are_noted(capsys: pytest.CaptureFixture[str]) -> None:
    write_run("a", scored(0.80, 1))
    write_run("b", dataclasses.replace(scored(0.80, 1), name="else"))
    assert compare("a", "b")["comparisons"] == []
    assert "note: b: scores no data set that a scores" in capsys.readouterr().out


def test_the_page_is_named_on_a_line_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("harmonize.report.make_report.make_report", lambda _, page: page)
    write_run("a", scored(0.80, 1))
    write_run("b", scored(0.84, 2))
    assert main(["compare", "a", "b", "--html", "both.html"]) == 0
    assert capsys.readouterr().out.endswith("\n\nboth.html is there; open it in a browser\n")


def test_one_picture_is_too_few(capsys: pytest.CaptureFixture[str]) -> None:
    write_run("a", scored(0.80, 1, [3]))
    write_run("b", scored(0.80, 2, [3]))
    assert compare("a", "b")["comparisons"] == []
    assert "too few pictures or classes to compare" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a"], "a: is alone; name two runs at least"),
        (["a", "b", "./a"], "a, b, ./a: one is named twice; name each run once"),
        (["a", "empty"], "empty/evaluation.json: is not there; score the run with"),
        (["a", "old"], "old/evaluation.pictures.npz: is not there, so pictures are not known; "),
        (["a", "cut"], "cut/evaluation.pictures.npz: is damaged: "),
        (["a", "mixed"], "datasets.made: its pictures are of another evaluation; score the run"),
        (["a", "newer"], "newer/evaluation.json: version: is 99, of a newer harmonize"),
        (["a", "b", "--json", "no/x.json"], "no/x.json: its folder does not exist; make it first"),
        (["a", "b.json", "--html", "x.html"], "--html x.html: shows run folders; b.json is a file"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run("a", scored(0.80, 1))
    write_run("b", scored(0.84, 2))
    report_results([scored(0.84, 2)], Path("b.json"))
    Path("empty").mkdir()
    pictures_path(Path(write_run("old", scored(0.8, 1))) / "evaluation.json").unlink()
    cut = pictures_path(Path(write_run("cut", scored(0.8, 1))) / "evaluation.json")
    cut.write_bytes(cut.read_bytes()[:300])
    mixed = pictures_path(Path(write_run("mixed", scored(0.8, 1))) / "evaluation.json")
    mixed.write_bytes(Path("b/evaluation.pictures.npz").read_bytes())
    newer = Path(write_run("newer", scored(0.8, 1))) / "evaluation.json"
    newer.write_text(json.dumps({**json.loads(newer.read_text()), "version": 99}))
    capsys.readouterr()
    try:
        status = main(["compare", *words])
    except SystemExit as stop:
        status = stop.code
    assert status
    told = capsys.readouterr()
    assert message in told.err + told.out
    assert "Traceback" not in told.err


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("0/classes/starts", np.array([0, 5])),
        ("0/classes/entries", np.zeros((3, 120), dtype=np.int64)),
        ("0/classes/entries", np.full((4, 120), 7)),
        ("about", np.frombuffer(b'{"made": {}}', dtype=np.uint8)),
        ("about", np.frombuffer(b"[", dtype=np.uint8)),
    ],
)
def test_damaged_counts_are_told_in_one_line(part: str, value: np.ndarray) -> None:
    write_run("a", scored(0.80, 1))
    path = pictures_path(Path("a/evaluation.json"))
    with np.load(path) as arrays:
        kept = dict(arrays)
    np.savez(path, **{**kept, part: value})  # type: ignore[arg-type]
    with pytest.raises(HarmonizeError, match=r"evaluation\.pictures\.npz: is damaged: .*score the"):
        read_pictures(Path("a/evaluation.json"))


def test_the_file_keeps_the_counts() -> None:
    made = scored(0.8, 1)
    write_run("a", made)
    (found,) = read_pictures(Path("a/evaluation.json")).values()
    assert found.pictures == dict(made.picture_names)
    assert [*found.tables] == ["classes", "depth 1"]
    assert found.tables["classes"].classes == made.classes
    assert made.picture_counts is not None
    for part in ("pictures", "starts", "entries"):
        kept = getattr(found.tables["classes"].counts, part)
        assert (kept == getattr(made.picture_counts, part)).all()


# The statistics.


def random_sides(rng: np.random.Generator, shift: float) -> list[PixelsByClass]:
    """Return two networks on the same 40 pictures of varying difficulty; the second is better."""
    true = rng.integers(50, 150, (40, 4)).astype(float)
    hard = rng.uniform(0.2, 0.9, (40, 1))
    found: list[PixelsByClass] = []
    for quality in (0.0, shift):
        share = np.clip(hard + quality + rng.normal(0, 0.08, (40, 4)), 0, 1)
        found.append(PixelsByClass(share * true, true, true))
    return found


def test_equal_networks_seldom_differ_and_better_ones_do() -> None:
    rng = np.random.default_rng(0)
    scored_classes = np.ones(4, dtype=bool)
    said = {
        shift: sum(
            found.differs
            for one, two in (random_sides(rng, shift) for _ in range(100))
            if (found := difference_of([one], [two], scored_classes)) is not None
        )
        for shift in (0.0, 0.04)
    }
    assert said[0.0] <= 12  # 5 of 100 are meant
    assert said[0.04] >= 90  # though pictures differ from each other by far more


def test_seeds_widen_the_interval_by_how_far_they_lie_apart() -> None:
    rng = np.random.default_rng(0)
    scored_classes = np.ones(4, dtype=bool)
    true = np.full((50, 4), 100.0)

    def side(*ious: float) -> list[PixelsByClass]:
        shares = (iou + rng.normal(0, 1e-4, (50, 4)) for iou in ious)
        return [PixelsByClass(share * true, true, share * true) for share in shares]

    found = difference_of(side(0.5, 0.6, 0.7, 0.8), side(0.5), scored_classes)
    assert isinstance(found, Difference)
    assert found.difference == pytest.approx(-0.15, abs=1e-3)
    # the mean of 4 seeds has the error s / 2, with s**2 over 3: 0.0645
    width = found.interval[1] - found.interval[0]
    assert width == pytest.approx(2 * 1.96 * 0.0645, rel=0.2)  # few seeds lie on a coarse grid
    assert not found.differs or found.interval[1] < 0


def test_nothing_to_score_is_no_difference() -> None:
    (one, two) = random_sides(np.random.default_rng(0), 0.0)
    assert difference_of([one], [two], np.zeros(4, dtype=bool)) is None
    single = PixelsByClass(*(part[:1] for part in one))
    assert difference_of([single], [single], np.ones(4, dtype=bool)) is None
