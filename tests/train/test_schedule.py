"""Learning rates by epoch."""

from __future__ import annotations

import math

import pytest
import torch

from egraff_lmp.train.config import named_config, parse_config, shipped_configs
from egraff_lmp.train.schedule import (
    advance,
    build_optimiser,
    build_schedule,
    cosine_factor,
    unfinished_schedule,
)


def rates(schedule, losses, name="amsgrad"):
    config = parse_config(
        {
            "forcefield": "toy",
            "data": {"train": ["a"]},
            "optimiser": {"name": name, "learning_rate": 0.1},
            "schedule": schedule,
        },
        "x",
    )
    optimiser = build_optimiser([torch.nn.Parameter(torch.zeros(1))], config.optimiser)
    scheduler, seen = build_schedule(optimiser, config), []
    for loss in losses:
        seen.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        advance(scheduler, loss)
    return [*seen, optimiser.param_groups[0]["lr"]]


def test_plateau_waits_for_its_patience():
    plateau = {"name": "plateau", "patience": 1, "factor": 0.5}
    assert rates(plateau, [1.0, 2.0, 2.0, 2.0]) == pytest.approx([0.1, 0.1, 0.1, 0.05, 0.05])


def test_cosine_runs_from_first_to_last():
    seen = rates({"name": "cosine", "epochs": 10, "final_fraction": 0.1}, [1.0] * 10)
    for epoch, rate in enumerate(seen):
        expected = 0.01 + 0.09 * 0.5 * (1 + math.cos(math.pi * epoch / 10))
        assert rate == pytest.approx(expected)


def test_constant():
    assert set(rates({"name": "constant"}, [1.0, 2.0, 3.0])) == {0.1}


@pytest.mark.parametrize(
    ("name", "kind", "amsgrad"),
    [
        ("adam", torch.optim.Adam, False),
        ("amsgrad", torch.optim.Adam, True),
        ("adamw", torch.optim.AdamW, False),
    ],
)
def test_optimisers(name, kind, amsgrad):
    raw = {"forcefield": "toy", "data": {"train": ["a"]}, "optimiser": {"name": name}}
    config = parse_config(raw, "x")
    optimiser = build_optimiser([torch.nn.Parameter(torch.zeros(1))], config.optimiser)
    assert type(optimiser) is kind
    assert optimiser.defaults["amsgrad"] is amsgrad


def optimiser_of(decay_on, n_spared):
    """AdamW of three parameters, the first `n_spared` of which authors do not decay."""
    raw = {
        "forcefield": "toy",
        "data": {"train": ["a"]},
        "optimiser": {
            "name": "adamw",
            "learning_rate": 0.1,
            "weight_decay": 0.5,
            "weight_decay_on": decay_on,
        },
    }
    parameters = [torch.nn.Parameter(torch.ones(1)) for _ in range(3)]
    optimiser = build_optimiser(
        iter(parameters), parse_config(raw, "x").optimiser, parameters[:n_spared]
    )
    for parameter in parameters:
        parameter.grad = torch.zeros(1)
    optimiser.step()
    return optimiser, [float(parameter.detach()) for parameter in parameters]


def test_weight_decay_on_all_is_one_group():
    """As in the optimiser of a checkpoint of earlier versions, which has to be taken over."""
    optimiser, after = optimiser_of("all", 2)
    assert after == pytest.approx([0.95, 0.95, 0.95])
    assert [group["params"] for group in optimiser.state_dict()["param_groups"]] == [[0, 1, 2]]


def test_weight_decay_on_what_authors_decay():
    optimiser, after = optimiser_of("authors", 2)
    assert after == pytest.approx([1.0, 1.0, 0.95])
    assert [group["weight_decay"] for group in optimiser.param_groups] == [0.5, 0.0]
    assert optimiser_of("authors", 0)[1] == pytest.approx([0.95, 0.95, 0.95])


def test_a_cosine_that_is_longer_than_the_training_is_told(toy_config):
    longer = toy_config(
        schedule={"name": "cosine", "epochs": 30}, stop__max_epochs=10, optimiser__learning_rate=1.0
    )
    # 0.01 + 0.99 (1 + cos(pi / 3)) / 2
    assert cosine_factor(longer, 10) == pytest.approx(0.7525)
    told = unfinished_schedule(longer)
    assert "ends at 0.75 instead of 0.01" in told
    assert "--set schedule.epochs=10" in told
    for quiet in (
        {"schedule": {"name": "cosine"}, "stop__max_epochs": 10},
        {"schedule": {"name": "cosine", "epochs": 10}, "stop__max_epochs": 10},
        {"schedule": {"name": "plateau", "epochs": 30}, "stop__max_epochs": 10},
        {
            "schedule": {"name": "cosine", "epochs": 30},
            "stop__max_epochs": 10,
            "second_stage": {"start_epoch": 5, "average": "exponential"},
        },
    ):
        assert not unfinished_schedule(toy_config(**quiet))


def test_small_settings_end_with_the_epochs_that_are_run():
    data = {"train": ["FRAMES"], "n_validation": 1}
    for name in shipped_configs():
        if name.endswith("-small"):
            config = named_config(name, data, ["stop.max_epochs=10"])
            assert config.schedule.name == "cosine"
            assert config.cosine_epochs == 10
            # A run that was begun with 30 epochs written out is the same run.
            written_out = named_config(name, data, ["schedule.epochs=30"])
            assert written_out.sha256() == named_config(name, data).sha256()
