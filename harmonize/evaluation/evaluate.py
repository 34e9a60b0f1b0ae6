"""Score a network on a data set, in the data set's own classes."""

import contextlib
import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from jaxtyping import Integer, UInt8
from torch import Tensor, nn
from torch.utils.data import Dataset
from torchvision.transforms.v2 import functional as F
from tqdm import tqdm

from harmonize.data.bad_list import BadList
from harmonize.data.bad_samples import BadSample, BadSampleError
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.loading import load
from harmonize.data.transforms import centre_square, resize_nearest, shorter_side
from harmonize.decoding.decoder import Decoder
from harmonize.decoding.decoding_tree import decoding_tree
from harmonize.evaluation.by_depth import DepthGroups, depth_groups
from harmonize.evaluation.dataset_scores import DatasetScores
from harmonize.evaluation.summarize import summarize
from harmonize.evaluation.tally import Tally
from harmonize.labels.ontology import Ontology
from harmonize.labels.scored_classes import ScoredClasses, scored_classes
from harmonize.system.agreement import together
from harmonize.system.signals import until_stopped

# Letters of shapes: B pictures, K leaves, H x W pixels of a label, h x w of the network.

_BATCH = 8
"""Pictures of equal size that go through the network together."""


def evaluate(
    model: nn.Module,
    dataset: SegmentationDataset,
    ontology: Ontology,
    *,
    accelerator: Accelerator,
    size: int,
    classes: ScoredClasses | None = None,
    groups: Sequence[DepthGroups] | None = None,
    decoder: Decoder | None = None,
    crop: bool = False,
    workers: int = 0,
    progress: bool = False,
    bad: BadList | None = None,
    boundary: bool = False,
    keep: Collection[int] = (),
) -> DatasetScores:
    """Score a network on a data set; every process of the accelerator must call this.

    Each process scores every n-th block of pictures, and the counts are added up as integers, so
    the result does not depend on the number of processes. A picture is scaled so that its shorter
    side is ``size``; the logits are scaled to the label's own size. Pixels labelled with an ignored
    class or one that is left out are not scored, and neither is ever predicted. Classes of one
    meaning are scored as one, which has the number of the first of them.

    Args:
        model: normalised pictures (B, 3, h, w) to logits (B, K, h, w); set to evaluation meanwhile.
        dataset: whose mapping serves the ontology.
        ontology: the tree whose leaves the logits stand for.
        accelerator: its device, precision and processes are used.
        size: in pixels.
        classes: what is scored, and what is left out; unless given, all classes are.
        groups: what is scored at each depth; unless given, all groups are.
        decoder: decides what pixels are answered as; unless given, from the root of the tree down.
        crop: score the centre square at ``size`` x ``size`` instead.
        workers: loader processes.
        progress: show a progress bar.
        bad: takes down pictures that cannot be used, which then are not scored; None to stop there.
        boundary: score the pixels near edges too.
        keep: the numbers of pictures whose answers are kept, by the process that scores them.

    Raises:
        HarmonizeError: a picture or label that cannot be used, or too many of them.
    """
    spec = dataset.spec
    scored = classes or scored_classes(ontology, spec)
    groups = depth_groups(ontology, spec) if groups is None else groups
    decoder = decoder or Decoder(decoding_tree(ontology), "tree")
    tally = Tally(
        decoder,
        scored.masks,
        spec.leaf_masks(ontology),
        groups,
        pictures=len(dataset),
        boundary=boundary,
        keep=keep,
    )
    mine = _share(len(dataset), accelerator.process_index, accelerator.num_processes)
    pictures = load(
        _ScaledPictures(dataset, scored, size=size, crop=crop, skip_bad=bad is not None),
        [[number] for number in mine],
        _only,
        workers=workers,
    )
    met: list[BadSample] = []
    bar = tqdm(total=len(mine), desc=spec.name, unit="picture", disable=not progress)
    with _evaluating(model), torch.inference_mode(), together():
        for batch in _equal_sizes(until_stopped(pictures), met):
            stacked = torch.stack([item.picture for item in batch]).to(accelerator.device)
            with accelerator.autocast():
                logits = model(stacked)
            for number, item in enumerate(batch):
                tally.add(logits[number], item.classes.to(accelerator.device), item.number)
            bar.update(len(batch))
    bar.close()
    skipped = [] if bad is None else bad.add(met)
    return summarize(
        dataset,
        ontology,
        tally.together(accelerator),
        scored=scored,
        decoder=decoder,
        skipped={sample.picture: sample.reason for sample in skipped},
        kept=tally.kept,
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

    number: int
    picture: UInt8[Tensor, "3 h w"]
    classes: Integer[Tensor, "H W"]


class _ScaledPictures(Dataset[_ScaledPicture | BadSample]):
    """The pictures of a data set, ready to be scored."""

    def __init__(
        self,
        dataset: SegmentationDataset,
        scored: ScoredClasses,
        *,
        size: int,
        crop: bool,
        skip_bad: bool,
    ) -> None:
        self._dataset = dataset
        self._numbers = None if scored.is_as_written else torch.from_numpy(scored.numbers)
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
            picture, classes = centre_square(picture), centre_square(classes)
            classes = resize_nearest(classes, self._size, self._size)
        if self._numbers is not None:
            classes = self._numbers.to(classes.dtype)[classes.int()]
        height, width = shorter_side(classes.shape[0], classes.shape[1], self._size)
        scaled = F.resize(picture, [height, width], antialias=True)
        return _ScaledPicture(number, scaled, classes)


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
