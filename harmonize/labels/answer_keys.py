"""What can be wrong with the keys of a mapping that say what is answered and scored."""

from harmonize.config.strict_yaml import Document
from harmonize.errors import near_matches
from harmonize.labels.mapping import Mapping


def check_answers(written: Mapping, document: Document, problems: list[str]) -> None:
    """Note what is wrong with how overlapping classes are answered."""
    if written.pixels and written.answers != "approximate":
        where = document.where(("pixels",))
        problems.append(f"{where}: belongs to answers: approximate; say so, or remove the key")
    problems += [
        f"{document.where(('pixels', name))}: no class {name!r}; "
        f"{near_matches(name, written.classes)}"
        for name in written.pixels
        if name not in written.classes
    ]


def check_benchmark(written: Mapping, document: Document, problems: list[str]) -> None:
    """Note the classes of the benchmark that the data set does not have."""
    problems += [
        f"{document.where(('benchmark', place))}: no class {name!r}; "
        f"{near_matches(name, written.classes)}"
        for place, name in enumerate(written.benchmark)
        if name not in written.classes
    ]
