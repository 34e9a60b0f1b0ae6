"""Two data sets over known things, and networks that take some of them for others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harmonize.tools.joining.contingency import ClassSet, Crossing
from harmonize.tools.joining.pairs import Relation

Things = Mapping[str, tuple[str, str]]
"""By thing the class of A and that of B that it is labelled as."""

ROAD: Things = {
    "sky": ("sky", "sky"),
    "tree": ("plant", "tree"),
    "grass": ("plant", "grass"),
    "car": ("vehicle", "car"),
    "bus": ("vehicle", "bus"),
    "road": ("road", "ground"),
    "kerb": ("kerb", "ground"),
    "upper": ("person", "upper"),
    "lower": ("person", "lower"),
}


@dataclass(frozen=True)
class World:
    """Pixels by picture and thing on each set's pictures, and how well networks know them."""

    things: Things
    pixels: tuple[np.ndarray, np.ndarray]
    right: float
    rng: np.random.Generator


def world(
    things: Things,
    *,
    seed: int,
    right: float = 0.85,
    pictures: int = 25,
    missing_on_a: Sequence[str] = (),
) -> World:
    """Draw the pictures of two sets; each has most things, and some in a third of them only."""
    rng = np.random.default_rng(seed)
    sizes = rng.uniform(500, 4000, len(things))
    pixels = [
        (sizes * rng.gamma(4, 0.25, (pictures, len(things)))).astype(int)
        * (rng.random((pictures, len(things))) < 0.7)
        for _ in range(2)
    ]
    for name in missing_on_a:
        pixels[0][:, list(things).index(name)] = 0
    return World(things, (pixels[0], pixels[1]), right, rng)


def cross(made: World) -> Crossing:
    """Let both networks look at both sets' pictures."""
    names = [list(dict.fromkeys(one[side] for one in made.things.values())) for side in range(2)]
    sets = [
        ClassSet(
            "AB"[side],
            tuple(names[side]),
            tuple((n,) for n in names[side]),
            _table(made, side, side, names, made.right),
        )
        for side in range(2)
    ]
    shifted = made.right - 0.08  # networks know the other set's pictures less well
    return Crossing(
        sets[0],
        sets[1],
        on_a=_table(made, 0, 1, names, shifted),
        on_b=_table(made, 1, 0, names, shifted),
        pieces=np.zeros((2, len(names[0]), len(names[1])), dtype=np.int64),
    )


def _table(
    made: World, seen: int, looker: int, names: Sequence[Sequence[str]], right: float
) -> np.ndarray:
    """Count pixels by picture, label and answer; mistakes go to two classes each, mostly."""
    things = list(made.things.values())
    number = len(names[looker])
    found = np.zeros((len(made.pixels[seen]), len(names[seen]), number), dtype=np.int64)
    for n, classes in enumerate(things):
        own = names[looker].index(classes[looker])
        p = made.rng.dirichlet(np.full(number, 0.5)) * (1 - right)
        p[own] += right
        for picture, pixels in enumerate(made.pixels[seen][:, n].tolist()):
            label = names[seen].index(classes[seen])
            found[picture, label] += made.rng.multinomial(pixels, p / p.sum())
    return found


def truth(things: Things) -> dict[tuple[str, str], Relation]:
    """Return what each class of A is to each of B."""
    inside = [
        {
            c: {t for t, both in things.items() if both[side] == c}
            for c in dict.fromkeys(both[side] for both in things.values())
        }
        for side in range(2)
    ]
    return {
        (a, b): _relation(one, other)
        for a, one in inside[0].items()
        for b, other in inside[1].items()
    }


def _relation(one: set[str], other: set[str]) -> Relation:
    if one == other:
        return "same"
    if one < other:
        return "part of"
    if one > other:
        return "contains"
    return "overlaps" if one & other else "disjoint"
