"""Proposals for the meaning of classes from a trained network, beside those from their names."""

from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Int
from torch import Tensor

from harmonize.data.dataset import SegmentationDataset
from harmonize.errors import HarmonizeError
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.mapping import IGNORE
from harmonize.labels.ontology import Ontology
from harmonize.tools.draft.by_overlap import Overlap, explain, seen_leaves
from harmonize.tools.draft.draft_classes import ClassDraft
from harmonize.tools.draft.meaning import TODO, Proposal
from harmonize.tools.draft.overlap import LeafPredictor, count_overlap

# Letters of shapes: C classes, K leaves.

GOOD = 0.2
"""The IoU from which on what a network sees is proposed."""


def overlaps(
    network: LeafPredictor,
    spec: DatasetSpec,
    root: Path,
    classes: Sequence[ClassDraft],
    *,
    number: int,
) -> tuple[list[Overlap | None], Int[Tensor, "C K"]]:
    """Run a network over up to so many labelled pictures.

    Returns:
        What explains each class, None for void ones; and the pixels by class and predicted leaf.

    Raises:
        HarmonizeError: files that are missing or cannot be read.
    """
    chosen = evenly_chosen(open_splits(spec, root), number)
    counts = count_overlap(network, chosen, len(classes))
    void = [one.void != "" for one in classes]
    counts[void] = 0
    found = explain(counts, network.ontology)
    listed = [None if skip else one for one, skip in zip(found, void, strict=True)]
    return listed, counts


def open_splits(spec: DatasetSpec, root: Path) -> list[SegmentationDataset]:
    """Open the splits of a mapping, without those that hold nothing new.

    Raises:
        HarmonizeError: no split can be opened.
    """
    opened: list[SegmentationDataset] = []
    known: set[str] = set()
    problems: list[str] = []
    for split in spec.splits:
        try:
            dataset = SegmentationDataset(spec, split, root=root)
        except HarmonizeError as error:
            problems += error.problems
            continue
        labels = {dataset.files.label(number) for number in range(len(dataset))}
        if not labels <= known:
            opened.append(dataset)
            known |= labels
    if not opened:
        raise HarmonizeError(*problems)
    return opened


def evenly_chosen(
    datasets: Sequence[SegmentationDataset], number: int
) -> list[tuple[SegmentationDataset, list[int]]]:
    """Choose up to so many pictures, evenly spaced over all data sets."""
    total = sum(len(dataset) for dataset in datasets)
    count = min(number, total)
    places = [place * total // count for place in range(count)]
    chosen: list[tuple[SegmentationDataset, list[int]]] = []
    first = 0
    for dataset in datasets:
        inside = [place - first for place in places if first <= place < first + len(dataset)]
        chosen.append((dataset, inside))
        first += len(dataset)
    return chosen


def propose(
    found: Sequence[Overlap | None],
    classes: Sequence[ClassDraft],
    named: dict[str, Proposal],
) -> dict[str, Proposal]:
    """Prefer what the network sees where it sees the class well; mention the name's proposal."""
    proposals: dict[str, Proposal] = {}
    for one, overlap in zip(classes, found, strict=True):
        by_name = named[one.name]
        if overlap is None:
            proposals[one.name] = by_name
        elif overlap.nodes and overlap.iou >= GOOD:
            other = "" if by_name.is_open or by_name.nodes == overlap.nodes else _instead(by_name)
            proposals[one.name] = Proposal(overlap.nodes, f"run: {figures(overlap)}{other}")
        else:
            proposals[one.name] = _unseen(by_name, overlap)
    return proposals


def _instead(by_name: Proposal) -> str:
    return f"; by its name: {', '.join(by_name.nodes)}"


def _unseen(by_name: Proposal, overlap: Overlap) -> Proposal:
    """Fall back to the name, and say what the network saw in the class."""
    if not overlap.seen:
        saw = "not in the pictures read" if not overlap.share else "nothing much"
    else:
        saw = ", ".join(f"{leaf} {100 * share:.0f} %" for leaf, share in overlap.seen)
    best = f"; at best {'+'.join(overlap.nodes)}, IoU {overlap.iou:.2f}" if overlap.nodes else ""
    nodes = (TODO,) if by_name.is_open else by_name.nodes
    note = "" if by_name.is_open else f"{by_name.note}; "
    return Proposal(nodes, f"{note}run sees in it: {saw}{best}")


def figures(overlap: Overlap) -> str:
    """Write how well the leaves explain a class."""
    return f"IoU {overlap.iou:.2f}, precision {overlap.precision:.2f}, recall {overlap.recall:.2f}"


def table(
    found: Sequence[Overlap | None],
    classes: Sequence[ClassDraft],
    meaning: dict[str, Proposal],
) -> str:
    """Draw what the network sees in each class as a table."""
    names = [one.name for one in classes]
    nodes = ["+".join(overlap.nodes) if overlap and overlap.nodes else "-" for overlap in found]
    first, second = (
        max(len(one) for one in column) for column in (["class", *names], ["nodes", *nodes])
    )
    second = min(second, 60)
    rows = [f"{'class':<{first}}  {'nodes':<{second}}    IoU  precision  recall  share of pixels"]
    for name, shown, overlap in zip(names, nodes, found, strict=True):
        if overlap is None:
            rows.append(f"{name:<{first}}  {IGNORE:<{second}}")
            continue
        open_ = f"  {TODO}" if meaning[name].is_open else ""
        rows.append(
            f"{name:<{first}}  {shown:<{second}}  {overlap.iou:5.2f}  {overlap.precision:9.2f}  "
            f"{overlap.recall:6.2f}  {100 * overlap.share:13.2f} %{open_}"
        )
    return "\n".join(rows)


def left_out(
    found: Sequence[Overlap | None],
    classes: Sequence[ClassDraft],
    counts: Int[Tensor, "C K"],
    ontology: Ontology,
) -> list[str]:
    """Say which leaves no class has, with the class that most of their pixels lie in."""
    rest = ~ontology.leaf_mask([node for one in found if one for node in one.nodes])
    seen = seen_leaves(counts).numpy()
    if rest.all():
        return []
    lines: list[str] = []
    if (rest & ~seen).any():
        nodes = ", ".join(ontology.describe(rest & ~seen))
        lines.append(f"TODO: no class has {nodes} (never predicted); add them where they belong.")
    for leaf in (rest & seen).nonzero()[0].tolist():
        share, owner = (counts[:, leaf] / counts[:, leaf].sum()).max(0)
        where = f"{100 * share.item():.0f} % of where it is predicted is {classes[int(owner)].name}"
        lines.append(f"TODO: no class has {ontology.leaves[leaf]}; {where}.")
    return lines
