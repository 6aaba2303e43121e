"""Rotation, inversion, translation and permutation of the structure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from egraff_lmp.deployed import Evaluation
from egraff_lmp.verify.finding import Context, Finding, at_most, largest
from egraff_lmp.verify.structures import moved, random_rotation, transformed

SHIFT_A = np.array([1.31, -0.47, 2.23])
SEED = 7


def judge(context: Context) -> tuple[Finding, ...]:
    """Energies stay; forces and virial turn along."""
    frame = context.subject.frame
    base = context.python.one(frame)
    scale = max(1.0, np.abs(base.forces).max(initial=0.0))
    limit = context.precision.python * scale
    findings = []
    for name, matrix in (("rotation", random_rotation(SEED)), ("inversion", -np.eye(3))):
        turned = context.python.one(transformed(frame, matrix))
        expected = replace(
            base, forces=base.forces @ matrix, virial=matrix.T @ base.virial @ matrix
        )
        findings.append(_same(f"symmetry: {name}", expected, turned, limit))
    shifted = context.python.one(moved(frame, SHIFT_A))
    findings.append(_same("symmetry: translation", base, shifted, limit))
    order = np.random.default_rng(SEED).permutation(len(frame.species))
    shuffled = replace(
        frame,
        species=tuple(frame.species[k] for k in order),
        positions=frame.positions[order],
    )
    expected = replace(base, energies=base.energies[order], forces=base.forces[order])
    found = context.python.one(shuffled)
    findings.append(_same("symmetry: permutation", expected, found, limit))
    return tuple(findings)


def _same(name: str, a: Evaluation, b: Evaluation, limit: float) -> Finding:
    atoms = max(1, len(a.energies))
    value = largest(a.energies - b.energies, a.forces - b.forces, (a.virial - b.virial) / atoms)
    return at_most(name, value, limit, "eV, eV/A")
