"""Make a tree from what a run's network finds alike, or score one by it."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harmonize.config.run_config import find_file
from harmonize.errors import HarmonizeError, printable
from harmonize.labels.ontology import Ontology
from harmonize.pipeline.evaluate_run import open_for_scoring
from harmonize.plurals import counted
from harmonize.runs.opened import OpenedRun
from harmonize.system.agreement import together
from harmonize.system.atomic_files import write_whole, writing
from harmonize.system.own_files import check_output
from harmonize.tools.tree_learning.clustering import learn_tree, tree_lines
from harmonize.tools.tree_learning.evidence import Evidence, gather_evidence
from harmonize.tools.tree_learning.tree_score import score_tree

MADE_BY = "harmonize learn-tree"


@dataclass(frozen=True)
class Asked:
    """Which run is asked, about which pictures.

    Attributes:
        run: the run folder.
        datasets: names of the run's data sets, or mapping files; all that it scores if empty.
        split: by default the one that the config scores, else ``val``.
        checkpoint: ``best`` or ``last``.
        overrides: of the run's config.
        trust_code: run the code that the run's network is, where it is not harmonize's own.
    """

    run: Path
    datasets: Sequence[str] = ()
    split: str | None = None
    checkpoint: str = "last"
    overrides: Iterable[str] = field(default_factory=tuple[str, ...])
    trust_code: bool = False


def write_learned_tree(
    asked: Asked,
    output: Path,
    *,
    depths: int = 3,
    constrain: str | None = None,
    words: str | None = None,
    force: bool = False,
) -> None:
    """Write the tree that fits best what a run's network confuses.

    Raises:
        HarmonizeError: what the user can mend.
    """
    check_output(output, MADE_BY, option="-o", force=force)
    if depths < 2:
        raise HarmonizeError(f"--depths {depths}: a tree with groups has 2 or more")
    given = None if constrain is None else Ontology.from_file(find_file(constrain))
    named = None if words is None else Ontology.from_file(find_file(words))
    with open_for_scoring(
        asked.run, asked.checkpoint, asked.overrides, trust_code=asked.trust_code
    ) as scoring:
        ontology = scoring.run.sources.ontology
        if given is not None:
            _check_given(given, ontology, depths)
        evidence = gather_evidence(scoring, scoring.datasets(asked.datasets, asked.split))
        with together():
            if scoring.is_main:
                text = _text(scoring.run, evidence, depths, given, named)
                learned = Ontology(text, name=output.stem, source=str(output))
                with writing(output):
                    write_whole(output, text.encode())
                _tell(scoring.run, evidence, {output.name: learned, ontology.name: ontology})
                _say("", f"{output} is written")


def print_tree_score(asked: Asked, tree: str) -> None:
    """Print how well a tree fits what a run's network confuses.

    Raises:
        HarmonizeError: what the user can mend.
    """
    given = Ontology.from_file(find_file(tree))
    with open_for_scoring(
        asked.run, asked.checkpoint, asked.overrides, trust_code=asked.trust_code
    ) as scoring:
        evidence = gather_evidence(scoring, scoring.datasets(asked.datasets, asked.split))
        with together():
            if scoring.is_main:
                score = score_tree(evidence, given)
                _say(_about(scoring.run), "", given.name, score.table())


def _check_given(given: Ontology, ontology: Ontology, depths: int) -> None:
    own, asked = set(ontology.leaves), set(given.leaves)
    if own != asked:
        names = ", ".join(sorted(own ^ asked))
        raise HarmonizeError(f"--constrain: its leaves are not the network's; they differ: {names}")
    if depths <= given.depth:
        raise HarmonizeError(
            f"--depths {depths}: the given tree has {given.depth} already; say --depths "
            f"{given.depth + 1} for one more level within its nodes and above them"
        )


def _text(
    run: OpenedRun,
    evidence: Evidence,
    depths: int,
    given: Ontology | None,
    words: Ontology | None,
) -> str:
    ontology = run.sources.ontology
    nodes = learn_tree(evidence, ontology, depths, given, words)
    unseen = [leaf for n, leaf in enumerate(ontology.leaves) if n not in evidence.seen]
    lines = [f"# By {MADE_BY}, from what {run.path.name} of {run.folder.name} finds alike."]
    if unseen:
        lines.append(f"# No pixel of their own, so placed anywhere: {', '.join(unseen)}")
    lines += tree_lines(nodes)
    for number, other in enumerate(ontology.mirror.tolist()):
        if ontology.leaves[number] in ontology.mirror_declared and number <= other:
            pair = [ontology.leaves[n] for n in dict.fromkeys((number, other))]
            lines.append(f"@mirror {' '.join(pair)}")
    if ontology.left == "subject":
        lines.append("@left subject")
    return "\n".join(lines) + "\n"


def _tell(run: OpenedRun, evidence: Evidence, trees: dict[str, Ontology]) -> None:
    """Print the new tree, and the scores of it and of the run's own."""
    (learned, *_) = trees.values()
    _say(_about(run), "", learned.draw())
    for name, tree in trees.items():
        try:
            _say("", name, score_tree(evidence, tree).table())
        except HarmonizeError as error:
            print(printable(f"note: {error}"), file=sys.stderr)


def _about(run: OpenedRun) -> str:
    return f"{run.path}, after {counted(run.state.step, 'step')}"


def _say(*texts: str) -> None:
    """Print texts of several lines each, without what would command a terminal."""
    print(*(printable(line) for text in texts for line in text.split("\n")), sep="\n")
