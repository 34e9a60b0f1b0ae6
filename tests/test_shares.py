"""How much of a run comes from each data set, and what is done to it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import scenarios
from group import run_group
from harmonize import HarmonizeError, loader
from harmonize.api.own_loop import as_config
from harmonize.config.augment_config import AugmentConfig
from harmonize.config.run_config import RunConfig
from harmonize.data.label_counts import count_labels
from harmonize.data.mixing import MixedOrder
from harmonize.data.open_datasets import open_trained
from harmonize.data.shares import Shares, sample_shares
from harmonize.data.turns import ChangingTurns
from harmonize.labels.sources import load_sources
from harmonize.pipeline.train import train
from harmonize.training.epochs import with_steps
from run_files import largest_difference, weights
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


@settings(max_examples=15)
@given(
    weights=st.lists(st.tuples(*[st.floats(1e-3, 1e3)] * 2), min_size=1, max_size=5),
    total=st.integers(1, 12_000),
)
def test_changing_turns_are_due_when_their_share_is(
    weights: list[tuple[float, float]], total: int
) -> None:
    first, last = (np.array(column) / sum(column) for column in zip(*weights, strict=True))
    turns = ChangingTurns(first, last, total)
    found = [turns.at(position) for position in range(9000)]
    times = np.arange(1, 9001)
    early, late = np.minimum(times, total), np.maximum(times - total, 0)
    for dataset in range(len(weights)):
        its = [turn for number, turn in found if number == dataset]
        assert its == list(range(len(its)))  # across the blocks, none is left out or comes twice
        change = (last[dataset] - first[dataset]) / total
        owed = first[dataset] * early + change * early**2 / 2 + last[dataset] * late
        had = np.array([number == dataset for number, _ in found]).cumsum()
        assert np.abs(had - owed).max() <= 1 + len(weights) / 2
    jumped = ChangingTurns(first, last, total)
    for position in (8999, 0, 4096, 4095, 5000):
        assert jumped.at(position) == found[position]


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


def test_a_set_has_the_keys_of_the_runs_augmentation_that_it_does_not_give(project: Path) -> None:
    run = {"flip": 0.25, "scale": [0.7, 1.0], "cutout": 2, "cutout_size": [0.2, 0.4]}
    values: dict[str, Any] = tiny_values(project, project / "run") | {"augment": run}
    values["datasets"][0]["augment"] = {"rare": 0.3, "flip": 0}
    values["datasets"][1]["augment"] = {"cutout": 0}
    config = as_config(values)
    common = AugmentConfig(flip=0.25, scale=(0.7, 1.0))
    of_run = replace(common, cutout=2, cutout_size=(0.2, 0.4))
    assert config.augment == of_run
    assert config.datasets[0].augment == replace(of_run, rare=0.3, flip=0)
    assert config.datasets[1].augment == common
    assert as_config(config) == config


def _counts_in(path: Path) -> np.ndarray:
    return np.frombuffer(path.read_bytes()[:-16], dtype=np.int64)  # a checksum ends the file


def test_two_processes_count_and_mix_as_one_does(project: Path) -> None:
    """Each has half of every batch and counts half of the labels, one of which is bad."""
    (project / "fine_data" / "04_ids.png").write_bytes(b"")
    found: list[dict[str, Any]] = []
    kept: list[dict[str, np.ndarray]] = []
    for number, workers in ((1, 0), (2, 1)):
        folder = project / f"cache-{number}"
        ranks = run_group(number, scenarios.mix, project, str(folder), workers)
        assert [rank.status for rank in ranks] == [0] * number
        assert sum(len(rank.found) for rank in ranks) == 6 * 4
        found.append({place: its for rank in ranks for place, its in rank.found.items()})
        kept.append({path.name: _counts_in(path) for path in folder.glob("*.counts")})
    assert found[0] == found[1]
    assert kept[0].keys() == kept[1].keys()
    assert all(np.array_equal(kept[0][name], counts) for name, counts in kept[1].items())
    coarse, fine = sorted(kept[1].values(), key=len)
    fine, coarse = fine.reshape(10, 4), coarse.reshape(8, 2)
    assert fine.sum(1).tolist() == [480 * (picture != 4) for picture in range(10)]
    assert coarse.sum(1).tolist() == [480] * 8
    for picture in (0, 9):
        ids = np.asarray(Image.open(project / "fine_data" / f"{picture:02d}_ids.png"))
        counted = [int((ids == value).sum()) for value in (0, 1, 2, 255)]
        assert fine[picture].tolist() == counted


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
        (
            ("datasets.0.augment={cutout_size: [0.1, 0.2]}",),
            "datasets.0.augment.cutout_size: belongs to cutout",
        ),
        (("augment.cutout_size=[0.1, 0.2]", "datasets.0.augment={flip: 0}"), "belongs to cutout"),
        (("datasets.0.augment={rare: 2}",), "datasets.0.augment.rare: expected"),
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
