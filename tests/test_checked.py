"""Types and shapes are checked in every function of the package while the tests run."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from jaxtyping import Float, Int, TypeCheckError
from numpy import ndarray

from checked import checked
from small_trees import SMALL, tree


@checked
def scaled(one: Float[ndarray, "N K"], by: Float[ndarray, " K"]) -> Float[ndarray, "N K"]:
    return one * by if by.all() else by


@checked
def half(number: float, _name: str = "") -> float:
    return number / 2 if number else "none"  # pyright: ignore[reportReturnType]


@checked
def rows(one: Int[ndarray, "N K"]) -> Iterator[Int[ndarray, " K"]]:
    yield from one


@checked
def nested(_other: Float[ndarray, "N K"], them: Iterator[Int[ndarray, " L"]]) -> int:
    return sum(int(row.sum()) for row in them)  # of another length than K


@checked
@dataclass(frozen=True)
class Box:
    corner: Int[ndarray, " 2"]
    size: Int[ndarray, " 2"]

    @checked
    @property
    def area(self) -> int:
        return int(self.size.prod()) or "none"  # pyright: ignore[reportReturnType]

    @checked
    @classmethod
    def at(cls, corner: Int[ndarray, " 2"]) -> "Box":
        return cls(corner, np.ones(2, int))

    @checked
    @staticmethod
    def far(corner: Int[ndarray, " 2"]) -> bool:
        return bool((corner > 9).all())


TWO = np.ones(2, int)


def test_what_fits_passes() -> None:
    assert scaled(np.ones((2, 3)), np.full(3, 2.0)).tolist() == [[2.0] * 3] * 2
    assert half(3) == 1.5  # an int stands for a float
    assert Box.at(TWO).area == 1
    assert not Box.far(TWO)
    assert nested(np.ones((4, 5)), rows(np.ones((2, 3), int))) == 6


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: scaled(np.ones((2, 3)), np.ones(2)),  # two lengths for one letter
        lambda: scaled(np.ones((2, 3)), np.zeros(3)),  # in what is returned
        lambda: scaled(np.ones((2, 3), int), np.ones(3)),
        lambda: rows(np.ones((2, 4))),
        lambda: half("3"),  # pyright: ignore[reportArgumentType]
        lambda: half(0),
        lambda: Box(TWO, np.ones(3, int)),
        lambda: Box(TWO, np.zeros(2, int)).area,
        lambda: Box.at(np.ones(3, int)),
        lambda: Box.far(np.ones(3, int)),
    ],
)
def test_what_does_not_fit_is_refused(wrong) -> None:
    with pytest.raises(TypeCheckError):
        wrong()


def test_of_many_calls_every_16th_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("checked.ALWAYS", 20)

    @checked
    def name(_of: int) -> str:
        return "one"

    refused: list[int] = []
    for call in range(1, 50):
        try:
            name("1")  # pyright: ignore[reportArgumentType]
        except TypeCheckError:
            refused.append(call)
    assert refused == [*range(1, 21), 32, 48]


def test_the_package_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("checked.ALWAYS", sys.maxsize)
    with pytest.raises(TypeCheckError):
        tree(SMALL).describe(np.zeros(4))
    with pytest.raises(TypeCheckError):
        tree(SMALL).draw(3)  # pyright: ignore[reportArgumentType]
