"""Backing off, judged against labels."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from harmonize import Ontology
from harmonize.calibration import back_off
from harmonize.calibration.back_off import (
    Nodes,
    curve,
    deepest,
    draw_pictures,
    error_bar,
    judge,
)
from harmonize.decoding.decoder import Decoder
from harmonize.decoding.decoding_tree import decoding_tree
from harmonize.evaluation.sampling import PixelSample

# The tree: a (a1, a2) and b; leaves a1, a2, b.
NODES = Nodes(
    torch.tensor(
        [
            [True, True, True],  # the root
            [True, True, False],  # a
            [True, False, False],  # a1
            [False, True, False],  # a2
            [False, False, True],  # b
        ]
    ),
    torch.tensor([0, 1, 2, 2, 1]),
    torch.tensor(
        [
            [True, True, True, False, False],  # a1
            [True, True, False, True, False],  # a2
            [True, False, False, False, True],  # b
        ]
    ),
    Decoder(decoding_tree(Ontology("a\n\ta1\n\ta2\nb\n", name="ab")), "tree"),
)
LEAVES = torch.eye(3, dtype=torch.bool)


def make(p: list[list[float]], classes: list[int], pictures: list[int]) -> PixelSample:
    return PixelSample(torch.tensor(p).log(), torch.tensor(classes), torch.tensor(pictures))


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        ([0.85, 0.1, 0.05], 2),
        ([0.1, 0.85, 0.05], 3),
        ([0.4, 0.45, 0.15], 1),
        ([0.1, 0.1, 0.8], 4),
        ([0.3, 0.4, 0.3], 0),
    ],
)
def test_the_deepest_node_that_is_probable_enough_is_given(p: list[float], expected: int) -> None:
    logits = torch.tensor(p).log()
    assert deepest(logits[:, None], NODES, 0.8).tolist() == [expected]
    assert deepest(logits[:, None, None].expand(3, 2, 4), NODES, 0.8).unique().tolist() == [
        expected
    ]


def test_of_equally_deep_nodes_the_most_probable_is_given() -> None:
    logits = torch.tensor([[0.45, 0.5, 0.05], [0.5, 0.45, 0.05]]).log().T
    assert deepest(logits, NODES, 0.4).tolist() == [3, 2]


def test_temperatures_make_answers_shallower_or_deeper() -> None:
    logits = torch.tensor([[0.85, 0.1, 0.05], [0.05, 0.06, 0.89]]).log().T
    none = torch.ones(3)
    assert deepest(logits, NODES, 0.8, none).tolist() == [2, 4]
    # 0.85**(1/2) : 0.1**(1/2) : 0.05**(1/2) is 0.63 : 0.22 : 0.16; only the first pixel's changes.
    assert deepest(logits, NODES, 0.8, torch.tensor([2.0, 1.0, 1.0])).tolist() == [1, 4]
    # The second leaf wins nowhere.
    assert deepest(logits, NODES, 0.8, torch.tensor([1.0, 8.0, 1.0])).tolist() == [2, 4]


def test_answers_are_right_wrong_or_neither() -> None:
    labels = torch.tensor(
        [[True, False, False], [True, True, False], [False, True, True], [False, False, True]]
    )
    verdicts = judge(labels, NODES.leaves)
    right = [
        # root, a, a1, a2, b
        [True, True, True, False, False],  # a1
        [True, True, True, True, False],  # a
        [True, False, False, True, True],  # a2 or b: the node a only overlaps
        [True, False, False, False, True],  # b
    ]
    wrong = [
        [False, False, False, True, True],
        [False, False, False, False, True],
        [False, False, True, False, False],
        [False, True, True, True, False],
    ]
    finer = [
        [False, False, False, False, False],
        [False, False, True, True, False],
        [False, False, False, True, True],
        [False, False, False, False, False],
    ]
    assert verdicts.right.tolist() == right
    assert verdicts.wrong.tolist() == wrong
    assert verdicts.finer.tolist() == finer


def test_a_point_counts_answers() -> None:
    sample = make(
        [
            [0.9, 0.05, 0.05],  # a1, right
            [0.05, 0.9, 0.05],  # a2, wrong
            [0.45, 0.45, 0.1],  # a, right
            [0.3, 0.3, 0.4],  # unknown
            [0.05, 0.05, 0.9],  # b, wrong
            [0.9, 0.05, 0.05],  # a1, finer than the label, right
            [0.45, 0.45, 0.1],  # a, which only overlaps with the label
        ],
        [0, 0, 1, 2, 0, 3, 4],
        [5, 5, 5, 7, 7, 7, 9],
    )
    labels = torch.cat([LEAVES, torch.tensor([[True, True, False], [False, True, True]])])
    (point,) = curve(sample, NODES, labels=labels, temperatures=None, confidences=(0.8,))
    assert point.confidence == 0.8
    assert point.coverage == pytest.approx(6 / 7)
    assert point.accuracy == pytest.approx(3 / 5)
    assert point.mean_depth == pytest.approx((2 + 2 + 1 + 1 + 2 + 1) / 6)
    assert point.finer == pytest.approx(1 / 6)
    assert point.not_judged == pytest.approx(1 / 6)


def test_nothing_is_promised_where_nothing_is_answered() -> None:
    sample = make([[0.3, 0.3, 0.4]] * 2, [0, 1], [0, 1])
    (point,) = curve(sample, NODES, labels=LEAVES, temperatures=None, confidences=(0.8,))
    assert point.coverage == 0
    assert point.accuracy is point.error_bar is point.mean_depth is None
    assert point.kept


@pytest.mark.parametrize(
    ("right", "kept"), [([9, 9, 9, 9], True), ([7, 9, 10, 9], True), ([8, 8, 8, 8], False)]
)
def test_a_promise_is_kept_up_to_the_error_bar(right: list[int], kept: bool) -> None:
    classes = [0 if pixel < number else 2 for number in right for pixel in range(10)]
    pictures = [picture for picture in range(4) for _ in range(10)]
    sample = make([[0.92, 0.04, 0.04]] * 40, classes, pictures)
    (point,) = curve(sample, NODES, labels=LEAVES, temperatures=None, confidences=(0.9,))
    assert point.accuracy == pytest.approx(sum(right) / 40)
    assert point.kept == kept


def brute_force(right: list[int], judged: list[int], draws: int) -> float:
    """Return half the width of the interval, one drawn picture after the other."""
    generator = torch.Generator().manual_seed(7)
    shares: list[float] = []
    for _ in range(draws):
        drawn = torch.randint(len(right), (len(right),), generator=generator).tolist()
        total = sum(judged[number] for number in drawn)
        if total:
            shares.append(sum(right[number] for number in drawn) / total)
    shares.sort()
    return (shares[int(0.975 * len(shares))] - shares[int(0.025 * len(shares))]) / 2


@pytest.mark.parametrize(
    ("right", "judged"),
    [
        ([9, 5, 30, 0, 8, 12, 7], [10, 10, 31, 0, 20, 12, 9]),
        (list(range(40, 80)), [80] * 40),
    ],
)
def test_the_error_bar_is_that_of_pictures_drawn_anew(right: list[int], judged: list[int]) -> None:
    drawn = draw_pictures(len(right))
    found = error_bar(torch.tensor(right), torch.tensor(judged), drawn)
    assert found == pytest.approx(brute_force(right, judged, 5000), rel=0.1)
    assert found == error_bar(torch.tensor(right), torch.tensor(judged), draw_pictures(len(right)))


def test_every_draw_has_as_many_pictures() -> None:
    drawn = draw_pictures(30)
    assert drawn.sum(1).unique().tolist() == [30]
    assert drawn.mean(0).tolist() == pytest.approx([1.0] * 30, abs=0.15)


def test_pixels_of_one_picture_that_err_together_widen_the_error_bar() -> None:
    wrong = torch.arange(4000) % 10 == 0
    p = torch.tensor([[0.92, 0.04, 0.04]] * 4000)
    truth = torch.where(wrong, 2, 0)
    apart = PixelSample(p.log(), truth, torch.arange(4000) // 100)
    together = PixelSample(p.log(), truth, torch.where(wrong, 0, 1 + torch.arange(4000) // 100))
    bars = [
        curve(one, NODES, labels=LEAVES, temperatures=None, confidences=(0.9,))[0].error_bar
        for one in (apart, together)
    ]
    assert bars[0] == pytest.approx(0, abs=1e-9)  # each picture has ten wrong ones of a hundred
    assert (bars[1] or 0) > 0.1


def test_of_very_many_pictures_neighbours_are_drawn_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(back_off, "MOST_DRAWN", 10)
    right = torch.arange(200) % 2 == 0
    sample = PixelSample(
        torch.tensor([[0.92, 0.04, 0.04]] * 200).log(),
        torch.where(right, 0, 2),
        torch.arange(200),
    )
    (point,) = curve(sample, NODES, labels=LEAVES, temperatures=None, confidences=(0.9,))
    assert point.accuracy == 0.5
    assert point.error_bar == 0  # of each twenty neighbours, ten are right


@pytest.mark.parametrize("seed", range(3))
def test_probabilities_that_labels_are_drawn_from_keep_the_promise(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = 2.5 * torch.randn(60000, 3, generator=generator)
    truth = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    sample = PixelSample(logits, truth, torch.arange(60000) % 60)
    points = curve(sample, NODES, labels=LEAVES, temperatures=None)
    assert [point.confidence for point in points] == list(back_off.CONFIDENCES)
    assert all(point.kept for point in points)
    assert all((a.coverage or 0) >= (b.coverage or 0) for a, b in pairwise(points))
    overconfident = curve(sample, NODES, labels=LEAVES, temperatures=torch.full((3,), 0.3))
    assert not any(point.kept for point in overconfident[4:])


def test_what_is_judged_is_what_predictions_are_made_of() -> None:
    sample = make([[0.9, 0.05, 0.05], [0.4, 0.45, 0.15]], [0, 2], [0, 1])
    temperatures: Tensor = torch.tensor([1.5, 0.8, 1.0])
    points = curve(sample, NODES, labels=LEAVES, temperatures=temperatures)
    for point in points:
        given = deepest(sample.logits.T, NODES, point.confidence, temperatures)
        answered = given[given != 0]
        assert point.coverage == len(answered) / 2
        if len(answered):
            assert point.mean_depth == pytest.approx(NODES.depths[answered].double().mean().item())
