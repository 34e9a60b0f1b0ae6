"""Packages import each other one way, wherever in a file an import stands."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path


def test_no_package_imports_what_imports_it(repo: Path) -> None:
    """``harmonize`` itself, which hands on its public names, and the top modules stand aside."""
    below: dict[str, set[str]] = {}
    for path in (repo / "harmonize").rglob("*.py"):
        package, *inner = path.relative_to(repo / "harmonize").parts
        if inner:
            for module in imports(path):
                other = module.split(".")[1:2]
                if other and other[0] != package:
                    below.setdefault(package, set()).add(other[0])
    order = [*TopologicalSorter(below).static_order()]  # raises CycleError, which names the circle
    assert order.index("errors") < order.index("labels") < order.index("training")
    assert order.index("training") < order.index("pipeline") < order.index("cli")


def imports(path: Path) -> list[str]:
    """Name the modules of the package that a file imports, those within functions too."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and not node.level:
            found.append(node.module or "")
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return [name for name in found if name.partition(".")[0] == "harmonize"]
