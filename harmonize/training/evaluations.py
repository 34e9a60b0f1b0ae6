"""What a run is worth at a step: its scores, and the best network so far."""

import dataclasses
from dataclasses import dataclass

from accelerate import Accelerator

from harmonize.config.run_config import RunConfig
from harmonize.data.bad_list import BadList
from harmonize.data.dataset import SegmentationDataset
from harmonize.evaluation.dataset_scores import DatasetScores
from harmonize.labels.sources import Sources
from harmonize.models.sharding import gathered
from harmonize.runs.standing import Standing
from harmonize.training.checkpointing import Checkpointing
from harmonize.training.learner import Learner
from harmonize.training.scoring import WeightScores, score


@dataclass
class Evaluations:
    """Scores a run's network while it is trained, and keeps the best.

    Attributes:
        config, sources: of the run.
        trained, scored: its data sets.
        learner: the network, and the average of its weights.
        accelerator: whose processes share the pictures.
        checkpointing: where the best network is saved.
        bad: takes down pictures that cannot be used, if the run goes on without them.
        standing: the best step so far, and which weights answer.
    """

    config: RunConfig
    sources: Sources
    trained: list[SegmentationDataset]
    scored: list[SegmentationDataset]
    learner: Learner
    accelerator: Accelerator
    checkpointing: Checkpointing
    bad: BadList | None
    standing: Standing = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.standing = Standing(answers_with="raw" if self.learner.average is None else "ema")

    def score(self) -> WeightScores:
        """Score the network with its weights, and with their average if it has one."""
        trained = frozenset(dataset.spec.name for dataset in self.trained)
        raw, average = self._score(), self.learner.average
        if average is None:
            return WeightScores(trained, raw, None)
        with average.in_network():
            return WeightScores(trained, raw, self._score())

    def keep_best(self, found: WeightScores, step: int, *, again: bool) -> None:
        """Save the network if it is the best so far, and which weights the run answers with.

        Where the step's checkpoint is written already, ``again`` has it say so too.

        Raises:
            HarmonizeError: it cannot be written, unless the config says to go on.
        """
        before, mean = self.standing, found.mean
        self.standing = dataclasses.replace(before, answers_with=found.answers_with)
        if mean is not None and (before.best is None or mean > before.best):
            best = Standing(mean, step, found.answers_with)
            if self.checkpointing.save_best(step, best):
                self.standing = best
        if again and self.standing.answers_with != before.answers_with:
            self.checkpointing.save_step(step, self.standing)

    def have_stalled(self, step: int) -> bool:
        """Say whether as many of them as the run has patience for were no better."""
        every, patience = self.config.train.evaluate_every, self.config.train.patience
        if every is None or patience is None:
            return False
        return step // every - self.standing.best_step // every >= patience

    def _score(self) -> list[DatasetScores]:
        with gathered(self.learner.network):  # the processes have different numbers of pictures
            return score(
                self.learner.network,
                self.scored,
                self.sources,
                self.config,
                self.accelerator,
                self.bad,
                keep=self.config.evaluate.pictures,
                progress=self.accelerator.is_main_process,
            )
