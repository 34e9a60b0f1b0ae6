"""Templates of pages, in which whatever is written comes out as text."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harmonize.errors import printable


def template_environment(folder: Path) -> Environment:
    """Return the templates in a folder, which may include ``base.css``, the look of all pages."""
    environment = Environment(
        loader=FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    environment.filters["svg"] = Markup  # drawings escape what they write themselves
    return environment


def _harmless(value: object) -> object:
    """Escape what cannot be seen in a text, such as the control characters of a folder's name."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return "\n".join(printable(line.replace("\t", "    ")) for line in value.split("\n"))
    return value
