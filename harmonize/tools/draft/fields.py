"""Which fields of a template the varying parts of many paths are."""

from collections.abc import Sequence
from dataclasses import dataclass, field

_DIVISORS = (100, 1000, 2000, 500, 5000, 10, 10_000, 50, 200, 250)


@dataclass
class Fields:
    """The fields of the pairs of a data set, with their values.

    Attributes:
        columns: the values of each field, one per pair.
        formats: the format of each numeric field, such as ``:06d``; empty for plain numbers.
    """

    columns: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    formats: dict[str, str] = field(default_factory=dict[str, str])

    def add(self, name: str, values: Sequence[str]) -> str:
        """Add a field, under another name if this one is taken; return its text in a template."""
        number = 2
        wanted = name
        while name in self.columns:
            name, number = f"{wanted}_{number}", number + 1
        self.columns[name] = list(values)
        written = number_format(values)
        if written is not None:
            self.formats[name] = written
        return self.text(name)

    def text(self, name: str) -> str:
        """Return a field as a template writes it."""
        return f"{{{name}{self.formats.get(name, '')}}}"

    def find(self, values: Sequence[str]) -> str | None:
        """Return the text that gives these values from a field that is there, if one does."""
        for name, column in self.columns.items():
            if column == list(values):
                return self.text(name)
        for name in self.formats:
            text = _arithmetic(name, [int(value) for value in self.columns[name]], values)
            if text is not None:
                return text
        return None

    def split(self, name: str, heads: Sequence[str], head: str) -> str | None:
        """Part a field whose values begin with others, as ``Ann_0001`` does with ``Ann``.

        The field makes way for the field ``head`` and for the rest; returns the text of both, or
        None if the values do not begin so.
        """
        values = self.columns[name]
        for separator in "_-. ":
            pairs = list(zip(values, heads, strict=True))
            if all(value.startswith(start + separator) for value, start in pairs):
                rests = [value[len(start) + 1 :] for value, start in pairs]
                if not all(rests):
                    continue
                del self.columns[name]
                self.formats.pop(name, None)
                first = self.add(head, heads)
                numeric = number_format(rests) is not None
                return first + separator + self.add("number" if numeric else name, rests)
        return None


def number_format(values: Sequence[str]) -> str | None:
    """Return the format in which numbers are written; None if these are no such numbers."""
    if not all(value.isascii() and value.isdecimal() for value in values):
        return None
    widths = {len(value) for value in values}
    padded = any(value != "0" and value.startswith("0") for value in values)
    if len(widths) == 1 and (padded or values[0] == "0" * len(values[0]) != "0"):
        width = widths.pop()
        return f":0{width}d" if width < 100 else None
    return None if padded or max(widths) > 18 else ""


def _arithmetic(name: str, numbers: list[int], values: Sequence[str]) -> str | None:
    """Return the text of ``{name}`` or ``{name//1000}`` that gives these values, if one does."""
    written = number_format(values)
    if written is None:
        return None
    wanted = [int(value) for value in values]
    if wanted == numbers:
        return f"{{{name}{written}}}"
    for divisor in _DIVISORS:
        if wanted == [number // divisor for number in numbers]:
            return f"{{{name}//{divisor}{written}}}"
    return None
