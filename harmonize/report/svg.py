"""Pieces of SVG as text; whatever is written as text or into an attribute is escaped."""

import html

from harmonize.errors import printable

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_LETTER = 0.56
"""Mean width of a letter, of the height of the font."""


def escaped(text: str) -> str:
    """Make a text safe between tags and within the quotes of an attribute."""
    return html.escape(printable(text), quote=True)


def element(tag: str, content: str = "", /, **attributes: str | float | None) -> str:
    """Write an element around content that is SVG already; ``stroke_width`` is ``stroke-width``.

    Attributes that are None are left out; numbers are rounded to a hundredth of a pixel.
    """
    words = "".join(
        f' {name.strip("_").replace("_", "-")}="{_value(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    return f"<{tag}{words}>{content}</{tag}>" if content else f"<{tag}{words}/>"


def label(
    x: float, y: float, text: str, *, title: str = "", **attributes: str | float | None
) -> str:
    """Write a text at a place, with what to show when it is pointed at."""
    tip = element("title", escaped(title)) if title else ""
    return element("text", tip + escaped(text), x=x, y=y, **attributes)


def text_width(text: str, size: float) -> float:
    """Estimate the width in pixels of a text in a font of ``size`` pixels."""
    return _LETTER * size * len(text)


def shortened(text: str, longest: int) -> str:
    """Cut a text that has more letters than ``longest`` before its end, which tells most."""
    if len(text) <= longest:
        return text
    start = (longest - 1) // 3
    return f"{text[:start]}…{text[len(text) - (longest - 1 - start) :]}"


def _value(value: str | float) -> str:
    return escaped(value) if isinstance(value, str) else f"{round(float(value), 2):g}"
