"""The moving average of weights."""

from __future__ import annotations

import pytest
import torch

from egraff_lmp.train.ema import MovingAverage


@pytest.fixture
def module():
    layer = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        layer.weight.fill_(0.0)
    return layer


def set_weight(module, value):
    with torch.no_grad():
        module.weight.fill_(value)


def test_recursion_by_hand(module):
    ema, expected = MovingAverage(module, 0.9), 0.0
    for n, value in enumerate([1.0, 3.0, -2.0, 5.0], 1):
        set_weight(module, value)
        ema.update(module)
        d = min(0.9, (1 + n) / (10 + n))
        expected = d * expected + (1 - d) * value
    assert ema.average["weight"].item() == pytest.approx(expected)


def test_constant_weights_are_their_own_average(module):
    set_weight(module, 2.5)
    ema = MovingAverage(module, 0.999)
    for _ in range(50):
        ema.update(module)
    assert ema.average["weight"].item() == pytest.approx(2.5)


def test_long_run_uses_the_decay_that_was_asked_for(module):
    ema = MovingAverage(module, 0.5)
    ema.updates = 1000
    set_weight(module, 1.0)
    ema.update(module)
    assert ema.average["weight"].item() == pytest.approx(0.5)


def test_applied_swaps_and_gives_back_even_on_failure(module):
    set_weight(module, 4.0)
    ema = MovingAverage(module, 0.9)
    set_weight(module, 7.0)
    seen = []

    def fails():
        with ema.applied(module):
            seen.append(module.weight.item())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert seen == [4.0]
    assert module.weight.item() == 7.0


def test_state_is_a_copy(module):
    set_weight(module, 1.0)
    one = MovingAverage(module, 0.9)
    two = MovingAverage(module, 0.9)
    two.load_state_dict(one.state_dict())
    set_weight(module, 100.0)
    one.update(module)
    assert two.average["weight"].item() == 1.0
    assert (one.updates, two.updates) == (1, 0)
