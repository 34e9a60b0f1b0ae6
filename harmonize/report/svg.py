"""Figures of matplotlib as SVG text that is small, always the same, and fits into a page."""

import contextlib
import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from harmonize.errors import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#24292f"
"""Of lines and text; in a page the colour of the text around takes its place."""
SIZE = 12
"""Of what is written, in pixels."""
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_DPI = 72
"""At so many dots per inch a pixel of SVG is a point of matplotlib."""
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "harmonize",
    "path.simplify": False,
    "figure.dpi": _DPI,
    "font.size": SIZE,
    "text.color": INK,
    "axes.labelcolor": INK,
    "lines.solid_capstyle": "round",
    "text.parse_math": False,
}
TIP = "tip:"
"""What the id of a group starts with whose rest is shown when the group is pointed at."""
_REFERENCE = re.compile(r"""(?:href="|url\()#([^")]+)""")
_HREF = "{http://www.w3.org/1999/xlink}href"


@contextlib.contextmanager
def new_figure(width: float, height: float) -> Iterator["Figure"]:
    """Give a figure of a size in pixels, in matplotlib's own style whatever a user's files say."""
    import matplotlib.style  # slow to import
    from matplotlib.figure import Figure

    with matplotlib.style.context(["default", _STYLE]):
        yield Figure(figsize=(width / _DPI, height / _DPI))


def as_svg(figure: "Figure", title: str, *, page: bool, extra: str = "") -> str:
    """Draw a figure as an ``<svg>``, within its ``new_figure``.

    Args:
        figure: see ``TIP``.
        title: says what is drawn, to those who cannot see it.
        page: whether it is for a page, with ink of the text's colour and no background, and not for
            a file.
        extra: SVG that is drawn over it.
    """
    figure.patch.set_visible(not page)
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    root = ElementTree.fromstring(file.getvalue())
    for parent in [*root.iter()]:
        for child in [*parent]:
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    wanted = set(_REFERENCE.findall(file.getvalue()))
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        _clean(element, wanted)
    width, height = root.attrib["viewBox"].split()[2:]
    root.attrib = {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"0 0 {width} {height}",
        "width": width,
        "height": height,
        "role": "img",
        "aria-label": printable(title),
        "font-family": FONT,
        "stroke-linejoin": "round",
    }
    text = ElementTree.tostring(root, encoding="unicode")
    text = re.sub(r"\s+", " ", text.removesuffix("</svg>")).replace("> <", "><")
    text += f"{extra}</svg>"
    return text.replace(INK, "currentColor") if page else text


def shortened(text: str, longest: int) -> str:
    """Cut a text that has more letters than ``longest`` before its end, which tells most."""
    text = printable(text)
    if len(text) <= longest:
        return text
    start = (longest - 1) // 3
    return f"{text[:start]}…{text[len(text) - (longest - 1 - start) :]}"


def _clean(element: ElementTree.Element, wanted: set[str]) -> None:
    """Drop what a page with several drawings must not have, and decimals that cannot be seen.

    Ids that the drawing itself refers to stay. They are matplotlib's, made of what they name: two
    drawings of a page have the same one only for the same shape.
    """
    name = element.attrib.get("id", "")
    if name not in wanted:
        element.attrib.pop("id", None)
    if name.startswith(TIP):
        title = ElementTree.Element("title")
        title.text = name.removeprefix(TIP)
        element.insert(0, title)
    if _HREF in element.attrib:
        element.attrib["href"] = element.attrib.pop(_HREF)
    for key in element.attrib.keys() & {"d", "x", "y", "transform"}:
        element.attrib[key] = re.sub(r"(\.\d\d)\d+", r"\1", element.attrib[key]).strip()
    if element.tag == "text":  # in the font of the page
        style = element.attrib["style"]
        element.attrib["style"] = re.sub(r"font-family:[^;]*;? ?", "", style).strip("; ")
        if element.attrib.get("transform", "").startswith("rotate(-0 "):
            del element.attrib["transform"]
