"""The error of a model's surface against a reference's in kcal/mol, its interval and floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any

import numpy as np

from egraff_lmp.errors import EgraffError
from egraff_lmp.metadynamics.record import KIND, SCHEMA, Result, compared_bins
from egraff_lmp.metadynamics.settings import KCAL_EV, KJ_EV, LIMIT_KCAL, Settings
from egraff_lmp.metadynamics.surface import (
    marginal,
    mean_absolute_error,
    mean_surface,
    own_floor,
)
from egraff_lmp.score.free_energy import free_energy_error

CONFIDENCE = 0.95
# What must be the same in both, and what is told where it is not.
_SAME = ("torsions", "temperature_kelvin", "bins")
_TOLD = ("timestep_fs", "friction_per_ps", "height_ev", "width_degrees", "bias_factor", "steps",
         "hill_every")  # fmt: skip


@dataclass(frozen=True)
class Marginal:
    """One torsion alone.

    Attributes:
        torsion: its name.
        integral_kj_rad: integral of |F - F_ref| over the torsion in kJ/mol rad, both with their
            minimum at zero (Fu et al., eq. 6 and 7).
    """

    torsion: str
    integral_kj_rad: float


@dataclass(frozen=True)
class Comparison:
    """A model's surface against the mean surface of a reference.

    Attributes:
        potential, reference: titles.
        limit_kcal: bins below it in the reference's mean surface, and visited in each of its runs,
            are compared.
        bins: how many these are, `bins_in_all` of how many.
        errors_kcal: mean absolute error of each complete run, kcal/mol.
        mae_kcal: their mean.
        low_kcal, high_kcal: 95 % interval of that mean by Student's t over runs; None for one run.
        mean_surface_kcal: error of the mean surface of all runs, in which noise has averaged out.
        floor_kcal: the error of runs of the reference against each other; None for one run.
        bins_not_visited: of the compared bins, how many no complete run of the model was in.
        broken: how many of its runs broke, `runs` of how many.
        marginals: of the mean surfaces.
        different_settings: what is not the same in both.
    """

    potential: str
    reference: str
    limit_kcal: float
    bins: int
    bins_in_all: int
    errors_kcal: tuple[float, ...]
    mae_kcal: float
    low_kcal: float | None
    high_kcal: float | None
    mean_surface_kcal: float
    floor_kcal: float | None
    bins_not_visited: int
    broken: int
    runs: int
    marginals: tuple[Marginal, ...]
    different_settings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values with kind and schema number first."""
        return {"kind": f"{KIND} comparison", "schema": SCHEMA, **asdict(self)}


def require_comparable(settings: Settings, reference: Result, limit_kcal: float) -> None:
    """Refuse, before the work, what will not be comparable after it.

    Raises:
        EgraffError: other torsions, temperature or grid, no complete run of the reference, or a
            limit that is not above zero.
    """
    if not limit_kcal > 0:
        raise EgraffError(f"expected a limit above zero in kcal/mol, got {limit_kcal:g}.")
    for name in _SAME:
        ours, theirs = getattr(settings, name), getattr(reference.settings, name)
        if ours != theirs:
            raise EgraffError(
                f"expected a reference with the same {name}, {_plain(ours)}, got {_plain(theirs)}: "
                "make both with the same settings."
            )
    reference.mean_kcal()


def compare_surfaces(
    model: Result, reference: Result, limit_kcal: float = LIMIT_KCAL
) -> Comparison:
    """Compare two metadynamics of the same torsions.

    Raises:
        EgraffError: other torsions, temperature or grid, no complete run, or a limit that is not
            above zero.
    """
    require_comparable(model.settings, reference, limit_kcal)
    thermal = model.settings.thermal_kcal
    own, truth = model.mean_kcal(), reference.mean_kcal()
    chosen = compared_bins(reference, limit_kcal)
    errors = [mean_absolute_error(one, truth, chosen) for one in model.free_energy_kcal]
    low, high = _interval(errors)
    visited = model.visits.sum(axis=0) > 0
    return Comparison(
        potential=model.potential,
        reference=reference.potential,
        limit_kcal=limit_kcal,
        bins=int(chosen.sum()),
        bins_in_all=chosen.size,
        errors_kcal=tuple(errors),
        mae_kcal=float(np.mean(errors)),
        low_kcal=low,
        high_kcal=high,
        mean_surface_kcal=mean_absolute_error(own, truth, chosen),
        floor_kcal=own_floor(reference.free_energy_kcal, chosen, thermal),
        bins_not_visited=int((chosen & ~visited).sum()),
        broken=len(model.broken),
        runs=len(model.runs),
        marginals=tuple(
            Marginal(torsion.name, _integral(model, reference, axis))
            for axis, torsion in enumerate(model.settings.torsions)
        ),
        different_settings=tuple(
            name
            for name in _TOLD
            if getattr(model.settings, name) != getattr(reference.settings, name)
        ),
    )


def _integral(model: Result, reference: Result, axis: int) -> float:
    thermal = model.settings.thermal_kcal
    ours, theirs = (
        marginal(mean_surface(one.free_energy_kcal, thermal), axis, thermal)
        for one in (model, reference)
    )
    return free_energy_error(ours, theirs) * KCAL_EV / KJ_EV


def _plain(value: Any) -> str:
    return ", ".join(str(one.atoms) for one in value) if isinstance(value, tuple) else f"{value:g}"


def _interval(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Student's t; errors are no less than zero."""
    from scipy.special import stdtrit  # an optional package

    n = len(values)
    if n < 2:
        return None, None
    half = float(stdtrit(n - 1.0, 0.5 * (1 + CONFIDENCE))) * float(np.std(values, ddof=1)) / sqrt(n)
    return max(0.0, float(np.mean(values)) - half), float(np.mean(values)) + half
