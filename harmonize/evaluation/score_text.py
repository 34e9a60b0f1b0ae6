"""The scores of a data set as a table of text."""

from harmonize.errors import printable
from harmonize.evaluation.saved_scores import (
    Number,
    SavedDepth,
    SavedInterval,
    SavedScores,
)
from harmonize.labels.same_meaning import short_name
from harmonize.plurals import counted

_SHOWN = 10
"""Pictures that could not be used that a table names."""


def draw_table(name: str, scores: SavedScores) -> str:
    """Draw the scores of a data set of this name, in percent; a dash for what has no score."""
    present = sum(value is not None for value in scores.iou.values())
    names = {key: short_name(key, scores.merged) for key in scores.iou}
    mean = f"mean IoU ({present} of {counted(len(names), 'class', 'classes')})"
    further = _further(scores)
    width = max(map(len, (mean, *names.values(), *further)))
    rule = "-" * (width + 8)
    rows = [
        f"{name}, {scores.split}: {counted(scores.pictures, 'picture')}",
        rule,
        f"{'':<{width}}  {'IoU':>6}  {'prec.':>6}  {'recall':>6}",
    ]
    for key, short in names.items():
        values = (of.get(key) for of in (scores.iou, scores.precision, scores.recall))
        rows.append(f"{short:<{width}}  {'  '.join(map(_percent, values))}")
    rows += [rule, f"{mean:<{width}}  {_mean(scores.mean_iou, scores.mean_iou_interval)}"]
    rows += [f"{label:<{width}}  {text}" for label, text in further.items()]
    return "\n".join([*rows, *_notes(scores, names)])


def _notes(scores: SavedScores, names: dict[str, str]) -> list[str]:
    """Say what is answered by other leaves, left out or skipped, and what proves nothing."""
    rows: list[str] = []
    for title, notes in (
        ("approximate", scores.approximate),
        ("no counterpart", scores.unanswered),
        ("left out", scores.left_out),
    ):
        rows += [f"{title}: {short_name(k, scores.merged)}, {says}" for k, says in notes.items()]
    rows += _without(scores)
    if len(names) == 1:
        rows.append(f"{next(iter(names.values()))} is scored alone, so that every answer is right")
    if scores.skipped:
        total = scores.pictures + len(scores.skipped)
        rows.append(f"skipped as bad: {len(scores.skipped)} of {counted(total, 'picture')}")
        rows += [f"  {printable(reason)}" for reason in [*scores.skipped.values()][:_SHOWN]]
        rows += ["  ..."] if len(scores.skipped) > _SHOWN else []
    return rows


def _without(scores: SavedScores) -> list[str]:
    """Name in one line the depths and the sizes of parts that have no score, and so no row."""
    depths = [str(one.depth) for one in scores.depths if one.telling is None]
    sizes = [one.size for one in scores.by_size if one.mean_iou is None]
    plural = "s" if len(depths) > 1 else ""
    parts = [f"depth{plural} {', '.join(depths)} (no two groups to tell apart)"] if depths else []
    parts += [f"{', '.join(sizes)} parts (none in the labels)"] if sizes else []
    return [f"not scored: {'; '.join(parts)}"] if parts else []


def _further(scores: SavedScores) -> dict[str, str]:
    """Return the scores below the mean IoU, each with its text."""
    further = {
        f"mean IoU at depth {one.depth} ({_groups(one)})": _mean(one.telling, one.mean_iou_interval)
        for one in scores.depths
        if one.telling is not None
    }
    if scores.boundary is not None:
        edges = scores.boundary
        further["boundary IoU, mean"] = _mean(edges.mean_iou, edges.mean_iou_interval)
    for one in scores.by_size:
        if one.mean_iou is not None:
            number = sum(value is not None for value in one.iou.values())
            classes = counted(number, "class", "classes")
            further[f"mean IoU of {one.size} parts ({classes})"] = _percent(one.mean_iou)
    further["mean IoU per picture"] = _percent(scores.mean_iou_per_picture)
    further["frequency-weighted IoU"] = _percent(scores.frequency_weighted_iou)
    further["pixel accuracy"] = _percent(scores.pixel_accuracy)
    further["hierarchical F"] = _percent(scores.mistakes.get("f"))
    height = scores.mistakes.get("lca_height")
    further["height of mistakes (levels)"] = "     -" if height is None else f"{height:6.2f}"
    further["calibration error"] = _percent(scores.calibration_error)
    return further


def _groups(one: SavedDepth) -> str:
    return counted(sum(value is not None for value in one.iou.values()), "group")


def _mean(value: Number, interval: SavedInterval) -> str:
    """Write a mean IoU and its interval."""
    if value is None or interval is None:
        return _percent(value)
    low, high = interval
    return f"{_percent(value)}  [{100 * low:.2f}, {100 * high:.2f}]"


def _percent(value: Number) -> str:
    return "     -" if value is None else f"{100 * value:6.2f}"
