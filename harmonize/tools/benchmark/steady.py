"""The loader as it is in the middle of a run."""

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import cast

from accelerate import Accelerator

from harmonize.config.run_config import RunConfig
from harmonize.data.loading import READ_AHEAD, load
from harmonize.data.mixing import StepSampler
from harmonize.data.samples import Batch, MixedSamples, collate


@dataclass(frozen=True)
class SteadyLoader:
    """Hands out the batches of a run from any step on.

    Attributes:
        samples: of the run.
        batch_size: pictures per step, over all processes and parts.
        workers: loader processes.
        parts: batches per step of this process.
        rank, processes: which process this is, of how many.
    """

    samples: MixedSamples
    batch_size: int
    workers: int
    parts: int = 1
    rank: int = 0
    processes: int = 1

    @classmethod
    def of_run(
        cls, config: RunConfig, samples: MixedSamples, accelerator: Accelerator
    ) -> "SteadyLoader":
        """Return this process's loader of a run."""
        return cls(
            samples,
            config.data.batch_size,
            config.data.workers,
            config.train.accumulate,
            accelerator.process_index,
            accelerator.num_processes,
        )

    @property
    def lead(self) -> int:
        """The steps after which what was read ahead at the start is used up."""
        return max(-(-self.workers * READ_AHEAD // self.parts), 1)

    @contextlib.contextmanager
    def batches(self, start: int, count: int) -> Iterator[Iterator[Batch]]:
        """Give the batches of ``lead`` steps and then of ``count`` steps.

        The loader processes go on beyond these, so that they are busy to the end, and are ended
        when the context is left.
        """
        sampler = StepSampler(
            start=start,
            steps=start + self.lead + count + self.lead,
            batch_size=self.batch_size,
            num_parts=self.parts,
            rank=self.rank,
            num_processes=self.processes,
        )
        batches = load(self.samples, sampler, collate, workers=self.workers)
        try:
            yield batches
        finally:
            cast("Generator[Batch]", batches).close()
