"""A teacher that completes coarse labels during training: an average of the network's weights.

As in mean teachers (Tarvainen & Valpola, 2017) and FixMatch (Sohn et al., 2020): the teacher sees
the picture as it is, the network sees it with changed colours; here the answer stays inside what
the label says.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import torch
from accelerate import Accelerator
from torch import Tensor

from harmonize.completion.code_choices import CodeChoices
from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import Value
from harmonize.data.samples import Batch
from harmonize.data.training_samples import first_step
from harmonize.labels.sources import Sources
from harmonize.loss.several import LossPart
from harmonize.models.segmenter import Segmenter
from harmonize.training.learner import Learner


class Completing:
    """Completes the labels of batches, or leaves them where a config does not ask for it.

    Args:
        config: of the run.
        sources: its trees and their target spaces.
        parts: of the loss, one for each tree.
        learner: whose network, or its average, is the teacher.
        accelerator: its device, precision and processes are used.
    """

    def __init__(
        self,
        config: RunConfig,
        sources: Sources,
        parts: Sequence[LossPart],
        learner: Learner,
        accelerator: Accelerator,
    ) -> None:
        self._config = config.train.complete
        self._learner = learner
        self._accelerator = accelerator
        self._teacher: Segmenter | None = None
        self._counts = torch.zeros(2, dtype=torch.int64)
        self._first = 0
        if self._config is not None:
            self._first = first_step(config)
            confidence = self._config.confidence
            self._choices = [
                (part, CodeChoices(its.space, confidence, accelerator.device))
                for part, (_, its) in zip(parts, sources.of_trees, strict=True)
            ]

    def begin(self, step: int) -> None:
        """Take a new teacher if a step, counted from 0, asks for one; all processes call this."""
        self._counts.zero_()
        if self._config is None or step < self._first:
            return
        if self._teacher is None or (step - self._first) % self._config.every == 0:
            self._teacher = self._copy()

    def complete(self, batch: Batch) -> Batch:
        """Return a batch on the device with its labels completed, those of each tree by itself."""
        if self._teacher is None or batch.plain is None:
            return dataclasses.replace(batch, plain=None)
        with torch.inference_mode(), self._accelerator.autocast():
            logits = self._teacher(batch.plain, datasets=batch.datasets)
            found = [
                choices.complete(logits[:, part.channels], part.own(batch.codes))
                for part, choices in self._choices
            ]
        self._counts += torch.tensor([[one.open, one.completed] for one in found]).sum(0)
        if len(found) == 1:
            codes, levels = found[0].codes.clone(), found[0].levels.clone()
        else:
            codes = torch.stack([one.codes for one in found], 1)
            levels = torch.stack([one.levels for one in found], 1)
        return dataclasses.replace(batch, codes=codes, levels=levels, plain=None)

    def report(self) -> dict[str, Value]:
        """Return the share of the last step's pixels with coarse labels that were completed."""
        if self._teacher is None:
            return {}
        counts = self._accelerator.reduce(self._counts.to(self._accelerator.device))
        assert isinstance(counts, Tensor)
        num_open, num_completed = counts.tolist()
        return {"completed": num_completed / num_open if num_open else None}

    def state(self) -> dict[str, Tensor]:
        """Return the teacher's weights; nothing before there is one."""
        return {} if self._teacher is None else self._teacher.state_dict()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what ``state`` returned.

        Raises:
            RuntimeError: it is of another network.
        """
        if state:
            self._teacher = self._copy()
            self._teacher.load_state_dict(dict(state))

    def _copy(self) -> Segmenter:
        """Copy the network as it answers now, the main process's statistics of batch norm in it."""
        teacher = self._learner.copied()
        for parameter in teacher.parameters():
            parameter.requires_grad_(False)
        if self._accelerator.num_processes > 1:
            for buffer in teacher.buffers():
                torch.distributed.broadcast(buffer, src=0)
        return teacher.eval()
