"""Score a network on data sets, while it is trained or from its run folder."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import Value
from harmonize.data.bad_list import BadList
from harmonize.data.dataset import SegmentationDataset
from harmonize.decoding.decoder import Decoder
from harmonize.decoding.decoding_tree import class_tree, decoding_tree
from harmonize.evaluation.by_depth import depth_groups
from harmonize.evaluation.dataset_scores import DatasetScores
from harmonize.evaluation.evaluate import evaluate
from harmonize.labels.scored_classes import scored_classes
from harmonize.labels.sources import Sources, serves
from harmonize.labels.unanswerable import unscorable
from harmonize.models.dataset_norms import answering_like
from harmonize.models.segmenter import answering_of
from harmonize.runs.standing import Weights


def score(
    model: nn.Module,
    datasets: Sequence[SegmentationDataset],
    sources: Sources,
    config: RunConfig,
    accelerator: Accelerator,
    bad: BadList | None = None,
    *,
    keep: int = 0,
    progress: bool = False,
    benchmark: bool = False,
) -> list[DatasetScores]:
    """Score a network on data sets; every process must call this, with the same weights.

    Pictures that cannot be used are taken down in ``bad``, or end it if there is no such list. Of
    each data set the answers for ``keep`` of the others are kept. Of several trees each is scored,
    and the scores are called ``DATASET:TREE``.

    For a ``benchmark`` a pixel is answered as the class whose leaves have the most probability
    together, the classes that nothing answers are scored too, and no depth is.
    """
    sizes = own_sizes(config, sources)
    for buffer in model.buffers():  # batch norm's statistics are each process's own
        _broadcast(buffer)
    found: list[DatasetScores] = []
    for span, its in sources.of_trees:
        decoder = Decoder(decoding_tree(its.ontology, its.taught), config.evaluate.decode)
        for dataset in datasets:
            if sources.trees and not _can_be_scored(its, dataset):
                continue
            classes = scored_classes(its.ontology, dataset.spec, its.taught, whole=benchmark)
            groups = depth_groups(its.ontology, dataset.spec, its.taught)
            if benchmark:
                groups, decoder = (), Decoder(class_tree(classes.masks), "leaves")
            with answering_like(model, dataset.spec.name), answering_of(model, span):
                scores = evaluate(
                    model,
                    dataset,
                    its.ontology,
                    accelerator=accelerator,
                    size=sizes.get(dataset.spec.name, config.answer_size),
                    classes=classes,
                    groups=groups,
                    decoder=decoder,
                    scales=config.evaluate.scales,
                    flip=config.evaluate.flip,
                    crop=config.evaluate.crop,
                    workers=config.data.workers,
                    progress=progress,
                    bad=bad,
                    boundary=config.evaluate.boundary,
                    keep=examples(len(dataset), keep),
                )
            if sources.trees:
                tree = its.ontology.name
                scores = dataclasses.replace(scores, name=f"{scores.name}:{tree}", tree=tree)
            found.append(scores)
    return found


def own_sizes(config: RunConfig, sources: Sources) -> dict[str, int]:
    """Return the sizes of the data sets that are scored at another one than the run's."""
    own = {spec.name: entry.size for entry, spec in (*sources.trained, *sources.also)}
    return {name: size for name, size in own.items() if size and not config.evaluate.size}


def _can_be_scored(sources: Sources, dataset: SegmentationDataset) -> bool:
    """Whether a data set says something about a tree, and a run's labels teach some of it."""
    serving = serves(dataset.spec, sources.ontology)
    return serving and not unscorable(sources, [dataset.spec])


def examples(pictures: int, number: int) -> tuple[int, ...]:
    """Return the numbers of some pictures of a data set, spread evenly over it."""
    number = min(number, pictures)
    return tuple((2 * place + 1) * pictures // (2 * number) for place in range(number))


@dataclass(frozen=True)
class WeightScores:
    """The scores of a network's weights, and of their average if there is one.

    Attributes:
        trained: names of the data sets whose mean IoU says which of the two is better.
        raw: of the weights as the last step left them.
        ema: of their average.
    """

    trained: frozenset[str]
    raw: list[DatasetScores]
    ema: list[DatasetScores] | None

    @property
    def answers_with(self) -> Weights:
        """The weights that are better; the average where both are as good."""
        if self.ema is None:
            return "raw"
        raw, ema = mean_over(self.trained, self.raw), mean_over(self.trained, self.ema)
        return "raw" if raw is not None and (ema is None or raw > ema) else "ema"

    @property
    def best(self) -> list[DatasetScores]:
        """The scores of the weights that are better."""
        return self.raw if self.ema is None or self.answers_with == "raw" else self.ema

    @property
    def mean(self) -> float | None:
        """The better weights' mean IoU over the trained data sets."""
        return mean_over(self.trained, self.best)

    def to_dict(self) -> dict[str, Value]:
        """Return the better scores as plain values, and both mean IoUs if there are two."""
        values: dict[str, Value] = {"datasets": {one.name: one.to_dict() for one in self.best}}
        if self.ema is not None:
            values["answers_with"] = self.answers_with
            values["mean_iou"] = {"raw": _mean_ious(self.raw), "ema": _mean_ious(self.ema)}
        return values

    def summary(self) -> str:
        """Say the mean IoU of each data set, in percent."""
        parts = [f"{one.name} {_percent(one.scores.mean_iou)}" for one in self.raw]
        for number, one in enumerate(self.ema or ()):
            parts[number] += f" (averaged weights {_percent(one.scores.mean_iou)})"
        return f"mean IoU {', '.join(parts)}"


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.2f}"


def _mean_ious(results: list[DatasetScores]) -> Value:
    return {one.name: one.to_dict()["mean_iou"] for one in results}


def mean_over(names: Iterable[str], results: list[DatasetScores]) -> float | None:
    """Return the mean of the data sets' mean IoU, None if one of them or all are without.

    Those that are scored in one class alone do not count.
    """
    own = set(names)
    known = [result for result in results if result.dataset in own]
    counted = [result for result in known if not result.is_alone]
    means = [result.scores.mean_iou for result in counted]
    mean = sum(means) / len(means) if means else math.nan
    return None if math.isnan(mean) else mean


def _broadcast(tensor: Tensor) -> None:
    """Give every process the main process's values."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.broadcast(tensor, src=0)
