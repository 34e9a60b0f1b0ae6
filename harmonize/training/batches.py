"""Hand out the batches of a run, the same for any number of processes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from accelerate import Accelerator
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from harmonize.config.run_config import RunConfig
from harmonize.data.bad_list import BadList
from harmonize.data.cache import open_cache
from harmonize.data.cache_folder import cache_path
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.label_counts import LabelCounts, count_labels
from harmonize.data.loading import load
from harmonize.data.mixing import StepSampler
from harmonize.data.samples import Batch, collate
from harmonize.data.shares import Shares, needs_counts, pixels_of_codes, sample_shares
from harmonize.data.training_samples import least_sides, training_samples
from harmonize.labels.sources import Sources
from harmonize.loss.hierarchical import HierarchicalLoss
from harmonize.loss.several import SeveralLosses
from harmonize.runs.balance_file import read_balance, write_balance
from harmonize.system.agreement import together
from harmonize.system.signals import until_stopped
from harmonize.training.digest import Digest

# Letters of shapes: S data sets, T trees, N codes.


@dataclass(frozen=True)
class StepCounts:
    """What the batch of a step holds in all processes, by data set.

    Attributes:
        labelled: pixels that the loss is a mean over; of several trees for each.
        pictures: all of them.
    """

    labelled: Int[Tensor, " S"] | Int[Tensor, "T S"]
    pictures: Int[Tensor, " S"]

    def scale(
        self, normalize: Literal["batch", "dataset"]
    ) -> Float[Tensor, "*T"] | Float[Tensor, "*T S"]:
        """Return the factor of the loss's sums that makes a mean of them.

        With ``dataset`` there is one for each data set: its mean over its own labelled pixels
        weighs as much as it has pictures.
        """
        if normalize == "batch":
            return 1 / self.labelled.sum(-1).clamp(min=1)
        return self.pictures / self.pictures.sum() / self.labelled.clamp(min=1)


class TrainingBatches:
    """This process's share of the batch of each step.

    Attributes:
        samples: of the run.
        bad: those that cannot be used; None if the run stops at one.
        digest: of what is handed out; None unless the config asks for it.
        pixels: of each code, as a share of all that the run sees; None unless the loss asks for it.
    """

    def __init__(
        self,
        config: RunConfig,
        sources: Sources,
        trained: list[SegmentationDataset],
        scored: list[SegmentationDataset],
        output: Path,
        accelerator: Accelerator,
    ) -> None:
        """Build the cache if the config asks for one; every process must call this."""
        self._config = config
        self._accelerator = accelerator
        self.bad: BadList | None = None
        self.digest: Digest | None = None
        self._step = 0
        if config.data.on_bad_sample == "skip":
            self.bad = BadList([*trained, *scored], config.data.bad_share, output)
        counts = None
        if needs_counts(config):
            folder, workers = cache_path(config, output), config.data.workers
            counts = count_labels(trained, folder, workers=workers, bad=self.bad)
        shares = sample_shares(config, sources, trained, counts)
        self.pixels = self._pixels_of_codes(sources, counts, shares, output)
        least = least_sides(config, sources, trained)
        self.samples = training_samples(
            config,
            sources,
            trained,
            shares,
            counts=counts,
            cache=open_cache(config, trained, output, accelerator, least=least, bad=self.bad),
            skip_bad=self.bad is not None,
        )

    def _pixels_of_codes(
        self,
        sources: Sources,
        counts: list[LabelCounts] | None,
        shares: Shares,
        output: Path,
    ) -> Float[ndarray, " N"] | None:
        config, space = self._config, sources.space
        if config.loss.balance == "none" or counts is None:
            return None
        with together():
            known = read_balance(space, output) if config.train.resume else None
            if known is not None:  # go on with what the run began with
                return known
            pixels = pixels_of_codes(sources, counts, shares.mean)
            if self._accelerator.is_main_process:
                write_balance(sources, config.loss, pixels, output)
            return pixels

    def from_step(self, step: int) -> Iterator[Batch]:
        """Return the parts of this process's batches from a step on."""
        if self._config.train.digest:
            self.digest = Digest(whole=step % self._config.train.log_every == 0)
        self._step = step
        sampler = self._sampler(step, self._config.train.steps)
        workers = self._config.data.workers
        return until_stopped(load(self.samples, sampler, collate, workers=workers))

    def places(self, step: int) -> list[list[int]]:
        """Return the positions in the run of the samples of each of this process's parts."""
        return list(self._sampler(step, step + 1))

    def take(
        self,
        batches: Iterator[Batch],
        loss: HierarchicalLoss | SeveralLosses,
        change: Callable[[Batch], Batch],
    ) -> tuple[list[Batch], StepCounts]:
        """Take a step's parts to the device and change them there; count what all processes have.

        Raises:
            Stopped: a signal came to one of the processes.
            HarmonizeError: one of them cannot read its share, or too many samples are bad.
        """
        device, number = self._accelerator.device, len(self.samples.datasets)
        kinds = loss.num_trees
        with together((kinds + 1) * number) as shared:
            given = [next(batches) for _ in range(self._config.train.accumulate)]
            if self.digest is not None:
                for batch in given:
                    self.digest.add(batch, self._step)
            self._step += 1
            parts = [change(batch.to(device)) for batch in given]
            counts = torch.zeros(kinds + 1, number, dtype=torch.int64, device=device)
            for part in parts:
                datasets, labelled = part.datasets.long(), loss.count_labelled(part.codes)
                counts[:-1].index_add_(1, datasets, labelled.view(kinds, -1))
                counts[-1].index_add_(0, datasets, torch.ones_like(datasets))
            shared.counts = counts.flatten()
            met = [] if self.bad is None else [bad for part in parts for bad in part.skipped]
            shared.news = sum(not self.bad.is_known(bad) for bad in met) if self.bad else 0
        if self.bad is not None and shared.news:
            self.bad.add(met)
        assert shared.counts is not None
        *labelled, pictures = shared.counts.view(kinds + 1, number)
        return parts, StepCounts(torch.stack(labelled) if kinds > 1 else labelled[0], pictures)

    def _sampler(self, start: int, end: int) -> StepSampler:
        return StepSampler(
            start=start,
            steps=end,
            batch_size=self._config.data.batch_size,
            num_parts=self._config.train.accumulate,
            rank=self._accelerator.process_index,
            num_processes=self._accelerator.num_processes,
        )
