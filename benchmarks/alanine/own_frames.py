"""Exact errors of a model on the frames of its own metadynamics, and the handedness of CA.

    python benchmarks/alanine/own_frames.py FOLDER MODEL.pt

FOLDER is that of `egraff metadynamics --model MODEL.pt` on alanine dipeptide in implicit solvent.
AMBER-03 is asked about the frames (OpenMM). Errors are given for three parts of the surface, and
what they say of the model's free energy there, by perturbation up to the second cumulant,

    F - F_ref = <E - E_ref> + var(E - E_ref) / 2 k_B T,

less its value in the first part, with the standard error over segments of the runs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import ase.units
import numpy as np
from ase import Atoms

from egraff_lmp import EgraffCalculator
from egraff_lmp.references.alanine import PEPTIDE, SPECIES, Amber
from egraff_lmp.score.free_energy import dihedral

PHI, PSI = (1, 6, 7, 8), (6, 7, 8, 16)
EVERY = 2  # frames
KCAL = ase.units.kcal / ase.units.mol
THERMAL = 300 * ase.units.kB / KCAL
# The helical part, the extended part, and the right half.
PARTS = ("phi < 0, psi -120 to 60", "phi < 0, other psi", "phi > 0")


def part_of(positions: np.ndarray) -> np.ndarray:
    """Index into `PARTS` of each frame."""
    phi, psi = (np.degrees(dihedral(positions, atoms)) for atoms in (PHI, PSI))
    helical = (psi > -120) & (psi < 60)
    return np.where(phi >= 0, 2, np.where(helical, 0, 1))


def main(folder: Path, model: Path) -> None:
    """Print the errors."""
    amber, calculator = Amber(), EgraffCalculator(str(model))
    forces, energies, parts, segments, hands = [], [], [], [], []
    where = {(atom.residue, atom.name): index for index, atom in enumerate(PEPTIDE)}
    n, c, beta, alpha = (where["ALA", name] for name in ("N", "C", "CB", "CA"))
    for number, path in enumerate(sorted(folder.glob("run-*/segment-*.npz"))):
        frames = np.load(path)["positions"][::EVERY].astype(np.float64)
        for frame in frames:
            energy, truth = amber.evaluate(frame)
            atoms = Atoms(SPECIES, frame)
            atoms.calc = calculator
            forces.append(np.abs(atoms.get_forces() - truth).mean() * 1000)
            energies.append((float(atoms.get_potential_energy()) - energy) / KCAL)
            arms = frame[[n, c, beta]] - frame[alpha]
            hands.append(float(np.cross(arms[0], arms[1]) @ arms[2]))
        parts += part_of(frames).tolist()
        segments += [number] * len(frames)
    report(*(np.array(one) for one in (forces, energies, parts, segments)))
    print(f"frames in which CA has the other hand: {sum(h <= 0 for h in hands)} of {len(hands)}")


def report(
    forces: np.ndarray, energies: np.ndarray, parts: np.ndarray, segments: np.ndarray
) -> None:
    """One line for each part of the surface."""
    perturbed, errors = [], []
    for part, name in enumerate(PARTS):
        here = parts == part
        of = [energies[here & (segments == one)] for one in np.unique(segments)]
        several = [one.mean() + one.var() / (2 * THERMAL) for one in of if len(one) > 4]
        perturbed.append(energies[here].mean() + energies[here].var() / (2 * THERMAL))
        errors.append(np.std(several, ddof=1) / np.sqrt(len(several)))
        error = np.hypot(errors[part], errors[0]) if part else 0.0
        print(
            f"{name}: {here.sum()} frames, force MAE {forces[here].mean():.1f} meV/A, E - E_ref "
            f"spreads by {energies[here].std():.2f} kcal/mol, F - F_ref "
            f"{perturbed[part] - perturbed[0]:+.2f} +- {error:.2f} kcal/mol"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
