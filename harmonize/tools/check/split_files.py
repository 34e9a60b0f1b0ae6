"""Hold a mapping against the files of its splits."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harmonize.config.accept import ALL, Accepted
from harmonize.data.index import FileIndex, list_files, unlabelled_pictures
from harmonize.errors import HarmonizeError
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.formula import MAX_ID, MIN_ID
from harmonize.labels.numbers import beyond_ids
from harmonize.labels.ontology import Ontology
from harmonize.labels.palette_order import find_conflict, used_colors
from harmonize.labels.tree_lint import Finding, side
from harmonize.plurals import counted, plural
from harmonize.tools.check.repeated import repeated_pictures
from harmonize.tools.check.scan import ClassPair, SplitScan, scan_split
from harmonize.tools.check.shifted import shift_question

_SHOWN = 10
"""Lines of one kind that are printed for a split; the rest is counted."""
_MOST_PALETTES = 200
"""Files whose palettes are compared."""
_WRONG_SIDE = 0.9
"""Share of the pictures with a left class right of its partner that is no accident."""
_FEWEST_PICTURES = 2
"""Pictures with both that it takes to say so."""


def check_files(
    spec: DatasetSpec,
    splits: Sequence[str],
    ontologies: Sequence[Ontology],
    root: Path,
    accepted: Accepted,
    *,
    number: int | None = None,
    held_out: bool = False,
) -> tuple[dict[str, SplitScan], list[str]]:
    """Read the files of some splits; return what they hold and everything that is wrong.

    Args:
        spec: the mapping.
        splits: their names.
        ontologies: the trees that the mapping serves, for what lies left and right.
        root: the data set's folder.
        accepted: the findings that are meant.
        number: label files to read per split; all unless given.
        held_out: the splits are one to train on and one to score.
    """
    lists, problems = _list_splits(spec, splits, root)
    try:
        spec = spec.with_ids(root)
    except HarmonizeError as error:
        return {}, [*error.problems, *problems, *map(str, _unlabelled(spec, root, accepted))]
    sides = [(pair, tree) for tree in ontologies for pair in _sides(spec, tree)]
    pairs = tuple(dict.fromkeys(pair for pair, _ in sides))
    found: dict[str, SplitScan] = {}
    known: set[tuple[str, str]] = set()
    for name, files in lists.items():
        found[name] = scan_split(spec, files, root, number=number, pairs=pairs, known=known)
        where = f"{spec.name} {name}"
        problems += _first(found[name].problems, where, "line like these", "lines like these")
    is_whole = not problems and all(
        scan.read == scan.files and not scan.soft for scan in found.values()
    )
    problems += _soft_masks(spec, list(found.values()))
    problems += _unknown_values(spec, list(found.values()))
    findings = [
        *(_never_seen(spec, found, accepted) if is_whole and found else []),
        *_unlabelled(spec, root, accepted),
        *repeated_pictures(spec, lists, root, accepted, held_out=held_out, contents=number is None),
        *_palettes(spec, list(found.values()), root, accepted),
        *_wrong_sides(spec, list(found.values()), sides, accepted),
    ]
    return found, [*problems, *map(str, findings)]


def _list_splits(
    spec: DatasetSpec, splits: Sequence[str], root: Path
) -> tuple[dict[str, FileIndex], list[str]]:
    """List the files of each split that has any, and tell what is wrong with the others."""
    lists: dict[str, FileIndex] = {}
    problems: list[str] = []
    for name in splits:
        try:
            files, wrong = list_files(spec, name, root)
        except HarmonizeError as error:
            problems += error.problems
            continue
        problems += wrong
        if len(files):
            lists[name] = files
    return lists, problems


def _first(problems: list[str], where: str, one: str, more: str) -> list[str]:
    """Return the first problems, and how many more there are."""
    rest = len(problems) - _SHOWN
    told = f"{where}: {rest} more {plural(rest, one, more)}"
    return [*problems[:_SHOWN], *([told] if rest > 0 else [])]


def _soft_masks(spec: DatasetSpec, scans: Sequence[SplitScan]) -> list[str]:
    """Tell once of all label files that are masks with soft edges how they are read."""
    found: dict[str, list[str]] = {}
    for scan in scans:
        for advice, files in scan.soft.items():
            found.setdefault(advice, []).extend(files)
    where = spec.document.where(("encoding",))
    return [
        f"{where}: of {counted(len(files), 'label file')}, such as {files[0]}, "
        f"{advice.removeprefix('its ')}"
        for advice, files in found.items()
    ]


def _unknown_values(spec: DatasetSpec, scans: Sequence[SplitScan]) -> list[str]:
    """Tell each value that no class stands for once, with its pixels and an example."""
    values = sorted({value for scan in scans for value in scan.unknown}, key=_number_first)
    kind = spec.encoding.kind
    where = spec.document.where(("classes",))
    problems: list[str] = []
    ids = {one for one in values if isinstance(one, int) and MIN_ID <= one <= MAX_ID}
    ids = ids.union(*(entry.values for entry in spec.classes.values()))
    for value in values:
        entries = [scan.unknown[value] for scan in scans if value in scan.unknown]
        pixels = sum(entry.pixels for entry in entries)
        number = sum(entry.files for entry in entries)
        is_beyond = isinstance(value, int) and not MIN_ID <= value <= MAX_ID
        beyond = beyond_ids({value, *ids}) if isinstance(value, int) and is_beyond else ""
        advice = f"{beyond}add it to a class, with the meaning `ignore`"
        problems.append(
            f"{where}: the {kind} {spec.encoding.write(value)} is no class's, but stands "
            f"in {counted(pixels, 'pixel')} of {counted(number, 'label file')}, such as "
            f"{entries[0].example}; {advice} if it is void"
        )
    return _first(problems, where, f"{kind} is no class's", f"{kind}s are no class's")


def _number_first(value: int | str) -> tuple[int, str]:
    return (value, "") if isinstance(value, int) else (0, value)


def _never_seen(
    spec: DatasetSpec, scans: dict[str, SplitScan], accepted: Accepted
) -> list[Finding]:
    """Find classes that are in no label file, where all were read without fault."""
    seen = (np.sum([scan.pixels for scan in scans.values()], axis=0) > 0).tolist()
    values = {value for scan in scans.values() for value in scan.unknown if isinstance(value, int)}
    for entry, is_seen in zip(spec.classes.values(), seen, strict=True):
        values.update(entry.values if is_seen else ())
    ignored = {name for nodes in spec.meaning.values() for name in nodes if not nodes[name]}
    findings: list[Finding] = []
    shifted = shift_question(spec, values)
    for name, is_seen in zip(spec.classes, seen, strict=True):
        if is_seen or name in ignored or accepted.has("never-seen", name):
            continue
        where = spec.document.where(("classes", name))
        advice = shifted.get(name) or "check its value, or remove it"
        text = f"{name!r} is in no label file of {', '.join(scans)}; {advice}"
        findings.append(Finding("never-seen", where, text, (name,)))
    return findings


def _unlabelled(spec: DatasetSpec, root: Path, accepted: Accepted) -> list[Finding]:
    pictures = [
        picture
        for picture in unlabelled_pictures(spec, root)
        if not accepted.has("unlabelled", picture)
    ]
    if not pictures:
        return []
    shown = ", ".join(pictures[:3]) + (", ..." if len(pictures) > 3 else "")
    files, them = ("file fits", "it") if len(pictures) == 1 else ("files fit", "them")
    text = (
        f"{len(pictures)} {files} `picture` in {root} without a label, such as {shown}; not used; "
        f"label {them}, move {them} away, or accept that"
    )
    return [Finding("unlabelled", spec.document.where(("label",)), text, (ALL,))]


def _palettes(
    spec: DatasetSpec, scans: Sequence[SplitScan], root: Path, accepted: Accepted
) -> list[Finding]:
    """Find palettes that order their colours differently, although their indexes are read."""
    palettes: dict[bytes, list[str]] = {}
    for scan in scans:
        for palette, files in scan.palettes.items():
            palettes.setdefault(palette, []).extend(files)
    if len(palettes) < 2 or accepted.has("palettes"):
        return []
    files = [file for group in palettes.values() for file in group][:_MOST_PALETTES]
    conflict = find_conflict((file, used_colors(root / file)) for file in files)
    if conflict is None:
        return []
    remedy = "save the masks as grey" if spec.encoding.per_class else "say `encoding: rgb`"
    text = f"{conflict}, but the indexes are read and not the colours; {remedy}"
    return [Finding("palettes", spec.document.where(("encoding",)), text, (ALL,))]


def _sides(spec: DatasetSpec, ontology: Ontology) -> list[ClassPair]:
    """Return the pairs of classes that mean mirror images, the one on the viewer's left first."""
    masks = spec.leaf_masks(ontology)
    pairs: list[ClassPair] = []
    for first, mask in enumerate(masks):
        image = mask[ontology.mirror]
        if not mask.any() or (image == mask).all():
            continue
        sides = {side(ontology.leaves[leaf]) for leaf in np.flatnonzero(mask & ~image)}
        if sides == {"left" if ontology.left == "viewer" else "right"}:
            partners = np.flatnonzero((masks == image).all(1)).tolist()
            pairs += [(first, partner) for partner in partners]
    return pairs


def _wrong_sides(
    spec: DatasetSpec,
    scans: Sequence[SplitScan],
    pairs: Sequence[tuple[ClassPair, Ontology]],
    accepted: Accepted,
) -> list[Finding]:
    """Find classes that mean left nodes but lie on the right."""
    names = list(spec.classes)
    findings: list[Finding] = []
    for pair, ontology in pairs:
        counts = [scan.sides.get(pair, (0, 0)) for scan in scans]
        wrong = sum(right for _, right in counts)
        both = sum(left + right for left, right in counts)
        left, right = names[pair[0]], names[pair[1]]
        if both < _FEWEST_PICTURES or wrong < _WRONG_SIDE * both:
            continue
        if accepted.has("sides", left, right):
            continue
        nodes = " + ".join(spec.meaning[ontology.name][left])
        whose = ("viewer", "subject") if ontology.left == "viewer" else ("subject", "viewer")
        text = (
            f"{left!r} means {nodes}, but lies right of {right!r} in {wrong} of {both} label "
            f"files: its sides are the {whose[1]}'s where the tree's are the {whose[0]}'s; "
            f"exchange the meanings of the two"
        )
        where = spec.document.where(("meaning", ontology.name, left))
        findings.append(Finding("sides", where, text, (left,)))
    return findings
