"""The marked blocks of README.md and docs/: what a reader types, and what a test types as well.

Before a block stands one of

    <!-- runs on the demo -->                   commands, or a Python program
    <!-- runs on the demo: train.steps=4 -->    the same, with changes of the config that make a
                                                training short
    <!-- file: NAME -->                         what the reader writes into a file
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

_MARK = re.compile(r"^<!-- (runs on the demo|file)(?:: (.*))? -->$", re.MULTILINE)
_BLOCK = re.compile(r"\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A marked block.

    Attributes:
        place: file and line of the mark.
        file: the name of the file that the reader writes, or None if the block is run.
        more: what stands in the mark behind the colon.
        language: ``sh``, ``python`` or that of a file.
        text: without the fences.
    """

    place: str
    file: str | None
    more: str
    language: str
    text: str

    def commands(self) -> list[list[str]]:
        """Return the words of each command of a ``sh`` block, changes of the config added."""
        found: list[list[str]] = []
        for line in self.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            trains = any(word.endswith("train_mixed.py") for word in words)
            if trains or " ".join(words).removeprefix("accelerate launch -m ").startswith(
                "harmonize train"
            ):
                words += self.more.split()
            if words:
                found.append(words)
        return found


def documents(repo: Path) -> list[Path]:
    """Return README.md and the pages, in the order in which they are read."""
    pages = re.findall(r"[\w/-]+\.md", (repo / "mkdocs.yml").read_text("utf-8"))
    return [repo / "README.md", *(repo / "docs" / page for page in pages)]


def marked_blocks(path: Path) -> list[Block]:
    """Return the marked blocks of a document."""
    text = path.read_text("utf-8")
    blocks: list[Block] = []
    for mark in _MARK.finditer(text):
        place = f"{path.name}:{text.count(chr(10), 0, mark.start()) + 1}"
        block = _BLOCK.match(text, mark.end())
        assert block, f"{place}: no block follows the mark"
        file = mark[2] if mark[1] == "file" else None
        more = "" if file else mark[2] or ""
        blocks.append(Block(place, file, more, block[1], block[2]))
    return blocks
