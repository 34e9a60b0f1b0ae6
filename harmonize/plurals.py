"""Numbers of things in words: ``1 picture``, ``2 pictures``."""

from typing import SupportsIndex


def counted(number: SupportsIndex, one: str, many: str = "") -> str:
    """Return a number and what it counts; ``many`` is the plural if it takes more than an s."""
    return f"{number} {plural(number, one, many)}"


def plural(number: SupportsIndex, one: str, many: str = "") -> str:
    """Return the word for so many: ``one`` of 1, else ``many`` or ``one`` with an s."""
    return one if int(number) == 1 else many or f"{one}s"
