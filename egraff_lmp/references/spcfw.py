"""Flexible SPC water (SPC/Fw) as a potential of the decks, and the molecules that it acts on.

Y. Wu, H. L. Tepper, G. A. Voth, J. Chem. Phys. 124, 024503 (2006): harmonic bonds and angle, point
charges, Lennard-Jones between oxygens. The parameters stand in `lammps_inputs/spcfw.settings`.
"Forces are not enough" calls its force field SPC/E-fw and cites that paper.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.contract.schema import Citation
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import sha256_file
from egraff_lmp.paths import decks_dir
from egraff_lmp.rollout.datafile import Structure, Topology
from egraff_lmp.rollout.potential import Potential

SPCFW = Citation(
    "Y. Wu, H. L. Tepper, G. A. Voth, Flexible simple point-charge water model with improved "
    "liquid-state properties, The Journal of Chemical Physics 124, 024503 (2006)",
    doi="10.1063/1.2136877",
)
SPECIES = ("H", "O")
MASSES_AMU = {"H": 1.008, "O": 15.9994}
MOLAR_MASS = 2 * MASSES_AMU["H"] + MASSES_AMU["O"]  # g/mol
BOND_A, ANGLE_DEGREES = 1.012, 113.24
CHARGES = {"H": 0.41, "O": -0.82}
# A bond of 1.012 A whose stretch has been given an energy of 2 eV; the nearest hydrogen of another
# molecule is 1.6 A away in the liquid.
LONGEST_BOND_A = 1.35
_CUTOFF_A = 9.0


def spcfw() -> Potential:
    """The force field, for `rerun` and the decks."""
    settings = decks_dir() / "spcfw.settings"
    return Potential(
        variables={
            "pair": f"lj/cut/coul/long {_CUTOFF_A}",
            "coeff": "0.0 1.0",
            "settings": str(settings),
            "atom_style": "full",
        },
        species=SPECIES,
        masses_amu=MASSES_AMU,
        sha256=sha256_file(settings),
        title="SPC/Fw water",
        topology=water_topology,
    )


def water_topology(structure: Structure) -> Topology:
    """Each oxygen with the two hydrogens that are nearest to it.

    Raises:
        EgraffError: other elements than H and O, two of three directions without periodicity, or
            atoms that are not all parts of whole molecules.
    """
    _check(structure)
    species = np.array(structure.species)
    oxygens, hydrogens = np.flatnonzero(species == "O"), np.flatnonzero(species == "H")
    distances = _distances(structure, oxygens, hydrogens)
    nearest = np.argsort(distances, axis=1)[:, :2]
    length = np.take_along_axis(distances, nearest, axis=1)
    if len(np.unique(nearest)) != len(hydrogens) or length.max() > LONGEST_BOND_A:
        raise EgraffError(
            f"{structure.source}: expected whole water molecules (two hydrogens within "
            f"{LONGEST_BOND_A} A of each oxygen), got a hydrogen {length.max():.3g} A from the "
            "nearest free oxygen: give frames that begin with whole molecules."
        )
    bonded = hydrogens[nearest]
    molecules = np.zeros(len(species), dtype=np.int64)
    molecules[oxygens] = np.arange(1, len(oxygens) + 1)
    molecules[bonded] = molecules[oxygens][:, None]
    bonds = np.stack([np.repeat(oxygens, 2), bonded.reshape(-1)], axis=1)
    return Topology(
        molecules=molecules,
        charges=np.array([CHARGES[name] for name in structure.species]),
        bonds=bonds + 1,
        angles=np.stack([bonded[:, 0], oxygens, bonded[:, 1]], axis=1) + 1,
    )


def _check(structure: Structure) -> None:
    counts = {name: structure.species.count(name) for name in sorted(set(structure.species))}
    if set(counts) != set(SPECIES) or counts["H"] != 2 * counts["O"]:
        found = " ".join(f"{name}{n}" for name, n in counts.items())
        raise EgraffError(
            f"{structure.source}: expected water, two hydrogens for each oxygen and nothing else, "
            f"got {found}: the force field SPC/Fw knows no other molecule."
        )
    if not all(structure.pbc):
        raise EgraffError(
            f"{structure.source}: expected a periodic cell, as SPC/Fw sums charges over all "
            "images, got none: give frames with a cell."
        )


def _distances(
    structure: Structure, first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(F, S) distances to the nearest image in A; exact below half the smallest cell height."""
    inverse = np.linalg.inv(structure.cell)
    difference = structure.positions[first][:, None] - structure.positions[second][None]
    fractional = difference @ inverse
    distances = np.linalg.norm((fractional - np.round(fractional)) @ structure.cell, axis=-1)
    return np.asarray(distances, dtype=np.float64)
