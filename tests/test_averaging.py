"""The average of a network's weights: its decay, its use, and what is kept of it."""

import pytest
import torch

from harmonize.training.averaging import WeightAverage
from staged import staged


def test_the_decay_rises_from_a_tenth_to_what_is_asked_for() -> None:
    network = torch.nn.Linear(1, 1)
    torch.nn.init.zeros_(network.weight)
    average = WeightAverage(network, 0.25)
    expected = 0.0
    for step, decay in enumerate([1 / 10, 2 / 11, 3 / 12, 0.25, 0.25]):
        torch.nn.init.constant_(network.weight, step + 1)
        average.update(step)
        expected = decay * expected + (1 - decay) * (step + 1)
        assert average.state()["weight"].item() == pytest.approx(expected, rel=1e-6)


def test_the_network_has_the_average_meanwhile_and_its_own_buffers() -> None:
    network = staged()
    average = WeightAverage(network, 0.5)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    statistics = next(network.buffers())
    with average.in_network():
        now = dict(network.named_parameters())
        assert all(torch.equal(now[name], before[name]) for name in before)
        assert next(network.buffers()) is statistics
    with pytest.raises(KeyError), average.in_network():
        raise KeyError  # and is given its own back all the same
    now = dict(network.named_parameters())
    assert all(torch.equal(now[name], before[name] + 1) for name in before)
    assert all(torch.equal(average.state()[name], before[name]) for name in before)


def test_an_average_goes_on_from_its_state_but_not_from_that_of_another_network() -> None:
    network = staged()
    average, other = WeightAverage(network, 0.5), WeightAverage(staged(), 0.5)
    torch.nn.init.ones_(next(network.parameters()))
    average.update(7)
    other.restore(average.state())
    theirs = other.state()
    assert all(torch.equal(theirs[name], mean) for name, mean in average.state().items())
    with pytest.raises(RuntimeError):
        WeightAverage(staged(4), 0.5).restore(average.state())
    with pytest.raises(KeyError):
        other.restore({})
