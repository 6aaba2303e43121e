"""Conservation of energy and momentum in a large cell without a thermostat."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from ase.units import fs, kB
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.data.lammps_thermo import read_thermo
from egraff_lmp.physics.record import Line, Panel, Subject
from egraff_lmp.physics.rollouts import run, timestep_fs
from egraff_lmp.rollout.datafile import Structure
from egraff_lmp.verify.finding import Finding, at_most, failed, not_applicable
from egraff_lmp.verify.structures import repeated

TEMPERATURE_KELVIN = 300.0
# The start is no equilibrium: what the integrator makes of the first part is no drift.
SKIPPED_SHARE = 0.2
# 100 ps of it are 10 meV, a quarter of what 300 K has in three degrees of freedom.
DRIFT_MEV = 0.1
# In less time the oscillation of velocity Verlet's energy passes for a drift.
SHORTEST_PS = 0.5
# Of the speed that the centre of mass of so many atoms had in a bath; it began at rest.
SPEED_SHARE = 0.01
# Sum of all forces over the root of the number of atoms times their root mean square: 1 for forces
# that know nothing of each other, and the rounding of float32 for those that do.
FORCE_SHARE = 1e-3


def judge(subject: Subject) -> tuple[Sequence[Finding], Sequence[Panel]]:
    """The rollout, run or gone on with."""
    cell = large_cell(subject.structure, subject.settings.atoms)
    step = timestep_fs(subject, cell)
    result = run(
        subject,
        "nve",
        cell,
        ensemble="nve",
        temperature_kelvin=TEMPERATURE_KELVIN,
        timestep_fs=step,
    )
    thermo, frames = read_thermo(result.thermo), result.frames()
    atoms = len(frames.species)
    if result.status != "finished":
        return [failed("run", result.reason, f"step {result.n_steps}, {atoms} atoms")], []
    where = f"{atoms} atoms, {thermo.time_fs[-1] / 1000:g} ps in steps of {step:g} fs"
    masses = dict(zip(subject.contract.species, subject.contract.masses_amu, strict=True))
    weights = np.array([masses[element] for element in frames.species])
    centre = centre_of_mass(frames, weights)
    times = thermo.time_fs[: len(frames)]
    speed = largest_speed(times, centre) / thermal_speed(float(weights.sum()))
    net = float(np.max(net_force(frames)))
    findings = [
        judge_drift(thermo.time_fs, thermo.total_ev / atoms, where),
        at_most("speed of the centre of mass", speed, SPEED_SHARE, "of thermal", where),
        at_most("sum of the forces", net, FORCE_SHARE, "of independent forces", where),
    ]
    picoseconds = thermo.time_fs / 1000
    change = 1000 * (thermo.total_ev - thermo.total_ev[0]) / atoms
    moved = 1000 * np.linalg.norm(centre - centre[0], axis=1)
    return findings, [
        Panel("total energy", "time, ps", "change, meV/atom",
              (Line.of("", picoseconds, change),)),
        Panel("temperature", "time, ps", "temperature, K",
              (Line.of("", picoseconds, thermo.temperature_kelvin),)),
        Panel("centre of mass", "time, ps", "distance from the start, mA",
              (Line.of("", times / 1000, moved),)),
    ]  # fmt: skip


def large_cell(structure: Structure, atoms: int) -> Structure:
    """A supercell of at least `atoms`, the shortest edges repeated first; a molecule as it is."""
    counts = [1, 1, 1]
    lengths = np.linalg.norm(structure.cell, axis=1)
    if not any(structure.pbc):
        return structure
    while len(structure.species) * math.prod(counts) < atoms:
        edges = [
            length * count if periodic else np.inf
            for length, count, periodic in zip(lengths, counts, structure.pbc, strict=True)
        ]
        counts[int(np.argmin(edges))] += 1
    return repeated(structure, (counts[0], counts[1], counts[2]))


def judge_drift(
    time_fs: NDArray[np.float64], energy_ev: NDArray[np.float64], where: str
) -> Finding:
    """On the total energy of an atom; a short run tells nothing."""
    name, picoseconds = "drift of the energy", float(time_fs[-1] - time_fs[0]) / 1000
    if picoseconds < SHORTEST_PS:
        reason = f"a run of {picoseconds:g} ps is too short to tell one, {SHORTEST_PS:g} ps are not"
        return not_applicable(name, reason)
    drift = abs(drift_mev_per_ps(time_fs, energy_ev))
    return at_most(name, drift, DRIFT_MEV, "meV/atom/ps", where)


def drift_mev_per_ps(
    time_fs: NDArray[np.float64], energy_ev: NDArray[np.float64], skipped: float = SKIPPED_SHARE
) -> float:
    """Slope of a straight line through the energy in meV/ps, without the first part of the time."""
    kept = time_fs >= time_fs[0] + skipped * (time_fs[-1] - time_fs[0])
    times, energies = time_fs[kept], energy_ev[kept]
    if len(times) < 2:
        return math.nan
    centred = times - times.mean()
    slope = float(centred @ (energies - energies.mean()) / (centred @ centred))
    return 1000 * 1000 * slope


def centre_of_mass(frames: Frames, masses: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T, 3) in A, of unwrapped positions."""
    return np.einsum("tnx,n->tx", frames.positions, masses) / masses.sum()


def largest_speed(time_fs: NDArray[np.float64], centre: NDArray[np.float64]) -> float:
    """Mean speed of the centre of mass in A/fs up to the time at which it is furthest."""
    distance = np.linalg.norm(centre - centre[0], axis=1)
    k = int(np.argmax(distance))
    return float(distance[k] / (time_fs[k] - time_fs[0])) if k else 0.0


def thermal_speed(mass_amu: float) -> float:
    """sqrt(3 kB T / M) in A/fs of a body of that mass at 300 K."""
    return math.sqrt(3 * kB * TEMPERATURE_KELVIN / mass_amu) * fs


def net_force(frames: Frames) -> NDArray[np.float64]:
    """|sum F| over sqrt(sum |F|^2) of each frame, (T,): 1 for independent forces."""
    if frames.forces is None:
        return np.full(len(frames), math.nan)
    total = np.linalg.norm(frames.forces.sum(axis=1), axis=1)
    spread = np.sqrt((frames.forces**2).sum(axis=(1, 2)))
    return total / np.where(spread > 0, spread, 1.0)
