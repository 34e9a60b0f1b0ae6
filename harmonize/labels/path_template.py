"""Path templates of a mapping, such as ``images/{city}/{id:06d}.jpg``.

A field is ``{name}``, ``{name:FORMAT}`` with one of Python's integer formats, or a part of a
number: ``{id//2000}`` or ``{id%100}``. Nothing else of Python's format language is understood, so a
template can reach no attribute and no index.
"""

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass

from harmonize.errors import HarmonizeError
from harmonize.labels.path_matching import PathPattern, Piece

_FIELD = re.compile(
    r"(?P<name>[A-Za-z_]\w*)(?:(?P<operator>//|%)(?P<number>[1-9]\d{0,9}))?", re.ASCII
)
_FORMAT = re.compile(r"(?:0?\d{1,2})?d?", re.ASCII)
_WILD = "\0"
"""Stands for a field while a glob pattern is written."""
Fields = Mapping[str, str | int]


@dataclass(frozen=True)
class _Field:
    """A field of a template: its name, what is done to its number, and how that is written."""

    name: str
    operator: str | None
    number: int
    format: str

    def __str__(self) -> str:
        arithmetic = f"{self.operator}{self.number}" if self.operator else ""
        return f"{{{self.name}{arithmetic}{':' if self.format else ''}{self.format}}}"

    @property
    def is_numeric(self) -> bool:
        """Whether the field takes nothing but whole numbers."""
        return bool(self.operator or self.format)

    def write(self, value: str | int) -> str:
        """Write a value; ValueError where a whole number is needed and not given."""
        if not self.is_numeric:
            return str(value)
        number = int(value)
        if self.operator:
            number = number // self.number if self.operator == "//" else number % self.number
        return format(number, self.format)

    def pattern(self) -> str:
        """Return the expression that matches what ``write`` writes."""
        if not self.is_numeric:
            return "[^/]+"
        width = self.format.rstrip("d").lstrip("0")
        return rf"\d{{{width},}}" if width else r"\d+"


class Template:
    """A path with fields, which can be filled in or matched against a path."""

    def __init__(self, text: str, *, where: str) -> None:
        """Parse a template; ``where`` names it in errors."""
        self.text = text
        self.where = where
        self._parts: list[tuple[str, _Field | None]] = []  # (text before the field, the field)
        try:
            parsed = list(string.Formatter().parse(text))
        except ValueError as error:
            raise HarmonizeError(f"{where}: not a template: {error}, got {text!r}") from None
        for literal, name, format_, conversion in parsed:
            self._parts.append(
                (literal, None if name is None else self._field(name, format_ or ""))
            )
            if conversion:
                self._refuse()
        plain = all(field is None or not field.is_numeric for _, field in self._parts)
        self._plain = self._as_format() if plain else None

    def _as_format(self) -> str:
        """Return the same as a format string, where every value is written as it is."""
        return "".join(
            _escape(literal) + ("" if field is None else f"{{{field.name}}}")
            for literal, field in self._parts
        )

    def _field(self, text: str, format_: str) -> _Field:
        match = _FIELD.fullmatch(text)
        if match is None or not _FORMAT.fullmatch(format_):
            self._refuse()
        assert match is not None
        return _Field(match["name"], match["operator"], int(match["number"] or 1), format_)

    def _refuse(self) -> None:
        raise HarmonizeError(
            f"{self.where}: a field is written {{name}}, {{name:06d}} or {{name//100}}, "
            f"got {self.text!r}"
        )

    @property
    def names(self) -> set[str]:
        """The names of the fields."""
        return {field.name for _, field in self._parts if field is not None}

    def fill(self, fields: Fields) -> str:
        """Put values in place of the fields.

        Raises:
            HarmonizeError: a field has no value, or no whole number where it needs one.
        """
        if self._plain is not None:
            try:
                return self._plain.format_map(fields)
            except KeyError as error:
                raise self._unknown(error.args[0], fields) from None
        pieces: list[str] = []
        for literal, field in self._parts:
            pieces.append(literal)
            if field is not None:
                pieces.append(self._value(field, fields))
        return "".join(pieces)

    def fill_all_but(self, kept: str, fields: Fields) -> str:
        """Put values in place of all fields but one; the result is the text of a template."""
        pieces: list[str] = []
        for literal, field in self._parts:
            pieces.append(_escape(literal))
            if field is not None:
                written = field.name == kept
                pieces.append(str(field) if written else _escape(self._value(field, fields)))
        return "".join(pieces)

    def filled_in(self, fields: Fields) -> "Template":
        """Put values in place of those fields that have one; return the template of the others.

        Raises:
            HarmonizeError: a field needs a whole number, and has none.
        """
        pieces: list[str] = []
        for literal, field in self._parts:
            pieces.append(_escape(literal))
            if field is not None:
                is_known = field.name in fields
                pieces.append(_escape(self._value(field, fields)) if is_known else str(field))
        return Template("".join(pieces), where=self.where)

    def pattern(self) -> PathPattern:
        """Return what the template's paths look like; ``*`` matches anything but a slash."""
        pieces: list[Piece] = []
        seen: set[str] = set()
        for literal, field in self._parts:
            for number, text in enumerate(literal.split("*")):
                pieces += [Piece("[^/]*", is_wild=True)] if number else []
                pieces += [Piece(re.escape(text))] if text else []
            if field is None:
                continue
            if field.operator:
                pieces.append(Piece(field.pattern(), is_wild=True))
            elif field.name in seen:
                pieces.append(Piece(f"(?P={field.name})"))
            else:
                seen.add(field.name)
                pieces.append(Piece(field.pattern(), field.name, is_wild=True))
        return PathPattern(pieces, where=self.where)

    def glob(self) -> str:
        """Return the template as a glob pattern, with a wildcard for every field."""
        pieces = (
            re.sub(r"[\[?]", r"[\g<0>]", literal) + ("" if field is None else _WILD)
            for literal, field in self._parts
        )
        return re.sub(rf"\**({_WILD}\**)+", "*", "".join(pieces))  # ** would be all folders below

    def _value(self, field: _Field, fields: Fields) -> str:
        if field.name not in fields:
            raise self._unknown(field.name, fields)
        try:
            return field.write(fields[field.name])
        except ValueError:
            raise HarmonizeError(
                f"{self.where}: {field} needs a whole number, got {fields[field.name]!r}"
            ) from None

    def _unknown(self, name: str, fields: Fields) -> HarmonizeError:
        known = ", ".join(sorted(fields)) or "none"
        return HarmonizeError(
            f"{self.where}: nothing gives {{{name}}} a value in {self.text!r}; known: {known}"
        )


def inside_root(path: str, where: str, *, outside: bool = False) -> str:
    """Return a path relative to the data set's folder; refuse one that leads out of it.

    Links may lead anywhere: who made them owns the folder. With ``outside``, so may ``..``.
    """
    if path.startswith("/"):
        raise HarmonizeError(
            f"{where}: {path!r} leads out of the data set's folder; paths are relative to it"
        )
    if ".." in path and ".." in path.split("/") and not outside:
        raise HarmonizeError(
            f"{where}: {path!r} leads out of the data set's folder; "
            "if it is meant to, say `outside_root: true` in the mapping"
        )
    return path


def _escape(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
