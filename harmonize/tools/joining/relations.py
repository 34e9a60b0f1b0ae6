"""What each class of one data set is to each of another: the same, a part, overlapping, apart."""

from harmonize.tools.joining.contingency import Crossing, find_shares
from harmonize.tools.joining.judging import Judged
from harmonize.tools.joining.pairs import Pair

ALIKE = 0.15
"""Information that labels and answers must share, on both sets' pictures; see ``Shares.alike``."""


def relate(crossing: Crossing, *, names: bool = True, seed: int = 0) -> tuple[list[Pair], str]:
    """Find what each class of one set is to each of the other.

    A class lies in another if both networks say so: the other set's network in its labelled
    pixels, and its own network by what is labelled where it answers the class. These are the
    precision-like tests of Bevandic & Segvic (BMVC 2022), here with each network's own mistakes
    taken off and in both directions.

    Args:
        crossing: what the networks see.
        names: whether names decide where the pixels leave it open.
        seed: of the intervals.

    Returns:
        All pairs, and what is wrong with the two sets as a whole; empty if nothing.
    """
    shares = find_shares(crossing, seed=seed)
    judged = Judged.of(crossing, shares, names=names)
    warning = ""
    if min(shares.alike) < ALIKE:
        warning = (
            f"{crossing.a.name} and {crossing.b.name}: what either network sees in the other's "
            f"pictures has little to do with their labels ({shares.alike[0]:.2f} and "
            f"{shares.alike[1]:.2f} of 1; {ALIKE} or more says something): other scenes, nothing "
            "in common, or networks that have learned too little; nothing is joined"
        )
    return list(judged.pairs(other_scenes=bool(warning))), warning
