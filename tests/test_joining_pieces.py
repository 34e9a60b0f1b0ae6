"""Whole pieces of a class that another network answers as one: found, counted, and left open."""

import dataclasses

import numpy as np
import pytest

from harmonize.tools.joining.contingency import ClassSet, Crossing
from harmonize.tools.joining.pairs import Pair
from harmonize.tools.joining.pieces import answer_pieces, count_pieces
from harmonize.tools.joining.relations import relate
from made_up_sets import ROAD, cross, world

HAIR, SKIN = 0, 1


def faces() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a label, its own network's answers, and those of a network that calls beards skin."""
    label = np.full((40, 40), SKIN)
    label[:10] = HAIR
    label[30:36, 10:30] = HAIR  # a beard
    label[20, 20] = HAIR  # too small to say anything
    label[:, :2] = -1
    other = np.where(np.arange(40)[:, None] < 11, HAIR, SKIN) * np.ones_like(label)
    return label, np.where(label < 0, SKIN, label), other


def test_pieces_come_in_one_order_with_what_most_of_each_is_answered_as() -> None:
    label, own, other = faces()
    found, crossed = answer_pieces(label, own, 2), answer_pieces(label, other, 2)
    assert found.tolist() == [[HAIR, HAIR, 1], [HAIR, HAIR, 1], [SKIN, SKIN, 1]]
    assert crossed[:, :2].tolist() == [[HAIR, HAIR], [HAIR, SKIN], [SKIN, SKIN]]
    assert crossed[1, 2] == 1
    skin = (label == SKIN).sum()
    assert crossed[2, 2] == pytest.approx((skin - 38) / skin)  # a row of it is answered hair


def test_a_picture_counts_once_and_only_for_pieces_that_the_own_network_knows() -> None:
    label, own, other = faces()
    known = answer_pieces(label, own, 2), answer_pieces(label, other, 2)
    missed = own.copy()
    missed[30:36, 10:24] = SKIN  # most of the beard
    unknown = answer_pieces(label, missed, 2), known[1]
    nothing = answer_pieces(np.full((4, 4), -1), np.zeros((4, 4), int), 2)
    counts = count_pieces([known, known, unknown, (nothing, nothing)], (2, 2))
    assert counts.tolist() == [[3, 2], [0, 3]]


def test_pieces_leave_open_what_shares_call_apart_and_all_that_rests_on_it() -> None:
    crossing = cross(world(ROAD, seed=0, right=0.9))
    place = 1, crossing.a.classes.index("sky"), crossing.b.classes.index("tree")

    def found(pictures: int) -> dict[tuple[str, str], Pair]:
        pieces = np.zeros_like(crossing.pieces)
        pieces[place] = pictures
        after = relate(dataclasses.replace(crossing, pieces=pieces), names=False)[0]
        return {(pair.a[1], pair.b[1]): pair for pair in after}

    before, after = found(1), found(2)
    assert before == found(0)
    apart, same, inside = before["sky", "tree"], before["sky", "sky"], before["plant", "tree"]
    assert apart.sure
    assert apart.relation == "disjoint"
    assert same.sure
    assert same.relation == "same"
    assert inside.sure
    assert inside.relation == "contains"
    apart, same, inside = after["sky", "tree"], after["sky", "sky"], after["plant", "tree"]
    assert (apart.relation, apart.sure) == ("disjoint", False)
    assert found(3)["sky", "tree"].relation == "overlaps"
    why = "whole pieces of tree are sky to the other network in 2 of the pictures of B"
    assert apart.why == why
    assert (same.relation, same.sure) == ("contains", False)
    assert same.why == "or the same, if tree is not in it"
    assert (inside.relation, inside.sure) == ("contains", False)
    assert inside.why == "unless a part of it is sky"
    assert {key for key in after if after[key] != before[key]} == {
        ("sky", "tree"),
        ("sky", "sky"),
        ("plant", "tree"),
    }


def few(on_a: list[list[int]], on_b: list[list[int]], pictures: int) -> Crossing:
    """Return two sets of some classes; x has whole pieces that are v in some pictures of A."""
    number = len(on_a)
    own = 100 * np.eye(number, dtype=int)
    sets = [
        ClassSet(name, tuple(classes), tuple((one,) for one in classes), np.stack([100 * own] * 10))
        for name, classes in (("A", "xyz"[:number]), ("B", "uvw"[:number]))
    ]
    pieces = np.zeros((2, number, number), dtype=np.int64)
    pieces[0, 0, 1] = pictures
    tables = [np.stack([100 * np.array(one)] * 10) for one in (on_a, on_b)]
    return Crossing(sets[0], sets[1], on_a=tables[0], on_b=tables[1], pieces=pieces)


@pytest.mark.parametrize(("pictures", "guess"), [(2, "disjoint"), (3, "overlaps")])
def test_what_is_left_of_a_class_that_lies_elsewhere_is_taken_for_mistakes_without_pieces(
    pictures: int, guess: str
) -> None:
    crossing = few([[70, 30], [0, 100]], [[100, 0], [12, 88]], pictures)
    found = {(pair.a[1], pair.b[1]): pair for pair in relate(crossing, names=False)[0]}
    pair = found["x", "v"]
    assert (pair.relation, pair.sure) == (guess, False)
    assert pair.why.startswith("23 and 12 % of v in x and 30 and 11 % the other way round")


@pytest.mark.parametrize(("pictures", "guess"), [(2, "part of"), (3, "overlaps")])
def test_a_class_that_lies_mostly_in_another_is_guessed_a_part_if_nothing_shows_a_rest(
    pictures: int, guess: str
) -> None:
    on_a = [[65, 20, 15], [60, 100, 0], [0, 0, 100]]
    on_b = [[80, 70, 0], [10, 90, 0], [10, 0, 90]]
    crossing = few(on_a, on_b, pictures)
    found = {(pair.a[1], pair.b[1]): pair for pair in relate(crossing, names=False)[0]}
    pair = found["x", "u"]
    assert (pair.relation, pair.sure) == (guess, False)
