"""What a contract tells of the labels of its training."""

from dataclasses import replace

import pytest

from egraff_lmp.contract import stress_warning, trained_on_stress

ZERO = {"loss": {"energy": 1.0, "stress": 0.0}}


@pytest.mark.parametrize(
    ("provenance", "expected"),
    [
        ({}, None),
        ({"labels": ["energy", "forces"]}, False),
        ({"labels": ["energy", "forces", "stress"]}, True),
        ({"labels": ["stress"], "config": ZERO}, True),
        ({"labels": "stress"}, None),
        ({"config": ZERO}, False),
        ({"config": {**ZERO, "second_stage": None}}, False),
        ({"config": {**ZERO, "second_stage": {"stress": 1.0}}}, None),
        ({"config": {"loss": {"stress": 0.5}}}, None),  # the frames may have had none
        ({"config": {"loss": {"energy": 1.0}}}, None),
        ({"config": "nonsense"}, None),
    ],
)
def test_trained_on_stress(contract, provenance, expected):
    changed = replace(contract, provenance=provenance)
    assert trained_on_stress(changed) is expected
    assert bool(stress_warning(changed, "NPT")) == (expected is False)
