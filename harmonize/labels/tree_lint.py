"""What a check finds, and what it finds in a tree: sides that a flip does not exchange."""

import json
import re
from dataclasses import dataclass

import numpy as np

from harmonize.config.accept import ALL
from harmonize.labels.ontology import Ontology

MIRROR = "mirror"

_PLAIN = re.compile(r"[A-Za-z_][\w ./-]*")
_SHOWN = 3
"""Names that a finding lists."""
_SIDE = re.compile(r"(?<![a-z])(left|right)(?![a-z])", re.IGNORECASE)
_OTHER = {"left": "right", "right": "left", "LEFT": "RIGHT", "RIGHT": "LEFT"}


@dataclass(frozen=True)
class Finding:
    """Something that can be read and trained, but is rarely what its author wants.

    Attributes:
        kind: the name by which ``accept`` knows it.
        where: the place, ``file:line:column: key.path``.
        text: what is found, and what to do.
        names: under which ``accept`` takes it; none for what cannot be meant.
    """

    kind: str
    where: str
    text: str
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.where}: {self.text} [{self._key()}]"

    def _key(self) -> str:
        """Write the key by which the finding is accepted."""
        if not self.names:
            return self.kind
        if self.names == (ALL,) or len(self.names) > _SHOWN:
            return f"accept: {{{self.kind}: {ALL}}}"
        written = [name if _PLAIN.fullmatch(name) else json.dumps(name) for name in self.names]
        return f"accept: {{{self.kind}: [{', '.join(written)}]}}"


def side(name: str) -> str | None:
    """Return ``left`` or ``right`` where a name's words say one of the two."""
    words = {word.lower() for word in _SIDE.findall(name)}
    return words.pop() if len(words) == 1 else None


def other_side(name: str) -> str:
    """Return a name with left and right exchanged."""
    return _SIDE.sub(lambda word: _OTHER.get(word[0], _OTHER[word[0].lower()].title()), name)


def tree_findings(ontology: Ontology) -> list[Finding]:
    """Find the nodes whose names say left or right, but which a flip does not exchange."""
    findings: list[Finding] = []
    told: set[str] = set()
    for node in ontology.nodes:
        leaves = ontology.leaf_mask(node)
        names = {ontology.leaves[leaf] for leaf in np.flatnonzero(leaves)}
        if side(node) is None or node in told or names <= ontology.mirror_declared:
            continue
        partner = other_side(node)
        told.add(partner)
        if partner not in ontology.nodes:
            text = f"no node {partner!r} is the mirror image of {node!r}; add it, or declare "
            text += " ".join(f"`@mirror {name}`" for name in sorted(names)[:3])
        elif names == {node} and not ontology.children(partner):
            text = (
                f"{node!r} and {partner!r} stay as they are in a flipped picture; "
                f"declare `@mirror {node} {partner}`"
            )
        else:
            text = (
                f"the leaves below {node!r} and {partner!r} stay as they are in a flipped "
                "picture; declare `@mirror LEAF LEAF` for each pair"
            )
        findings.append(Finding(MIRROR, ontology.places[node], text))
    return findings
