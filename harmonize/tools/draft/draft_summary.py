"""What a drafted mapping comes to when it is read with the project's own code."""

import shlex
from dataclasses import dataclass, field
from pathlib import Path

from harmonize.data.dataset import SegmentationDataset
from harmonize.errors import HarmonizeError
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.tools.draft.mapping_text import Draft
from harmonize.tools.draft.yaml_text import commented

_READ = 3  # pictures of each split


@dataclass
class Checked:
    """What reading the mapping gave: the pictures of each split, and what went wrong."""

    splits: dict[str, int] = field(default_factory=dict[str, int])
    problems: list[str] = field(default_factory=list[str])


def check(spec: DatasetSpec, root: Path) -> Checked:
    """List the files of every split of a mapping and read a few of its pictures."""
    checked = Checked()
    for split in spec.splits:
        try:
            dataset = SegmentationDataset(spec, split, root=root)
            checked.splits[split] = len(dataset)
            for place in {0, len(dataset) // 2, len(dataset) - 1} if len(dataset) > _READ else {0}:
                dataset[place]
        except HarmonizeError as error:
            checked.problems += [one for one in error.problems if one not in checked.problems]
    return checked


def summary(draft: Draft, checked: Checked, output: Path) -> str:
    """Say what was found, what is left to do, and how to go on."""
    layout = draft.layout
    unnamed = sum(not one.named for one in draft.classes)
    open_ = sum(proposal.is_open for proposal in draft.meaning.values())
    total = len(draft.classes)
    classes = f"{total}, in {draft.scan.files} of {len(layout.pairs)} labels"
    meaning = (
        f"of {total} on {draft.tree}" if draft.tree else f"of {total}; the tree is to be chosen"
    )
    rows = [
        ("picture", layout.picture),
        ("label", f"{draft.label}  ({draft.encoding})"),
        *((split, f"{count} pictures") for split, count in checked.splits.items()),
        ("classes", classes),
        ("to do", f"{unnamed} names of {total}, {open_} meanings {meaning}"),
    ]
    if layout.plain:
        rows.insert(2, ("no label", f"{layout.plain} pictures"))
    width = max(len(label) for label, _ in rows)
    lines = [f"{draft.name}: {len(layout.pairs)} pictures with labels"]
    lines += [f"  {label:<{width}}  {commented(text)}" for label, text in rows]
    problems = [*draft.scan.refused, *checked.problems]
    lines += [f"to mend: {commented(problem)}" for problem in dict.fromkeys(problems[:10])]
    lines.append(f"{output} is written. Look at every guess, answer every TODO, then:")
    lines.append(f"  harmonize check {shlex.quote(str(output))}")
    return "\n".join(lines)
