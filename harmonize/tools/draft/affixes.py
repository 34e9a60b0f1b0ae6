"""What the names of many files end or begin with: ``_seg``, ``_gtFine_labelIds``, ``img_``."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import accumulate, islice, takewhile

_LETTER = re.compile(r"[A-Za-z]")
_LETTERS_BEFORE_NUMBER = re.compile(r"[A-Za-z]+(?=\d)")
_LETTERS_AFTER_NUMBER = re.compile(r"(?<=\d)[A-Za-z]+$")
_MOST_TOKENS = 6

Named = tuple[str, str]
"""The folder and the stem of a file."""


def suffixes(stem: str) -> list[str]:
    """Return what may be a stem's suffix: its last tokens that hold a letter, shortest first."""
    tokens = re.split(r"(?=[_\-. ])", stem)[1:]
    lengths = accumulate(map(len, takewhile(_LETTER.search, reversed(tokens))))
    return [stem[-n:] for n in islice(lengths, _MOST_TOKENS) if n < len(stem)]


def added_suffixes(stem: str) -> list[str]:
    """Return what else may have been added to a file's name: ``-tree-0``, ``m`` after a number.

    To be believed only where there are files of the rest of the name.
    """
    found: list[str] = []
    tokens = re.split(r"(?=[_\-. (])", stem)[1:]
    if len(tokens) > 1 and tokens[-1][1:].rstrip(")").isdecimal():
        lengths = accumulate(map(len, takewhile(_LETTER.search, reversed(tokens[:-1]))))
        found = [stem[-n - len(tokens[-1]) :] for n in lengths]
    letters = _LETTERS_AFTER_NUMBER.search(stem)
    return [one for one in (*found, letters[0] if letters else "") if 0 < len(one) < len(stem)]


def prefixes(stem: str) -> list[str]:
    """Return what may be a stem's prefix: its first tokens that hold a letter, shortest first."""
    tokens = re.split(r"(?<=[_\-. ])", stem)[:-1]
    lengths = accumulate(map(len, takewhile(_LETTER.search, tokens)))
    found = [stem[:n] for n in islice(lengths, _MOST_TOKENS) if n < len(stem)]
    letters = _LETTERS_BEFORE_NUMBER.match(stem, len(found[-1]) if found else 0)
    return [*found, stem[: letters.end()]] if letters else found


def shared_affixes(files: Sequence[Named], *, first: bool, added: bool = False) -> dict[str, str]:
    """Return the affix of every stem that has one which many files share.

    Args:
        files: folder and stem of each file.
        first: look for prefixes instead of suffixes.
        added: take only affixes that are added to the names of other files, the shortest of each
            stem: a word that ends many names, such as a surname, is part of the name then.
    """
    options = {stem: (prefixes if first else suffixes)(stem) for _, stem in files}
    accepted = _accepted(files, options, first=first, added=added)
    if not first:
        further = {stem: added_suffixes(stem) for stem in options}
        wholes = _accepted(files, further, first=False, added=True)
        accepted |= {
            one: count
            for one, count in wholes.items()
            if not one.isalnum() or count >= 0.3 * len(files)
        }
        options = {stem: [*options[stem], *further[stem]] for stem in options}
    chosen: dict[str, str] = {}
    for stem, affixes in options.items():
        fitting = [affix for affix in affixes if affix in accepted]
        if fitting:
            chosen[stem] = fitting[0 if added else -1]
    return chosen


def _accepted(
    files: Sequence[Named], options: dict[str, list[str]], *, first: bool, added: bool
) -> dict[str, int]:
    """Return the affixes that pair files up, or that most files of their folders have.

    With how many files have each.
    """
    counts: Counter[str] = Counter()
    cores: defaultdict[str, set[str]] = defaultdict(set)
    folders: defaultdict[str, set[str]] = defaultdict(set)
    stems = {stem for _, stem in files}
    first_affix: dict[str, str] = {}
    several_affixes: set[str] = set()
    for folder, stem in files:
        for affix in options[stem]:
            core = stem[len(affix) :] if first else stem[: -len(affix)]
            counts[affix] += 1
            cores[affix].add(core)
            folders[affix].add(folder)
            if first_affix.setdefault(core, affix) != affix or core in stems:
                several_affixes.add(core)
    sizes = Counter(folder for folder, _ in files)
    needed = 3 if len(files) >= 12 else max(1, len(files) // 6)
    accepted: dict[str, int] = {}
    for affix, count in counts.items():
        whole = len(cores[affix] & stems) >= 0.8 * len(cores[affix])
        several = not added and len(cores[affix]) > 1 and count >= needed
        if whole or (several and len(cores[affix] & several_affixes) >= 0.8 * len(cores[affix])):
            accepted[affix] = count
        elif several and count >= 0.01 * len(files):
            inside = sum(sizes[folder] for folder in folders[affix])
            if count >= 0.5 * inside:
                accepted[affix] = count
    return accepted
