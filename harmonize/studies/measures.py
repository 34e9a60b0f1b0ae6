"""The numbers that a study compares, and where a run's scores hold them."""

from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Measure:
    """One number of a data set's scores.

    Attributes:
        name: as a table calls it.
        path: keys to it in the scores.
        percent: whether it is a share, shown as percent.
    """

    name: str
    path: Path
    percent: bool = True

    def read(self, scores: dict[str, Any]) -> float | None:
        """Return the number, None where the scores have none."""
        value: Any = scores
        for key in self.path:
            value = value[key]
        return value


MEAN_IOU = Measure("mean IoU", ("mean_iou",))


def class_measures(scores: dict[str, Any]) -> list[Measure]:
    """Return the IoU of each class."""
    return [Measure(name, ("iou", name)) for name in scores["iou"]]


def further_measures(scores: dict[str, Any]) -> list[Measure]:
    """Return what tells of the whole data set besides the mean IoU."""
    return [
        *depth_measures(scores),
        Measure("pixel accuracy, %", ("pixel_accuracy",)),
        Measure("hierarchical F, %", ("mistakes", "f")),
        Measure("height of mistakes, levels (less is better)", ("mistakes", "lca_height"), False),
        Measure("calibration error, % (less is better)", ("calibration_error",)),
    ]


def depth_measures(scores: dict[str, Any]) -> list[Measure]:
    """Return the mean IoU of the groups at each depth."""
    return [
        Measure(
            f"mean IoU at depth {depth['depth']} ({len(depth['iou'])} groups), %",
            ("depths", number, "mean_iou"),
        )
        for number, depth in enumerate(scores["depths"])
    ]
