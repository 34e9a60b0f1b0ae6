"""What is legal but rarely meant."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Something that can be read and trained, but is rarely what its author wants.

    Attributes:
        kind: the name by which ``accept`` knows it.
        where: the place, ``file:line:column: key.path``.
        text: what is found, and what to do.
    """

    kind: str
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text} [{self.kind}]"
