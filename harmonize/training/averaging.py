"""An average of a network's weights over the last steps, which often scores better than they do."""

import contextlib
from collections.abc import Iterator, Mapping

from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


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
        parameters: list[Tensor] = list(self._parameters.values())
        get_ema_multi_avg_fn(decay)(list(self._averages.values()), parameters, step)

    @contextlib.contextmanager
    def in_network(self) -> Iterator[None]:
        """Let the network have the averaged parameters meanwhile."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def state(self) -> dict[str, Tensor]:
        """Return the average of each parameter, by its name."""
        return dict(self._averages)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what ``state`` returned.

        Raises:
            KeyError, RuntimeError: it is of another network.
        """
        for name, average in self._averages.items():
            average.copy_(state[name])

    def _swap(self) -> None:
        for name, parameter in self._parameters.items():
            parameter.data, self._averages[name] = self._averages[name], parameter.data
