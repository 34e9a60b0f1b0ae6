"""Scoring a run's network on data sets, while it is trained or from its folder."""

import math
from collections.abc import Iterable

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from harmonize.config.run_config import RunConfig
from harmonize.data.bad_list import BadList
from harmonize.data.dataset import SegmentationDataset
from harmonize.evaluation.by_depth import depth_groups
from harmonize.evaluation.dataset_scores import DatasetScores
from harmonize.evaluation.evaluate import evaluate
from harmonize.labels.sources import Sources
from harmonize.labels.unanswerable import find_unanswerable


def score(
    model: nn.Module,
    datasets: Iterable[SegmentationDataset],
    sources: Sources,
    config: RunConfig,
    accelerator: Accelerator,
    bad: BadList | None = None,
    *,
    keep: int = 0,
    progress: bool = False,
) -> list[DatasetScores]:
    """Score a network on data sets; every process must call this, with the same weights.

    Pictures that cannot be used are taken down in ``bad``, or end it if there is no such list. Of
    each data set the answers for ``keep`` of the others are kept.
    """
    for buffer in model.buffers():  # batch norm's statistics are each process's own
        _broadcast(buffer)
    return [
        evaluate(
            model,
            dataset,
            sources.ontology,
            accelerator=accelerator,
            size=config.data.size,
            unanswerable=find_unanswerable(sources, dataset.spec),
            groups=depth_groups(sources.ontology, dataset.spec, sources.taught),
            crop=config.evaluate.crop,
            workers=config.data.workers,
            progress=progress,
            bad=bad,
            keep=examples(len(dataset), keep),
        )
        for dataset in datasets
    ]


def examples(pictures: int, number: int) -> tuple[int, ...]:
    """Return the numbers of some pictures of a data set, spread evenly over it."""
    number = min(number, pictures)
    return tuple((2 * place + 1) * pictures // (2 * number) for place in range(number))


def mean_over(names: Iterable[str], results: list[DatasetScores]) -> float | None:
    """Return the mean of the data sets' mean IoU, None if one of them or all are without."""
    own = set(names)
    means = [result.scores.mean_iou for result in results if result.name in own]
    mean = sum(means) / len(means) if means else math.nan
    return None if math.isnan(mean) else mean


def _broadcast(tensor: Tensor) -> None:
    """Give every process the main process's values."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.broadcast(tensor, src=0)
