"""What each class of a data set may mean, by what a trained network sees in it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from harmonize.data.dataset import SegmentationDataset
from harmonize.errors import HarmonizeError
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.mapping import IGNORE, TODO
from harmonize.labels.ontology import Ontology
from harmonize.tools.draft.by_name import Proposal
from harmonize.tools.draft.draft_classes import ClassDraft
from harmonize.tools.draft.file_groups import evenly
from harmonize.tools.draft.overlap import LeafPredictor, count_overlap

# Letters of shapes: C classes, K leaves.

GOOD = 0.2
"""The IoU from which on what a network sees is proposed."""
SEEN = 1e-5
"""The share of all pixels from which on a leaf counts as predicted."""


@dataclass(frozen=True)
class Overlap:
    """The leaves that explain a class best, and how well they do.

    Attributes:
        nodes: the leaves, as the fewest nodes; none if the network sees nothing of its own in it.
        iou, precision, recall: of the pixels where a leaf is predicted, as those of the class.
        share: of all pixels.
        seen: the leaves most often predicted in the class, with their share of its pixels.
    """

    nodes: tuple[str, ...]
    iou: float
    precision: float
    recall: float
    share: float
    seen: tuple[tuple[str, float], ...]


def explain(counts: Int[Tensor, "C K"], ontology: Ontology) -> list[Overlap]:
    """Choose for each class the leaves that explain it best.

    Args:
        counts: pixels by class (row) and predicted leaf (column).
        ontology: the tree of the leaves.
    """
    chosen = choose_leaves(counts)
    full = with_unseen(chosen, counts, ontology)
    pixels = counts.double()
    results: list[Overlap] = []
    for number, mask in enumerate(chosen):
        right = pixels[number, mask].sum().item()
        size, predicted = pixels[number].sum().item(), pixels[:, mask].sum().item()
        most = pixels[number].argsort(descending=True)[:3].tolist()
        seen = [(ontology.leaves[k], pixels[number, k].item() / max(size, 1)) for k in most]
        results.append(
            Overlap(
                nodes=ontology.describe(full[number].numpy()),
                iou=right / max(size + predicted - right, 1),
                precision=right / max(predicted, 1),
                recall=right / max(size, 1),
                share=size / max(pixels.sum().item(), 1),
                seen=tuple((leaf, share) for leaf, share in seen if share >= 0.01),
            )
        )
    return results


def choose_leaves(counts: Int[Tensor, "C K"]) -> Bool[Tensor, "C K"]:
    """Give each leaf to the class where most of its pixels lie, if that raises the class's IoU.

    Of the leaves of a class, sorted by the share of their pixels that lies in it, a prefix has the
    highest IoU of all their sets.
    """
    pixels = counts.double()
    predicted = pixels.sum(0)
    owner = pixels.argmax(0)
    known = seen_leaves(counts)
    chosen = torch.zeros(counts.shape, dtype=torch.bool)
    for number in range(len(counts)):
        mine = torch.nonzero((owner == number) & known).flatten()
        if len(mine) == 0:
            continue
        purity: Float[Tensor, " K"] = pixels[number, mine] / predicted[mine]
        mine = mine[purity.argsort(descending=True, stable=True)]
        right = pixels[number, mine].cumsum(0)
        iou = right / (pixels[number].sum() + predicted[mine].cumsum(0) - right)
        chosen[number, mine[: int(iou.argmax()) + 1]] = True
    return chosen


def seen_leaves(counts: Int[Tensor, "C K"]) -> Bool[Tensor, " K"]:
    """Mark the leaves that are predicted often enough to tell anything."""
    return counts.sum(0) >= max(1.0, SEEN * counts.sum().item())


def with_unseen(
    chosen: Bool[Tensor, "C K"], counts: Int[Tensor, "C K"], ontology: Ontology
) -> Bool[Tensor, "C K"]:
    """Give a leaf that is never predicted to the class that took all that is seen around it.

    Around it is the smallest node that holds it and a leaf that is predicted.
    """
    seen = seen_leaves(counts)
    below = {node: torch.from_numpy(ontology.leaf_mask(node)) for node in ontology.nodes}
    full = chosen.clone()
    for leaf in torch.nonzero(~seen).flatten().tolist():
        around = [node for node in ontology.nodes if below[node][leaf] and below[node][seen].any()]
        if around:
            mask = below[max(around, key=ontology.depth_of)] & seen
            full[:, leaf] = (chosen | ~mask).all(1)
    return full


def overlaps(
    network: LeafPredictor,
    spec: DatasetSpec,
    root: Path,
    classes: Sequence[ClassDraft],
    *,
    number: int,
) -> tuple[list[Overlap | None], Int[Tensor, "C K"]]:
    """Run a network over up to so many labelled pictures, evenly spaced.

    Returns:
        What explains each class, None for void ones; and the pixels by class and predicted leaf.

    Raises:
        HarmonizeError: files that are missing or cannot be read.
    """
    opened, problems = open_splits(spec, root)
    if not opened:
        raise HarmonizeError(*problems)
    datasets = _without_repeats(opened.values())
    pictures = evenly([(one, n) for one in datasets for n in range(len(one))], number)
    chosen = [(one, [n for other, n in pictures if other is one]) for one in datasets]
    counts = count_overlap(network, chosen, len(classes))
    void = [one.void != "" for one in classes]
    counts[void] = 0
    found = explain(counts, network.ontology)
    return [None if skip else one for one, skip in zip(found, void, strict=True)], counts


def open_splits(spec: DatasetSpec, root: Path) -> tuple[dict[str, SegmentationDataset], list[str]]:
    """Open the splits of a mapping that can be opened, and say what is wrong with the others."""
    opened: dict[str, SegmentationDataset] = {}
    problems: dict[str, None] = {}
    for split in spec.splits:
        try:
            opened[split] = SegmentationDataset(spec, split, root=root)
        except HarmonizeError as error:
            problems |= dict.fromkeys(error.problems)
    return opened, list(problems)


def _without_repeats(datasets: Iterable[SegmentationDataset]) -> list[SegmentationDataset]:
    """Leave out the splits whose labels are all in those before."""
    kept: list[SegmentationDataset] = []
    known: set[str] = set()
    for dataset in datasets:
        labels = {dataset.files.label(number) for number in range(len(dataset))}
        if not labels <= known:
            kept.append(dataset)
            known |= labels
    return kept


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
            differs = not by_name.is_open and by_name.nodes != overlap.nodes
            other = f"; by its name: {', '.join(by_name.nodes)}" if differs else ""
            figures = (
                f"IoU {overlap.iou:.2f}, precision {overlap.precision:.2f}, "
                f"recall {overlap.recall:.2f}"
            )
            proposals[one.name] = Proposal(overlap.nodes, f"run: {figures}{other}")
        else:
            proposals[one.name] = _unseen(by_name, overlap)
    return proposals


def _unseen(by_name: Proposal, overlap: Overlap) -> Proposal:
    """Fall back to the name, and say what the network saw in the class."""
    seen = ", ".join(f"{leaf} {100 * share:.0f} %" for leaf, share in overlap.seen)
    saw = seen or ("nothing much" if overlap.share else "not in the pictures read")
    best = f"; at best {'+'.join(overlap.nodes)}, IoU {overlap.iou:.2f}" if overlap.nodes else ""
    note = "" if by_name.is_open else f"{by_name.note}; "
    return Proposal(by_name.nodes, f"{note}run sees in it: {saw}{best}")


def table(
    found: Sequence[Overlap | None],
    classes: Sequence[ClassDraft],
    meaning: dict[str, Proposal],
) -> str:
    """Draw what the network sees in each class as a table."""
    names = [one.name for one in classes]
    nodes = ["+".join(overlap.nodes) if overlap and overlap.nodes else "-" for overlap in found]
    first = max(map(len, ["class", *names]))
    second = min(max(map(len, ["nodes", *nodes])), 60)
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
