"""What the pages of the documentation take from the code."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from harmonize.config.data_config import DatasetEntry
from harmonize.config.field_docs import dataclass_of, field_docs
from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import load_text
from harmonize.labels.mapping import Mapping


@pytest.fixture(scope="module")
def pages(repo: Path) -> ModuleType:
    """The module that fills the pages in."""
    spec = importlib.util.spec_from_file_location("pages", repo / "docs" / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_config_has_every_key_with_its_default(pages: ModuleType) -> None:
    text = re.sub(r"```(yaml)?", "", pages.config_example())
    config = RunConfig.from_document(load_text(text, source="example"))
    entry = DatasetEntry("datasets/helen.yaml", train="train", evaluate="val")
    assert config == RunConfig(ontology="trees/faces.txt", datasets=(entry,))
    for doc in field_docs(RunConfig):
        inner = dataclass_of(doc.kind)
        for key in [doc, *(field_docs(inner) if inner else ())]:
            assert re.search(rf"^[ -]*{key.name}:", text, re.MULTILINE)


@pytest.mark.parametrize(("name", "cls"), [("config_keys", RunConfig), ("mapping_keys", Mapping)])
def test_the_tables_have_a_row_for_every_key(pages: ModuleType, name: str, cls: type) -> None:
    text = getattr(pages, name)()
    for doc in field_docs(cls):
        assert f"\n| `{doc.name}` | " in text
    headings = re.findall(r"^## `(\w+)`$", text, re.MULTILINE)
    assert len(headings) == len(set(headings))
    assert set(re.findall(r"\[keys\]\(#(\w+)\)", text)) <= set(headings)


def test_every_shipped_file_is_listed(pages: ModuleType, repo: Path) -> None:
    trees, mappings = pages.shipped_trees(), pages.shipped_mappings()
    for path in (repo / "trees").glob("*.txt"):
        assert f"| `{path.name}` |" in trees
    for path in (repo / "datasets").glob("*.yaml"):
        assert f"| `{path.name}` |" in mappings


def test_every_command_and_script_is_listed(pages: ModuleType, repo: Path) -> None:
    commands, scripts = pages.commands(), pages.scripts()
    for command in ("check", "new", "tree", "predict", "report", "demo-data"):
        assert f"## harmonize {command}\n" in commands
    for path in (repo / "scripts").glob("*.py"):
        assert f"## scripts/{path.name}\n" in scripts


def test_every_module_is_listed_with_its_first_line(pages: ModuleType) -> None:
    text = pages.modules()
    assert "### harmonize/labels/\n" in text
    assert "| `errors.py` | The one error for everything a user can mend. |" in text
    assert not re.search(r"\| \|$", text, re.MULTILINE)


def test_pages_are_filled_in(pages: ModuleType) -> None:
    page = "a $`x_1`$\n\n```math\nx^2\n```\n\n{{ encodings }}\n"
    filled = pages.on_page_markdown(page)
    assert filled.count("<math") == 2
    assert 'display="block"' in filled
    assert "| `ids` | an id or a list of ids and ranges such as 1-200 |" in filled
    with pytest.raises(KeyError):
        pages.on_page_markdown("{{ nothing }}")
