"""Seeded systems to score: bulk, triclinic too, and molecules; broken rollouts, reruns, strides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import molecule as ase_molecule
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames

SPECIES = ("Li",) * 8 + ("S",) * 19
SITES = np.stack(np.meshgrid(*[np.arange(3.0)] * 3, indexing="ij"), axis=-1).reshape(27, 3) / 3
CUBIC = 12 * np.eye(3)
TRICLINIC = np.array([[12.0, 0, 0], [2.0, 11.0, 0], [-1.5, 2.5, 11.5]])


@dataclass(frozen=True)
class Case:
    """One scoring.

    Attributes:
        reference: the ground truth.
        rollouts: the rollouts' frames.
        temperatures: of each rollout, (T,) in K or None; () for none.
        ends: frame at which each rollout was ended by LAMMPS, or None; () for none.
        reruns: comparison to (truth, model).
        choices: of `score_trajectory`.
    """

    reference: Frames
    rollouts: list[Frames]
    temperatures: tuple[NDArray[np.float64] | None, ...] = ()
    ends: tuple[int | None, ...] = ()
    reruns: Mapping[str, tuple[Frames, Frames]] = field(default_factory=dict)
    choices: Mapping[str, Any] = field(default_factory=dict)


def bulk(
    n_frames: int,
    seed: int,
    cell: NDArray[np.float64] = CUBIC,
    step_fs: float | None = 2.0,
    walk: float = 0.05,
    first: NDArray[np.float64] | None = None,
) -> Frames:
    """Lithium that walks among sulphur that rattles, with energies and forces, wrapped."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, walk, (n_frames, 27, 3))
    steps[0] = 0
    x = SITES @ cell + steps.cumsum(axis=0)
    x[:, 8:] = (SITES @ cell)[8:] + rng.normal(0, 0.1, (n_frames, 19, 3))
    if first is not None:
        x[0] = first
    s = x @ np.linalg.inv(cell)
    return Frames(
        species=SPECIES,
        positions=(s - np.floor(s)) @ cell,
        cell=np.broadcast_to(cell, (n_frames, 3, 3)).copy(),
        pbc=(True,) * 3,
        energy=rng.normal(-4000, 1, size=n_frames),
        forces=rng.normal(size=(n_frames, 27, 3)),
        timestep_fs=step_fs,
        source=f"bulk {seed}",
    )


def relabelled(frames: Frames, seed: int, scale: float = 0.2) -> Frames:
    """The same frames with other energies and forces, as another potential would give."""
    rng = np.random.default_rng(seed)
    assert frames.energy is not None
    assert frames.forces is not None
    return replace(
        frames,
        energy=frames.energy + scale * rng.normal(size=len(frames)),
        forces=frames.forces + scale * rng.normal(size=frames.forces.shape),
        source=f"relabelled {seed}",
    )


def molecule(n_frames: int, seed: int, atoms: Atoms | None = None) -> Frames:
    """Ethanol, or other atoms, that rattles, with energies and forces."""
    atoms = atoms or ase_molecule("CH3CH2OH")
    rng = np.random.default_rng(seed)
    shape = (n_frames, len(atoms), 3)
    return Frames(
        species=tuple(atoms.get_chemical_symbols()),
        positions=atoms.positions + rng.normal(0, 0.03, shape),
        cell=np.zeros((n_frames, 3, 3)),
        pbc=(False,) * 3,
        energy=rng.normal(-100, 1, size=n_frames),
        forces=rng.normal(size=shape),
        timestep_fs=0.5,
        source=f"molecule {seed}",
    )


# A chain C-C(=O)-N(H)-C(C)-C(=O)-N(H)-C: bonded to, angle with, dihedral with, length, angle,
# dihedral of each atom after the first.
_SYMBOLS = "CCONHCCCONHC"
_Z_MATRIX = (
    (0, None, None, 1.51, 0, 0), (1, 0, None, 1.23, 121, 0), (1, 0, 2, 1.34, 116, 180),
    (3, 1, 0, 1.01, 119, 0), (3, 1, 0, 1.46, 122, 180), (5, 3, 1, 1.53, 110, 120),
    (5, 3, 1, 1.53, 110, -120), (7, 5, 3, 1.23, 120, -33), (7, 5, 3, 1.34, 116, 147),
    (9, 7, 5, 1.01, 119, 0), (9, 7, 5, 1.46, 122, 180),
)  # fmt: skip


def dipeptide(phi: NDArray[np.float64], seed: int = 0) -> Frames:
    """Heavy atoms and amide hydrogens of alanine dipeptide turned about phi, (T,) in rad."""
    x = [np.zeros(3)]
    for a, b, c, length, angle, torsion in _Z_MATRIX:
        if b is None:
            x.append(np.array([length, 0, 0]))
            continue
        axis = x[a] - x[b]
        axis /= np.linalg.norm(axis)
        plane = x[b] - x[c] if c is not None else np.array([0, 1.0, 0])
        normal = np.cross(plane, axis)
        normal /= np.linalg.norm(normal)
        third = np.cross(normal, axis)
        t, p = np.radians(angle), np.radians(torsion)
        out = np.sin(t) * (np.cos(p) * third + np.sin(p) * normal)
        x.append(x[a] + length * (-np.cos(t) * axis + out))
    atoms = Atoms(list(_SYMBOLS), x)
    positions = []
    for value in np.degrees(phi):
        atoms.set_dihedral(1, 3, 5, 7, value, indices=[6, 7, 8, 9, 10, 11])
        positions.append(atoms.positions.copy())
    return replace(molecule(len(phi), seed, atoms), positions=np.array(positions))


def _starts() -> Case:
    """Four starts: one broke, one lost atoms, one got hot; both reruns."""
    reference = bulk(120, 0)
    starts = (0, 5, 9, 20)
    rollouts = [
        bulk(n, 10 + k, first=reference.positions[start])
        for k, (n, start) in enumerate(zip((80, 60, 70, 90), starts, strict=True))
    ]
    broken = rollouts[1]
    assert broken.energy is not None
    assert broken.forces is not None
    broken.positions[45:], broken.forces[45:], broken.energy[46:] = np.nan, np.inf, np.nan
    hot = np.full(90, 500.0)
    hot[70:] = 5000.0
    own = rollouts[0]
    return Case(
        reference, rollouts, (None, None, None, hot), (None, None, 69, None),
        {
            "rerun-reference": (reference, relabelled(reference, 20)),
            "rerun-oracle": (relabelled(own, 21), own),
        },
        {"skip": 3, "starts": starts, "temperature_kelvin": 520.0, "seed": 5},
    )  # fmt: skip


def _blocks() -> Case:
    """Two rollouts with every second frame, windows of 1 ps, one melts; a rerun of part."""
    reference = bulk(100, 1, step_fs=50.0, walk=0.02)
    rollouts = [bulk(60, 30 + k, step_fs=100.0, walk=0.03) for k in range(2)]
    rng = np.random.default_rng(4)
    rollouts[1].positions[30:] = 12 * rng.random((30, 27, 3))
    part = reference.select(slice(None, None, 7))
    return Case(
        reference, rollouts,
        reruns={"rerun-reference": (part, relabelled(part, 22, 0.05))},
        choices={"n_blocks": 7, "bin_width": 0.1},
    )  # fmt: skip


def _triclinic() -> Case:
    return Case(
        bulk(61, 2, TRICLINIC), [bulk(40, 40, TRICLINIC)],
        choices={"r_max": 4.5, "fit_window": (0.2, 0.5)},
    )  # fmt: skip


def _molecules() -> Case:
    rollouts = [molecule(80, 50 + k) for k in range(3)]
    hydrogen = rollouts[0].species.index("H")
    rollouts[2].positions[40:, hydrogen] += 3.0
    reference = molecule(75, 3)
    return Case(
        reference, rollouts,
        reruns={"rerun-oracle": (relabelled(rollouts[0], 23), rollouts[0])},
        choices={"rmsd_threshold": 0.05, "n_blocks": 5},
    )  # fmt: skip


def _angles() -> Case:
    rng = np.random.default_rng(6)
    reference = dipeptide(rng.uniform(-np.pi, np.pi, 205), 4)
    rollouts = [dipeptide(rng.uniform(-np.pi, 0.5 * k, 150 + k), 60 + k) for k in range(2)]
    return Case(reference, rollouts, choices={"temperature_kelvin": 300.0, "n_blocks": 9})


def _without_labels() -> Case:
    """No labels and no times."""
    bare = {"energy": None, "forces": None, "timestep_fs": None}
    return Case(replace(bulk(30, 7), **bare), [replace(bulk(25, 70), **bare)])


def cases() -> dict[str, Case]:
    """Every case by name; each has its own choices, and few resamples."""
    found = {
        "starts": _starts(), "blocks": _blocks(), "triclinic": _triclinic(),
        "molecules": _molecules(), "angles": _angles(), "without labels": _without_labels(),
    }  # fmt: skip
    return {
        name: replace(case, choices={"n_resamples": 60, **case.choices})
        for name, case in found.items()
    }
