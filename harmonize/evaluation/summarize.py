"""Scoring what was counted of a data set."""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from harmonize.data.dataset import SegmentationDataset
from harmonize.decoding.answers import Answers
from harmonize.decoding.decoder import Decoder
from harmonize.evaluation.by_depth import loss_by_depth
from harmonize.evaluation.by_size import score_sizes
from harmonize.evaluation.dataset_scores import BoundaryScores, DatasetScores
from harmonize.evaluation.intervals import NONE, mean_iou_interval
from harmonize.evaluation.metrics import calibration_error, scores
from harmonize.evaluation.mistakes import kinship, mistakes
from harmonize.evaluation.picture_counts import PictureCounts
from harmonize.evaluation.sampling import PixelSample
from harmonize.evaluation.saved_scores import PictureScore
from harmonize.evaluation.tally import Counted, Kept
from harmonize.labels.ontology import Ontology
from harmonize.labels.scored_classes import ScoredClasses

# Letters of shapes: C classes, K leaves, P pixels.


def summarize(
    dataset: SegmentationDataset,
    ontology: Ontology,
    counted: Counted,
    *,
    scored: ScoredClasses,
    decoder: Decoder,
    skipped: Mapping[str, str],
    kept: Mapping[int, Kept],
) -> DatasetScores:
    """Score what was counted of a data set.

    Args:
        dataset: that was scored.
        ontology: the tree.
        counted: of its pictures.
        scored: the classes that are scored, and those that are not.
        decoder: decided what pixels are answered as.
        skipped: the pictures that could not be used, with the reasons.
        kept: the pictures that were asked for.
    """
    masks, truth = torch.from_numpy(scored.masks), torch.from_numpy(scored.truth)
    numbers = [number for number in range(len(truth)) if bool(truth[number].any())]
    own = truth[numbers]
    confusion = counted.confusion[numbers][:, numbers]
    alone = len(numbers) == 1
    # Of a class that is scored alone every answer is right: it has no scores.
    telling = torch.zeros_like(confusion) if alone else confusion
    pictures = counted.pictures.renumbered(numbers)
    pixels = pictures.by_class(range(len(numbers)))
    names = {number: dataset.files.picture(number) for number in pictures.pictures.tolist()}
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
        calibration_error=math.nan
        if alone
        else answers_calibration_error(counted.sample, masks, decoder),
        loss_by_depth=loss_by_depth(counted.sample, ontology, dataset.spec),
        sample=counted.sample,
        interval=NONE if alone else mean_iou_interval(pixels),
        picture_counts=pictures,
        picture_names=names,
        picture_scores=tuple(
            PictureScore(number, names[number], mean)
            for number, mean in pictures.mean_ious().items()
            if not alone
        ),
        sizes=() if alone else score_sizes(pixels),
        boundary=_boundary(counted.boundary, numbers),
        kept=kept,
        unanswerable=scored.left_out,
        skipped=skipped,
        merged=scored.merged,
        approximate=scored.approximate,
        unanswered=scored.unanswered,
    )


def answers_calibration_error(
    sample: PixelSample,
    masks: Bool[Tensor, "C K"],
    decoder: Decoder,
    calibrated: Float[Tensor, "P K"] | None = None,
) -> float:
    """Return the calibration error of the answers among the scored classes, in [0, 1].

    Args:
        sample: pixels.
        masks: the leaves of each scored class, none for the others.
        decoder: decides the pixels.
        calibrated: logits of the same pixels, whose probabilities are taken for the answers'.
    """
    chosen = masks.any(1)[sample.classes]
    probable = (sample.logits if calibrated is None else calibrated)[chosen]
    sample = sample.where(chosen)
    answers = Answers.of(decoder.tree, masks.numpy())
    if not answers.possible.any():
        return math.nan
    found = answers.pixels(decoder, sample.logits.T).long()
    probabilities = probable.softmax(1) @ masks.float().T
    confidence = probabilities.gather(1, found[:, None])[:, 0]
    return calibration_error(confidence, found == sample.classes)


def _boundary(counts: PictureCounts | None, numbers: list[int]) -> BoundaryScores | None:
    """Score the pixels near edges, if they were counted; of a class alone they say nothing."""
    if counts is None or len(numbers) == 1:
        return None
    pictures = counts.renumbered(numbers)
    pixels = pictures.by_class(range(len(numbers)))
    right, union = (torch.from_numpy(part.sum(0)) for part in (pixels.right, pixels.union))
    iou = torch.where(union > 0, right / union, torch.nan)
    return BoundaryScores(iou, iou.nanmean().item(), mean_iou_interval(pixels), pictures)
