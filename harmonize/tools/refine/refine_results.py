"""What labels became, in numbers and as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from harmonize.labels.ontology import Ontology
from harmonize.tools.refine.label_sets import LabelSets
from harmonize.tools.refine.refine_tally import RefineTally

# Letters of shapes: K leaves.

DOUBTFUL = 0.9
"""Agreement of the views below which a set is doubtful."""


@dataclass(frozen=True)
class BecameRow:
    """What pixels of one label became, one of the sets.

    Attributes:
        label: what they were called.
        became: the name of the set.
        pixels: how many.
        depth: of the set in the tree.
        kept: whether the label stayed.
        agreement: share of the views whose most probable leaf within the label lies in the set;
            None where the label stayed.
        right: pixels whose truth is known and lies in the set; None if it is not known.
    """

    label: str
    became: str
    pixels: int
    depth: int
    kept: bool
    agreement: float | None
    right: int | None


@dataclass(frozen=True)
class TruthRow:
    """How the pixels of one true class fared, where labels were coarsened before.

    Attributes:
        name: of the class.
        pixels: of it whose label was coarser.
        completed: of these, became finer.
        right: of these, the truth lies in the set.
    """

    name: str
    pixels: int
    completed: int
    right: int


@dataclass(frozen=True)
class RefineResults:
    """What a refinement did.

    Attributes:
        rows: by label and set, the largest first within a label.
        truth: by true class, where labels were coarsened before.
        contradicted: by label, the share of pixels whose label the network finds improbable.
        thresholds: that are higher than the confidence, by label and set.
        counts: pixels of void and of each set.
        skipped: pictures that could not be used, with the reasons.
    """

    rows: tuple[BecameRow, ...]
    truth: tuple[TruthRow, ...]
    contradicted: Mapping[str, float]
    thresholds: Mapping[str, Mapping[str, float]]
    counts: tuple[int, ...]
    skipped: Mapping[str, str]

    @property
    def completed(self) -> float:
        """The share of the pixels with a label that could become finer which did."""
        open_ = [row for row in self.rows if row.label in self.contradicted]
        total = sum(row.pixels for row in open_)
        return sum(row.pixels for row in open_ if not row.kept) / total if total else 0.0

    @property
    def doubtful(self) -> tuple[str, ...]:
        """Sets that the views often do not agree upon."""
        return tuple(
            f"{row.became} within {row.label}"
            for row in self.rows
            if row.agreement is not None and row.agreement < DOUBTFUL
        )

    def to_dict(self) -> dict[str, object]:
        """Return all of it as plain values."""
        return {
            "completed": self.completed,
            "thresholds": dict(self.thresholds),
            "contradicted": dict(self.contradicted),
            "void": self.counts[0],
            "became": [vars(row) for row in self.rows],
            "truth": [vars(row) for row in self.truth],
            "skipped": dict(self.skipped),
        }

    def table(self) -> str:
        """Write the results for people."""
        lines = [f"{100 * self.completed:.1f} % of the pixels that could be completed were"]
        head = ["label", "became", "depth", "pixels", "share", "views agree"]
        known = any(row.right is not None for row in self.rows)
        rows: list[list[str]] = []
        totals: dict[str, int] = {}
        for row in self.rows:
            totals[row.label] = totals.get(row.label, 0) + row.pixels
        last = None
        for row in self.rows:
            became = "(stays)" if row.kept else row.became
            share = f"{100 * row.pixels / totals[row.label]:.1f} %"
            agree = "" if row.agreement is None else f"{100 * row.agreement:.1f} %"
            cells = [row.label if row.label != last else "", became, str(row.depth)]
            cells += [f"{row.pixels:,}", share, agree]
            if known:
                shown = row.right is not None and not row.kept
                cells.append(f"{100 * (row.right or 0) / row.pixels:.1f} %" if shown else "")
            rows.append(cells)
            last = row.label
        lines += ["", *_columns([head + (["right"] if known else []), *rows])]
        if self.truth:
            lines += ["", "by the true class", *_columns([_TRUTH, *map(_truth_cells, self.truth)])]
        for label, share in self.contradicted.items():
            if share >= _NOTED:
                lines.append(
                    f"note: the network finds the label {label} improbable in "
                    f"{100 * share:.1f} % of its pixels"
                )
        if self.doubtful:
            lines.append(f"warning: the views often disagree: {', '.join(self.doubtful)}")
        return "\n".join(lines)


_TRUTH = ["class", "pixels", "completed", "right"]
_NOTED = 0.05


def _truth_cells(row: TruthRow) -> list[str]:
    right = f"{100 * row.right / row.completed:.1f} %" if row.completed else ""
    return [row.name, f"{row.pixels:,}", f"{100 * row.completed / row.pixels:.1f} %", right]


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align cells, words to the left and numbers to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    words = [any(row[place][:1].isalpha() for row in rows[1:]) for place in range(len(widths))]
    return [
        "  ".join(
            f"{cell:<{width}}" if word else f"{cell:>{width}}"
            for cell, width, word in zip(row, widths, words, strict=True)
        ).rstrip()
        for row in rows
    ]


def summarize(
    sets: LabelSets,
    tally: RefineTally,
    *,
    void: int,
    views: int,
    thresholds: Mapping[str, Mapping[str, float]],
    skipped: Mapping[str, str],
    ontology: Ontology,
) -> RefineResults:
    """Turn what was counted into results; classes with the same label count together."""
    names = _label_names(sets)
    rows: list[BecameRow] = []
    contradicted: dict[str, float] = {}
    for label, classes in names.items():
        choices = sets.finer.choices[classes[0]]
        pixels, agreed = tally.pixels[classes].sum(0), tally.agreed[classes].sum(0)
        known = any(_is_coarser(sets, one) for one in classes)
        found: list[BecameRow] = []
        for place, one in enumerate(choices):
            count = int(pixels[one])
            if not count:
                continue
            right = sum(int(tally.pixels[c, one]) for c in classes if _fits(sets, c, one))
            agreement = None if place == 0 else int(agreed[one]) / (views * count)
            depth = _depth(ontology, sets.finer.masks[one])
            found.append(
                BecameRow(
                    label,
                    sets.names[one],
                    count,
                    depth,
                    place == 0,
                    agreement,
                    right if known else None,
                )
            )
        rows += sorted(found, key=lambda row: -row.pixels)
        if len(choices) > 1 and pixels.sum():
            contradicted[label] = int(tally.contradicted[classes].sum()) / int(pixels.sum())
    return RefineResults(
        tuple(rows),
        _truth_rows(sets, tally),
        contradicted,
        thresholds,
        (void, *_counts(sets, tally)),
        skipped,
    )


def _counts(sets: LabelSets, tally: RefineTally) -> list[int]:
    """Return the pixels of each set as label files hold them: the whole tree is void there."""
    counts = tally.pixels.sum(0).tolist()
    return [
        0 if mask.all() else count for mask, count in zip(sets.finer.masks, counts, strict=True)
    ]


def _label_names(sets: LabelSets) -> dict[str, list[int]]:
    """Return the numbers of the classes with each label, by what the label is called."""
    found: dict[str, list[int]] = {}
    for number, choices in enumerate(sets.finer.choices):
        if choices:
            found.setdefault(sets.names[choices[0]], []).append(number)
    return found


def _truth_rows(sets: LabelSets, tally: RefineTally) -> tuple[TruthRow, ...]:
    rows: list[TruthRow] = []
    for number, name in enumerate(sets.classes):
        pixels = int(tally.pixels[number].sum())
        if not pixels or not _is_coarser(sets, number):
            continue
        own, *finer = sets.finer.choices[number]
        completed = pixels - int(tally.pixels[number, own])
        right = sum(int(tally.pixels[number, one]) for one in finer if _fits(sets, number, one))
        rows.append(TruthRow(name, pixels, completed, right))
    return tuple(rows)


def _is_coarser(sets: LabelSets, number: int) -> bool:
    """Say whether a class's label says less than the class."""
    truth = sets.truth[number]
    return bool(truth.any()) and bool((sets.labels[number] & ~truth).any())


def _fits(sets: LabelSets, number: int, one: int) -> bool:
    """Say whether a set holds a true class, or is a part of it."""
    truth: Bool[ndarray, " K"] = sets.truth[number]
    mask: Bool[ndarray, " K"] = sets.finer.masks[one]
    return not (truth & ~mask).any() or not (mask & ~truth).any()


def _depth(ontology: Ontology, mask: Bool[ndarray, " K"]) -> int:
    """Return the deepest depth at which leaves lie in a single group; 0 for the root."""
    groups = ontology.group_index[:, mask]
    return int(np.flatnonzero((groups == groups[:, :1]).all(1)).max())
