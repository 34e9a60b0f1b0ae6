"""What was estimated for pictures without labels: a table, and plain values for a file."""

from collections.abc import Sequence
from dataclasses import dataclass

from harmonize.config.strict_yaml import Value
from harmonize.plurals import counted
from harmonize.unseen.estimating import Errors, Estimate

_NOTES = (
    "estimated: of the pixels answered so, the share that is right, by how steady answers are",
    "+-: other pictures, other methods, and as much again as the accuracy moved from the labels;",
    "a network that is wrong and steady about it cannot be found out without labels",
)


@dataclass(frozen=True)
class UnseenResults:
    """The estimates for a set of pictures.

    Attributes:
        title: what the answers are.
        names: of the answers.
        estimates: of each.
        overall: of all pixels together.
        pictures: the number that was looked at.
        fitted_on: for each set with labels, its split and number of pictures.
        skipped: why pictures were left out.
    """

    title: str
    names: tuple[str, ...]
    estimates: Sequence[Estimate]
    overall: Estimate
    pictures: int
    fitted_on: dict[str, tuple[str, int]]
    skipped: Sequence[str] = ()

    def table(self) -> str:
        """Draw one line for each answer that is given, and one for all."""
        known = [f"{name}, {split} ({n})" for name, (split, n) in self.fitted_on.items()]
        named = [
            (name + "*" * one.is_borrowed, one)
            for name, one in zip(self.names, self.estimates, strict=True)
            if one.accuracy is not None
        ]
        lines = [*named, ("all", self.overall)]
        width = max(len("answer"), *(len(name) for name, _ in lines))
        pictures = counted(self.pictures, "picture")
        rows = [
            f"{pictures} without labels, {self.title}; labels: {' + '.join(known)}",
            f"{'answer':<{width}}  {'share':>6}  {'with labels':>11}  {'estimated':>15}",
        ]
        for name, one in lines:
            labelled = _percent(one.labelled)
            rows.append(
                f"{name:<{width}}  {_percent(one.share):>6}  {labelled:>11}  {_estimate(one)}"
            )
        if any(one.is_borrowed for _, one in named):
            rows.append("* too few labels judge it: it goes by all answers together")
        return "\n".join([*rows, *_NOTES])

    def to_dict(self) -> dict[str, Value]:
        """Return plain values for JSON; null for what cannot be said."""
        return {
            "answers": self.title,
            "pictures": self.pictures,
            "labelled": {
                name: {"split": split, "pictures": number}
                for name, (split, number) in self.fitted_on.items()
            },
            "overall": _plain(self.overall),
            "classes": {
                name: _plain(one) for name, one in zip(self.names, self.estimates, strict=True)
            },
            "skipped": [*self.skipped],
        }


def _plain(one: Estimate) -> dict[str, Value]:
    errors = one.errors
    return {
        "share": one.share,
        "accuracy": one.accuracy,
        "error": None if errors is None else errors.total,
        "errors": None if errors is None else _parts(errors),
        "labelled_accuracy": one.labelled,
        "labelled_pixels": one.labelled_pixels,
        "borrowed": one.is_borrowed,
    }


def _parts(errors: Errors) -> dict[str, Value]:
    return {
        "pictures": errors.pictures,
        "methods": errors.methods,
        "shift": errors.shift,
        "sets": errors.sets,
    }


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _estimate(one: Estimate) -> str:
    if one.accuracy is None or one.errors is None:
        return f"{'-':>15}"
    return f"{_percent(one.accuracy):>7} +- {_percent(one.errors.total):>4}"
