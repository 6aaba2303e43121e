"""Liquid water by LAMMPS: the decks of a rollout with the force field SPC/Fw in a model's place.

From a lattice of turned molecules, minimised; at 1 atm for the density (in.npt, whose second half
is averaged) unless it is given; then at that density (in.nvt, Nose-Hoover with 100 fs) in segments
that go on from LAMMPS' own restart files, as one simulation.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase.units import kg, m
from numpy.typing import NDArray

from egraff_lmp.data.lammps_dump import read_lammps_dump
from egraff_lmp.data.lammps_thermo import COLUMNS, read_thermo
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import write_text
from egraff_lmp.references.plan import Plan, Segment
from egraff_lmp.references.spcfw import (
    ANGLE_DEGREES,
    BOND_A,
    MASSES_AMU,
    MOLAR_MASS,
    SPCFW,
    SPECIES,
    spcfw,
)
from egraff_lmp.rollout.datafile import Structure, data_text
from egraff_lmp.rollout.deck import check_out_dir, deck_path, number
from egraff_lmp.rollout.launch import lammps_command, launch, setup_error
from egraff_lmp.rollout.potential import element_words
from egraff_lmp.rollout.restart import THERMO, TRAJECTORY
from egraff_lmp.runs.machine import versions

# Appendix D of the paper: 100 000 frames, 10 fs apart, of 1 ns at 300 K; the parts of Water-1k.
PAPER = Plan(
    frames=100_000,
    stride_fs=10.0,
    timestep_fs=1.0,
    temperature_kelvin=300.0,
    equilibration_ps=50.0,
    sizes=(950, 50, 10_000),
    method="shuffled",
    seed=1,
)
ATMOSPHERE_BAR = 1.01325
START_DENSITY = 0.997  # g/cm^3, water at 298 K
DAMPING_FS, BAROSTAT_FS = 100.0, 1000.0
MINIMISED_STEPS = 300
# A periodic image of a molecule beyond the first shell: fewer make no liquid.
FEWEST_MOLECULES = 16
_DATA, _RESTART = "start.data", "restart.final"


@dataclass(frozen=True)
class Water:
    """The settings of the liquid.

    Attributes:
        molecules: in the cubic cell.
        density: in g/cm^3; None takes the mean at 1 atm.
        pressure_ps: time at 1 atm; its second half is averaged.
        ranks: MPI ranks of LAMMPS.
    """

    molecules: int = 64
    density: float | None = None
    pressure_ps: float = 200.0
    ranks: int = 1

    key = "water"
    title = "Water (SPC/Fw)"
    citations = (SPCFW,)

    def __post_init__(self) -> None:
        if self.molecules < FEWEST_MOLECULES:
            raise EgraffError(
                f"expected at least {FEWEST_MOLECULES} molecules, got {self.molecules}: a smaller "
                "cell holds no liquid."
            )
        if self.density is not None and not 0.2 < self.density < 2.0:
            raise EgraffError(
                f"expected the density of a liquid in g/cm^3 (0.2 to 2), got {self.density:g}."
            )
        if self.density is None and not 0.1 <= self.pressure_ps < float("inf"):
            raise EgraffError(
                f"expected at least 0.1 ps at 1 atm, got {self.pressure_ps:g}: lengthen it, or "
                "give the density."
            )

    def settings(self) -> dict[str, Any]:
        """Parameters and versions."""
        potential = spcfw()
        return {
            "force_field": potential.title,
            "parameters": Path(potential.variables["settings"]).read_text(encoding="utf-8"),
            "pair_style": potential.variables["pair"],
            "molecules": self.molecules,
            "density_g_cm3": self.density,
            "pressure_ps": None if self.density is not None else self.pressure_ps,
            "pressure_bar": None if self.density is not None else ATMOSPHERE_BAR,
            "thermostat": f"Nose-Hoover, {DAMPING_FS:g} fs",
            "versions": versions(("egraff_lmp", "lammps", "numpy")),
        }

    def begin(self, plan: Plan, work: Path) -> Mapping[str, float]:
        """Minimise, find the density, and settle at constant volume; leaves a restart file."""
        check_out_dir(work)
        start = lattice(self.molecules, self.density or START_DENSITY, plan.seed)
        few = {"steps": str(MINIMISED_STEPS), "dump_every": str(MINIMISED_STEPS)}
        last = self._run(work / "minimise", "minimise", start, few)
        facts = {}
        if self.density is None:
            last, volume, pressure = self._at_pressure(plan, work / "npt", last)
            last = scaled(last, volume)
            facts["pressure_of_npt_bar"] = pressure
        facts["density_g_cm3"] = density_of(last)
        facts["cell_length_angstrom"] = float(last.cell[0, 0])
        # The thermostat begins here; with no settling there is still one stride, for the restart.
        steps = max(plan.every, plan.settling_steps)
        settling = {"dump_every": str(steps), "seed": str(plan.seed + 1)}
        self._run(work / "settle", "nvt", last, {**_dynamics(plan, steps), **settling})
        _keep(work / "settle", work, 0)
        return facts

    def advance(self, plan: Plan, work: Path, number: int) -> Segment:
        """One segment at constant volume, from the restart file of the one before."""
        folder, before = work / f"segment-{number:05d}", work / f"{number:05d}.restart"
        steps = max(plan.every, plan.settling_steps)
        steps += plan.every * sum(plan.segments[: number + 1])
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        shutil.copy(before, folder / before.name)
        write_text(folder / THERMO, ",".join(COLUMNS) + "\n")  # a continued run appends its rows
        variables = {**_dynamics(plan, steps), "restart": before.name}
        self._launch(folder, "nvt", variables)
        frames = read_lammps_dump(folder / TRAJECTORY)
        wanted = plan.segments[number]
        if len(frames) != wanted or frames.energy is None or frames.forces is None:
            raise EgraffError(
                f"{folder}: expected {wanted} frames with energies and forces, got {len(frames)}: "
                "remove this folder and repeat the command."
            )
        rows = read_thermo(folder / THERMO)
        _keep(folder, work, number + 1)
        means = {
            "temperature_kelvin": float(rows.temperature_kelvin.mean()),
            "pressure_bar": float(rows.pressure_bar.mean()),
        }
        return Segment(replace(frames, timestep_fs=plan.stride_fs), means)

    def _at_pressure(
        self, plan: Plan, folder: Path, start: Structure
    ) -> tuple[Structure, float, float]:
        """(last frame, mean volume in A^3, mean pressure in bar) at 1 atm."""
        steps = max(20, round(1000 * self.pressure_ps / plan.timestep_fs))
        variables = {
            **_dynamics(plan, steps),
            "thermo_every": "10",
            "dump_every": str(steps),
            "seed": str(plan.seed),
            "pressure": number(ATMOSPHERE_BAR),
            "pressure_damping_fs": number(BAROSTAT_FS),
        }
        last = self._run(folder, "npt", start, variables)
        rows = read_thermo(folder / THERMO)
        later = slice(len(rows.step) // 2, None)
        return last, float(rows.volume_a3[later].mean()), float(rows.pressure_bar[later].mean())

    def _run(
        self, folder: Path, deck: str, start: Structure, variables: Mapping[str, str]
    ) -> Structure:
        """Run a deck from a structure; the last frame."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        topology = spcfw().topology
        text = data_text(
            start,
            SPECIES,
            masses_amu=MASSES_AMU,
            topology=None if topology is None else topology(start),
        )
        write_text(folder / _DATA, text)
        self._launch(folder, deck, variables)
        if deck == "minimise":  # its table lacks the last step, whose energy nobody asks for
            (folder / THERMO).unlink()
        return Structure.from_frames(read_lammps_dump(folder / TRAJECTORY), -1)

    def _launch(self, folder: Path, deck: str, variables: Mapping[str, str]) -> None:
        given = {
            **spcfw().variables,
            "elements": element_words(SPECIES),
            "data": str(folder / _DATA),
            "out": str(folder),
            **variables,
        }
        end = launch(
            lammps_command(deck_path(deck), given, self.ranks, None), folder / "log.lammps"
        )
        if end.code != 0 or end.error:
            raise setup_error(end)


def lattice(molecules: int, density: float, seed: int) -> Structure:
    """Molecules of the force field's own shape on a cubic lattice, each turned at random.

    Args:
        molecules: how many; sites that they do not fill stay empty.
        density: in g/cm^3.
        seed: of the turns.
    """
    rng = np.random.default_rng(seed)
    length = (molecules * MOLAR_MASS / density_per_amu(density)) ** (1 / 3)
    sites = int(np.ceil(molecules ** (1 / 3) - 1e-9))
    grid = np.stack(np.meshgrid(*[np.arange(sites)] * 3, indexing="ij"), -1).reshape(-1, 3)
    centres = (grid[:molecules] + 0.5) * length / sites
    half = np.radians(ANGLE_DEGREES) / 2
    arm = BOND_A * np.array([np.sin(half), np.cos(half), 0.0])
    shape = np.array([[0.0, 0.0, 0.0], arm, arm * [-1, 1, 1]])
    turned = np.einsum("nij,aj->nai", turns(molecules, rng), shape)
    return Structure(
        species=("O", "H", "H") * molecules,
        positions=(turned + centres[:, None]).reshape(-1, 3),
        cell=length * np.eye(3),
        pbc=(True, True, True),
        velocities=None,
        source="a lattice of water molecules",
    )


def turns(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(n, 3, 3) rotations, uniform over all: from normalised normal quaternions."""
    w, x, y, z = (q := rng.normal(size=(4, n))) / np.linalg.norm(q, axis=0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.array(rows).transpose(2, 0, 1)


def scaled(structure: Structure, volume: float) -> Structure:
    """The structure in a cubic cell of `volume` A^3, its molecules moved but not stretched.

    The atoms are O H H by turns, with whole molecules.
    """
    length = volume ** (1 / 3)
    factor = length / structure.cell[0, 0]
    groups = structure.positions.reshape(-1, 3, 3)
    oxygens = groups[:, :1]
    relative = groups - oxygens
    relative -= structure.cell[0, 0] * np.round(relative / structure.cell[0, 0])
    positions = (factor * oxygens + relative).reshape(-1, 3)
    return replace(structure, positions=positions, cell=length * np.eye(3))


def density_per_amu(density: float) -> float:
    """A density of g/cm^3 in amu/A^3."""
    return float(density * 1e3 * kg / m**3)


def density_of(structure: Structure) -> float:
    """Density of a structure of water in g/cm^3."""
    mass = MOLAR_MASS * len(structure.species) / 3
    return float(mass / np.linalg.det(structure.cell) / density_per_amu(1.0))


def _dynamics(plan: Plan, steps: int) -> dict[str, str]:
    return {
        "steps": str(steps),
        "temperature": number(plan.temperature_kelvin),
        "timestep_fs": number(plan.timestep_fs),
        "thermo_every": str(plan.every),
        "dump_every": str(plan.every),
        "damping_fs": number(DAMPING_FS),
    }


def _keep(folder: Path, work: Path, segment: int) -> None:
    """Move the restart file that the next segment begins from, and drop the rest."""
    (folder / _RESTART).replace(work / f"{segment:05d}.restart")
    shutil.rmtree(folder)
