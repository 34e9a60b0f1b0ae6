"""Estimates of the accuracy without labels, from counts made by hand."""

import pytest
import torch
from torch import Tensor

from harmonize.unseen.estimating import Errors, Estimate, estimate
from harmonize.unseen.picture_sums import PictureSums, SeenPixels, count_picture
from harmonize.unseen.unseen_results import UnseenResults

PIXELS, RIGHT, CONFIDENCE, MIRRORED, STEADY = range(5)


def pictures(*answers: list[float], number: int = 1, name: str = "set") -> PictureSums:
    """Return so many equal pictures with these counts of each answer."""
    return PictureSums(name, torch.tensor(answers, dtype=torch.float64).repeat(number, 1, 1))


def test_pixels_are_counted_by_their_answers() -> None:
    seen = SeenPixels(
        answers=torch.tensor([0, 2, 2, 0, 2]),
        confidence=torch.tensor([0.5, 0.25, 0.75, 1.0, 0.125]),
        mirrored=torch.tensor([True, False, True, True, False]),
        steady=torch.tensor([False, False, True, True, False]),
    )
    right = torch.tensor([True, False, True, False, True])
    assert count_picture(seen, 3, right).tolist() == [
        [2, 1, 1.5, 2, 1],
        [0, 0, 0, 0, 0],
        [3, 2, 1.125, 1, 1],
    ]
    counted = torch.tensor([True, True, False, False, True])
    assert count_picture(seen, 3, right, counted).tolist() == [
        [1, 1, 0.5, 1, 0],
        [0, 0, 0, 0, 0],
        [2, 1, 0.375, 0, 0],
    ]
    assert count_picture(seen, 3)[:, RIGHT].tolist() == [0, 0, 0]


def test_accuracy_moves_by_as_much_as_agreement_on_the_scale_of_log_odds() -> None:
    """Odds of agreement fall to 4/9: 9 to 4, and 4 to 16/9. So do those of being right: 9 to 4.

    50 pixels as before are mixed in: (755 + 45) / 1000 = 0.8, and (600 + 40) / 1000 = 16/25.
    """
    known = pictures([1000, 900, 800, 900, 800])
    asked = pictures([950, 0, 950 * 0.8, 755, 600])
    (one,), every = estimate([known], asked)
    assert one.share == 1.0
    assert one.labelled == 0.9
    assert one.labelled_pixels == 1000
    assert one.accuracy == pytest.approx(0.8)
    assert every.accuracy == pytest.approx(0.8)
    assert one.errors is not None
    assert one.errors.shift == pytest.approx(0.1)
    assert one.errors.sets is None
    # Confidence has not moved, and says 0.9; both views say 0.8.
    assert one.errors.methods == pytest.approx(0.05)
    # One picture: all draws are alike; the error of one toss with 0.8 is the root of 0.16.
    assert one.errors.pictures == pytest.approx(0.4)
    assert every.errors is not None
    assert every.errors.pictures == pytest.approx(0.0)


def test_pictures_like_those_with_labels_are_answered_as_well() -> None:
    counts = ([600.0, 540, 500, 570, 560], [400.0, 200, 300, 320, 300])
    each, every = estimate([pictures(*counts, number=4)], pictures(*counts, number=4))
    # 50 pixels of all answers, of which 0.74 are right, are mixed in.
    expected = [(4 * 540 + 37) / 2450, (4 * 200 + 37) / 1650]
    assert [one.accuracy for one in each] == pytest.approx(expected)
    assert every.accuracy == pytest.approx(0.6 * expected[0] + 0.4 * expected[1])
    for one in (*each, every):
        assert one.errors is not None
        assert one.errors.shift == pytest.approx(0)
        assert one.errors.methods == pytest.approx(0)


def test_an_answer_that_no_label_judges_goes_by_all_together() -> None:
    known = pictures([1000, 900, 900, 950, 920], [0, 0, 0, 0, 0])
    asked = pictures([500, 0, 450, 475, 460], [500, 0, 450, 475, 460])
    each, every = estimate([known], asked)
    assert [one.is_borrowed for one in each] == [False, True]
    assert each[1].labelled is None
    assert each[1].accuracy == pytest.approx(0.9)
    assert every.accuracy == pytest.approx(0.9)


def test_an_answer_that_is_never_given_has_no_estimate() -> None:
    known = pictures([100, 90, 90, 95, 92], [100, 50, 60, 70, 65])
    asked = pictures([100, 0, 90, 95, 92], [0, 0, 0, 0, 0])
    each, every = estimate([known], asked)
    assert each[1].share == 0
    assert each[1].accuracy is None
    assert each[1].errors is None
    assert every.accuracy == pytest.approx(each[0].accuracy)


def test_each_set_with_labels_is_estimated_from_the_others() -> None:
    """From the other set, which agrees as much, each is estimated 0.1 off."""
    first = pictures([1000, 900, 800, 900, 800], name="first")
    second = pictures([1000, 800, 800, 900, 800], name="second")
    (one,), every = estimate([first, second], first)
    assert one.accuracy == pytest.approx(0.85)
    for errors in (one.errors, every.errors):
        assert errors is not None
        assert errors.sets == pytest.approx(0.1)
        assert errors.shift == pytest.approx(0)


def test_sets_that_judge_different_answers_say_nothing_of_each_other() -> None:
    first = pictures([1000, 900, 800, 900, 800], [0, 0, 0, 0, 0])
    second = pictures([0, 0, 0, 0, 0], [1000, 800, 800, 900, 800])
    each, _ = estimate([first, second], pictures([50, 0, 40, 45, 40], [50, 0, 40, 45, 40]))
    assert all(one.errors is not None and one.errors.sets is None for one in each)


def test_draws_of_pictures_widen_the_error() -> None:
    """Half of many pictures are all right, half all wrong: 1.96 * 0.5 / sqrt(100) = 0.098."""
    good, bad = ([100.0, right, 80, 90, 80] for right in (100, 0))
    known = PictureSums("set", torch.tensor([[good], [bad]] * 50, dtype=torch.float64))
    (_,), every = estimate([known], pictures([1e6, 0, 0.8e6, 0.9e6, 0.8e6], number=100))
    assert every.errors is not None
    assert every.errors.pictures == pytest.approx(0.098, rel=0.1)
    again = estimate([known], pictures([1e6, 0, 0.8e6, 0.9e6, 0.8e6], number=100))[1]
    assert again == every


def test_many_pictures_are_drawn_as_blocks() -> None:
    counts = torch.arange(2500.0, dtype=torch.float64).view(-1, 1, 1).expand(-1, 1, 5)
    sums = PictureSums("many", counts)
    assert sums.num_blocks == 1000
    weights: Tensor = torch.zeros(2, 1000, dtype=torch.float64)
    weights[0] = 1
    weights[1, 999] = 1  # 2497.5 * 1000 / 2500 = 999: the last pictures are 2498 and 2499
    drawn = sums.drawn(weights)
    assert drawn[0, 0, 0] == 2499 * 2500 / 2
    assert drawn[1, 0, 0] == 2498 + 2499


@pytest.mark.parametrize(("sets", "total"), [(None, 7.0), (1.0, 7.0), (9.0, 11.0)])
def test_errors_add_up_as_squares_and_of_the_last_two_the_larger_counts(
    sets: float | None, total: float
) -> None:
    assert Errors(pictures=6.0, methods=2.0, shift=3.0, sets=sets).total == pytest.approx(total)


def test_the_table_shows_what_is_answered() -> None:
    errors = Errors(pictures=0.06, methods=0.02, shift=0.03, sets=None)
    given = Estimate(0.75, 0.9, 500, 0.8, errors)
    borrowed = Estimate(0.25, None, 0, 0.5, errors)
    never = Estimate(0.0, 0.5, 300, None, None)
    every = Estimate(1.0, 0.75, 800, 0.725, errors)
    found = UnseenResults(
        "leaves", ("sky", "road", "tree"), [given, borrowed, never], every, 3, {"s": ("val", 5)}
    )
    assert found.table().split("\n")[:6] == [
        "3 pictures without labels, leaves; labels: s, val (5)",
        "answer   share  with labels        estimated",
        "sky       75.0         90.0     80.0 +-  7.0",
        "road*     25.0            -     50.0 +-  7.0",
        "all      100.0         75.0     72.5 +-  7.0",
        "* too few labels judge it: it goes by all answers together",
    ]
    facts = found.to_dict()
    assert facts["labelled"] == {"s": {"split": "val", "pictures": 5}}
    assert facts["classes"] == {
        "sky": {
            "share": 0.75,
            "accuracy": 0.8,
            "error": pytest.approx(0.07),
            "errors": {"pictures": 0.06, "methods": 0.02, "shift": 0.03, "sets": None},
            "labelled_accuracy": 0.9,
            "labelled_pixels": 500,
            "borrowed": False,
        },
        "road": {
            "share": 0.25,
            "accuracy": 0.5,
            "error": pytest.approx(0.07),
            "errors": {"pictures": 0.06, "methods": 0.02, "shift": 0.03, "sets": None},
            "labelled_accuracy": None,
            "labelled_pixels": 0,
            "borrowed": True,
        },
        "tree": {
            "share": 0.0,
            "accuracy": None,
            "error": None,
            "errors": None,
            "labelled_accuracy": 0.5,
            "labelled_pixels": 300,
            "borrowed": False,
        },
    }
