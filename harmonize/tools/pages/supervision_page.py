"""The page of ``harmonize check --page``: the supervision table on the tree, which unfolds."""

from dataclasses import dataclass
from pathlib import Path

from harmonize.report.templates import template_environment
from harmonize.tools.check.supervision import CHECK, Supervision, TaughtLeaves

_DARKEST = 0.6
_SHOWN = 6
"""Classes that a tip names."""
_Cell = tuple[str, str, str]
"""A percentage, how dark its cell is, and what is said when it is pointed at."""


@dataclass(frozen=True)
class _Node:
    name: str
    depth: int
    cells: tuple[_Cell, ...]
    children: "tuple[_Node, ...]"


def supervision_page(supervision: Supervision) -> str:
    """Return the page of a supervision table."""
    shown: dict[tuple[str, ...], TaughtLeaves] = {}
    for row in supervision.rows:  # each set of leaves at the first depth where it is taught
        shown.setdefault(row.nodes, row)
    tree = supervision.ontology
    tops = [node for node in tree.nodes if tree.depth_of(node) == 1]
    several = [
        (" + ".join(nodes), _cells(supervision, row))
        for nodes, row in shown.items()
        if len(nodes) > 1
    ]
    template = template_environment(Path(__file__).parent).get_template("supervision.html.jinja")
    return template.render(
        title=f"Supervision of {tree.name}",
        generator=CHECK,
        names=[source.spec.name for source in supervision.sources],
        nodes=[_node(supervision, shown, node) for node in tops],
        several=several,
        counted=supervision.heading,
    )


def _node(supervision: Supervision, shown: dict[tuple[str, ...], TaughtLeaves], name: str) -> _Node:
    tree = supervision.ontology
    children = tuple(_node(supervision, shown, child) for child in tree.children(name))
    return _Node(name, tree.depth_of(name), _cells(supervision, shown.get((name,))), children)


def _cells(supervision: Supervision, row: TaughtLeaves | None) -> tuple[_Cell, ...]:
    if row is None:
        return (("", "0", ""),) * len(supervision.sources)
    cells: list[_Cell] = []
    for place, source in enumerate(supervision.sources):
        pixels, names = row.pixels[place], row.classes[place]
        if not pixels:
            cells.append(("", "0", ""))
            continue
        share = pixels / supervision.labelled[place]
        listed = ", ".join(names[:_SHOWN]) + (" ..." if len(names) > _SHOWN else "")
        tip = f"{source.spec.name}: {pixels} pixels of {listed}"
        cells.append((f"{100 * share:.1f}", f"{_DARKEST * share**0.5:.2f}", tip))
    return tuple(cells)
