"""Relations between the classes of two sets, from made-up networks whose truth is known."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from harmonize.tools.joining.consistency import settle
from harmonize.tools.joining.contingency import (
    ClassSet,
    find_shares,
    information,
    shown,
    unmix,
)
from harmonize.tools.joining.pairs import Pair, Relation
from harmonize.tools.joining.relations import relate
from harmonize.tools.joining.verdicts import weak_classes
from made_up_sets import ROAD, cross, truth, world


def by_pair(pairs: Sequence[Pair]) -> dict[tuple[str, str], Pair]:
    return {(pair.a[1], pair.b[1]): pair for pair in pairs}


@pytest.mark.parametrize("seed", range(3))
def test_relations_are_found_and_what_is_wrong_is_a_doubt(seed: int) -> None:
    pairs, warning = relate(cross(world(ROAD, seed=seed, right=0.9)), names=False)
    true = truth(ROAD)
    assert warning == ""
    right = [pair.sure and pair.relation == true[pair.a[1], pair.b[1]] for pair in pairs]
    wrong = [pair for pair in pairs if pair.sure and pair.relation != true[pair.a[1], pair.b[1]]]
    assert not wrong
    assert np.mean(right) >= 0.9


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_confidently_wrong_where_networks_are_mediocre(seed: int) -> None:
    pairs, _ = relate(cross(world(ROAD, seed=seed, right=0.7)), names=False)
    true = truth(ROAD)
    assert all(pair.relation == true[pair.a[1], pair.b[1]] for pair in pairs if pair.sure)


@pytest.mark.parametrize("seed", range(3))
def test_overlapping_classes_are_a_doubt(seed: int) -> None:
    sets = {
        "p": ("x", "v"),
        "q": ("x", "u"),
        "r": ("y", "u"),
        "s": ("y", "w"),
    }
    pairs = by_pair(relate(cross(world(sets, seed=seed)), names=False)[0])
    assert not pairs["x", "u"].sure
    assert not pairs["y", "u"].sure
    assert pairs["x", "v"].relation == "contains"
    assert pairs["x", "w"].relation == "disjoint"


def test_an_even_overlap_is_called_so() -> None:
    sets = {"p": ("x", "v"), "q": ("x", "u"), "r": ("y", "u"), "s": ("y", "w")}
    made = world(sets, seed=0)
    even = dataclasses.replace(made, pixels=tuple(np.full_like(one, 1000) for one in made.pixels))
    pairs = by_pair(relate(cross(even), names=False)[0])
    assert {(p.relation, p.sure, p.why) for p in (pairs["x", "u"], pairs["y", "u"])} == {
        ("overlaps", False, "both have a part in common")
    }


def test_sets_of_other_scenes_are_not_joined_but_for_what_swallows_all() -> None:
    found = cross(world(ROAD, seed=0))
    rng = np.random.default_rng(0)
    on_a = np.zeros_like(found.on_a)
    on_a[:, :, found.b.classes.index("sky")] = found.on_a.sum(2)  # B's network says sky of all
    on_b = rng.multinomial(
        1000, np.full(len(found.a.classes), 1 / len(found.a.classes)), found.on_b.shape[:2]
    )
    pairs, warning = relate(dataclasses.replace(found, on_a=on_a, on_b=on_b))
    assert "other scenes, nothing in common, or networks that have learned too little" in warning
    assert not any(pair.sure for pair in pairs)
    assert {pair.b[1] for pair in pairs if pair.relation != "disjoint"} == {"sky"}


def test_networks_that_answer_anything_join_nothing() -> None:
    found = cross(world(ROAD, seed=0))
    rng = np.random.default_rng(1)

    def anything(counts: np.ndarray) -> np.ndarray:
        number = counts.shape[2]
        return rng.multinomial(counts.sum(2), np.full(number, 1 / number))

    pairs, warning = relate(
        dataclasses.replace(found, on_a=anything(found.on_a), on_b=anything(found.on_b))
    )
    assert "nothing is joined" in warning
    assert not any(pair.sure for pair in pairs)


def test_a_class_that_its_own_network_does_not_know_is_a_doubt_in_all_its_pairs() -> None:
    found = cross(world(ROAD, seed=0))
    own = found.b.own.copy()
    car, bus = found.b.classes.index("car"), found.b.classes.index("bus")
    own[:, car, bus] += own[:, car, car]
    own[:, car, car] = 0
    weak = dataclasses.replace(found.b, own=own)
    assert weak_classes(weak)["car"] == "its own network hardly recognises it (IoU 0 %)"
    pairs, _ = relate(dataclasses.replace(found, b=weak))
    assert not any(pair.sure for pair in pairs if pair.b[1] == "car")
    own[:, car] = 0
    assert weak_classes(dataclasses.replace(found.b, own=own))["car"] == (
        "no pixel of it is labelled in the pictures looked at"
    )
    own[0, car, car] = 500
    assert weak_classes(dataclasses.replace(found.b, own=own))["car"] == (
        "only 500 pixels of it in 1 of the pictures looked at"
    )
    unknown = relate(
        dataclasses.replace(found, b=dataclasses.replace(weak, own=_without(own, car)))
    )
    assert {p.relation for p in unknown[0] if p.b[1] == "car"} == {"unknown"}


def _without(own: np.ndarray, number: int) -> np.ndarray:
    rest = own.copy()
    rest[:, number] = 0
    return rest


def test_a_class_that_the_other_pictures_do_not_show_is_a_doubt() -> None:
    only = {**ROAD, "boat": ("vehicle", "boat")}
    found = cross(world(only, seed=0, missing_on_a=("boat",)))
    boat, car = found.b.classes.index("boat"), found.b.classes.index("car")
    on_a = found.on_a.copy()  # mistakes of B's network, as rare as on its own pictures
    on_a[:, :, car] += on_a[:, :, boat] * 19 // 20
    on_a[:, :, boat] -= on_a[:, :, boat] * 19 // 20
    pairs = by_pair(relate(dataclasses.replace(found, on_a=on_a), names=False)[0])
    assert not pairs["vehicle", "boat"].sure
    assert "finds hardly any in the pictures of A" in pairs["vehicle", "boat"].why


def test_names_decide_only_what_is_undecided_and_it_is_said() -> None:
    kept = {
        "sky": ("sky", "sky"),
        "road": ("road", "road"),
        "kerb": ("road", "kerb"),
        "wall": ("wall", "wall"),
        "gate": ("wall", "gate"),
    }
    found = cross(world(kept, seed=0))
    shift = found.on_b.copy()  # A's network takes much of B's walls for road
    a, b = found.a.classes.index, found.b.classes.index
    moved = shift[:, b("wall"), a("wall")] * 3 // 5
    shift[:, b("wall"), a("wall")] -= moved
    shift[:, b("wall"), a("road")] += moved
    bent = dataclasses.replace(found, on_b=shift)
    without, _ = relate(bent, names=False)
    named, _ = relate(bent, names=True)
    assert not by_pair(without)["wall", "wall"].sure
    assert "by its name" in by_pair(named)["wall", "wall"].why
    same = {key for key, pair in by_pair(without).items() if pair.sure}
    assert all(by_pair(named)[key].relation == by_pair(without)[key].relation for key in same)


def test_intervals_hold_the_share_and_widen_with_fewer_pictures() -> None:
    found = cross(world(ROAD, seed=0))
    few = dataclasses.replace(found, on_a=found.on_a[:4], on_b=found.on_b[:4])
    wide, narrow = find_shares(few), find_shares(found)
    for one in (wide, narrow):
        low, high = one.b_in_a_bounds
        assert (low <= one.agreed_b_in_a + 1e-9).all()
        assert (one.agreed_b_in_a <= high + 1e-9).all()
    assert np.ptp(wide.b_in_a_bounds, axis=0).mean() > np.ptp(narrow.b_in_a_bounds, axis=0).mean()


def test_own_mistakes_are_taken_off() -> None:
    confusion = np.array([[0.8, 0.2], [0.1, 0.9]])
    true = np.array([[1000.0, 0.0], [0.0, 500.0]])
    found = unmix(true @ confusion, confusion)
    before = (true @ confusion)[0, 1]
    assert found[0, 1] < before / 2
    assert found.sum(1) == pytest.approx(true.sum(1), rel=1e-6)


def test_information_is_as_counted_by_hand() -> None:
    even = np.log(2)
    assert information(np.array([[50, 0], [0, 50]]), even) == pytest.approx(1)
    assert information(np.array([[25, 25], [25, 25]]), even) == pytest.approx(0)
    assert information(np.array([[50, 0], [50, 0]]), even) == pytest.approx(0)
    assert information(np.array([[50, 0], [0, 50]]), 0.0) == 0


def test_what_is_shown_covers_more_than_mistakes_do() -> None:
    own = np.zeros((6, 2, 2), dtype=np.int64)
    own[:, 0, 0] = 900
    own[:3, 1, 1] = 100  # three pictures have it, three do not
    own[3:, 0, 1] = 5
    one = ClassSet("s", ("rest", "it"), (("rest",), ("it",)), own)
    answers = np.zeros((4, 1, 2), dtype=np.int64)
    answers[:, 0, 0], answers[:, 0, 1] = 995, 5
    assert shown(answers, one).tolist() == [True, False]
    answers[:, 0, 1] = 60
    assert shown(answers, one).tolist() == [True, True]


def _pair(a: str, relation: Relation, b: str, low: float = 0.9) -> Pair:
    made = relate(cross(world(ROAD, seed=0)))[0][0]
    one, other = (tuple(name.split(":")) for name in (a, b))
    return dataclasses.replace(
        made,
        a=one,
        b=other,
        relation=relation,
        sure=True,
        why="",
        a_in_b_interval=(low, 1.0),
        b_in_a_interval=(low, 1.0),
    )


def test_a_cycle_becomes_a_doubt_at_its_weakest() -> None:
    ring = [
        _pair("A:x", "part of", "B:y"),
        _pair("B:y", "part of", "C:z", 0.7),
        _pair("A:x", "contains", "C:z"),
    ]
    found = settle(ring)
    assert [pair.sure for pair in found] == [True, False, True]
    assert found[1].why.startswith("contradiction: ")


def test_a_class_in_two_of_one_set_is_a_contradiction() -> None:
    found = settle([_pair("A:x", "part of", "B:y"), _pair("A:x", "part of", "B:z", 0.6)])
    assert [pair.sure for pair in found] == [True, False]
    assert "A:x would lie in both B:y and B:z" in found[1].why


def test_relations_as_strong_as_the_weakest_of_a_contradiction_are_doubts_too() -> None:
    """A network that takes buildings for roads is as sure of it as one that knows them."""
    found = settle(
        [
            _pair("A:building", "same", "C:building", 0.92),
            _pair("A:building", "same", "B:house", 0.90),
            _pair("B:road", "contains", "C:building", 0.99),
            _pair("A:tree", "same", "B:tree", 0.5),
        ]
    )
    assert [pair.sure for pair in found] == [False, False, False, True]
    assert all("which are apart" in pair.why for pair in found[:3])


def test_what_follows_by_a_third_set_is_no_doubt() -> None:
    open_pair = dataclasses.replace(_pair("A:x", "overlaps", "C:z"), sure=False, why="?")
    found = settle([_pair("A:x", "part of", "B:y"), _pair("B:y", "part of", "C:z"), open_pair])
    assert (found[2].relation, found[2].sure, found[2].why) == (
        "part of",
        True,
        "follows from the others",
    )
    apart = [_pair("A:x", "part of", "B:y"), _pair("B:y2", "contains", "C:z"), open_pair]
    assert settle(apart)[2].relation == "disjoint"
