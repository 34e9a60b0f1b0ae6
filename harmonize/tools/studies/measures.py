"""The numbers that a study compares, and where a run's scores hold them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harmonize.evaluation.saved_scores import SavedScores
from harmonize.plurals import counted
from harmonize.runs.metrics_log import SetLoss


@dataclass(frozen=True)
class Measure:
    """One number of a data set's scores.

    Attributes:
        name: as a table calls it.
        path: attributes, keys and places that lead to it in the scores.
        percent: whether it is a share, shown as percent.
    """

    name: str
    path: tuple[str | int, ...]
    percent: bool = True

    def read(self, scores: SavedScores | SetLoss) -> float | None:
        """Return the number, None where the scores say that there is none.

        Raises:
            KeyError, IndexError: the scores say nothing of it.
        """
        value: Any = scores
        for key in self.path:
            is_inside = isinstance(value, dict | tuple)
            value = value[key] if is_inside else getattr(value, str(key))  # type: ignore[index]
        return value


MEAN_IOU = Measure("mean IoU", ("mean_iou",))


def loss_measure(depth: int) -> Measure:
    """Return the loss at a depth."""
    return Measure(f"loss at depth {depth}", ("loss_by_depth", depth - 1), percent=False)


def class_measures(scores: SavedScores) -> list[Measure]:
    """Return the IoU of each class."""
    return [Measure(name, ("iou", name)) for name in scores.iou]


def further_measures(runs: Sequence[SavedScores]) -> list[Measure]:
    """Return what tells of the whole data set besides the mean IoU, given what all runs say."""
    return [
        *depth_measures(runs),
        Measure("frequency-weighted IoU, %", ("frequency_weighted_iou",)),
        Measure("pixel accuracy, %", ("pixel_accuracy",)),
        Measure("hierarchical F, %", ("mistakes", "f")),
        Measure("height of mistakes, levels (less is better)", ("mistakes", "lca_height"), False),
        Measure("calibration error, % (less is better)", ("calibration_error",)),
    ]


def depth_measures(runs: Sequence[SavedScores]) -> list[Measure]:
    """Return the mean IoU of the groups at each depth, given what all runs say of a data set.

    A depth that no run has a mean of is left out; so is one whose groups are the set's classes,
    since its mean is theirs.
    """
    measures: list[Measure] = []
    for number, depth in enumerate(runs[0].depths):
        at_depth = [(run, at) for run in runs for at in run.depths[number : number + 1]]
        groups = [_known(at.iou) for _, at in at_depth]
        same = groups == [_known(run.iou) for run, _ in at_depth]
        if not same and any(at.mean_iou is not None for _, at in at_depth):
            many = counted(max(map(len, groups)), "group")
            name = f"mean IoU at depth {depth.depth} ({many}), %"
            measures.append(Measure(name, ("depths", number, "mean_iou")))
    return measures


def _known(values: Mapping[str, float | None]) -> list[float]:
    """Return the values that are there, whatever they are called and in which order."""
    return sorted(value for value in values.values() if value is not None)
