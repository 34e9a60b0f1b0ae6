"""Samples that look for what is rare."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from harmonize import loader
from harmonize.config.augment_config import AugmentConfig
from harmonize.config.run_config import RunConfig
from harmonize.data.label_counts import LabelCounts
from harmonize.data.mixing import MixedOrder
from harmonize.data.rare import RareClasses, RareDraw, labels_inside
from harmonize.data.training_samples import samples_alone
from harmonize.data.warping import draw_warp
from harmonize.labels.sources import load_sources
from tiny import tiny_config, write_project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path)


COUNTS = LabelCounts(np.array([[90, 10, 0, 0], [64, 0, 36, 0], [96, 0, 0, 4]]))
"""Three pictures of 100 pixels and four classes."""


EACH = np.eye(4, dtype=bool)
"""No class is inside another."""


def drawn_shares(rare: RareClasses, number: int = 8000) -> dict[tuple[int, ...], float]:
    """Return how often each set of classes is drawn."""
    drawn = Counter(rare.draw((0, position)).classes for position in range(number))
    return {classes: count / number for classes, count in drawn.items()}


def test_rare_classes_are_drawn_by_the_root_of_their_share() -> None:
    rare = RareClasses(COUNTS, EACH)
    drawn = [rare.draw((0, position)) for position in range(8000)]
    chances = np.array([250, 10, 36, 4]) ** -0.5
    expected = dict(zip([(0,), (1,), (2,), (3,)], chances / chances.sum(), strict=True))
    assert drawn_shares(rare) == pytest.approx(expected, abs=0.03)
    for number, pictures in ((1, {0}), (2, {1}), (3, {2}), (0, {0, 1, 2})):
        assert {draw.picture for draw in drawn if draw.classes == (number,)} == pictures
    assert rare.draw((3, 4)) == RareClasses(COUNTS, EACH).draw((3, 4))


def test_what_labels_leave_out_is_not_looked_for() -> None:
    assert drawn_shares(RareClasses(COUNTS, np.diag([False, True, False, False]))) == {(1,): 1}
    assert len(RareClasses(COUNTS, np.zeros((4, 4), dtype=bool))) == 0


def test_classes_that_mean_the_same_are_looked_for_as_one() -> None:
    same = EACH.copy()
    same[1, 3] = same[3, 1] = True
    rare = RareClasses(COUNTS, same)
    chances = np.array([250, 36, 14]) ** -0.5
    expected = dict(zip([(0,), (2,), (1, 3)], chances / chances.sum(), strict=True))
    assert drawn_shares(rare) == pytest.approx(expected, abs=0.03)
    draws = [rare.draw((0, position)) for position in range(300)]
    assert {draw.picture for draw in draws if draw.classes == (1, 3)} == {0, 2}
    assert RareDraw(0, (1, 3), 0.6, (0, 0)).pixel(np.array([[0, 3, 0], [2, 0, 1]])) == (1, 2)


def test_a_coarse_class_is_as_common_as_all_that_is_inside_it() -> None:
    coarse = EACH.copy()
    coarse[3, [0, 2]] = True  # a few pixels of "another vehicle", beside many of cars and vans
    chances = np.array([250, 10, 36, 290]) ** -0.5
    expected = dict(zip([(0,), (1,), (2,), (3,)], chances / chances.sum(), strict=True))
    assert drawn_shares(RareClasses(COUNTS, coarse)) == pytest.approx(expected, abs=0.03)


def test_labels_inside_follow_the_tree_and_what_is_trained(project: Path) -> None:
    space = load_sources(tiny_config(project, project / "run")).space
    assert labels_inside(space, "fine").tolist() == np.diag([True, True, True, False]).tolist()
    assert labels_inside(space, "coarse").tolist() == [[True, False], [False, True]]
    # At depth 1 left and right mean the same: the thing.
    config = tiny_config(project, project / "run", "datasets.0.max_depth=1")
    one = [[True, False, False, False], [False, True, True, False], [False, True, True, False]]
    found = labels_inside(load_sources(config).space, "fine").tolist()
    assert found == [*one, [False] * 4]
    meaning = "datasets.1.override.meaning.tiny={background: left, thing: thing}"
    space = load_sources(tiny_config(project, project / "run", meaning)).space
    assert labels_inside(space, "coarse").tolist() == [[True, False], [True, True]]
    meaning = "datasets.1.override.meaning.tiny={background: left, thing: [background, thing]}"
    space = load_sources(tiny_config(project, project / "run", meaning)).space
    assert labels_inside(space, "coarse").tolist() == [[True, False], [False, False]]


@pytest.mark.parametrize("side", [1, 5, 20, 30])
def test_a_crop_is_moved_onto_the_pixel(side: int) -> None:
    classes = np.zeros((20, 30), dtype=np.int16)
    rng = np.random.default_rng(0)
    starts = set()
    for _ in range(200):
        row, column = int(rng.integers(20)), int(rng.integers(30))
        classes[:] = 0
        classes[row, column] = 3
        draw = RareDraw(0, (3,), float(rng.random()), tuple(rng.random(2).tolist()))
        assert draw.pixel(classes) == (row, column)
        top, left, its = draw.crop((0, 0, side), classes)
        assert its == side
        assert top <= row < top + side
        assert left <= column < left + side
        assert min(20 - side, 0) <= top <= max(20 - side, 0)
        assert min(30 - side, 0) <= left <= max(30 - side, 0)
        starts.add((row - top, column - left))
    assert side == 1 or len(starts) > 10  # it may be anywhere in the crop
    assert RareDraw(0, (4,), 0.5, (0.5, 0.5)).crop((1, 2, 3), classes) == (1, 2, 3)


@pytest.mark.parametrize("side", [12, 18, 30])
def test_a_warped_crop_is_moved_onto_the_pixel(side: int) -> None:
    most = AugmentConfig(rotate=180, shear=60, stretch=4, perspective=0.5)
    classes, rng = np.zeros((20, 30), dtype=np.int16), np.random.default_rng(0)
    stayed = 0
    for _ in range(300):
        row, column = int(rng.integers(20)), int(rng.integers(30))
        classes[:] = 0
        classes[row, column] = 3
        draw = RareDraw(0, (3,), float(rng.random()), tuple(rng.random(2).tolist()))
        warp = draw_warp(rng, most)
        assert warp is not None
        crop = draw.crop((0, 0, side), classes, warp)
        stayed += crop == draw.crop((0, 0, side), classes)
        u, v, depth = np.linalg.inv(warp.matrix(*crop)) @ [column + 0.5, row + 0.5, 1]
        assert depth > 0
        assert max(abs(u), abs(v)) <= depth
    assert 0 < stayed < 300


def test_the_others_come_in_the_usual_order_and_exactly_their_share_is_rare() -> None:
    order = MixedOrder([7, 5], [1, 1], seed=0, rare=[0.3, 0])
    draws = [order[position] for position in range(4096)]
    first = [draw for draw in draws if draw.dataset == 0]
    for start in range(0, 2040, 10):
        assert [draw.rare for draw in first[start : start + 10]].count(True) == 3
    assert not any(draw.rare for draw in draws if draw.dataset == 1)
    plain = MixedOrder([7, 5], [1, 1], seed=0)
    usual = [plain[position].picture for position in range(4096) if plain[position].dataset == 0]
    ordinary = [draw.picture for draw in first if not draw.rare]
    assert ordinary == usual[: len(ordinary)]
    assert [order[position] for position in reversed(range(4096))] == draws[::-1]
    assert all(MixedOrder([7], [1], seed=0, rare=[1])[position].rare for position in range(20))


def test_a_bad_picture_with_something_rare_is_replaced_by_the_next_of_the_order(
    project: Path,
) -> None:
    ids = np.zeros((20, 24), dtype=np.uint8)
    for number in range(10):
        ids[3, 4] = 1 if number == 3 else 0
        Image.fromarray(ids).save(project / "fine_data" / f"{number:02d}_ids.png")
    (project / "fine_data" / "03.png").write_bytes(b"")
    config = tiny_config(project, project / "run", "augment.rare=1", "data.on_bad_sample=skip")
    samples = samples_alone(config, load_sources(config))
    found = [samples.find(position) for position in range(0, 40, 2)]
    assert {sample.draw.dataset for sample in found} == {0}
    bad = [sample.skipped[0].picture for sample in found if sample.skipped]
    assert len(bad) > 15  # of 4800 pixels one is of the class
    assert set(bad) == {"03.png"}
    assert {sample.draw.picture for sample in found} == {*range(10)} - {3}


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
