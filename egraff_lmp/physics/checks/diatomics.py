"""Energy and force of two isolated atoms over their distance.

The measures are those that are common for machine-learned potentials (E. Chiang et al., MLIP Arena,
2025, "homonuclear diatomics": force flips, jumps and conservation), each with a threshold.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import atomic_numbers, covalent_radii
from numpy.typing import NDArray

from egraff_lmp.deployed import DeployedModel
from egraff_lmp.physics.record import Line, Panel, Subject
from egraff_lmp.verify.finding import Finding, at_most, failed

SHORTEST_ANGSTROM = 0.5
STEP_ANGSTROM = 0.001  # sharp ripples at short distances are not steps
# Below this share of the sum of covalent radii every pair of elements repels.
REPULSIVE_SHARE = 0.7
# eV and eV/A: what is less is rounding of float32 and the ripples of a tail.
ENERGY_EV = 0.02
FORCE_EV_PER_ANGSTROM = 0.02
# Of the force: what a difference quotient of a steep float32 curve may be off by.
RELATIVE = 0.01
# A step of the force within one interval of 0.001 A: a smooth curve of any bond has far less.
JUMP_EV_PER_ANGSTROM = 0.05
_DIRECTION = np.array([0.36, 0.48, 0.8])  # no axis of the spherical harmonics


@dataclass(frozen=True)
class Diatomic:
    """The curve of one pair.

    Attributes:
        pair: the two elements.
        r: distances in A, (n,), evenly spaced, the last ones at or beyond the cutoff.
        energy: relative to two isolated atoms in eV, (n,).
        force: -dE/dr as the model gives it in eV/A, (n,); positive repels.
    """

    pair: tuple[str, str]
    r: NDArray[np.float64]
    energy: NDArray[np.float64]
    force: NDArray[np.float64]

    @property
    def name(self) -> str:
        """Such as "Ge-Te"."""
        return "-".join(self.pair)

    @property
    def radii_angstrom(self) -> float:
        """Sum of the covalent radii."""
        return float(sum(covalent_radii[atomic_numbers[element]] for element in self.pair))


def diatomic(network: DeployedModel, pair: tuple[str, str]) -> Diatomic:
    """The curve of a pair; all distances are one graph of many molecules."""
    r_max = network.contract.r_max
    r = np.arange(SHORTEST_ANGSTROM, r_max + 3 * STEP_ANGSTROM, STEP_ANGSTROM)
    bound = np.flatnonzero(r < r_max)
    first, second = 2 * bound, 2 * bound + 1
    index = np.stack([np.stack([first, second], 1).ravel(), np.stack([second, first], 1).ravel()])
    vectors = np.repeat(r[bound], 2)[:, None] * _DIRECTION
    vectors[1::2] *= -1
    atomic, gradient = network.evaluate_graph(vectors, index.astype(np.int64), list(pair) * len(r))
    energy = atomic.reshape(-1, 2).sum(axis=1)
    force = np.zeros(len(r))
    force[bound] = -(gradient[0::2] - gradient[1::2]) @ _DIRECTION
    return Diatomic(pair, r, energy - energy[-1], force)


def judge(subject: Subject) -> tuple[Sequence[Finding], Sequence[Panel]]:
    """All pairs of the model's elements."""
    findings: list[Finding] = []
    panels: list[Panel] = []
    pairs = itertools.combinations_with_replacement(subject.contract.species, 2)
    for pair in pairs:
        curve = diatomic(subject.calculator.model, pair)
        findings += judge_curve(curve)
        panels += _panels(curve, subject)
    return findings, panels


def judge_curve(curve: Diatomic) -> list[Finding]:
    """The findings of one curve."""
    if not (np.isfinite(curve.energy).all() and np.isfinite(curve.force).all()):
        reason = "the energy or the force is infinite or not a number at some distance"
        return [failed("energy and force", reason, curve.name)]
    near = REPULSIVE_SHARE * curve.radii_angstrom
    rows = (
        ("fall of the energy towards short distances", inward_fall(curve, near), ENERGY_EV, "eV"),
        ("sign changes of the force", sign_changes(curve), 1, ""),
        ("minima of the energy", minima(curve), 1, ""),
        ("difference of force and -dE/dr", conservation(curve), FORCE_EV_PER_ANGSTROM, "eV/A"),
        ("step of the force", largest_step(curve), JUMP_EV_PER_ANGSTROM, "eV/A"),
        ("energy just below the cutoff", energy_at_cutoff(curve), ENERGY_EV, "eV"),
    )
    return [
        at_most(name, value, threshold, unit, curve.name) for name, value, threshold, unit in rows
    ]


def inward_fall(curve: Diatomic, near_angstrom: float) -> float:
    """How far the energy falls, in eV, on the way from `near_angstrom` to shorter distances.

    0 for a curve that repels everywhere on that way: a hole has a depth.
    """
    energy = curve.energy[curve.r <= near_angstrom]
    if not len(energy):
        return 0.0
    highest_outside = np.maximum.accumulate(energy[::-1])[::-1]
    return float((highest_outside - energy).max())


def sign_changes(curve: Diatomic) -> int:
    """Sign changes of the force ("flips"), forces below the threshold left out; one is right."""
    signs = np.sign(curve.force[np.abs(curve.force) > FORCE_EV_PER_ANGSTROM])
    return int(np.count_nonzero(np.diff(signs)))


def minima(curve: Diatomic) -> int:
    """Minima of the energy that are at least `ENERGY_EV` deep (scipy's prominence)."""
    from scipy.signal import find_peaks  # 0.7 s to import

    return len(find_peaks(-curve.energy, prominence=ENERGY_EV)[0])


def conservation(curve: Diatomic) -> float:
    """Largest |F + dE/dr| in eV/A beyond one per cent of |F|; 0 where all are within.

    dE/dr is the central difference of fourth order, (E(-2h) - 8 E(-h) + 8 E(h) - E(2h)) / 12 h.
    """
    e, h = curve.energy, float(curve.r[1] - curve.r[0])
    slope = (e[:-4] - 8 * e[1:-3] + 8 * e[3:-1] - e[4:]) / (12 * h)
    force = curve.force[2:-2]
    excess = np.abs(force + slope) - RELATIVE * np.abs(force)
    return float(max(excess.max(), 0.0))


def largest_step(curve: Diatomic) -> float:
    """Largest discontinuity of the force in eV/A beyond one per cent of it; 0 for a smooth one.

    A smooth force changes from one distance to the next by about as much as it did before or does
    after, also where it is steep or curved; what it changes by beyond both is a step.
    """
    change = np.abs(np.diff(curve.force))
    beyond = change[1:-1] - np.maximum(change[:-2], change[2:])
    return float(max((beyond - RELATIVE * np.abs(curve.force[1:-2])).max(), 0.0))


def energy_at_cutoff(curve: Diatomic) -> float:
    """|E| in eV at the last distance with a force, relative to two isolated atoms."""
    bound = np.flatnonzero(curve.force)
    return float(abs(curve.energy[bound[-1]])) if len(bound) else 0.0


def _panels(curve: Diatomic, subject: Subject) -> list[Panel]:
    known = subject.contract.training_range
    marks = [(curve.radii_angstrom, "sum of covalent radii")]
    for pair in () if known is None else known.shortest_distances:
        if sorted(pair.elements) == sorted(curve.pair):
            marks.append((pair.angstrom, "shortest in training"))
    return [
        Panel(f"{curve.name}: {name}", "distance, A", f"{name}, {unit}",
              (Line.of("", curve.r, values),), tuple(marks), span)
        for name, unit, values, span in (
            ("energy", "eV", curve.energy, (-6.0, 12.0)),
            ("force", "eV/A", curve.force, (-15.0, 30.0)),
        )
    ]  # fmt: skip
