"""Forces and virial are derivatives of the energy, in Python and in LAMMPS."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from egraff_lmp.rollout.datafile import Structure
from egraff_lmp.verify.deck import BAR_A3_PER_EV, Deck, static, tensor
from egraff_lmp.verify.finding import (
    Context,
    Finding,
    Subject,
    at_most,
    failed,
    largest,
    not_applicable,
)
from egraff_lmp.verify.ridders import derivative, steps
from egraff_lmp.verify.structures import moved

STEP_A = 0.08
STRAIN = 0.008
ATOMS = 2
# In LAMMPS' box an axis is strained by moving its face, or tilted.
STRAINS = (("x", 0, 0), ("y", 1, 1), ("z", 2, 2), ("xy", 1, 0), ("xz", 2, 0), ("yz", 2, 1))
_UNIT = "relative"


def decks(subject: Subject) -> tuple[Deck, ...]:
    """The frame with atoms moved and with the box strained, on the first number of ranks."""
    ranks = (subject.ranks[0],)
    frame = subject.frame
    found = [static("derivatives: forces", frame, ranks, more=_displacements(frame))]
    if all(frame.pbc):
        found.append(
            static(
                "derivatives: virial",
                frame,
                ranks,
                after=("change_box all triclinic",) if not frame.box().is_triclinic else (),
                more=_strains(frame),
            )
        )
    return tuple(found)


def judge(context: Context) -> tuple[Finding, ...]:
    """Python's and LAMMPS' forces and virials, relative to the largest."""
    return (*_python_forces(context), *_python_virial(context), *_lammps(context))


def _chosen(frame: Structure) -> list[int]:
    count = len(frame.species)
    return sorted({0, count // 2})[:ATOMS]


def _python_forces(context: Context) -> tuple[Finding, ...]:
    frame = context.subject.frame
    moves = []
    for atom in _chosen(frame):
        for axis in range(3):
            for h in steps(STEP_A):
                for sign in (1, -1):
                    shift = np.zeros_like(frame.positions)
                    shift[atom, axis] = sign * h
                    moves.append(moved(frame, shift))
    base, *found = context.python.many([frame, *moves])
    energies = np.array([each.energy for each in found])
    forces = base.forces[_chosen(frame)].ravel()
    return (_judged("derivatives: forces, Python", energies, -forces, base.forces, context),)


def _python_virial(context: Context) -> tuple[Finding, ...]:
    frame = context.subject.frame
    strained = []
    for _, a, b in STRAINS:
        for h in steps(STRAIN):
            for sign in (1, -1):
                strain = np.eye(3)
                strain[a, b] += sign * h
                strained.append(
                    replace(frame, positions=frame.positions @ strain, cell=frame.cell @ strain)
                )
    base, *found = context.python.many([frame, *strained])
    energies = np.array([each.energy for each in found])
    slopes = np.array([-base.virial[a, b] for _, a, b in STRAINS])
    name = "derivatives: virial, Python"
    return (_judged(name, energies, slopes, base.virial, context, STRAIN),)


def _lammps(context: Context) -> tuple[Finding, ...]:
    subject = context.subject
    ranks = subject.ranks[0]
    findings: list[Finding] = []
    outcome = context.lammps("derivatives: forces", ranks)
    name = "derivatives: forces, LAMMPS"
    if outcome.error:
        findings.append(failed(name, outcome.error))
    else:
        forces = outcome.steps[0]["f"]
        energies = np.array([float(step["pe"]) for step in outcome.steps[1:]])
        slopes = -forces[_chosen(subject.frame)].ravel()
        findings.append(_judged(name, energies, slopes, forces, context))
    name = "derivatives: virial, LAMMPS"
    if not all(subject.frame.pbc):
        reason = "the frame is not periodic in all directions, so that its box cannot be strained"
        return (*findings, not_applicable(name, reason))
    outcome = context.lammps("derivatives: virial", ranks)
    if outcome.error:
        return (*findings, failed(name, outcome.error))
    energies = np.array([float(step["pe"]) for step in outcome.steps[1:]])
    first = outcome.steps[0]
    virial = tensor(first["virial"]) * float(first["vol"]) / BAR_A3_PER_EV
    slopes = np.array([-virial[a, b] for _, a, b in STRAINS])
    return (*findings, _judged(name, energies, slopes, virial, context, STRAIN))


def _judged(
    name: str,
    energies: np.ndarray,
    slopes: np.ndarray,
    scale: np.ndarray,
    context: Context,
    first: float = STEP_A,
) -> Finding:
    """Numerical against analytical slopes, relative to the largest component of all."""
    rows = energies.reshape(len(slopes), -1, 2)
    found = [derivative(row[:, 0], row[:, 1], first) for row in rows]
    numerical = np.array([value for value, _ in found])
    size = max(1.0, largest(scale))
    worst = int(np.argmax(np.abs(numerical - slopes)))
    where = f"Ridders' own estimate of its error is {found[worst][1] / size:.1e}"
    # Ridders' extrapolation takes the smoothest of its estimates, and so passes over NaN.
    finite = np.isfinite(size) and np.isfinite(energies).all()
    value = largest(numerical - slopes) / size if finite else np.inf
    return at_most(name, value, context.precision.derivative, _UNIT, where)


def _displacements(frame: Structure) -> tuple[tuple[str, ...], ...]:
    """Steps of a deck, each of which leaves one atom displaced from where it was."""
    result: list[tuple[str, ...]] = []
    back: tuple[str, ...] = ()
    for atom in _chosen(frame):
        for axis in range(3):
            for h in steps(STEP_A):
                for sign in (1, -1):
                    there, home = _displace(atom, axis, sign * h), _displace(atom, axis, -sign * h)
                    result.append((*back, *there, "run 0 post no"))
                    back = home
    return tuple(result)


def _displace(atom: int, axis: int, distance: float) -> tuple[str, ...]:
    shift = ["0", "0", "0"]
    shift[axis] = f"{distance:.17g}"
    return (
        f"group moved id {atom + 1}",
        f"displace_atoms moved move {' '.join(shift)} units box",
        "group moved delete",
    )


def _strains(frame: Structure) -> tuple[tuple[str, ...], ...]:
    """Steps of a deck, each of which leaves the box strained by one component."""
    box = frame.box()

    def line(strain: np.ndarray) -> str:
        matrix = box.matrix @ strain
        faces = " ".join(
            f"{axis} final {box.origin[k]:.17g} {box.origin[k] + matrix[k, k]:.17g}"
            for k, axis in enumerate("xyz")
        )
        tilted = f"xy final {matrix[1, 0]:.17g} xz final {matrix[2, 0]:.17g} "
        return f"change_box all {faces} {tilted}yz final {matrix[2, 1]:.17g} remap units box"

    result: list[tuple[str, ...]] = []
    for _, a, b in STRAINS:
        for h in steps(STRAIN):
            for sign in (1, -1):
                strain = np.eye(3)
                strain[a, b] += sign * h
                result.append((line(strain), "run 0 post no"))
    return tuple(result)
