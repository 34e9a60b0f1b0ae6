"""Data sets calibrated: which pictures are fitted to, which checked, what is separable."""

import dataclasses

import numpy as np
import pytest
import torch

from harmonize import Ontology
from harmonize.calibration.back_off import Outcome
from harmonize.calibration.calibration_results import Change, DatasetCalibration
from harmonize.calibration.fitting import calibrate
from harmonize.calibration.temperatures import fit, scaled
from harmonize.config.train_config import Decode
from harmonize.evaluation.dataset_scores import DatasetScores
from harmonize.evaluation.metrics import calibration_error, scores
from harmonize.evaluation.mistakes import Mistakes
from harmonize.evaluation.sampling import PixelSample
from harmonize.labels.separable import Separable, answer_nodes, separable_leaves, with_twins
from harmonize.labels.sources import Sources, load_sources
from tiny import tiny_config, write_project


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """Leaves background, left, right; fine names each, coarse has background and thing."""
    project = write_project(tmp_path_factory.mktemp("project"))
    return load_sources(tiny_config(project, "run"))


def draw(temperature: float, *, pictures: range, pixels: int = 400, seed: int = 0) -> PixelSample:
    """Draw labels of fine from softmax(logits / temperature)."""
    generator = torch.Generator().manual_seed(seed)
    number = len(pictures) * pixels
    logits = 3 * torch.randn(number, 3, generator=generator)
    truth = torch.multinomial((logits / temperature).softmax(1), 1, generator=generator)[:, 0]
    return PixelSample(logits, truth, torch.tensor(list(pictures)).repeat_interleave(pixels))


def join(*parts: PixelSample) -> PixelSample:
    return PixelSample(
        torch.cat([part.logits for part in parts]),
        torch.cat([part.classes for part in parts]),
        torch.cat([part.pictures for part in parts]),
    )


def depth(one: Outcome) -> float:
    """Return the mean depth of all answers, the root's 0 included."""
    assert one.mean_depth is not None
    assert one.coverage is not None
    return one.mean_depth * one.coverage


def both(change: Change) -> tuple[float, float]:
    """Return the numbers before and after, of which neither is missing."""
    assert change.before is not None
    assert change.after is not None
    return change.before, change.after


def result(sample: PixelSample, name: str = "fine", split: str = "val") -> DatasetScores:
    classes = {"fine": ("background", "left", "right"), "coarse": ("background", "thing")}[name]
    confusion = torch.eye(len(classes), dtype=torch.int64)
    return DatasetScores(
        name=name,
        split=split,
        pictures=len(sample.pictures.unique()),
        classes=classes,
        scores=scores(confusion),
        confusion=confusion,
        tree_order=tuple(range(len(classes))),
        depths=(),
        mistakes=Mistakes(0.0, 1.0, 1.0, 1.0),
        calibration_error=0.0,
        loss_by_depth=(),
        sample=sample,
    )


def one(sources: Sources, *given: DatasetScores, decode: Decode = "tree") -> DatasetCalibration:
    checks = given[1:] or None
    found, problems = calibrate(given[:1], sources.specs[:1], sources, checks, decode=decode)
    assert not problems
    return found[0]


def test_the_first_half_is_fitted_to_and_the_second_is_checked(tiny: Sources) -> None:
    halves = draw(2.0, pictures=range(10)), draw(0.5, pictures=range(10, 21), seed=1)
    found = one(tiny, result(join(*halves)))
    assert (found.fitted_on, found.checked_on) == (10, 11)
    assert (found.split, found.check_split) == ("val", "val")
    assert found.temperature == pytest.approx(2.0, rel=0.05)
    spec = tiny.specs[0]
    labels = torch.from_numpy(spec.leaf_masks(tiny.ontology))
    expected = fit(halves[0], labels=labels, names=list(spec.classes))
    assert found.temperatures == pytest.approx(expected.by_class)
    assert [*found.leaf_temperatures] == [*tiny.ontology.leaves]
    assert [*found.leaf_temperatures.values()] == pytest.approx(expected.by_leaf.tolist())


def test_another_split_is_checked_if_asked(tiny: Sources) -> None:
    found = one(
        tiny,
        result(draw(2.0, pictures=range(12))),
        result(draw(1.0, pictures=range(7), seed=1), split="test"),
    )
    assert (found.fitted_on, found.checked_on) == (12, 7)
    assert found.check_split == "test"


def test_overconfident_probabilities_are_mended_and_the_curve_says_so(tiny: Sources) -> None:
    found = one(tiny, result(draw(2.5, pictures=range(40))))
    (worse, better), (high, low) = both(found.calibration_error), both(found.loss)
    assert better < 0.02 < 0.08 < worse
    assert low < high - 0.2
    assert all(line.kept for line in found.curve)
    for line in found.curve:
        assert line.uncalibrated is not None
        assert line.confidence <= 0.7 or not line.uncalibrated.kept
        assert vars(line.cautious).items() <= vars(line).items()  # there is one set
        assert depth(line) < depth(line.uncalibrated)
    assert "the promise is not kept" not in found.table()
    assert "* fewer answers are right than promised" in found.table()  # before


def test_the_table_lists_the_temperatures_of_classes_that_have_their_own(tiny: Sources) -> None:
    few = one(tiny, result(draw(2.0, pictures=range(10))))
    whole = f"temperature: {few.temperature:.2f}; "
    assert f"{whole}too few pictures or pixels of any class" in few.table().split("\n")
    many = one(tiny, result(draw(2.0, pictures=range(40), pixels=100)))
    named = [f"{name} {value:.2f}" for name, value in many.temperatures.items()]
    whole = f"temperature: {many.temperature:.2f}; "
    assert f"{whole}{', '.join(named)}" in many.table().split("\n")


def test_the_table_says_what_labels_cannot_tell(tiny: Sources) -> None:
    fine = draw(1.0, pictures=range(20))
    coarse = PixelSample(fine.logits, fine.classes.clamp(max=1), fine.pictures)
    (found,), _ = calibrate([result(coarse, "coarse")], tiny.specs[1:], tiny)
    shares = [line.finer for line in found.curve if line.finer is not None]
    assert 0 < min(shares) < max(shares) < 1
    expected = f"{100 * min(shares):.0f} to {100 * max(shares):.0f} % of the answers say more than"
    assert expected in found.table()
    assert "only overlap" not in found.table()
    assert "say more" not in one(tiny, result(fine)).table()


def test_the_calibration_error_is_that_of_scoring_with_scaled_logits(tiny: Sources) -> None:
    sample = draw(2.5, pictures=range(40))
    found = one(tiny, result(sample), decode="leaves")
    checked = sample.where(sample.pictures >= 20)
    temperatures = torch.tensor(list(found.leaf_temperatures.values()))
    for logits, error in (
        (checked.logits, found.calibration_error.before),
        (scaled(checked.logits.T, temperatures).T, found.calibration_error.after),
    ):
        confidence, answer = logits.softmax(1).max(1)
        expected = calibration_error(confidence, answer == checked.classes)
        # Rounding may move a pixel from one bin of confidence to the next.
        assert error == pytest.approx(expected, abs=2 / len(confidence))
    cross_entropy = torch.nn.functional.cross_entropy(checked.logits, checked.classes).item()
    assert found.loss.before == pytest.approx(cross_entropy, rel=1e-5)


def test_a_promise_that_does_not_hold_is_told(tiny: Sources) -> None:
    halves = draw(0.5, pictures=range(10)), draw(3.0, pictures=range(10, 20), seed=1)
    found = one(tiny, result(join(*halves)))
    broken = [line for line in found.curve if not line.kept]
    assert broken
    lines = found.table().split("\n")
    unkept = [
        point
        for line in found.curve
        for point in (line, line.uncalibrated)
        if point and not point.kept
    ]
    assert sum(line.count("*") for line in lines) == len(unkept) + 1
    listed = ", ".join(f"{line.confidence:g}" for line in broken)
    assert f"the promise is not kept at confidence {listed}" in lines
    assert f"the promise is not kept with the temperatures of all sets at confidence {listed}" in (
        lines
    )
    facts = found.to_dict()["curve"]
    assert isinstance(facts, list)
    assert [one["kept"] for one in facts] == [line.kept for line in found.curve]  # type: ignore[index,call-overload]


def test_of_several_sets_the_largest_temperatures_are_checked_too(tiny: Sources) -> None:
    sure, unsure = draw(1.0, pictures=range(20)), draw(3.0, pictures=range(20), seed=1)
    unsure = PixelSample(unsure.logits, unsure.classes.clamp(max=1), unsure.pictures)
    found, problems = calibrate([result(sure), result(unsure, "coarse")], tiny.specs, tiny)
    assert not problems
    fine, coarse = found
    assert fine.temperature < 1.3 < 2.0 < coarse.temperature
    for line in fine.curve:
        assert depth(line.cautious) < depth(line)
    assert all(vars(line.cautious).items() <= vars(line).items() for line in coarse.curve)


@pytest.mark.parametrize(("pictures", "enough"), [(3, False), (4, True)])
def test_too_few_pictures_are_told(tiny: Sources, pictures: int, enough: bool) -> None:
    sample = draw(1.0, pictures=range(pictures))
    found, problems = calibrate([result(sample)], tiny.specs[:1], tiny)
    assert len(found) == enough
    expected = (
        "fine: pictures with labels: 1 to fit temperatures on, 2 to check them; at least 2 of "
        "each are needed"
    )
    assert problems == ([] if enough else [expected])


def test_plain_values_have_null_for_what_is_not_measured(tiny: Sources) -> None:
    sample = draw(1.0, pictures=range(10))
    flat = PixelSample(sample.logits / 100, sample.classes, sample.pictures)
    checked = result(flat, split="test")
    found = one(tiny, result(sample), checked).to_dict()
    curve = found["curve"]
    assert isinstance(curve, list)
    last = curve[-1]
    assert isinstance(last, dict)
    assert last["confidence"] == 0.99
    assert last["coverage"] == 0
    assert last["accuracy"] is last["error_bar"] is last["mean_depth"] is None
    assert found["split"] == "val"
    assert found["check_split"] == "test"


TREE = "background\nperson\n\tface\n\t\tskin\n\t\tnose\n\thair\n\that\ncar\n"


def test_labels_stand_for_all_that_the_network_cannot_tell_from_them() -> None:
    tree = Ontology(TREE, name="small")  # background, skin, nose, hair, hat, car
    separable = Separable((("background", "hat"), ("skin", "nose"), ("hair",)), ("car",))
    masks = np.stack([tree.leaf_mask(node) for node in ("skin", "hat", "hair", "car", "person")])
    assert with_twins(tree, separable, masks).astype(int).tolist() == [
        [0, 1, 1, 0, 0, 0],
        [1, 0, 0, 0, 1, 0],
        [0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 0],
        [1, 1, 1, 1, 1, 0],
    ]


def test_answers_back_off_to_nodes_as_far_as_they_are_told_apart() -> None:
    tree = Ontology(TREE, name="small")
    separable = Separable((("background", "hat"), ("skin", "nose"), ("hair",)), ("car",))
    found = answer_nodes(tree, separable)
    assert [(answer.nodes, answer.depth) for answer in found] == [
        (("(root)",), 0),
        (("person",), 1),
        (("face",), 2),
        (("hair",), 2),
        (("background", "hat"), 1),
    ]
    assert found[0].leaves.all()
    assert found[1].leaves.astype(int).tolist() == [0, 1, 1, 1, 0, 0]  # without the hat


def test_classes_of_leaves_that_no_trained_set_has_are_not_looked_at(tiny: Sources) -> None:
    entry, spec = tiny.trained[1]
    coarse_alone = Sources(tiny.ontology, ((entry, spec),), ((tiny.trained[0])[:2],))
    assert separable_leaves(coarse_alone.ontology, coarse_alone.taught).twins == (
        ("background",),
        ("left", "right"),
    )
    sample = draw(1.0, pictures=range(20))
    given = dataclasses.replace(result(sample), classes=("background",))
    (found,), problems = calibrate([given], [tiny.specs[0]], coarse_alone)
    assert not problems
    # Left and right are one answer for this network, so that all is right that says thing.
    assert found.leaf_temperatures["left"] == found.leaf_temperatures["right"]
    assert all(line.kept for line in found.curve)
    assert max(line.mean_depth or 0 for line in found.curve) == 1
