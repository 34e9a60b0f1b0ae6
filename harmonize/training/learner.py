"""A network together with what changes its weights: optimizer, freezing, clipping, averaging."""

import contextlib
import copy
from collections.abc import Sequence

import torch
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer
from torch import nn

from harmonize.config.run_config import RunConfig
from harmonize.models.build import build_model
from harmonize.models.norms import synchronise_batch_norms
from harmonize.models.own_code import build_segmenter
from harmonize.models.segmenter import Segmenter
from harmonize.models.sharding import is_sharded, shard_network, whole, whole_state
from harmonize.runs.started_from import Start
from harmonize.training.averaging import WeightAverage
from harmonize.training.compilation import compile_network
from harmonize.training.freezing import hold
from harmonize.training.optimizer import build_optimizer, learning_rate, set_learning_rate


class Learner:
    """The network of a run and its optimizer.

    Attributes:
        network: without what processes and the compiler wrap it in; ``model.shard`` changes it in
            place, and then all processes must call it together.
        model: the network to train, wrapped.
        optimizer: the optimizer.
        average: of the weights, if the config asks for one.
        gradient_norm: of the last step, before it was clipped; None if no gradient was.
    """

    model: nn.Module
    optimizer: AcceleratedOptimizer

    def __init__(
        self,
        config: RunConfig,
        num_leaves: int,
        accelerator: Accelerator,
        model: nn.Module | None = None,
        *,
        datasets: Sequence[str] = (),
        initial: bool = True,
        start: Start | None = None,
    ) -> None:
        """Build the network, with initial weights that depend on the seed alone.

        Args:
            config: of the run.
            num_leaves: of its tree.
            accelerator: that prepares the network for its devices.
            model: takes the network's place.
            datasets: names of those that it is trained on.
            initial: whether its weights are used; not if those of a checkpoint follow.
            start: what it begins as, in place of initial weights.
        """
        self._config = config
        self._accelerator = accelerator
        self._start = start
        shard = config.model.shard and accelerator.num_processes > 1
        torch.manual_seed(config.seed)
        if model is None:
            pretrained = initial and start is None
            network = build_model(
                num_leaves, config.model, pretrained=pretrained, datasets=datasets
            )
        else:
            model = copy.deepcopy(model) if shard else model  # its owner goes on with a whole one
            network = build_segmenter(model, num_leaves, config.model, datasets=datasets)
        if start is not None:
            start.load_into(network)
        if not shard:
            network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        several = accelerator.num_processes > 1 and accelerator.device.type == "cuda"
        if several and network.shown is None:  # such norms add up over processes themselves
            network = synchronise_batch_norms(network)
        assert isinstance(network, Segmenter)
        self.network = network
        self._frozen = config.model.freeze != "none"
        hold(network, config.model, frozen=self._frozen)
        self._copy: Segmenter | None = None
        if shard:
            if config.train.complete is not None:  # a sharded network cannot be copied any more
                self._copy = copy.deepcopy(network).to(accelerator.device)
            shard_network(network, accelerator)
        optimizer = build_optimizer(network, config.optim, network.encoder_stages)
        if shard:
            self.model, self.optimizer = network, accelerator.prepare(optimizer)
        else:
            wrapped = compile_network(network) if config.train.compile else network
            self.model, self.optimizer = accelerator.prepare(wrapped, optimizer)
        decay = config.train.ema
        self.average = None if decay is None else WeightAverage(network, decay)
        self.gradient_norm: float | None = None

    def begin(self, step: int) -> float:
        """Set the learning rate of a step, counted from 0, and unfreeze what is trained from then.

        The first step of a run that starts from another sets its new leaves apart.

        Returns:
            The learning rate.
        """
        train = self._config.train
        if step == 0 and self._start is not None:
            self._start.set_apart(self.network)
        if self._frozen and train.unfreeze_at is not None and step >= train.unfreeze_at:
            self._unfreeze()
        rate = learning_rate(self._config.optim, step, train.steps)
        set_learning_rate(self.optimizer.param_groups, rate)
        self.gradient_norm = None
        return rate

    def apply_gradient(self, step: int) -> None:
        """Change the weights by the gradient of a step, clipped if the config says so."""
        clip = self._config.optim.clip
        if clip is not None:
            norm = self._accelerator.clip_grad_norm_(self.network.parameters(), clip)
            assert norm is not None
            norm = whole(norm)
            self.gradient_norm = norm.item() if norm.isfinite() else None  # fp16 may overflow
        self.optimizer.step()
        if self.average is not None and not self.optimizer.step_was_skipped:
            self.average.update(step)

    def copied(self) -> Segmenter:
        """Return a copy of the network as it answers now, which may replace the one before.

        Every process must call this. A sharded network's copy is whole.
        """
        average = self.average
        with contextlib.nullcontext() if average is None else average.in_network():
            if self._copy is None:
                return copy.deepcopy(self.network)
            self._copy.load_state_dict(whole_state(self.network.state_dict()))
            return self._copy

    def _unfreeze(self) -> None:
        self._frozen = False
        hold(self.network, self._config.model, frozen=False)
        if self._accelerator.num_processes > 1 and not is_sharded(self.network):
            # The wrapper averages the gradients of what was trained when it was made.
            inside = self.model.module
            assert isinstance(inside, nn.Module)
            self.model = self._accelerator.prepare_model(inside)
