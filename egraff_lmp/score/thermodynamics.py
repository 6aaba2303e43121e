"""Temperature, conserved energy and pressure of the rollouts, from what LAMMPS wrote beside them.

    temperature   |<T> - T_0| of the kinetic temperature and that of the thermostat
    energy drift  |slope of the least-squares line through E_total(t)| / N, at constant energy
    pressure      <P>, kinetic part included

At constant energy nothing holds the temperature: it follows from the start, and is no error. A
total energy is conserved at constant energy alone; a thermostat's work is in none of the columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from egraff_lmp.data.lammps_thermo import Thermo
from egraff_lmp.score.arrays import Floats
from egraff_lmp.score.metric import Context, Metric, Sample, Sums, Value
from egraff_lmp.score.records import THERMODYNAMICS, Counts, Fact
from egraff_lmp.score.rollout import Rollout
from egraff_lmp.score.sums import absent, block_sums, finite_terms, mean, rows

NVE = "nve"
MIN_ROWS = 10
EV_PER_FS_TO_MEV_PER_PS = 1e6
BAR_TO_GPA = 1e-4


def energy_drift(time_fs: Floats, total_ev: Floats, n_atoms: int) -> float:
    """Slope of the least-squares line through E_total(t) in meV/atom/ps; of (R,) each."""
    centred = time_fs - time_fs.mean()
    slope = (centred @ (total_ev - total_ev.mean())) / (centred @ centred)
    return float(EV_PER_FS_TO_MEV_PER_PS * slope / n_atoms)


def temperature_errors(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
    """|<T> - T_0| of the rollouts with a thermostat."""
    target, skip = context.options.temperature_kelvin, context.options.skip
    held = [one for one in context.rollouts if one.ensemble != NVE]
    told = [t[skip:] for t in (one.temperature_kelvin for one in held) if t is not None]
    lacking = _lacking(context, held, told, Fact("no-thermostat"), Fact("no-temperature-told"))
    if lacking is not None or target is None:
        yield absent(context, THERMODYNAMICS, [lacking or Fact("no-temperature")])
        return
    blocks = [block_sums(finite_terms(one), context.options.n_blocks) for one in told]
    found = mean(np.concatenate(blocks).sum(axis=0))
    yield _sample(
        context, told, blocks, lambda sums, own: abs(mean(sums) - target),
        [Fact("mean-temperature", {"kelvin": found, "stated": target})],
    )  # fmt: skip


def energy_drifts(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
    """|drift| of the rollouts at constant energy, the mean over these."""
    free = [one for one in context.rollouts if one.ensemble == NVE]
    told = ((*_energies(context, one), one.frames.n_atoms) for one in free)
    known = [(t, e, n_atoms) for t, e, n_atoms in told if len(t) >= MIN_ROWS]
    energies = [e for _, e, _ in known]
    lacking = _lacking(context, free, energies, Fact("not-at-constant-energy"), Fact("no-thermo"))
    if lacking is not None:
        yield absent(context, THERMODYNAMICS, [lacking])
        return
    drifts = [abs(energy_drift(t, e, n_atoms)) for t, e, n_atoms in known]
    yield _sample(context, energies, rows(drifts), mean, [], starts_alone=True)


def pressures(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
    """<P> of the rollouts in GPa."""
    told = [
        BAR_TO_GPA * thermo.pressure_bar[_kept(context, one, thermo)]
        for one in context.rollouts
        if (thermo := one.thermo) is not None
    ]
    lacking = _lacking(context, context.rollouts, told, Fact("no-rollouts"), Fact("no-thermo"))
    if lacking is not None:
        yield absent(context, THERMODYNAMICS, [lacking])
        return
    blocks = [block_sums(finite_terms(one), context.options.n_blocks) for one in told]
    yield _sample(context, told, blocks, mean, [])


def _lacking(
    context: Context,
    chosen: Sequence[Rollout],
    told: Sequence[Floats],
    none_chosen: Fact,
    none_told: Fact,
) -> Fact | None:
    """Why there is nothing to take a mean of."""
    if not context.rollouts:
        return Fact("no-rollouts")
    if not chosen:
        return none_chosen
    return None if sum(map(len, told)) else none_told


def _kept(context: Context, rollout: Rollout, thermo: Thermo) -> slice:
    """The rows behind the frames that are skipped."""
    first_fs = context.options.skip * (rollout.frames.timestep_fs or 0.0)
    return slice(int(np.searchsorted(thermo.time_fs, first_fs - 1e-6)), None)


def _energies(context: Context, rollout: Rollout) -> tuple[Floats, Floats]:
    """Times in fs and total energies in eV up to the first that is not finite."""
    if rollout.thermo is None:
        return np.zeros(0), np.zeros(0)
    kept = _kept(context, rollout, rollout.thermo)
    time, energy = rollout.thermo.time_fs[kept], rollout.thermo.total_ev[kept]
    broken = np.flatnonzero(~np.isfinite(energy))
    until = int(broken[0]) if broken.size else len(energy)
    return time[:until], energy[:until]


def _sample(
    context: Context,
    told: Sequence[Floats],
    blocks: Sequence[Sums],
    value: Value,
    facts: Sequence[Fact],
    starts_alone: bool = False,
) -> Sample:
    frames = sum(map(len, told))
    failed = sum(int((~np.isfinite(one)).sum()) for one in told)
    of = {"used": len(told), "of": len(context.rollouts)}
    used = [] if len(told) == len(context.rollouts) else [Fact("rollouts-used", of)]
    return Sample(
        THERMODYNAMICS,
        rollouts=blocks,
        value=value,
        counts=Counts(frames - failed, 0, len(told), failed=failed),
        undefined=Fact("no-finite-values"),
        facts=(*facts, *used),
        draws_starts=starts_alone,
    )
