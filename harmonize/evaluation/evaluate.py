"""Score a network on a data set, in the data set's own classes."""

import contextlib
from collections.abc import Collection, Iterator, Sequence

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from harmonize.data.bad_list import BadList
from harmonize.data.bad_samples import BadSample, BadSampleError
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.loading import load
from harmonize.data.windows import LargePicture, RowsOfLabel, WindowedLabel
from harmonize.decoding.decoder import Decoder
from harmonize.decoding.decoding_tree import decoding_tree
from harmonize.decoding.tiled_network import TiledNetwork
from harmonize.decoding.views import ViewedNetwork, Views
from harmonize.evaluation.by_depth import DepthGroups, depth_groups
from harmonize.evaluation.dataset_scores import DatasetScores
from harmonize.evaluation.scaled_pictures import (
    ScaledPicture,
    ScaledPictures,
    equal_sizes,
    only,
    share,
)
from harmonize.evaluation.summarize import summarize
from harmonize.evaluation.tally import Tally
from harmonize.labels.ontology import Ontology
from harmonize.labels.scored_classes import ScoredClasses, scored_classes
from harmonize.models.segmenter import Segmenter
from harmonize.system.agreement import together
from harmonize.system.progress import ProgressLine
from harmonize.system.signals import until_stopped

# Letters of shapes: B pictures, K leaves, H x W pixels of a label, h x w of the network.


def evaluate(
    model: nn.Module,
    dataset: SegmentationDataset,
    ontology: Ontology,
    *,
    accelerator: Accelerator,
    size: int | str,
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
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
        size: in pixels, or ``full`` for the picture's own.
        scales: of ``size``; the network's probabilities are averaged over views of these.
        flip: average them with those for each view mirrored, left and right exchanged.
        classes: what is scored, and what is left out; unless given, all classes are.
        groups: what is scored at each depth; unless given, all groups are.
        decoder: decides what pixels are answered as; unless given, from the root of the tree down.
        crop: score the centre square at ``size`` x ``size`` instead.
        workers: loader processes.
        progress: show how far it has come.
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
    views = Views(size, scales, flip)
    in_views = not views.is_one or size == "full"
    tally = Tally(
        decoder,
        scored.masks,
        spec.leaf_masks(ontology),
        groups,
        pictures=len(dataset),
        boundary=boundary,
        keep=keep,
        truth=scored.truth,
    )
    mine = share(len(dataset), accelerator.process_index, accelerator.num_processes)
    pictures = load(
        ScaledPictures(dataset, scored, views=views, crop=crop, skip_bad=bad is not None),
        [[number] for number in mine],
        only,
        workers=workers,
    )
    met: list[BadSample] = []
    viewed = _viewed(model, views, ontology, accelerator) if in_views else None
    bar = ProgressLine(len(mine), f"scoring {spec.name}", "pictures", shown=progress)
    with bar, _evaluating(model), torch.inference_mode(), together():
        for batch in equal_sizes(until_stopped(pictures), met):
            if viewed is None and isinstance(batch[0].picture, LargePicture):
                viewed = _viewed(model, views, ontology, accelerator)
            if viewed is not None and (in_views or isinstance(batch[0].picture, LargePicture)):
                met += _add_in_views(tally, viewed, batch, skip_bad=bad is not None)
            else:
                _add_together(tally, model, batch, accelerator)
            bar.update(len(batch))
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


def _viewed(
    model: nn.Module, views: Views, ontology: Ontology, accelerator: Accelerator
) -> ViewedNetwork:
    """Return a network that looks at pictures in views, or at the whole of large ones in tiles."""
    assert isinstance(model, Segmenter), "a network that knows how far it sees"
    network = TiledNetwork(model, accelerator, in_training=True)
    return ViewedNetwork(network, views, torch.from_numpy(ontology.mirror))


def _add_in_views(
    tally: Tally, viewed: ViewedNetwork, batch: Sequence[ScaledPicture], *, skip_bad: bool
) -> list[BadSample]:
    """Score pictures one by one, each in strips of rows; return those that cannot be read.

    Raises:
        BadSampleError: one cannot be read, and such are not skipped.
    """
    bad: list[BadSample] = []
    for item in batch:
        if isinstance(item.classes, WindowedLabel):
            classes = RowsOfLabel(item.classes)
        else:
            classes = item.classes.to(viewed.network.device)
        size = (classes.shape[0], classes.shape[1])
        try:
            tally.add_strips(viewed.averaged(item.picture, size), classes, item.number)
        except BadSampleError as error:
            if not skip_bad:
                raise
            bad.append(error.sample)
    return bad


def _add_together(
    tally: Tally,
    model: nn.Module,
    batch: Sequence[ScaledPicture],
    accelerator: Accelerator,
) -> None:
    """Score pictures of one size, which go through the network together."""
    stacked = torch.stack([_whole(item.picture) for item in batch]).to(accelerator.device)
    with accelerator.autocast():
        logits = model(stacked)
    for number, item in enumerate(batch):
        tally.add(logits[number], _whole(item.classes).to(accelerator.device), item.number)


def _whole(read: Tensor | LargePicture | WindowedLabel) -> Tensor:
    """Return what is not read in strips."""
    assert isinstance(read, Tensor)
    return read


@contextlib.contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Set a network to evaluation, and back to what it was."""
    was_training = model.training
    model.eval()
    yield
    model.train(was_training)
