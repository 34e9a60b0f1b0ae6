"""How much of a run comes from each data set, and what some of its samples look for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harmonize import HarmonizeError, loader
from harmonize.api.own_loop import as_config
from harmonize.config.augment_config import AugmentConfig
from harmonize.config.run_config import RunConfig
from harmonize.data.label_counts import LabelCounts, count_labels
from harmonize.data.mixing import MixedOrder
from harmonize.data.open_datasets import open_trained
from harmonize.data.rare import RareClasses, RareDraw
from harmonize.data.shares import Shares, sample_shares
from harmonize.labels.sources import load_sources
from harmonize.pipeline.train import train
from harmonize.training.epochs import with_steps
from runs import largest_difference, weights
from tiny import tiny_config, tiny_values, write_project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path)


def shares_of(config: RunConfig) -> Shares:
    sources = load_sources(config)
    trained = open_trained(sources, config)
    return sample_shares(config, sources, trained, count_labels(trained, None))


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ((), [1 / 2, 1 / 2]),
        (("datasets.0.weight=3",), [3 / 4, 1 / 4]),
        (("mix.by=pictures",), [10 / 18, 8 / 18]),
        (("mix.by=pictures", "datasets.1.weight=2.5"), [1 / 3, 2 / 3]),
        (("mix.by=sqrt",), [10**0.5 / (10**0.5 + 8**0.5), 8**0.5 / (10**0.5 + 8**0.5)]),
        (("mix.by=temperature", "mix.temperature=1"), [10 / 18, 8 / 18]),
        # Each label has 480 pixels, of which the fine set leaves out one.
        (("mix.by=pixels",), [4790 / 8630, 3840 / 8630]),
    ],
    ids=str,
)
def test_shares_are_hand_counted(
    project: Path, overrides: tuple[str, ...], expected: list[float]
) -> None:
    found = shares_of(tiny_config(project, project / "run", *overrides))
    assert found.first.tolist() == pytest.approx(expected)
    assert found.last is None
    assert found.mean is found.first


def test_weights_may_change_over_the_run(project: Path) -> None:
    config = tiny_config(project, project / "run", "datasets.0.weight=3", "mix.to={coarse: 9}")
    found = shares_of(config)
    assert found.first.tolist() == [0.75, 0.25]
    assert found.last is not None
    assert found.last.tolist() == [0.25, 0.75]
    assert found.mean.tolist() == [0.5, 0.5]


def test_a_changing_order_is_spread_evenly() -> None:
    order = MixedOrder([7, 5], [3, 1], seed=0, to=[1, 3], total=4000)
    drawn = [order[position] for position in range(4000)]
    first = np.array([draw.dataset == 0 for draw in drawn])
    assert first.sum() == 2000
    # Up to a share x of the run the first set is owed 3000 x - 1000 x² samples.
    owed = 0.75 * np.arange(1, 4001) - 0.5 * np.arange(1, 4001) ** 2 / 8000
    assert np.abs(first.cumsum() - owed).max() <= 1
    pictures = [draw.picture for draw in drawn if draw.dataset == 0]
    for start in range(0, 1995, 7):  # all are drawn before any is drawn again
        assert sorted(pictures[start : start + 7]) == list(range(7))


def test_a_constant_order_is_what_it_was() -> None:
    order = MixedOrder([3, 2], [2, 1], seed=0)
    datasets = [order[position].dataset for position in range(9000)]
    assert datasets[:6] == [0, 1, 0, 0, 1, 0]
    assert 5998 <= datasets.count(0) <= 6002
    assert order[8192].dataset == order[4096].dataset == order[0].dataset


def test_epochs_follow_the_shares(project: Path) -> None:
    values: dict[str, Any] = tiny_values(project, project / "run")
    del values["train"]["steps"]
    config = as_config(values, ["mix.by=pictures", "data.batch_size=9", "train.epochs=2"])
    sources = load_sources(config)
    assert with_steps(config, sources, open_trained(sources, config)).train.steps == 4


COUNTS = LabelCounts(np.array([[90, 10, 0, 0], [64, 0, 36, 0], [96, 0, 0, 4]]))
"""Three pictures of 100 pixels and four classes."""


def test_rare_classes_are_drawn_by_the_root_of_their_share() -> None:
    rare = RareClasses(COUNTS, [True, True, True, True], 0.5)
    drawn = [rare.draw((0, position)) for position in range(20000)]
    found = [draw for draw in drawn if draw is not None]
    assert len(found) == pytest.approx(10000, abs=4 * 20000**0.5 / 2)
    chances = np.array([250, 10, 36, 4]) ** -0.5
    counts = np.bincount([draw.number for draw in found], minlength=4)
    assert counts / len(found) == pytest.approx(chances / chances.sum(), abs=0.03)
    for number, pictures in ((1, {0}), (2, {1}), (3, {2}), (0, {0, 1, 2})):
        assert {draw.picture for draw in found if draw.number == number} == pictures
    assert rare.draw((3, 4)) == RareClasses(COUNTS, [True] * 4, 0.5).draw((3, 4))


def test_what_labels_leave_out_is_not_looked_for() -> None:
    rare = RareClasses(COUNTS, [False, True, False, False], 1.0)
    draws = [rare.draw((0, position)) for position in range(50)]
    assert all(draw is not None and draw.number == 1 for draw in draws)
    assert RareClasses(COUNTS, [False] * 4, 1.0).draw((0, 0)) is None


@pytest.mark.parametrize("side", [1, 5, 20, 30])
def test_a_crop_is_moved_onto_the_pixel(side: int) -> None:
    classes = np.zeros((20, 30), dtype=np.int16)
    rng = np.random.default_rng(0)
    starts = set()
    for _ in range(200):
        row, column = int(rng.integers(20)), int(rng.integers(30))
        classes[:] = 0
        classes[row, column] = 3
        draw = RareDraw(0, 3, float(rng.random()), tuple(rng.random(2).tolist()))
        assert draw.pixel(classes) == (row, column)
        top, left, its = draw.crop((0, 0, side), classes)
        assert its == side
        assert top <= row < top + side
        assert left <= column < left + side
        assert min(20 - side, 0) <= top <= max(20 - side, 0)
        assert min(30 - side, 0) <= left <= max(30 - side, 0)
        starts.add((row - top, column - left))
    assert side == 1 or len(starts) > 10  # it may be anywhere in the crop
    assert RareDraw(0, 4, 0.5, (0.5, 0.5)).crop((1, 2, 3), classes) == (1, 2, 3)


def test_samples_that_look_for_a_class_hold_it(project: Path) -> None:
    overrides = ["augment.rare=1", "augment.scale=[0.3,0.3]", "augment.flip=0", "train.steps=40"]
    config = tiny_config(project, project / "run", *overrides)
    plain = tiny_config(project, project / "run", "augment.flip=0", "augment.scale=[0.3,0.3]")
    space = load_sources(config).space
    sides = [space.code("left"), space.code("right")]

    def share(of: RunConfig) -> float:
        batches = list(loader(of, steps=40))
        fine = torch.cat([batch.codes[batch.datasets == 0] for batch in batches])
        has = [(torch.isin(one, torch.tensor(sides)).any()).item() for one in fine]
        return float(np.mean(has))

    assert share(config) > 0.7
    assert share(config) > share(plain)


def test_a_run_that_looks_for_rare_classes_resumes_bit_for_bit(project: Path) -> None:
    overrides = ["augment.rare=0.5", "mix.to={coarse: 4}", "datasets.1.size=8"]
    whole = train(tiny_config(project, project / "whole", *overrides), name="tiny")
    cut = train(tiny_config(project, project / "cut", *overrides), name="tiny")
    (cut / "checkpoints" / "step-00000006.safetensors").unlink()
    train(tiny_config(project, cut, *overrides, "train.resume=true"), name="tiny")
    assert largest_difference(weights(whole, 6), weights(cut, 6)) == 0


def test_a_set_may_have_its_own_size_and_augmentation(project: Path) -> None:
    overrides = ["datasets.0.size=8", "datasets.1.augment={flip: 0, scale: [1, 1]}"]
    config = tiny_config(project, project / "run", *overrides)
    ignore = load_sources(config).space.ignore
    batches = list(loader(config, steps=4))
    for codes, dataset in (
        (codes, dataset)
        for batch in batches
        for codes, dataset in zip(batch.codes, batch.datasets.tolist(), strict=True)
    ):
        outside = torch.ones(16, 16, dtype=torch.bool)
        outside[:8, :8] = False
        assert bool((codes[outside] == ignore).all()) == (dataset == 0)
    assert config.datasets[1].augment == AugmentConfig(flip=0, scale=(1.0, 1.0))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("mix.by=temperature",), "mix.by: give mix.temperature too"),
        (("mix.temperature=2",), "mix.temperature: belongs to mix.by=temperature"),
        (
            ("datasets.0.size=17",),
            "datasets.0.size: must be at most data.size, which is 16",
        ),
        (("datasets.0.augment={scale: [1, 0.5]}",), "the lower bound comes first"),
        (("augment.rare=1.5",), "augment.rare: expected"),
    ],
    ids=str,
)
def test_what_cannot_be_mixed_is_refused(
    project: Path, overrides: tuple[str, ...], message: str
) -> None:
    with pytest.raises(HarmonizeError) as caught:
        tiny_config(project, project / "run", *overrides)
    assert message in str(caught.value)


def test_a_weight_for_an_unknown_set_is_refused_before_a_run_folder_is_made(project: Path) -> None:
    config = tiny_config(project, project / "run", "mix.to={coarser: 4}")
    message = r"^mix\.to\.coarser: no data set 'coarser' is trained on; did you mean coarse"
    with pytest.raises(HarmonizeError, match=message):
        train(config, name="tiny")
    assert not (project / "run").exists()
