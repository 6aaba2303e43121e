"""The table of metrics: one row each. Scoring, command line, report and tests iterate over it.

To add a metric, write its pure function in a file of its own and add a row here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from egraff_lmp.errors import EgraffError
from egraff_lmp.score.jsd import jensen_shannon, jensen_shannon_paper
from egraff_lmp.score.violation import (
    UNCORRELATED,
    energy_violation,
    energy_violation_released,
    force_violation,
)
from egraff_lmp.score.wright import ACCEPTED_BELOW, wright_factor, wright_factor_unrooted

MODES = ("egraff", "paper")
# What a metric's function is given.
STRUCTURE_INPUTS = ("rdf", "probability", "paper_rdf")  # (curve, reference curve)
VIOLATION_INPUTS = ("relative_energy", "total_energy", "forces")  # (truth, model), frame by frame


@dataclass(frozen=True)
class Metric:
    """One row of the table.

    Attributes:
        key: name in JSON.
        label: short name in tables.
        function: pure function on arrays. With an input of STRUCTURE_INPUTS it takes (curve,
            reference curve) and returns a number; with one of VIOLATION_INPUTS it takes (truth,
            model) and returns one number a frame, of which the geometric mean is taken.
        input: which arrays it is given.
        modes: where it is computed, "egraff", "paper" or both.
        unit: "1" for pure numbers.
        bounds: range of the value.
        doc: one line on what it is.
        partials: also for each pair of elements.
        accepted_below: acceptance limit, in its unit.
        uncorrelated: the value that two unrelated frames give.
    """

    key: str
    label: str
    function: Callable[..., Any]
    input: str
    modes: tuple[str, ...]
    unit: str
    bounds: tuple[float, float]
    doc: str
    partials: bool = False
    accepted_below: float | None = None
    uncorrelated: float | None = None


_ROWS = (
    Metric(
        "wf", "WF", wright_factor, "rdf", ("egraff",), "%", (0.0, np.inf),
        "Wright's factor 100 sqrt(sum (g - g_ref)^2 / sum g_ref^2); rooted: the 9 % rule applies",
        partials=True, accepted_below=ACCEPTED_BELOW,
    ),
    Metric(
        "jsd", "JSD", jensen_shannon, "probability", ("egraff",), "bit", (0.0, 1.0),
        "Jensen-Shannon divergence, base 2, of the normalised pair-distance distributions p(r)",
        partials=True,
    ),
    Metric(
        "wf_unrooted", "WF unrooted", wright_factor_unrooted, "paper_rdf", ("paper",), "%",
        (0.0, np.inf),
        "Wright's factor without the root, as in the paper's script; the 9 % rule does not apply",
    ),
    Metric(
        "jsd_raw", "JSD raw g", jensen_shannon_paper, "paper_rdf", ("paper",), "1", (0.0, np.inf),
        "mean over bins of the divergence terms of raw g(r), natural log; scales with V/N^2",
    ),
    Metric(
        "ev", "EV", energy_violation, "relative_energy", ("egraff",), "1", (0.0, 2.0),
        "geometric mean of eq. 4 on energies per atom relative to the mean of the reference",
    ),
    Metric(
        "ev_eq4", "EV eq. 4", energy_violation, "total_energy", ("paper",), "1", (0.0, 2.0),
        "geometric mean of eq. 4 as printed, on total energies with their arbitrary zero",
    ),
    Metric(
        "ev_released", "EV tables", energy_violation_released, "total_energy", ("paper",), "1",
        (0.0, 1.0),
        "geometric mean of |E^ - E|/(|E^| + |E|), which the paper's tables hold (times 1e5)",
    ),
    Metric(
        "fv", "FV", force_violation, "forces", ("egraff", "paper"), "1", (0.0, 1.0),
        "geometric mean of |F^ - F|/(|F^| + |F|); 0.7071 is what unrelated forces give",
        uncorrelated=UNCORRELATED,
    ),
)  # fmt: skip

METRICS: dict[str, Metric] = {row.key: row for row in _ROWS}


def modes_of(mode: str) -> tuple[str, ...]:
    """The modes that "egraff", "paper" or "both" stands for."""
    if mode == "both":
        return MODES
    if mode in MODES:
        return (mode,)
    raise EgraffError(f"expected mode egraff, paper or both, got '{mode}'.")


def metrics_for(mode: str, inputs: tuple[str, ...]) -> tuple[Metric, ...]:
    """Rows computed in `mode` ("egraff" or "paper") from one of `inputs`."""
    return tuple(row for row in _ROWS if mode in row.modes and row.input in inputs)
