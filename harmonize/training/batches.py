"""Hand out the batches of a run, the same for any number of processes."""

from collections.abc import Iterator
from pathlib import Path

import torch
from accelerate import Accelerator
from jaxtyping import Int
from torch import Tensor

from harmonize.config.run_config import RunConfig
from harmonize.data.bad_list import BadList
from harmonize.data.cache import open_cache
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.loading import load
from harmonize.data.mixing import MixedOrder, StepSampler
from harmonize.data.samples import Batch, MixedSamples, collate
from harmonize.labels.sources import Sources
from harmonize.loss.hierarchical import HierarchicalLoss
from harmonize.system.agreement import together
from harmonize.system.signals import until_stopped
from harmonize.training.digest import Digest


class TrainingBatches:
    """This process's share of the batch of each step.

    Attributes:
        samples: of the run.
        bad: those that cannot be used; None if the run stops at one.
        digest: of what is handed out; None unless the config asks for it.
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
        weights = [entry.weight for entry, _ in sources.trained if entry.train]
        order = MixedOrder([len(dataset) for dataset in trained], weights, seed=config.seed)
        self.samples = MixedSamples(
            trained,
            order,
            sources.space,
            config=config.augment,
            size=config.data.size,
            cache=open_cache(config, trained, output, accelerator, self.bad),
            skip_bad=self.bad is not None,
        )

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
        self, batches: Iterator[Batch], loss: HierarchicalLoss
    ) -> tuple[list[Batch], Int[Tensor, ""]]:
        """Take a step's parts to the device; count the labelled pixels of all processes.

        Raises:
            Stopped: a signal came to one of the processes.
            HarmonizeError: one of them cannot read its share, or too many samples are bad.
        """
        device = self._accelerator.device
        with together() as shared:
            given = [next(batches) for _ in range(self._config.train.accumulate)]
            if self.digest is not None:
                for batch in given:
                    self.digest.add(batch, self._step)
            self._step += 1
            parts = [batch.to(device) for batch in given]
            shared.count = torch.stack([loss.count_labelled(p.codes) for p in parts]).sum()
            met = [] if self.bad is None else [bad for part in parts for bad in part.skipped]
            shared.news = sum(not self.bad.is_known(bad) for bad in met) if self.bad else 0
        if self.bad is not None and shared.news:
            self.bad.add(met)
        assert shared.count is not None
        return parts, shared.count

    def _sampler(self, start: int, end: int) -> StepSampler:
        return StepSampler(
            start=start,
            steps=end,
            batch_size=self._config.data.batch_size,
            num_parts=self._config.train.accumulate,
            rank=self._accelerator.process_index,
            num_processes=self._accelerator.num_processes,
        )
