"""The checks of one part of a data set, and the table of them.

Each looks at the measured part and returns findings. Nothing is raised for bad data: that is the
result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from egraff_lmp.data import timeline
from egraff_lmp.data.check import unit_suspicion
from egraff_lmp.data.entry import INDEPENDENT, ORDERED, SERIES
from egraff_lmp.data.finding import CONTINUOUS, ERROR, NOTE, UNRELATED, WARNING, Finding, Measured
from egraff_lmp.data.split import frame_hashes
from egraff_lmp.data.vasp import where_labels_are

# Correlation of dE with -F.dx: 0.99 and more in the clean sets, 0.80 and 0.92 in GeTe.
CLEAN_CORRELATION = 0.98
# Slope of dE over -F.dx outside 1 +- this is no noise: other units, or another sign.
SLOPE_TOLERANCE = 0.25
# A time step or stride that is off by 12 % makes a quarter in temperature.
TEMPERATURE_TOLERANCE = 0.25
DRIFT_SIGMAS = 2.0
# d / (r_i + r_j) of nearest neighbours is 0.9 to 1.3 in molecules, metals and salts.
BOND_SCALE = (0.5, 1.7)
# Forces of a frame that sum to more than this share of a random sum do not belong to a force field
# without external fields: 0.001 to 0.002 in the clean sets, 0.03 in GeTe.
NET_FORCE = 0.01
# Mean absolute value of a normal distribution over its standard deviation.
MAE_OF_NORMAL = np.sqrt(2 / np.pi)
# What one number is of the other when labels are in different units.
_FACTORS = {
    "energies in kcal/mol and forces in eV/A": 23.0605,
    "energies in eV and forces in kcal/mol/A": 1 / 23.0605,
    "energies in kJ/mol and forces in eV/A": 96.4853,
    "energies in eV and forces in kJ/mol/A": 1 / 96.4853,
    "energies in hartree and forces in eV/A": 1 / 27.2114,
    "energies in eV and forces in hartree/bohr": 51.4221,
    "energies in eV and forces in hartree/A": 27.2114,
    "energies in hartree and forces in hartree/bohr": 1.88973,
    "gradients in place of forces": -1.0,
}
_SAME_FACTOR = 0.15  # |log| of the ratio


def _arrays(measured: Measured) -> list[Finding]:
    """Missing, empty or constant labels, and fewer frames than there should be."""
    part, frames = measured.part, measured.part.frames
    found = []
    for name, array in (("energies", frames.energy), ("forces", frames.forces)):
        if array is None:
            hint = where_labels_are(frames.source)
            message = f"there are no {name}{'' if hint is None else f': {hint}'}."
            found.append(Finding("arrays", ERROR, part.name, message))
        elif len(frames) > 1 and not np.ptp(array):
            message = f"all {name} are {array.reshape(-1)[0]:g}: placeholders, no labels."
            found.append(Finding("arrays", ERROR, part.name, message))
    if part.n_frames is not None and len(frames) != part.n_frames:
        message = f"{len(frames)} frames, {part.n_frames} are published."
        found.append(Finding("arrays", WARNING, part.name, message))
    hashes = frame_hashes(frames)
    repeated = len(hashes) - len(set(hashes))
    if repeated:
        message = f"{repeated} of {len(frames)} frames repeat another frame of the part."
        found.append(Finding("arrays", WARNING, part.name, message, {"n_repeated": repeated}))
    return found


def _order(measured: Measured) -> list[Finding]:
    """Shuffled frames where a time series is needed, and gaps within one."""
    part, value = measured.part, measured.continuity
    if np.isnan(value):
        return []
    numbers = (
        f"cosine of consecutive displacements {value:.2f}, their size {measured.ratio:.2g} of "
        "that of random pairs"
    )
    if value < UNRELATED:
        wanted = part.order in (SERIES, ORDERED)
        kind = "in random order" if measured.ratio > 0.9 else "not consecutive steps of a run"
        level = ERROR if wanted else NOTE if part.order == INDEPENDENT else WARNING
        message = f"the frames are {kind} ({numbers}): no dynamics can be had from them."
        return [Finding("order", level, part.name, message, {"shuffled": measured.ratio > 0.9})]
    if value < CONTINUOUS and part.gaps is None:
        message = (
            f"the frames are related but too far apart to be differenced ({numbers}): no "
            "velocities can be had from them."
        )
        level = WARNING if part.order == SERIES else NOTE
        return [Finding("order", level, part.name, message)]
    if part.order == SERIES and measured.jumps.size:
        sizes = timeline.rms(measured.vectors)
        worst = int(measured.jumps[np.argmax(sizes[measured.jumps])])
        times = float(sizes[worst] / np.median(sizes))
        gaps = "1 gap" if measured.jumps.size == 1 else f"{measured.jumps.size} gaps"
        message = (
            f"{gaps} in time: after frame {worst} the atoms move {times:.1f} times as far as in "
            "other steps."
        )
        values = {"n_jumps": int(measured.jumps.size), "jump_after": worst, "jump_steps": times}
        return [Finding("order", WARNING, part.name, message, values)]
    if part.order == ORDERED and measured.gaps is not None:
        steps = measured.gaps
        message = (
            f"in order of time with gaps of {steps.min()} to {steps.max()} steps: differences are "
            f"taken over the {int(np.sum(steps == 1))} pairs that are one step apart."
        )
        return [Finding("order", NOTE, part.name, message)]
    return []


def _work(measured: Measured) -> list[Finding]:
    """Energy differences against work: noise, and units that differ between energies and forces."""
    part = measured.part
    if not measured.resolved:
        return []
    agreement = timeline.work_energy(measured.frames, measured.vectors, measured.one_step)
    if agreement is None:
        return []
    correlation, slope = agreement.correlation, agreement.slope
    values = {"work_correlation": round(correlation, 4), "work_slope": round(slope, 4)}
    across = ""
    if part.order == SERIES and measured.jumps.size:
        every = timeline.work_energy(
            measured.frames, measured.vectors, np.ones_like(measured.one_step)
        )
        if every is not None:
            values["work_correlation_with_gaps"] = round(every.correlation, 4)
            across = f" ({every.correlation:.4f} with those across gaps)"
    if abs(correlation) > CLEAN_CORRELATION and abs(slope - 1) > SLOPE_TOLERANCE:
        close = min(_FACTORS, key=lambda name: _distance(slope, _FACTORS[name]))
        guess = f": looks like {close}" if _distance(slope, _FACTORS[close]) < _SAME_FACTOR else ""
        message = f"dE is {slope:.3g} times -F.dx (correlation {correlation:.4f}){guess}."
        return [Finding("work", ERROR, part.name, message, values)]
    clean = correlation >= CLEAN_CORRELATION
    message = (
        f"dE and -F.dx have correlation {correlation:.4f} and slope {slope:.2f} over "
        f"{agreement.n_pairs} pairs{across}"
    )
    if clean:
        message += "."
    else:
        error = 1000 * agreement.force_error
        values["force_inconsistency_mev_per_angstrom"] = round(error, 1)
        message += (
            ": energies and forces do not belong to one surface. They differ by as much as an "
            f"error of {error:.0f} meV/A in every force component would make (root mean square): "
            "no force field, whose forces are the slope of an energy, can be right in both."
        )
    return [Finding("work", NOTE if clean else WARNING, part.name, message, values)]


def _temperature(measured: Measured) -> list[Finding]:
    """Temperature of central differences against the stated one."""
    part = measured.part
    if part.timestep_fs is None or not measured.resolved or len(measured.vectors) < 2:
        return []
    if part.order != SERIES and measured.gaps is None:
        return []  # nobody says how far apart the frames are
    found = timeline.kinetic_temperatures(
        measured.frames, measured.vectors, part.timestep_fs, measured.one_step
    )
    if not found.size:
        return []
    mean = float(found.mean())
    values = {"temperature_kelvin": round(mean, 1)}
    message = f"velocities by central differences are those of {mean:.0f} K"
    fifth = max(1, found.size // 5)
    start, end = float(found[:fifth].mean()), float(found[-fifth:].mean())
    values |= {"temperature_start_kelvin": round(start, 1), "temperature_end_kelvin": round(end, 1)}
    # As if each fifth were one independent sample, of relative variance 2 / degrees of freedom.
    noise = np.sqrt(2 * 2 / max(3 * part.frames.n_atoms - 3, 1))
    drifts = abs(end - start) > max(TEMPERATURE_TOLERANCE, DRIFT_SIGMAS * noise) * mean
    if drifts:
        message += f" (from {start:.0f} to {end:.0f} K: not in equilibrium)"
    stated = part.temperature_kelvin
    if stated is None or abs(mean / stated - 1) <= TEMPERATURE_TOLERANCE:
        message += "." if stated is None else f", stated are {stated:g} K."
        level = WARNING if drifts else NOTE
        return [Finding("temperature", level, part.name, message, values)]
    message += (
        f", stated are {stated:g} K: the frames are not of that temperature, or are "
        f"{part.timestep_fs * np.sqrt(mean / stated):.3g} fs apart, not {part.timestep_fs:g} fs."
    )
    return [Finding("temperature", WARNING, part.name, message, values)]


def _surface(measured: Measured) -> list[Finding]:
    """Temperature of the virial theorem against the stated one: whose surface the frames are of."""
    part = measured.part
    found = timeline.virial_temperature(measured.frames)
    stated = part.temperature_kelvin
    if found is None or not np.isfinite(found.kelvin):
        return []
    size = f"{found.kelvin:.0f} +- {found.error_kelvin:.0f} K"
    values = {
        "virial_temperature_kelvin": round(found.kelvin, 1),
        "virial_temperature_error_kelvin": round(found.error_kelvin, 1),
    }
    message = f"by the virial theorem the forces are those of {size}"
    if stated is None:
        return [Finding("surface", NOTE, part.name, f"{message}.", values)]
    if timeline.off_surface(measured.frames, stated) is None:
        return [Finding("surface", NOTE, part.name, f"{message}, stated are {stated:g} K.", values)]
    message += (
        f", stated are {stated:g} K: the frames were not drawn at that temperature from the "
        "surface that the forces are of, so that no rollout at it has their structure."
    )
    return [Finding("surface", WARNING, part.name, message, values)]


def _units(measured: Measured) -> list[Finding]:
    """Forces in kcal/mol/A, lengths in bohr or nm."""
    part, frames = measured.part, measured.frames
    found = []
    suspicion = unit_suspicion(frames)
    if suspicion is not None:
        message = suspicion.removeprefix(f"{frames.source}: ")
        found.append(Finding("units", WARNING, part.name, message))
    if not np.isfinite(frames.positions).all():
        return found
    scale = timeline.bond_scale(frames)
    if scale < BOND_SCALE[0] or scale > BOND_SCALE[1]:
        unit = "bohr" if 1.6 < scale < 2.3 else "nm" if 0.07 < scale < 0.14 else "another unit"
        message = (
            f"nearest neighbours are {scale:.2f} times the sum of their covalent radii apart: "
            f"lengths may be in {unit}."
        )
        values = {"bond_scale": round(scale, 3)}
        found.append(Finding("units", WARNING, part.name, message, values))
    return found


def _net_force(measured: Measured) -> list[Finding]:
    """Forces that do not sum to zero, and how close to them a force field can come.

    A potential that does not change when all atoms move together has no net force. The N forces of
    a frame have three such components out of 3 N, so that an error of sigma in every component, of
    whatever cause, leaves a net force of sigma sqrt(N). That holds for an error that is spread
    evenly over the components; one that avoids the net force is not seen.
    """
    part, forces = measured.part, measured.frames.forces
    if forces is None or not np.isfinite(forces).all() or not forces.any():
        return []
    sigma = float(np.sqrt((forces.sum(axis=1) ** 2).mean() / forces.shape[1]))
    share = sigma / float(np.sqrt((forces**2).mean()))
    if share <= NET_FORCE:
        return []
    message = (
        f"the forces of a frame do not sum to zero: where no external field acts, a component is "
        f"wrong by {1000 * sigma:.3g} meV/A (root mean square, {100 * share:.2g} % of the forces), "
        f"and no force field can have a force MAE below about {1000 * MAE_OF_NORMAL * sigma:.3g} "
        "meV/A."
    )
    values = {"force_noise_mev_per_angstrom": round(1000 * sigma, 4)}
    return [Finding("net force", NOTE, part.name, message, values)]


def _cells(measured: Measured) -> list[Finding]:
    """Cells that are missing, or have a height below twice the cutoff."""
    part = measured.part
    height = timeline.smallest_height(part.frames)
    if height == 0:
        message = "periodic frames without a cell, or with one of no volume."
        return [Finding("cells", ERROR, part.name, message)]
    if height >= 2 * part.r_max:
        return []
    message = (
        f"the smallest cell height is {height:.2f} A, below twice the cutoff of {part.r_max:g} A: "
        "an atom sees several images of another, which minimum-image code misses."
    )
    return [Finding("cells", WARNING, part.name, message, {"small_cell": True})]


@dataclass(frozen=True)
class Check:
    """One row of the table of checks."""

    key: str
    title: str
    run: Callable[[Measured], list[Finding]]


CHECKS = (
    Check("arrays", "missing, empty or constant arrays", _arrays),
    Check("order", "shuffled frames, gaps in time", _order),
    Check("work", "dE against -F.dx", _work),
    Check("temperature", "temperature of consecutive frames", _temperature),
    Check("surface", "temperature by the virial theorem", _surface),
    Check("units", "unit mix-ups", _units),
    Check("net force", "forces that do not sum to zero", _net_force),
    Check("cells", "cells below twice the cutoff", _cells),
)


def _distance(value: float, factor: float) -> float:
    """|log| of the ratio of two numbers of one sign, else infinity."""
    ratio = value / factor
    return float(abs(np.log(ratio))) if ratio > 0 else float("inf")
