"""Join data sets upon one tree: look, relate, assemble, write the files and the page."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from harmonize.config.run_config import find_file
from harmonize.errors import HarmonizeError, raise_all
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.plurals import counted
from harmonize.system.agreement import together
from harmonize.system.atomic_files import writing
from harmonize.system.own_files import check_output, write_output
from harmonize.system.processes import processes
from harmonize.system.progress import tell
from harmonize.tools.joining.assembling import Joined, assemble
from harmonize.tools.joining.consistency import settle, show
from harmonize.tools.joining.contingency import ClassSet, Crossing
from harmonize.tools.joining.gathering import Looking, Side, look_around
from harmonize.tools.joining.join_files import (
    MADE_BY,
    TREE,
    evidence_text,
    mapping_around,
    mapping_text,
    meaning_lines,
)
from harmonize.tools.joining.join_page import JoinView, join_page, open_pairs
from harmonize.tools.joining.other_trees import OtherTrees, other_trees
from harmonize.tools.joining.pairs import Class, Pair
from harmonize.tools.joining.relations import relate
from harmonize.tools.joining.seen_pairs import best_places, paths_of, show_pairs
from harmonize.tools.joining.verdicts import weak_classes

EVIDENCE = "evidence.json"
PAGE = "join.html"


def join_sets(
    mappings: Sequence[str],
    runs: Sequence[Path],
    output: Path,
    *,
    looking: Looking | None = None,
    names: bool = True,
    force: bool = False,
) -> Joined:
    """Write a tree for data sets without a common one, and a mapping of each for it.

    Args:
        mappings: files of two or more data sets.
        runs: for each the folder of a run that was trained on it.
        output: the folder of the files; made if it is not there.
        looking: how the networks look, and at how many pictures.
        names: whether equal names decide what the pixels leave open.
        force: replace files that are not from here.

    Raises:
        HarmonizeError: what the user can mend.
    """
    looking = looking or Looking()
    specs = _read(mappings, runs, looking)
    paths = [find_file(name) for name in mappings]
    others = other_trees(specs, paths, output, own=TREE, made_by=MADE_BY)
    texts = [f"{name}.txt" for name in (TREE, *others.copies)]
    files = [*texts, EVIDENCE, PAGE, *(f"{spec.name}.yaml" for spec in specs)]
    with together():
        if processes().is_main_process:
            with writing(output):
                output.mkdir(parents=True, exist_ok=True)
            for file in files:
                check_output(output / file, MADE_BY, option="-o", force=force)
    sides, crossings = look_around(specs, runs, looking)
    sets = _in_order(sides, crossings)
    _check_recognised(sets, sides)
    pairs, warnings = _relate(crossings, names=names)
    mirrors: dict[Class, Class] = {
        (side.spec.name, one): (side.spec.name, other)
        for side in sides
        for one, other in side.mirrors.items()
    }
    left = "subject" if {side.left for side in sides} == {"subject"} else "viewer"
    made_by = f"By {MADE_BY}, from {', '.join(one.name for one in sets)}."
    joined = assemble(sets, pairs, made_by=made_by, mirrors=mirrors, left=left)
    view = _view(sets, pairs, joined, sides, crossings, warnings, mappings, others.lost, looking)
    with together():
        if processes().is_main_process:
            _write(output, view, others)
            tell(_summary(output, view, others))
    return joined


def _read(mappings: Sequence[str], runs: Sequence[Path], looking: Looking) -> list[DatasetSpec]:
    if len(mappings) < 2:
        raise HarmonizeError("one mapping: it takes two or more data sets to join")
    if len(runs) != len(mappings):
        raise HarmonizeError(
            f"--runs: {len(runs)} for {len(mappings)} mappings; give one for each, in their order"
        )
    if looking.number < 1:
        raise HarmonizeError("--pictures 0: networks that see nothing say nothing; say 1 or more")
    specs = [DatasetSpec.from_file(find_file(name)) for name in mappings]
    names = Counter(spec.name for spec in specs)
    raise_all(
        f"{name}: {number} mappings have this name; change `name` in one of them"
        for name, number in names.items()
        if number > 1
    )
    return specs


def _in_order(sides: Sequence[Side], crossings: Sequence[Crossing]) -> list[ClassSet]:
    known = {one.name: one for crossing in crossings for one in (crossing.a, crossing.b)}
    return [known[side.spec.name] for side in sides]


def _check_recognised(sets: Sequence[ClassSet], sides: Sequence[Side]) -> None:
    """Make sure that each network recognises two of its own classes at least."""
    problems: list[str] = []
    for one, side in zip(sets, sides, strict=True):
        weak = weak_classes(one)
        if len(one.classes) - len(weak) < 2:
            told = "; ".join(f"{name}: {why}" for name, why in list(weak.items())[:4])
            problems.append(
                f"--runs {side.run}: says too little about {one.name} to be held against others: "
                f"{told}; train it longer, or let it look at more pictures (--pictures, --split)"
            )
    raise_all(problems)


def _relate(crossings: Sequence[Crossing], *, names: bool) -> tuple[list[Pair], list[str]]:
    pairs: list[Pair] = []
    warnings: list[str] = []
    for crossing in crossings:
        found, warning = relate(crossing, names=names)
        pairs += found
        warnings += [warning] if warning else []
    return settle(pairs), warnings


def _view(
    sets: Sequence[ClassSet],
    pairs: Sequence[Pair],
    joined: Joined,
    sides: Sequence[Side],
    crossings: Sequence[Crossing],
    warnings: Sequence[str],
    mappings: Sequence[str],
    lost: Mapping[str, Sequence[str]],
    looking: Looking,
) -> JoinView:
    places = best_places(pairs, crossings)
    looked = paths_of(places, sides)
    shown = show_pairs([pair for pair, _ in open_pairs(joined, pairs)], places, sides, looking)
    files = {}
    for side, name in zip(sides, mappings, strict=True):
        around = mapping_around(side.spec, find_file(name), lost[side.spec.name])
        files[side.spec.name] = around, meaning_lines(side, joined, looked, around.indent)
    return JoinView(sets, pairs, joined, files, looked, shown, warnings)


def _write(output: Path, view: JoinView, others: OtherTrees) -> None:
    for name, text in others.copies.items():
        write_output(output / f"{name}.txt", text)
    write_output(output / f"{TREE}.txt", view.joined.text)
    for name, (around, lines) in view.files.items():
        write_output(output / f"{name}.yaml", mapping_text(around, lines))
    evidence = evidence_text(view.sets, view.pairs, view.looked, view.warnings)
    write_output(output / EVIDENCE, evidence)
    write_output(output / PAGE, join_page(view, made_by=MADE_BY))


def _summary(output: Path, view: JoinView, others: OtherTrees) -> str:
    lines = [f"warning: {warning}" for warning in view.warnings]
    counts: Mapping[str, int] = Counter(
        pair.relation if pair.sure else "TODO" for pair in view.pairs
    )
    found = ", ".join(f"{number} {relation}" for relation, number in sorted(counts.items()))
    lines += [
        "",
        view.joined.tree.draw(),
        "",
        f"{counted(len(view.pairs), 'pair')} of classes: {found}",
    ]
    for pair in view.pairs:
        if not pair.sure and pair.relation != "disjoint":
            guess = f"{show(pair.a)} {pair.relation} {show(pair.b)}?"
            lines.append(f"TODO: {guess} {pair.why}; look at {view.looked[pair].text}")
    todo = view.joined.num_open
    lines += ["", f"{output}/{TREE}.txt and a mapping for each set are written"]
    lines += others.notes(output)
    if todo:
        mean = counted(todo, "class means", "classes mean")
        lines.append(f"{mean} something that is open (TODO); {output}/{PAGE} shows it")
    return "\n".join(lines)
