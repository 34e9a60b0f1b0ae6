"""The supervision table: which data set teaches which node, to what depth, with how many pixels."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.labels.target_space import TargetSpace
from harmonize.plurals import plural

# Letters of shapes: C classes, K leaves.

COLUMNS = ("dataset", "split", "node", "depth", "pixels", "share", "classes")
"""Of the table as CSV."""
CHECK = "harmonize check"
"""Stands in every page of the table."""
_WIDEST = 160
"""Characters; a table of more data sets has shares alone."""
_SHORT = 50
"""Characters of a title in such a table."""
_UNITS = ((10**9, "G"), (10**6, "M"), (10**3, "k"))


@dataclass(frozen=True)
class Source:
    """What was counted in one data set.

    Attributes:
        spec: the mapping.
        split: the split that was counted.
        pixels: of each class.
        files, read: label files in all, and how many of them were counted.
    """

    spec: DatasetSpec
    split: str
    pixels: Int[ndarray, " C"]
    files: int
    read: int


@dataclass(frozen=True)
class TaughtLeaves:
    """A set of leaves that is taught at one depth.

    Attributes:
        depth: at which a label's set S_d is this one.
        nodes: that make up the set; one, or several where labels leave open which it is.
        pixels: of each data set whose labels teach it.
        classes: of each data set, whose labels they are.
    """

    depth: int
    nodes: tuple[str, ...]
    pixels: tuple[int, ...]
    classes: tuple[tuple[str, ...], ...]


class Supervision:
    """Counts, for each depth, the pixels whose label says which set of leaves they are.

    A label that means the leaves S teaches at each depth that it resolves the union S_d of the
    groups that meet S; see ``TargetSpace.agreement``.
    """

    def __init__(self, ontology: Ontology, sources: Sequence[Source]) -> None:
        """Add up what the sources' labels teach."""
        self.ontology = ontology
        self.sources = tuple(sources)
        specs = list({id(source.spec): source.spec for source in sources}.values())
        space = TargetSpace(ontology, specs)
        agreement, resolved = space.agreement, space.num_resolved
        counts: dict[tuple[int, bytes], list[int]] = {}
        classes: dict[tuple[int, bytes], list[list[str]]] = {}
        self._resolved = np.zeros((ontology.depth, len(sources)), dtype=np.int64)
        self._labelled = np.zeros(len(sources), dtype=np.int64)
        for place, source in enumerate(sources):
            codes = space.class_codes(source.spec.name)
            for name, code, pixels in zip(
                source.spec.classes, codes.tolist(), source.pixels.tolist(), strict=True
            ):
                if code in (space.ignore, space.unlabelled) or not pixels:
                    continue
                self._labelled[place] += pixels
                for depth in range(1, int(resolved[code]) + 1):
                    taught = agreement[code] >= depth
                    if taught.all() and len(taught) > 1:  # the whole tree, which says nothing
                        continue
                    self._resolved[depth - 1, place] += pixels
                    key = (depth, taught.tobytes())
                    counts.setdefault(key, [0] * len(sources))[place] += pixels
                    classes.setdefault(key, [[] for _ in sources])[place].append(name)
        self.rows = self._sorted(counts, classes)

    def _sorted(
        self,
        counts: dict[tuple[int, bytes], list[int]],
        classes: dict[tuple[int, bytes], list[list[str]]],
    ) -> tuple[TaughtLeaves, ...]:
        """Return the rows: single nodes in the order of the tree, then sets of nodes."""
        order = {node: number for number, node in enumerate(self.ontology.nodes)}
        rows = [
            TaughtLeaves(
                depth,
                self.ontology.describe(_mask(leaves)),
                tuple(pixels),
                tuple(tuple(names) for names in classes[depth, leaves]),
            )
            for (depth, leaves), pixels in counts.items()
        ]
        return tuple(
            sorted(rows, key=lambda row: (len(row.nodes) > 1, order[row.nodes[0]], row.depth))
        )

    def table(self) -> str:
        """Draw the table: each set of leaves once, at the first depth where it is taught."""
        shown: dict[tuple[str, ...], TaughtLeaves] = {}
        for row in self.rows:
            shown.setdefault(row.nodes, row)
        lines = [("node", "depth", [source.spec.name for source in self.sources])]
        several = [row for row in shown.values() if len(row.nodes) > 1]
        for row in shown.values():
            if several and row is several[0]:
                lines.append(("one of several nodes; the label leaves open which", "", []))
            lines.append((self._title(row.nodes), str(row.depth), self._cells(row.pixels)))
        lines.append(("all labels that reach the depth", "", []))
        for depth, pixels in enumerate(self._resolved.tolist(), 1):
            lines.append(("", str(depth), self._cells(pixels)))
        without = [self._without_label(place) for place in range(len(self.sources))]
        lines.append(("pixels without a label", "", without))
        column = max(16, *(len(cell) for _, _, cells in lines for cell in cells))
        drawn = _drawn(lines, column)
        if max(map(len, drawn)) > _WIDEST:
            return "\n".join([*self._numbered(), *_drawn(_narrow(lines), 5)])
        return "\n".join([self.heading, *drawn])

    def csv(self) -> str:
        """Write every row and data set as CSV, with a header."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in self.rows:
            for place, source in enumerate(self.sources):
                if row.pixels[place]:
                    share = row.pixels[place] / int(self._labelled[place])
                    writer.writerow(
                        [
                            source.spec.name,
                            source.split,
                            " + ".join(row.nodes),
                            row.depth,
                            row.pixels[place],
                            f"{share:.6f}",
                            " + ".join(row.classes[place]),
                        ]
                    )
        return text.getvalue()

    @property
    def labelled(self) -> tuple[int, ...]:
        """The labelled pixels of each source."""
        return tuple(self._labelled.tolist())

    @property
    def heading(self) -> str:
        """What was counted, in a line."""
        counted = ", ".join(
            f"{source.spec.name} {source.split} ({source.read} of "
            f"{source.files} "
            f"{plural(source.files, 'label' if source.spec.encoding.per_class else 'label file')})"
            for source in self.sources
        )
        return f"Labelled pixels, and their share of the data set's: {counted}"

    def _numbered(self) -> list[str]:
        """Say what was counted, with a number for each source."""
        lines = ["Percentages of the labelled pixels of each data set, by its number:"]
        for number, source in enumerate(self.sources, 1):
            name = f"{source.spec.name} {source.split}"
            lines.append(
                f"{number:>3} {name} ({source.read} of {source.files} "
                f"{plural(source.files, 'label file')})"
            )
        return lines

    def _title(self, nodes: tuple[str, ...]) -> str:
        if len(nodes) == 1:
            return "  " * (self.ontology.depth_of(nodes[0]) - 1) + nodes[0]
        title = " + ".join(nodes)
        return f"  {title}" if len(title) <= 60 else f"  {title[:54]} + ..."

    def _cells(self, pixels: Sequence[int]) -> list[str]:
        return [_amount(count, int(self._labelled[place])) for place, count in enumerate(pixels)]

    def _without_label(self, place: int) -> str:
        total = int(self.sources[place].pixels.sum())
        return _amount(total - int(self._labelled[place]), total)


def _drawn(lines: Sequence[tuple[str, str, list[str]]], column: int) -> list[str]:
    """Align titles, depths and cells of a width."""
    width = max(len(title) for title, _, _ in lines)
    drawn = [
        f"{title:<{width}}  {depth:>5}" + "".join(f"  {cell:>{column}}" for cell in cells)
        for title, depth, cells in lines
    ]
    return [line.rstrip() for line in drawn]


def _narrow(lines: Sequence[tuple[str, str, list[str]]]) -> list[tuple[str, str, list[str]]]:
    """Return lines whose cells are percentages alone, with numbers at the head of columns."""
    (title, depth, names), *others = lines
    found = [(title, depth, [str(number) for number in range(1, len(names) + 1)])]
    for title, depth, cells in others:
        short = title if len(title) <= _SHORT else f"{title[: _SHORT - 6]} + ..."
        found.append((short, depth, [cell.removesuffix(" %").split(" ")[-1] for cell in cells]))
    return found


def _mask(leaves: bytes) -> Bool[ndarray, " K"]:
    return np.frombuffer(leaves, dtype=bool)


def _amount(number: int, whole: int) -> str:
    """Write a count and its share of the whole."""
    if not number:
        return "-"
    size, unit = next((pair for pair in _UNITS if number >= pair[0]), (1, " "))
    short = f"{number / size:.1f} {unit}" if size > 1 else f"{number}  "
    return f"{short} {100 * number / whole:5.1f} %"
