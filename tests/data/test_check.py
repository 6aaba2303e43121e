"""Labels that nobody should learn from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from egraff_lmp.data.check import check_labels
from egraff_lmp.errors import EgraffError

KCAL_PER_MOL_IN_EV = 0.0433641


@pytest.mark.parametrize("name", ["positions", "cell", "energy", "forces"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_numbers_are_counted_and_placed(water, name, value):
    array = getattr(water, name).copy()
    array.reshape(2, -1)[1, -1] = value
    with pytest.raises(EgraffError, match=rf"non-finite {name} in 1 of 2 frames \(frames 1\)"):
        check_labels(replace(water, **{name: array}))


def test_forces_in_kcal_are_suspected(water, caplog):
    check_labels(water)
    assert not caplog.records
    check_labels(replace(water, forces=water.forces / KCAL_PER_MOL_IN_EV))
    assert "kcal/mol/A" in caplog.text


def test_real_forces_are_not_suspected(ab_initio_data, caplog):
    from egraff_lmp.data.table import DATA_SETS

    for key, part in (("3bpa", "test"), ("lips20", "S"), ("aspirin", "test"), ("gete", "val")):
        DATA_SETS[key].read(part)
    assert not caplog.records
