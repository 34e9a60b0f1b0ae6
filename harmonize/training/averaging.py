"""An average of a network's weights over the last steps, which often scores better than they do."""

import contextlib
from collections.abc import Iterator, Mapping

from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from harmonize.models.sharding import own_part, shared_like


class WeightAverage:
    """The exponential moving average of a network's parameters.

    Buffers are not averaged: the averaged weights are used with the network's own, so with the
    newest statistics of batch norm.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Begin with a copy of the network's parameters; ``decay`` is kept of it at each step."""
        self._decay = decay
        self._parameters = dict(network.named_parameters())
        self._averages = {name: p.detach().clone() for name, p in self._parameters.items()}

    def update(self, step: int) -> None:
        """Move towards the parameters after a step, counted from 0, that was taken.

        The first steps keep less of the average, or the initial weights would stay in it for long.
        """
        decay = min(self._decay, (1 + step) / (10 + step))
        averages, parameters = (
            [own_part(tensor) for tensor in group.values()]
            for group in (self._averages, self._parameters)
        )
        get_ema_multi_avg_fn(decay)(averages, parameters, step)

    @contextlib.contextmanager
    def in_network(self) -> Iterator[None]:
        """Let the network have the averaged parameters meanwhile."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def state(self) -> dict[str, Tensor]:
        """Return the average of each parameter, by its name; shared out as the parameters are."""
        return dict(self._averages)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what ``state`` returned.

        Raises:
            KeyError, RuntimeError: it is of another network.
        """
        for name, average in self._averages.items():
            average.copy_(shared_like(state[name], average))

    def _swap(self) -> None:
        """Exchange the numbers and not the memory, which a sharded network knows as its own."""
        for name, parameter in self._parameters.items():
            ours, theirs = own_part(self._averages[name]), own_part(parameter).detach()
            kept = theirs.clone()
            theirs.copy_(ours)
            ours.copy_(kept)
