"""The table of metrics is complete and consistent."""

from __future__ import annotations

import numpy as np
import pytest

from egraff_lmp.errors import EgraffError
from egraff_lmp.score.table import (
    BULK,
    INPUTS,
    METRICS,
    MODES,
    MOLECULE,
    STRUCTURE_INPUTS,
    VIOLATION_INPUTS,
    metrics_for,
    modes_of,
    system_of,
)

RNG = np.random.default_rng(0)
_OF_ARRAYS = [row for row in METRICS.values() if row.input in STRUCTURE_INPUTS + VIOLATION_INPUTS]


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS.keys())
def test_every_row_states_what_it_is(metric):
    assert metric.doc
    assert metric.unit in ("%", "bit", "1", "A", "fs", "A^2/ps", "eV rad")
    assert set(metric.modes) <= set(MODES)
    assert metric.input in INPUTS
    assert metric.better in ("lower", "higher")
    assert set(metric.systems) <= {BULK, MOLECULE}


@pytest.mark.parametrize("metric", _OF_ARRAYS, ids=[metric.key for metric in _OF_ARRAYS])
def test_every_function_keeps_its_bounds(metric):
    shape = {"forces": (30, 4, 3)}.get(metric.input, (30,))
    a, b = RNG.random((2, *shape))
    if metric.input in VIOLATION_INPUTS:
        a, b = a - 0.5, b - 0.5
    low, high = metric.bounds
    for first, second, exact in ((a, b, False), (a, a, True), (a, 3 * a, False)):
        extra = (1 / 30,) if metric.integral else ()
        values = np.atleast_1d(metric.function(first, second, *extra))
        assert (values >= low).all()
        assert (values <= high + 1e-12).all()
        if exact:
            assert np.abs(values).max() < 1e-12


def test_both_modes_have_structure_and_violation():
    for mode in MODES:
        assert metrics_for(mode, STRUCTURE_INPUTS)
        assert metrics_for(mode, VIOLATION_INPUTS)
    assert modes_of("both") == MODES
    assert modes_of("paper") == ("paper",)


def test_rows_of_bulk_and_of_molecules():
    bulk = {row.key for row in metrics_for("egraff", INPUTS, system_of((True,) * 3))}
    molecule = {row.key for row in metrics_for("egraff", INPUTS, system_of((False,) * 3))}
    assert bulk - molecule == {"rdf_mae", "diffusivity_error"}
    assert molecule - bulk == {"h_mae", "free_energy"}


def test_an_unknown_mode_is_refused():
    with pytest.raises(EgraffError, match="expected mode egraff, paper or both, got 'papers'"):
        modes_of("papers")
