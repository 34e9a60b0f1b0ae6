"""Path templates of a mapping, such as ``images/{city}/{id:06d}.jpg``.

A field is ``{name}`` or ``{name:FORMAT}`` with one of Python's integer formats. Nothing else of
Python's format language is understood, so a template can reach no attribute and no index.
"""

import re
import string
from collections.abc import Mapping

from harmonize.errors import HarmonizeError

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_FORMAT = re.compile(r"(?:0?\d{1,2})?d?", re.ASCII)
Fields = Mapping[str, str | int]


class Template:
    """A path with fields, which can be filled in or matched against a path."""

    def __init__(self, text: str, *, where: str) -> None:
        """Parse a template; ``where`` names it in errors."""
        self.text = text
        self.where = where
        self._parts: list[tuple[str, str | None, str]] = []  # (text before, field, its format)
        try:
            parsed = list(string.Formatter().parse(text))
        except ValueError as error:
            raise HarmonizeError(f"{where}: not a template: {error}, got {text!r}") from None
        for literal, name, spec, conversion in parsed:
            if name is not None and (
                conversion or not _NAME.fullmatch(name) or not _FORMAT.fullmatch(spec or "")
            ):
                raise HarmonizeError(
                    f"{where}: a field is written {{name}} or {{name:06d}}, got {text!r}"
                )
            self._parts.append((literal, name, spec or ""))

    @property
    def names(self) -> set[str]:
        """The names of the fields."""
        return {name for _, name, _ in self._parts if name is not None}

    def fill(self, fields: Fields) -> str:
        """Put values in place of the fields.

        Raises:
            HarmonizeError: a field has no value, or no whole number where its format needs one.
        """
        return "".join(
            literal + ("" if name is None else self._value(name, spec, fields))
            for literal, name, spec in self._parts
        )

    def fill_all_but(self, kept: str, fields: Fields) -> str:
        """Put values in place of all fields but one; the result is the text of a template."""
        pieces: list[str] = []
        for literal, name, spec in self._parts:
            pieces.append(_escape(literal))
            if name == kept:
                pieces.append(f"{{{name}:{spec}}}" if spec else f"{{{name}}}")
            elif name is not None:
                pieces.append(_escape(self._value(name, spec, fields)))
        return "".join(pieces)

    def pattern(self) -> re.Pattern[str]:
        """Return a regular expression whose named groups are the fields; ``*`` matches anything."""
        pieces: list[str] = []
        seen: set[str] = set()
        for literal, name, spec in self._parts:
            pieces.append(re.escape(literal).replace(r"\*", "[^/]*"))
            if name in seen:
                pieces.append(f"(?P={name})")
            elif name is not None:
                seen.add(name)
                pieces.append(f"(?P<{name}>{_matching(spec)})")
        return re.compile("".join(pieces))

    def glob(self) -> str:
        """Return the template with a wildcard for every field."""
        return "".join(literal + ("" if name is None else "*") for literal, name, _ in self._parts)

    def _value(self, name: str, spec: str, fields: Fields) -> str:
        if name not in fields:
            known = ", ".join(sorted(fields)) or "none"
            raise HarmonizeError(
                f"{self.where}: nothing gives {{{name}}} a value in {self.text!r}; known: {known}"
            )
        value = fields[name]
        if not spec:
            return str(value)
        try:
            return format(int(value), spec)
        except ValueError:
            raise HarmonizeError(
                f"{self.where}: {{{name}:{spec}}} needs a whole number, got {value!r}"
            ) from None


def _escape(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _matching(spec: str) -> str:
    """Return the expression that matches what a format writes."""
    if not spec:
        return "[^/]+"
    width = spec.rstrip("d").lstrip("0")
    return rf"\d{{{width},}}" if width else r"\d+"
