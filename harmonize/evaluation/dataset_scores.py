"""All scores of one data set, as a table and as plain values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from harmonize.config.saved_json import to_json
from harmonize.config.strict_yaml import Value
from harmonize.data.dataset import SegmentationDataset
from harmonize.errors import printable
from harmonize.evaluation.by_depth import DepthScores, loss_by_depth
from harmonize.evaluation.metrics import Scores, calibration_error, scores
from harmonize.evaluation.mistakes import Mistakes, kinship, mistakes
from harmonize.evaluation.sampling import PixelSample
from harmonize.evaluation.saved_scores import (
    DETAILS,
    SCORES,
    PictureScore,
    SavedConfusion,
    SavedDepth,
    SavedScores,
)
from harmonize.evaluation.tally import Counted, Kept
from harmonize.labels.ontology import Ontology
from harmonize.labels.same_meaning import short_name
from harmonize.labels.scored_classes import ScoredClasses

# Letters of shapes: C scored classes, K leaves.

_SHOWN = 10
"""Pictures that could not be used that a table names."""
_EXTREMES = 6
"""Pictures with the lowest and with the highest scores that are named."""


@dataclass(frozen=True)
class DatasetScores:
    """The scores of one data set.

    Attributes:
        name, split: what was scored.
        pictures: the number of pictures that were scored.
        classes: the names of the data set's classes that are scored, in its order.
        scores: their scores; NaN if there is one class only, which would be right everywhere.
        confusion: pixels by true class (row) and answer (column).
        tree_order: the numbers of the classes in the order of their first leaves.
        depths: the scores at each depth 1..D.
        mistakes: how far from the truth the answers are, on the tree.
        calibration_error: of the answers' probabilities, over the sampled pixels; in [0, 1], NaN
            without any.
        loss_by_depth: the mean of L_d over the sampled pixels whose label resolves d, for d = 1..D;
            NaN where none does.
        sample: logits of some labelled pixels.
        picture_scores: of each picture that has any pixel to score, in order.
        kept: the pictures that were asked for, by their numbers, as far as this process scored
            them.
        unanswerable: the classes that are not scored, each with the reason, but for ignored ones.
        skipped: the pictures that could not be used, each with the reason.
        merged: the names of the mapping behind each class that stands for several.
        approximate: classes that are answered by other leaves than they mean, and how these differ.
    """

    name: str
    split: str
    pictures: int
    classes: tuple[str, ...]
    scores: Scores
    confusion: Int[Tensor, "C C"]
    tree_order: tuple[int, ...]
    depths: tuple[DepthScores, ...]
    mistakes: Mistakes
    calibration_error: float
    loss_by_depth: tuple[float, ...]
    sample: PixelSample
    picture_scores: tuple[PictureScore, ...] = ()
    kept: Mapping[int, Kept] = field(default_factory=dict[int, Kept])
    unanswerable: Mapping[str, str] = field(default_factory=dict[str, str])
    skipped: Mapping[str, str] = field(default_factory=dict[str, str])
    merged: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    approximate: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def is_alone(self) -> bool:
        """Whether one class alone is scored, so that every answer is right and says nothing."""
        return len(self.classes) == 1

    def to_dict(self) -> dict[str, Value]:
        """Return plain values for JSON; null for what cannot be measured."""
        return {name: to_json(getattr(self.saved(), name)) for name in SCORES}

    def details(self) -> dict[str, Value]:
        """Return further plain values: the confusion matrix, the worst and the best pictures."""
        return {name: to_json(getattr(self.saved(), name)) for name in DETAILS}

    def saved(self) -> SavedScores:
        """Return what the files of a run keep."""
        order = list(self.tree_order)
        ranked = sorted(self.picture_scores, key=lambda picture: picture.mean_iou)
        number = min(_EXTREMES, len(ranked) // 2)
        counts = self.confusion[order][:, order].tolist()
        return SavedScores(
            split=self.split,
            pictures=self.pictures,
            mean_iou=_number(self.scores.mean_iou),
            pixel_accuracy=_number(self.scores.pixel_accuracy),
            iou=_named(self.classes, self.scores),
            depths=tuple(
                SavedDepth(
                    one.depth,
                    _number(one.scores.mean_iou),
                    _named(one.groups, one.scores),
                    _number(one.scores.frequency_weighted_iou),
                )
                for one in self.depths
            ),
            loss_by_depth=tuple(map(_number, self.loss_by_depth)),
            mistakes={name: _number(value) for name, value in vars(self.mistakes).items()},
            calibration_error=_number(self.calibration_error),
            frequency_weighted_iou=_number(self.scores.frequency_weighted_iou),
            left_out=dict(self.unanswerable),
            skipped=dict(self.skipped),
            merged=dict(self.merged),
            approximate=dict(self.approximate),
            confusion=SavedConfusion(
                tuple(self.classes[number] for number in order), tuple(map(tuple, counts))
            ),
            worst=tuple(ranked[:number]),
            best=tuple(ranked[: -number - 1 : -1]),
        )

    def table(self) -> str:
        """Draw the scores as a table."""
        present = int((~self.scores.iou.isnan()).sum())
        label = f"mean IoU ({present} of {len(self.classes)} classes)"
        further = self._further()
        names = [self._short(name) for name in self.classes]
        width = max(map(len, (label, *names, *further)))
        rule = "-" * (width + 8)
        rows = [f"{self.name}, {self.split}: {self.pictures} pictures", rule]
        for name, value in zip(names, self.scores.iou.tolist(), strict=True):
            rows.append(f"{name:<{width}}  {_percent(value)}")
        rows += [rule, f"{label:<{width}}  {_percent(self.scores.mean_iou)}"]
        rows += [f"{name:<{width}}  {text}" for name, text in further.items()]
        for title, notes in (("approximate", self.approximate), ("left out", self.unanswerable)):
            rows += [f"{title}: {self._short(name)}, {says}" for name, says in notes.items()]
        if self.is_alone:
            rows.append(f"{names[0]} is scored alone, so that every answer is right")
        if self.skipped:
            total = self.pictures + len(self.skipped)
            rows.append(f"skipped as bad: {len(self.skipped)} of {total} pictures")
            rows += [f"  {printable(reason)}" for reason in [*self.skipped.values()][:_SHOWN]]
            rows += ["  ..."] if len(self.skipped) > _SHOWN else []
        return "\n".join(rows)

    def _short(self, name: str) -> str:
        return short_name(name, self.merged)

    def _further(self) -> dict[str, str]:
        """Return the scores below the mean IoU, each with its text."""
        # With one group nothing could be wrong, with none scored nothing right.
        telling = [one for one in self.depths if one.num_scored and len(one.groups) > 1]
        further = {
            f"mean IoU at depth {one.depth} ({one.num_scored} groups)": _percent(
                one.scores.mean_iou
            )
            for one in telling
        }
        further["frequency-weighted IoU"] = _percent(self.scores.frequency_weighted_iou)
        further["pixel accuracy"] = _percent(self.scores.pixel_accuracy)
        further["hierarchical F"] = _percent(self.mistakes.f)
        height = self.mistakes.lca_height
        further["height of mistakes (levels)"] = _missing(height) or f"{height:6.2f}"
        further["calibration error"] = _percent(self.calibration_error)
        return further


def summarize(
    dataset: SegmentationDataset,
    ontology: Ontology,
    counted: Counted,
    *,
    scored: ScoredClasses,
    skipped: Mapping[str, str],
    kept: Mapping[int, Kept],
) -> DatasetScores:
    """Score what was counted of a data set.

    Args:
        dataset: that was scored.
        ontology: the tree.
        counted: of its pictures.
        scored: the classes that are scored, and those that are not.
        skipped: the pictures that could not be used, with the reasons.
        kept: the pictures that were asked for.
    """
    masks = torch.from_numpy(scored.masks)
    numbers = [number for number in range(len(masks)) if bool(masks[number].any())]
    own = masks[numbers]
    confusion = counted.confusion[numbers][:, numbers]
    # Of a class that is scored alone every answer is right: it has no scores.
    telling = confusion if len(numbers) > 1 else torch.zeros_like(confusion)
    return DatasetScores(
        name=dataset.spec.name,
        split=dataset.split,
        pictures=len(dataset) - len(skipped),
        classes=tuple(scored.names[number] for number in numbers),
        scores=scores(telling),
        confusion=confusion,
        tree_order=tuple(own.int().argmax(1).argsort(stable=True).tolist()),
        depths=counted.depths,
        mistakes=mistakes(telling, kinship(ontology, own.numpy())),
        calibration_error=_calibration_error(counted.sample, masks),
        loss_by_depth=loss_by_depth(counted.sample, ontology, dataset.spec),
        sample=counted.sample,
        picture_scores=tuple(
            PictureScore(number, dataset.files.picture(number), mean)
            for number, mean in counted.mean_iou.items()
            if not math.isnan(mean) and len(numbers) > 1
        ),
        kept=kept,
        unanswerable=scored.left_out,
        skipped=skipped,
        merged=scored.merged,
        approximate=scored.approximate,
    )


def _calibration_error(sample: PixelSample, masks: Bool[Tensor, "C K"]) -> float:
    """Return the calibration error of the answers among the scored classes."""
    sample = sample.where(masks.any(1)[sample.classes])
    probabilities = sample.logits.softmax(1) @ masks.float().T
    confidence, found = probabilities.max(1)
    return calibration_error(confidence, found == sample.classes)


def _named(names: Sequence[str], of: Scores) -> dict[str, float | None]:
    return {name: _number(value) for name, value in zip(names, of.iou.tolist(), strict=True)}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _missing(value: float) -> str:
    return "     -" if math.isnan(value) else ""


def _percent(value: float) -> str:
    return _missing(value) or f"{100 * value:6.2f}"
