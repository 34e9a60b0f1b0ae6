"""Score a network on a data set, in the data set's own classes."""

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

import torch
from accelerate import Accelerator
from jaxtyping import Integer, UInt8
from torch import Tensor, nn
from torch.utils.data import Dataset
from torchvision.transforms.v2 import functional as F
from tqdm import tqdm

from harmonize.agreement import together
from harmonize.data.bad_list import BadList
from harmonize.data.bad_samples import BadSample, BadSampleError
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.loading import load
from harmonize.data.transforms import resize_nearest, shorter_side
from harmonize.errors import printable
from harmonize.evaluation.counting import PixelCounter
from harmonize.evaluation.metrics import Scores, scores
from harmonize.models.build import normalize
from harmonize.ontology import Ontology
from harmonize.stopping import until_stopped
from harmonize.strict_yaml import Value

# Letters of shapes: B pictures, K leaves, H x W pixels of a label, h x w of the network.

_BATCH = 8
"""Pictures of equal size that go through the network together."""
_SHOWN = 10
"""Pictures that could not be used that a table names."""


@dataclass(frozen=True)
class DatasetScores:
    """The scores of one data set.

    Attributes:
        name, split: what was scored.
        pictures: the number of pictures that were scored.
        classes: the names of the data set's classes that are scored, in its order.
        scores: their scores.
        left_out: the classes that are not scored, each with the reason; ignored ones are not here.
        skipped: the pictures that could not be used, each with the reason.
    """

    name: str
    split: str
    pictures: int
    classes: tuple[str, ...]
    scores: Scores
    left_out: Mapping[str, str] = field(default_factory=dict[str, str])
    skipped: Mapping[str, str] = field(default_factory=dict[str, str])

    def to_dict(self) -> dict[str, Value]:
        """Return plain values for JSON; null for a class in neither truth nor prediction."""
        iou = zip(self.classes, self.scores.iou.tolist(), strict=True)
        left_out: dict[str, Value] = dict(self.left_out)
        skipped: dict[str, Value] = dict(self.skipped)
        return {
            "split": self.split,
            "pictures": self.pictures,
            "mean_iou": _number(self.scores.mean_iou),
            "pixel_accuracy": _number(self.scores.pixel_accuracy),
            "iou": {name: _number(value) for name, value in iou},
            "left_out": left_out,
            "skipped": skipped,
        }

    def table(self) -> str:
        """Draw the scores as a table."""
        present = int((~self.scores.iou.isnan()).sum())
        label = f"mean IoU ({present} of {len(self.classes)} classes)"
        width = max(len(label), *(len(name) for name in self.classes))
        rule = "-" * (width + 8)
        rows = [f"{self.name}, {self.split}: {self.pictures} pictures", rule]
        for name, value in zip(self.classes, self.scores.iou.tolist(), strict=True):
            rows.append(f"{name:<{width}}  {_percent(value)}")
        rows += [rule, f"{label:<{width}}  {_percent(self.scores.mean_iou)}"]
        rows.append(f"{'pixel accuracy':<{width}}  {_percent(self.scores.pixel_accuracy)}")
        rows += [f"left out: {name}, {reason}" for name, reason in self.left_out.items()]
        if len(self.classes) == 1 and self.left_out:
            rows.append(f"{self.classes[0]} is scored alone, so that every answer is right")
        if self.skipped:
            total = self.pictures + len(self.skipped)
            rows.append(f"skipped as bad: {len(self.skipped)} of {total} pictures")
            rows += [f"  {printable(reason)}" for reason in [*self.skipped.values()][:_SHOWN]]
            rows += ["  ..."] if len(self.skipped) > _SHOWN else []
        return "\n".join(rows)


def evaluate(
    model: nn.Module,
    dataset: SegmentationDataset,
    ontology: Ontology,
    *,
    accelerator: Accelerator,
    size: int,
    left_out: Mapping[str, str] | None = None,
    crop: bool = False,
    workers: int = 0,
    progress: bool = False,
    bad: BadList | None = None,
) -> DatasetScores:
    """Score a network on a data set; every process of the accelerator must call this.

    Each process scores every n-th block of pictures, and the counts are added up as integers, so
    the result does not depend on the number of processes. A picture is scaled so that its shorter
    side is ``size``; the logits are scaled to the label's own size. Pixels labelled with an ignored
    class or one that is left out are not scored, and neither is ever predicted.

    Args:
        model: normalised pictures (B, 3, h, w) to logits (B, K, h, w); set to evaluation meanwhile.
        dataset: whose mapping serves the ontology.
        ontology: the tree whose leaves the logits stand for.
        accelerator: its device, precision and processes are used.
        size: in pixels.
        left_out: the classes that are not scored, with the reasons; see ``find_left_out``.
        crop: score the centre square at ``size`` x ``size`` instead.
        workers: loader processes.
        progress: show a progress bar.
        bad: takes down pictures that cannot be used, which then are not scored; None to stop there.

    Raises:
        HarmonizeError: a picture or label that cannot be used, or too many of them.
    """
    left_out = left_out or {}
    masks = torch.from_numpy(dataset.spec.leaf_masks(ontology)).to(accelerator.device)
    masks[[name in left_out for name in dataset.spec.classes]] = False
    counter = PixelCounter(masks)
    mine = _share(len(dataset), accelerator.process_index, accelerator.num_processes)
    pictures = load(
        _ScaledPictures(dataset, size=size, crop=crop, skip_bad=bad is not None),
        [[number] for number in mine],
        _only,
        workers=workers,
    )
    met: list[BadSample] = []
    bar = tqdm(total=len(mine), desc=dataset.spec.name, unit="picture", disable=not progress)
    with _evaluating(model), torch.inference_mode(), together():
        for batch in _equal_sizes(until_stopped(pictures), met):
            stacked = torch.stack([item.picture for item in batch]).to(accelerator.device)
            with accelerator.autocast():
                logits = model(_channels_last(normalize(stacked)))
            for number, item in enumerate(batch):
                counter.add(logits[number], item.classes.to(accelerator.device))
            bar.update(len(batch))
    bar.close()
    skipped = [] if bad is None else bad.add(met)
    counts = cast("Tensor", accelerator.reduce(counter.counts, reduction="sum")).cpu()
    scored = masks.any(1).cpu()
    names = [name for name, keep in zip(dataset.spec.classes, scored.tolist(), strict=True) if keep]
    return DatasetScores(
        name=dataset.spec.name,
        split=dataset.split,
        pictures=len(dataset) - len(skipped),
        classes=tuple(names),
        scores=scores(counts[scored][:, scored]),
        left_out=left_out,
        skipped={sample.picture: sample.reason for sample in skipped},
    )


@contextlib.contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Set a network to evaluation, and back to what it was."""
    was_training = model.training
    model.eval()
    yield
    model.train(was_training)


@dataclass(frozen=True)
class _ScaledPicture:
    """A picture at the size that the network sees, its label at the size that is scored."""

    picture: UInt8[Tensor, "3 h w"]
    classes: Integer[Tensor, "H W"]


class _ScaledPictures(Dataset[_ScaledPicture | BadSample]):
    """The pictures of a data set, ready to be scored."""

    def __init__(
        self, dataset: SegmentationDataset, *, size: int, crop: bool, skip_bad: bool
    ) -> None:
        self._dataset = dataset
        self._skip_bad = skip_bad
        self._size = size
        self._crop = crop

    def __getitem__(self, number: int) -> _ScaledPicture | BadSample:
        try:
            return self._scaled(number)
        except BadSampleError as error:
            if not self._skip_bad:
                raise
            return error.sample

    def _scaled(self, number: int) -> _ScaledPicture:
        least = math.inf if self._crop else self._size
        sample = self._dataset.scaled_down(number, least=least)
        picture, classes = sample.picture, sample.classes
        if self._crop:
            picture, classes = _centre_square(picture), _centre_square(classes)
            classes = resize_nearest(classes, self._size, self._size)
        height, width = shorter_side(classes.shape[0], classes.shape[1], self._size)
        return _ScaledPicture(F.resize(picture, [height, width], antialias=True), classes)


def _centre_square(picture: Tensor) -> Tensor:
    height, width = picture.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return picture[..., top : top + side, left : left + side]


def _only(samples: list[_ScaledPicture | BadSample]) -> _ScaledPicture | BadSample:
    return samples[0]


def _share(number: int, rank: int, processes: int) -> list[int]:
    """Return the pictures that a process scores: every n-th block of those that go together.

    So a picture goes through the network beside the same others, however many processes there are,
    and comes out the same to the last bit.
    """
    firsts = range(rank * _BATCH, number, processes * _BATCH)
    return [n for first in firsts for n in range(first, min(first + _BATCH, number))]


def _equal_sizes(
    pictures: Iterable[_ScaledPicture | BadSample], met: list[BadSample]
) -> Iterator[list[_ScaledPicture]]:
    """Group consecutive pictures of a block that have the same size; add bad ones to ``met``."""
    batch: list[_ScaledPicture] = []
    for number, item in enumerate(pictures):
        if batch and number % _BATCH == 0:
            yield batch
            batch = []
        if isinstance(item, BadSample):
            met.append(item)
            continue
        if batch and batch[0].picture.shape != item.picture.shape:
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


def _channels_last(pictures: Tensor) -> Tensor:
    return pictures.contiguous(memory_format=torch.channels_last)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _percent(value: float) -> str:
    return "     -" if math.isnan(value) else f"{100 * value:6.2f}"
