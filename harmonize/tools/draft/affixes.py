"""What the names of many files end or begin with: ``_seg``, ``_gtFine_labelIds``, ``img_``."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

_LAST = re.compile(r"(?:[_\-. ][^_\-. ]*[A-Za-z][^_\-. ]*)$")
_FIRST = re.compile(r"^(?:[^_\-. ]*[A-Za-z][^_\-. ]*[_\-. ])")
_FIRST_LETTERS = re.compile(r"^[A-Za-z]+(?=\d)")
_LONGEST = 6  # tokens

Named = tuple[str, str]
"""The folder and the stem of a file."""


def suffixes(stem: str) -> list[str]:
    """Return what may be a stem's suffix: its last tokens that hold a letter, longest first."""
    found: list[str] = []
    rest = stem
    while len(found) < _LONGEST and (match := _LAST.search(rest)) and match.start():
        rest = rest[: match.start()]
        found.append(stem[len(rest) :])
    return found[::-1]


def prefixes(stem: str) -> list[str]:
    """Return what may be a stem's prefix: its first tokens that hold a letter, longest first."""
    found: list[str] = []
    used = 0
    while len(found) < _LONGEST and (match := _FIRST.search(stem[used:])):
        if used + match.end() == len(stem):
            break
        used += match.end()
        found.append(stem[:used])
    letters = _FIRST_LETTERS.search(stem[used:])
    if letters:
        found.append(stem[: used + letters.end()])
    return found[::-1]


def shared_affixes(files: Sequence[Named], *, first: bool, added: bool = False) -> dict[str, str]:
    """Return the affix of every stem that has one which many files share.

    Args:
        files: folder and stem of each file.
        first: look for prefixes instead of suffixes.
        added: take only affixes that are added to the names of other files, the shortest of each
            stem: a word that ends many names, such as a surname, is part of the name then.
    """
    options = {stem: (prefixes if first else suffixes)(stem) for _, stem in files}
    if added:
        options = {stem: affixes[::-1] for stem, affixes in options.items()}
    accepted = _accepted(files, options, first=first, added=added)
    return {
        stem: chosen
        for stem, affixes in options.items()
        if (chosen := next((affix for affix in affixes if affix in accepted), ""))
    }


def _accepted(
    files: Sequence[Named], options: dict[str, list[str]], *, first: bool, added: bool
) -> set[str]:
    """Return the affixes that pair files up, or that most files of their folders have."""
    counts: Counter[str] = Counter()
    cores: defaultdict[str, set[str]] = defaultdict(set)
    affixes_of: defaultdict[str, set[str]] = defaultdict(set)
    per_folder: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for folder, stem in files:
        affixes_of[stem].add("")
        per_folder[folder][""] += 1
        for affix in options[stem]:
            core = stem[len(affix) :] if first else stem[: -len(affix)]
            counts[affix] += 1
            cores[affix].add(core)
            affixes_of[core].add(affix)
            per_folder[folder][affix] += 1
    folders: defaultdict[str, list[str]] = defaultdict(list)
    for folder, counted in per_folder.items():
        for affix in counted:
            folders[affix].append(folder)
    needed = 3 if len(files) >= 12 else max(1, len(files) // 6)
    accepted: set[str] = set()
    for affix, count in counts.items():
        inside = sum(per_folder[folder][""] for folder in folders[affix])
        paired = _share(len(affixes_of[core]) > 1 for core in cores[affix])
        whole = _share("" in affixes_of[core] for core in cores[affix])
        common = count >= 0.01 * len(files) and count >= 0.5 * inside
        several = len(cores[affix]) > 1 and count >= needed
        if whole >= 0.8 or (not added and several and (paired >= 0.8 or common)):
            accepted.add(affix)
    return accepted


def _share(facts: Iterable[bool]) -> float:
    answers = list(facts)
    return sum(answers) / len(answers)
