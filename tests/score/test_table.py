"""The table of metrics is complete and consistent."""

from __future__ import annotations

import numpy as np
import pytest
from scored_systems import bulk, molecule

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.score import Fact, Rerun, Rollout, RunEnd, Training, score_trajectory
from egraff_lmp.score.cost import Cost
from egraff_lmp.score.curves import (
    curve_error,
    jensen_shannon,
    jensen_shannon_paper,
    wright_factor,
    wright_factor_unrooted,
)
from egraff_lmp.score.estimate import estimate
from egraff_lmp.score.metric import (
    BULK,
    MOLECULE,
    NOTHING,
    SEES_DYNAMICS,
    SEES_ENERGIES,
    SEES_FORCES,
    SEES_STRUCTURE,
    Metric,
    Sample,
)
from egraff_lmp.score.options import MODES, Options, modes_of
from egraff_lmp.score.records import COMPARISONS
from egraff_lmp.score.table import COSTS, METRICS
from egraff_lmp.score.violation import (
    energy_violation,
    energy_violation_released,
    force_violation,
)
from egraff_lmp.score.words import explain

pytest.importorskip("MDAnalysis")

UNITS = {
    "%", "bit", "1", "A", "fs", "A^2/ps", "eV rad", "meV", "meV/atom", "meV/A", "starts", "s",
    "min", "min/epoch", "ms/step", "us/atom/step", "1/s", "ns/day",
    "S/cm", "K", "GPa", "meV/atom/ps", "meV/A^3",
}  # fmt: skip
RNG = np.random.default_rng(0)
# Row to its function of arrays, where it has one.
FUNCTIONS = {
    "wf": wright_factor, "jsd": jensen_shannon, "wf_unrooted": wright_factor_unrooted,
    "jsd_raw": jensen_shannon_paper, "ev": energy_violation, "ev_eq4": energy_violation,
    "ev_released": energy_violation_released, "fv": force_violation,
    "rdf_mae": lambda a, b: curve_error(a, b, 1 / 30),
    "h_mae": lambda a, b: curve_error(a, b, 1 / 30),
}  # fmt: skip


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS.keys())
def test_every_row_states_what_it_is(metric: Metric) -> None:
    assert metric.doc
    assert metric.label
    assert metric.unit in UNITS
    assert metric.modes
    assert set(metric.modes) <= set(MODES)
    assert metric.better in ("lower", "higher", "")
    assert metric.sees in (SEES_STRUCTURE, SEES_DYNAMICS, SEES_ENERGIES, SEES_FORCES, NOTHING)
    assert set(metric.systems) <= {BULK, MOLECULE}
    assert set(metric.headline) <= set(COMPARISONS)
    # What neither way is better can be ranked by nothing.
    assert metric.better or metric.sees == NOTHING


@pytest.mark.parametrize("key", FUNCTIONS)
def test_every_function_keeps_its_bounds(key: str) -> None:
    metric, function = METRICS[key], FUNCTIONS[key]
    a, b = RNG.random((2, *((30, 4, 3) if key == "fv" else (30,))))
    if metric.sees != SEES_STRUCTURE:
        a, b = a - 0.5, b - 0.5
    low, high = metric.bounds
    for first, second, exact in ((a, b, False), (a, a, True), (a, 3 * a, False)):
        values = np.atleast_1d(function(first, second))
        assert (values >= low).all()
        assert (values <= high + 1e-12).all()
        if exact:
            assert np.abs(values).max() < 1e-12


def everything(frames: Frames, others: list[Frames]) -> set[tuple[str, str, str]]:
    """Key, mode and comparison of all values of a scoring that lacks nothing."""
    cost = Cost(10, frames.n_atoms, 1.0, 1.0, "a processor", 1, 1, "float32")
    ran = [
        Rollout(one, None, RunEnd(2, Fact("lammps", {"message": "x"})), cost, 5.0, 10.0)
        for one in others
    ]
    reruns = {
        "rerun-reference": Rerun(frames, frames), "rerun-oracle": Rerun(others[0], others[0]),
        "rerun-committee": Rerun(others[0], others[0]),
    }  # fmt: skip
    scores = score_trajectory(
        frames, ran, reruns=reruns, training=Training(10.0, 2), n_resamples=10,
        temperature_kelvin=300.0,
    )  # fmt: skip
    for score in scores.scores:
        assert score.unit == METRICS[score.key].unit
        assert score.mode in METRICS[score.key].modes
        assert explain(score)
        low, high = METRICS[score.key].bounds
        assert score.value is None or low <= score.value <= high
    found = [(s.key, s.mode, s.comparison, s.part) for s in scores.scores]
    assert len(found) == len(set(found))
    return {row[:3] for row in found}


def test_every_row_yields_values_and_every_comparison_is_met() -> None:
    found = everything(bulk(40, 0), [bulk(30, 1), bulk(30, 2)])
    found_molecule = everything(molecule(40, 0), [molecule(30, 1)])
    assert {c for _, _, c in found} == set(COMPARISONS)
    assert {key for key, _, c in found if c == "cost"} == {metric.key for metric in COSTS}
    keys, keys_molecule = ({key for key, _, _ in one} for one in (found, found_molecule))
    for key, metric in METRICS.items():
        if key == "free_energy":  # of alanine dipeptide alone
            continue
        assert (key in keys) == (BULK in metric.systems), key
        assert (key in keys_molecule) == (MOLECULE in metric.systems), key
        for mode in MODES:
            assert ((key, mode) in {row[:2] for row in found}) == (
                mode in metric.modes and BULK in metric.systems
            )


def test_rows_of_bulk_and_of_molecules() -> None:
    bulk_only = {k for k, m in METRICS.items() if m.systems == (BULK,) and "egraff" in m.modes}
    assert bulk_only >= {"rdf_mae", "diffusivity_error"}
    molecule_only = {k for k, m in METRICS.items() if m.systems == (MOLECULE,)}
    assert molecule_only >= {"h_mae", "free_energy"}
    assert not bulk_only & {"wf", "jsd", "fv", "h_mae"}


def test_modes() -> None:
    assert modes_of("both") == MODES
    assert modes_of("paper") == ("paper",)
    with pytest.raises(EgraffError, match="expected mode egraff, paper or both, got 'papers'"):
        modes_of("papers")


def test_a_sample_without_a_finite_value_says_why() -> None:
    why = Fact("no-finite-values")
    sample = Sample(
        "structure", rollouts=[np.ones((3, 1))], value=lambda sums, own: np.nan, undefined=why
    )
    score = estimate(METRICS["wf"], "egraff", sample, Options())
    assert (score.value, score.interval, score.absence) == (None, None, why)


def test_the_value_the_parts_and_the_interval_are_of_one_function() -> None:
    rng = np.random.default_rng(1)
    rollouts = [np.column_stack([rng.random((n, 1)), np.ones(n)]) for n in (3, 4, 5)]
    sample = Sample("structure", rollouts=rollouts, value=lambda sums, own: sums[0] / sums[1])
    score = estimate(METRICS["wf"], "egraff", sample, Options(n_resamples=50))
    assert score.value == pytest.approx(np.concatenate(rollouts)[:, 0].mean())
    assert score.per_start == pytest.approx([one[:, 0].mean() for one in rollouts])
    assert (score.resampled.units, score.resampled.of) == (3, "starts")
    two = estimate(
        METRICS["wf"], "egraff", Sample("structure", rollouts=rollouts[:2], value=sample.value),
        Options(n_resamples=50),
    )  # fmt: skip
    assert (two.resampled.units, two.resampled.of) == (7, "blocks")
