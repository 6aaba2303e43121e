"""The table of metrics: one row each. Scoring, command line, report and tests iterate over it.

To add a metric, write its pure function in a file of its own and add a row here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from egraff_lmp.errors import EgraffError
from egraff_lmp.score.curve_error import curve_error
from egraff_lmp.score.diffusivity import difference
from egraff_lmp.score.divergence import divergence_time
from egraff_lmp.score.free_energy import free_energy_error
from egraff_lmp.score.jsd import jensen_shannon, jensen_shannon_paper
from egraff_lmp.score.rmsd import rmsd
from egraff_lmp.score.stability import first_violation
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
DEVIATION_INPUTS = ("positions", "rmsd")  # unwrapped positions or their RMSD, a rollout at a time
TRANSPORT_INPUTS = ("msd", "displacement")  # D by a fit or from the last frame, (D, D_ref)
STABILITY_INPUTS = ("violations",)  # what was violated, a rollout at a time
ANGLE_INPUTS = ("angles",)  # free energies of angles (F, F_ref)
INPUTS = (
    *STRUCTURE_INPUTS,
    *ANGLE_INPUTS,
    *VIOLATION_INPUTS,
    *DEVIATION_INPUTS,
    *TRANSPORT_INPUTS,
    *STABILITY_INPUTS,
)
BULK, MOLECULE = "bulk", "molecule"
STRUCTURE, DYNAMICS, ENERGIES = "structure", "dynamics", "energies"


@dataclass(frozen=True)
class Metric:
    """One row of the table.

    Attributes:
        key: name in JSON.
        label: short name in tables.
        function: pure function on arrays. With an input of STRUCTURE_INPUTS it takes (curve,
            reference curve) and returns a number; with one of VIOLATION_INPUTS it takes (truth,
            model) and returns one number a frame, of which the geometric mean is taken. The other
            inputs have a caller of their own.
        input: which arrays it is given.
        modes: where it is computed, "egraff", "paper" or both.
        unit: "1" for pure numbers.
        bounds: range of the value.
        doc: one line on what it is.
        partials: also for each pair of elements.
        accepted_below: acceptance limit, in its unit.
        uncorrelated: the value that two unrelated frames give.
        systems: what it is defined for, "bulk" (periodic), "molecule" or both.
        integral: the function takes the bin width in A as a third argument.
        better: "lower" or "higher".
        sees: what it claims to see, "structure", "dynamics" or "energies": what is ranked against
            force fields that are broken on purpose.
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
    systems: tuple[str, ...] = (BULK, MOLECULE)
    integral: bool = False
    better: str = "lower"
    sees: str = STRUCTURE


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
        "rdf_mae", "RDF MAE", curve_error, "rdf", ("egraff",), "A", (0.0, np.inf),
        "integral of |g - g_ref| dr up to r_max",
        partials=True, systems=(BULK,), integral=True,
    ),
    Metric(
        "rdf_mae_eq3", "RDF MAE eq. 3", curve_error, "paper_rdf", ("paper",), "A", (0.0, np.inf),
        "the same on the total g over N rho, eq. 2 and 3 of Fu et al. (2023)",
        systems=(BULK,), integral=True,
    ),
    Metric(
        "h_mae", "h(r) MAE", curve_error, "rdf", MODES, "1", (0.0, 2.0),
        "integral of |h - h_ref| dr of the pair distances of a molecule (Fu et al., 2023)",
        partials=True, systems=(MOLECULE,), integral=True,
    ),
    Metric(
        "free_energy", "F(angle) MAE", free_energy_error, "angles", ("egraff",), "eV rad",
        (0.0, np.inf),
        "integral of |F - F_ref| over phi or psi of alanine dipeptide, eq. 6 and 7 of Fu et al.",
        systems=(MOLECULE,),
    ),
    Metric(
        "ev", "EV", energy_violation, "relative_energy", ("egraff",), "1", (0.0, 2.0),
        "geometric mean of eq. 4 on energies per atom relative to the mean of the reference",
        sees=ENERGIES,
    ),
    Metric(
        "ev_eq4", "EV eq. 4", energy_violation, "total_energy", ("paper",), "1", (0.0, 2.0),
        "geometric mean of eq. 4 as printed, on total energies with their arbitrary zero",
        sees=ENERGIES,
    ),
    Metric(
        "ev_released", "EV tables", energy_violation_released, "total_energy", ("paper",), "1",
        (0.0, 1.0),
        "geometric mean of |E^ - E|/(|E^| + |E|), which the paper's tables hold (times 1e5)",
        sees=ENERGIES,
    ),
    Metric(
        "fv", "FV", force_violation, "forces", ("egraff", "paper"), "1", (0.0, 1.0),
        "geometric mean of |F^ - F|/(|F^| + |F|); 0.7071 is what unrelated forces give",
        uncorrelated=UNCORRELATED, sees=DYNAMICS,
    ),
    Metric(
        "rmsd", "RMSD", rmsd, "positions", ("egraff",), "A", (0.0, np.inf),
        "mean over time of the RMSD of unwrapped positions without drift, mass-weighted",
        sees=DYNAMICS,
    ),
    Metric(
        "divergence_time", "divergence time", divergence_time, "rmsd", ("egraff",), "fs",
        (0.0, np.inf),
        "time until the RMSD from a reference with the same first state passes a threshold",
        better="higher", sees=DYNAMICS,
    ),
    Metric(
        "diffusivity_error", "|D - D_ref|", difference, "msd", ("egraff",), "A^2/ps",
        (0.0, np.inf),
        "error of the diffusivity, slope/6 of the MSD in a window of lags, all time origins",
        partials=True, systems=(BULK,), sees=DYNAMICS,
    ),
    Metric(
        "diffusivity_error_eq4", "|D - D_ref| eq. 4", difference, "displacement", ("paper",),
        "A^2/ps", (0.0, np.inf),
        "the same with D = |x(T) - x(0)|^2/(6 T), eq. 4 of Fu et al. (2023)",
        partials=True, systems=(BULK,), sees=DYNAMICS,
    ),
    Metric(
        "stability", "stable for", first_violation, "violations", MODES, "fs", (0.0, np.inf),
        "time to the first violation: bonds, g(r) of a window, values that are not finite",
        better="higher", sees=DYNAMICS,
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


def metrics_for(
    mode: str, inputs: tuple[str, ...], system: str | None = None
) -> tuple[Metric, ...]:
    """Rows computed in `mode` ("egraff" or "paper") from one of `inputs`, for "bulk" or "molecule".

    Without a system: those for either.
    """
    return tuple(
        row
        for row in _ROWS
        if mode in row.modes and row.input in inputs and (system is None or system in row.systems)
    )


def system_of(pbc: tuple[bool, bool, bool]) -> str:
    """ "bulk" where anything is periodic, else "molecule"."""
    return BULK if any(pbc) else MOLECULE
