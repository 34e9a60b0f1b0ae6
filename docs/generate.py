"""What mkdocs writes into the pages: tables made from the code, and formulas as MathML.

A line ``{{ config }}`` of a page is replaced by what the function of that name in ``GENERATED``
returns, so that the reference cannot differ from the code.
"""

import ast
import contextlib
import dataclasses
import io
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from latex2mathml.converter import convert

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from harmonize.cli import main  # noqa: E402
from harmonize.config.field_docs import FieldDoc, dataclass_of, field_docs, summary  # noqa: E402
from harmonize.config.run_config import RunConfig  # noqa: E402
from harmonize.config.strict_yaml import Value, dump  # noqa: E402
from harmonize.labels.dataset_spec import DatasetSpec  # noqa: E402
from harmonize.labels.encodings import ENCODINGS  # noqa: E402
from harmonize.labels.mapping import Mapping  # noqa: E402
from harmonize.labels.ontology import Ontology  # noqa: E402

EXAMPLES: dict[str, Value] = {"ontology": "trees/faces.txt", "spec": "datasets/helen.yaml"}
"""What the example config says where there is no default."""
SHOWN = {"train": "train", "evaluate": "val"}
"""What it says of a data set instead of the default, which would neither train nor score."""


def config_keys() -> str:
    """Return the tables of a config's keys."""
    return "\n\n".join(_tables(RunConfig, "The keys at the top"))


def mapping_keys() -> str:
    """Return the tables of a mapping's keys."""
    return "\n\n".join(_tables(Mapping, "The keys at the top"))


def config_example() -> str:
    """Return a config with every key and its default."""
    return "\n".join(["```yaml", *_example(RunConfig, ""), "```"])


def encodings() -> str:
    """Return what each encoding expects of a class."""
    rows = [f"| `{name}` | {one.wanted} |" for name, one in ENCODINGS.items()]
    return "\n".join(["| encoding | a class has |", "|---|---|", *rows])


def shipped_trees() -> str:
    """Return a table of the trees in the repository."""
    lines = ["| tree | leaves | depths | groups at depth 1, 2, ... |", "|---|---|---|---|"]
    for path in sorted((REPO / "trees").glob("*.txt")):
        tree = Ontology.from_file(path)
        groups = ", ".join(str(len(tree.groups(d))) for d in range(1, tree.depth + 1))
        lines.append(f"| `{path.name}` | {len(tree.leaves)} | {tree.depth} | {groups} |")
    return "\n".join(lines)


def shipped_mappings() -> str:
    """Return a table of the mappings in the repository."""
    lines = ["| mapping | classes | encoding | trees | about |", "|---|---|---|---|---|"]
    for path in sorted((REPO / "datasets").glob("*.yaml")):
        spec = DatasetSpec.from_file(path)
        trees = ", ".join(spec.meaning)
        facts = f"{len(spec.classes)} | `{spec.encoding}` | {trees} | {spec.about}"
        lines.append(f"| `{path.name}` | {facts} |")
    return "\n".join(lines)


def commands() -> str:
    """Return the help of ``harmonize`` and of each of its commands."""
    names = re.findall(r"^    ([a-z-]+)(?: |$)", _help(), re.MULTILINE)
    parts = [f"## harmonize {name}\n\n```text\n{_help(name)}\n```" for name in names]
    return "\n\n".join([f"```text\n{_help()}\n```", *parts])


def scripts() -> str:
    """Return what each script says about itself."""
    parts: list[str] = []
    for path in sorted((REPO / "scripts").glob("*.py")):
        text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        parts.append(f"## scripts/{path.name}\n\n```text\n{text}\n```")
    return "\n\n".join(parts)


def modules() -> str:
    """Return a list of all modules, each with the first line of its docstring."""
    lines: list[str] = []
    root = REPO / "harmonize"
    folders = [root, *sorted(path.parent for path in root.rglob("*/__init__.py"))]
    for folder in folders:
        lines += ["", f"### {folder.relative_to(REPO)}/", "", _first_line(folder / "__init__.py")]
        lines += ["", "| module | what it is for |", "|---|---|"]
        for path in sorted(folder.glob("*.py")):
            if path.name != "__init__.py":
                lines.append(f"| `{path.name}` | {_first_line(path)} |")
        if lines[-1] == "|---|---|":
            del lines[-3:]
    return "\n".join(lines)


def notebook() -> str:
    """Return the notebook of the tutorials but for its title, which the page has."""
    text = (REPO / "docs" / "tutorials" / "python-api.ipynb").read_text("utf-8")
    parts: list[str] = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
    parts[0] = parts[0].partition("\n")[2].strip()
    return "\n\n".join(parts)


GENERATED = {
    function.__name__: function
    for function in (
        config_keys,
        config_example,
        mapping_keys,
        encodings,
        shipped_trees,
        shipped_mappings,
        commands,
        scripts,
        modules,
        notebook,
    )
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill in what is generated; called by mkdocs for every page."""
    markdown = re.sub(r"^\{\{ (\w+) \}\}$", lambda m: GENERATED[m[1]](), markdown, flags=re.M)
    markdown = re.sub(
        r"^```math\n(.*?)\n```$",
        lambda found: f'<div class="formula">{convert(found[1], display="block")}</div>',
        markdown,
        flags=re.MULTILINE | re.DOTALL,
    )
    # The span keeps Markdown from taking a formula at the start of a line for a block.
    return re.sub(r"\$`([^`]+)`\$", lambda found: f"<span>{convert(found[1])}</span>", markdown)


def _tables(cls: type, title: str, section: dict[type, str] | None = None) -> Iterator[str]:
    """Yield a table of a dataclass's keys, then those of the dataclasses inside it.

    ``section`` has the key under whose heading each dataclass is that has one already.
    """
    docs = field_docs(cls)
    section = {} if section is None else section
    new: dict[type, str] = {}
    for doc in docs:
        if (inner := dataclass_of(doc.kind)) and inner not in section:
            new[inner] = section[inner] = doc.name
    rows = "\n".join(_row(doc, section) for doc in docs)
    head = "| key | value | default | meaning |\n|---|---|---|---|"
    yield _code(f"## {title}\n\n{summary(cls)}\n\n{head}\n{rows}")
    for inner, name in new.items():
        yield from _tables(inner, f"`{name}`", section)


def _row(doc: FieldDoc, section: dict[type, str]) -> str:
    inner = dataclass_of(doc.kind)
    value = doc.type if inner is None else doc.type.replace("keys", f"[keys](#{section[inner]})")
    if doc.required:
        default = "required"
    elif dataclasses.is_dataclass(doc.default):
        default = ""  # its keys have theirs
    else:
        default = f"`{_flow(doc.default)}`"
    return f"| `{doc.name}` | {value} | {default} | {doc.text} |"


def _example(cls: type, indent: str) -> Iterator[str]:
    """Yield the lines of a config that has every key of a dataclass with its default."""
    for doc in field_docs(cls):
        inner = dataclass_of(doc.kind)
        if inner is not None and (doc.required or dataclasses.is_dataclass(doc.default)):
            yield _commented(f"{indent}{doc.name}:", doc.text)
            lines = _example(inner, indent + ("    " if doc.required else "  "))
            if doc.required:  # a list, of which one element is shown
                yield f"{indent}  - {next(lines).lstrip()}"
            yield from lines
        else:
            own = EXAMPLES[doc.name] if doc.required or doc.name == "ontology" else doc.default
            value = SHOWN.get(doc.name, own)
            yield _commented(f"{indent}{doc.name}: {_flow(value)}", doc.text)


def _commented(line: str, text: str) -> str:
    """Add the first sentence of a docstring to a line of YAML."""
    first = re.split(r"(?<=[^.])[.;](?: |$)", text.replace("``", ""), maxsplit=1)[0]
    return f"{line:<34}# {first}"


def _flow(value: Any) -> str:
    """Write a default as YAML on one line."""
    plain = list(value) if isinstance(value, tuple) else value
    if isinstance(plain, dict | list):
        return f"[{', '.join(map(_flow, plain))}]" if isinstance(plain, list) else "{}"
    return dump(plain).removesuffix("...\n").strip()


def _code(text: str) -> str:
    """Turn the double backticks of docstrings into Markdown's, bars in tables included."""
    return re.sub(r"``(.+?)``", r"`\1`", text)


def _first_line(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return _code(text.partition("\n")[0])


def _help(*command: str) -> str:
    """Return what a command prints about itself, in the same width everywhere."""
    shown = io.StringIO()
    with (
        mock.patch.dict(os.environ, COLUMNS="88"),
        contextlib.redirect_stdout(shown),
        contextlib.suppress(SystemExit),
    ):
        main([*command, "--help"])
    return shown.getvalue().strip()
