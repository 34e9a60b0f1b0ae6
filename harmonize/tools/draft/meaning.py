"""What each class of a draft may mean on a tree, by the names alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harmonize.config.run_config import SHIPPED, find_file
from harmonize.errors import HarmonizeError
from harmonize.labels.mapping import IGNORE
from harmonize.labels.ontology import Ontology
from harmonize.tools.draft.draft_classes import ClassDraft
from harmonize.tools.draft.similarity import ALIKE, best_node, mean_similarity

TODO = "TODO"
_GOOD_TREE = 0.6
_NEAR = 0.5


@dataclass(frozen=True)
class Proposal:
    """What a class may mean.

    Attributes:
        nodes: the nodes; ``ignore`` or ``TODO`` alone.
        note: the reason, or what the user has to find out.
    """

    nodes: tuple[str, ...]
    note: str

    @property
    def is_open(self) -> bool:
        """Whether it is left to the user."""
        return self.nodes == (TODO,)


def choose_tree(tree: Path | None, classes: Sequence[ClassDraft]) -> tuple[Ontology | None, str]:
    """Return the tree that is named, else the shipped one that the classes' names fit, and why.

    Raises:
        HarmonizeError: the tree that is named cannot be used.
    """
    if tree is not None:
        path = find_file(str(tree))
        if path.suffix.lower() in (".yaml", ".yml"):
            raise HarmonizeError(f"--tree {tree}: a tree is a text file; see trees/ for some")
        return Ontology.from_file(path), ""
    names = [one.name for one in classes if one.named and not one.void and one.value is not None]
    if len(names) < 2:
        return None, ""
    trees = [Ontology.from_file(path) for path in sorted((SHIPPED / "trees").glob("*.txt"))]
    rated = [(mean_similarity(names, one), -len(one.leaves), one) for one in trees]
    score, _, best = max(rated, key=lambda item: item[:2], default=(0.0, 0, None))
    if best is None or score < _GOOD_TREE:
        return None, ""
    return best, f"guess: of the shipped trees its names fit best ({score:.2f})"


def by_name(classes: Sequence[ClassDraft], ontology: Ontology | None) -> dict[str, Proposal]:
    """Propose the node with the most similar name for every class that has a name of its own."""
    proposals: dict[str, Proposal] = {}
    for one in classes:
        if one.void:
            proposals[one.name] = Proposal((IGNORE,), f"guess: {one.void}")
        elif not one.named or ontology is None:
            proposals[one.name] = Proposal((TODO,), "")
        else:
            proposals[one.name] = _nearest(one.name, ontology)
    return _apart(proposals, ontology) if ontology is not None else proposals


def _nearest(name: str, ontology: Ontology) -> Proposal:
    node, score = best_node(name, ontology)
    if score < ALIKE:
        near = (
            f"nearest name: {node} ({score:.2f})" if score >= _NEAR else "no node has such a name"
        )
        return Proposal((TODO,), near)
    side = "; check whose side it is" if "left" in node or "right" in node else ""
    return Proposal((node,), f"guess: similar name ({score:.2f}){side}")


def _apart(proposals: dict[str, Proposal], ontology: Ontology) -> dict[str, Proposal]:
    """Take from a class what another one means more exactly: classes of one set exclude others."""
    masks = {
        name: ontology.leaf_mask(one.nodes)
        for name, one in proposals.items()
        if one.nodes[0] in ontology.nodes
    }
    result = dict(proposals)
    for name, mask in masks.items():
        inner = {
            other: m for other, m in masks.items() if m.sum() < mask.sum() and (m & mask).any()
        }
        rest = mask.copy()
        for taken in inner.values():
            rest &= ~taken
        if inner and rest.any():
            less = ", ".join(inner)
            note = f"{proposals[name].note}, less what {less} mean{'s' if len(inner) == 1 else ''}"
            result[name] = Proposal(ontology.describe(rest), note)
        elif inner:
            result[name] = Proposal((TODO,), f"{proposals[name].nodes[0]} is what others mean")
    return result
