"""Alanine dipeptide (ACE-ALA-NME) with the AMBER-03 force field by OpenMM.

The paper ran AMBER-03 in explicit water and kept the forces on the peptide: a target with the
kicks of a solvent that the model does not see. Here the solvent is a function of the peptide's
coordinates (generalised Born, OBC; or none), so that every frame has one energy whose gradient the
forces are, and the reference can be asked about any frame.

AMBER-03: Y. Duan et al., J. Comput. Chem. 24, 1999 (2003); OBC: A. Onufriev, D. Bashford,
D. A. Case, Proteins 55, 383 (2004). No bond is constrained, as a constrained bond has no force to
learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import ase.units
import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from numpy.typing import NDArray

from egraff_lmp.contract.schema import Citation
from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import write_text
from egraff_lmp.references.plan import Plan, Segment
from egraff_lmp.runs.machine import versions

AMBER03 = Citation(
    "Y. Duan et al., A point-charge force field for molecular mechanics simulations of proteins "
    "based on condensed-phase quantum mechanical calculations, Journal of Computational Chemistry "
    "24, 1999 (2003)",
    doi="10.1002/jcc.10349",
)
OBC = Citation(
    "A. Onufriev, D. Bashford, D. A. Case, Exploring protein native states and large-scale "
    "conformational changes with a modified generalized Born model, Proteins 55, 383 (2004)",
    doi="10.1002/prot.20033",
)
OPENMM = Citation(
    "P. Eastman et al., OpenMM 8: molecular dynamics simulation with machine learning potentials, "
    "The Journal of Physical Chemistry B 128, 109 (2024)",
    doi="10.1021/acs.jpcb.3c06662",
)
# Appendix D of the paper: 50 000 frames, 2 ps apart, of 100 ns at 300 K.
PAPER = Plan(
    frames=50_000,
    stride_fs=2000.0,
    timestep_fs=1.0,
    temperature_kelvin=300.0,
    equilibration_ps=100.0,
    sizes=(38_000, 2000, 10_000),
    method="shuffled",
    seed=1,
)
KEY = "alanine_dipeptide"
IMPLICIT, VACUUM = "implicit", "vacuum"
SOLVENTS = {IMPLICIT: ("amber03.xml", "amber03_obc.xml"), VACUUM: ("amber03.xml",)}
FRICTION_PER_PS = 1.0
NM_A = 10.0
KJ_EV = ase.units.kJ / ase.units.mol
_KELVIN_EV = ase.units.kB


@dataclass(frozen=True)
class Atom:
    """One atom of the peptide: where it stands in its residue, and relative to three others.

    Attributes:
        residue, name: as AMBER calls them.
        bonded, angle, dihedral: indices of the atoms that the three coordinates are relative to.
        length_a, angle_degrees, dihedral_degrees: the coordinates.
    """

    residue: str
    name: str
    bonded: int
    angle: int
    dihedral: int
    length_a: float
    angle_degrees: float
    dihedral_degrees: float

    @property
    def element(self) -> str:
        """Its element, the first letter of its name."""
        return self.name[0]


# Ordinary bond lengths and angles, extended chain (phi = psi = 180 degrees): a start that is
# minimised before it is used. Every row refers to rows above it (-1: it needs none).
PEPTIDE = (
    Atom("ACE", "CH3", -1, -1, -1, 0.0, 0.0, 0.0),
    Atom("ACE", "C", 0, -1, -1, 1.52, 0.0, 0.0),
    Atom("ACE", "O", 1, 0, -1, 1.23, 120.5, 0.0),
    Atom("ACE", "HH31", 0, 1, 2, 1.09, 109.5, 0.0),
    Atom("ACE", "HH32", 0, 1, 2, 1.09, 109.5, 120.0),
    Atom("ACE", "HH33", 0, 1, 2, 1.09, 109.5, -120.0),
    Atom("ALA", "N", 1, 0, 2, 1.34, 116.5, 180.0),
    Atom("ALA", "CA", 6, 1, 0, 1.45, 121.5, 180.0),
    Atom("ALA", "C", 7, 6, 1, 1.52, 110.5, 180.0),
    Atom("ALA", "O", 8, 7, 6, 1.23, 120.5, 0.0),
    Atom("ALA", "CB", 7, 6, 8, 1.53, 110.0, -122.5),
    Atom("ALA", "H", 6, 1, 7, 1.01, 119.5, 180.0),
    Atom("ALA", "HA", 7, 6, 8, 1.09, 109.0, 119.0),
    Atom("ALA", "HB1", 10, 7, 6, 1.09, 109.5, 60.0),
    Atom("ALA", "HB2", 10, 7, 6, 1.09, 109.5, 180.0),
    Atom("ALA", "HB3", 10, 7, 6, 1.09, 109.5, -60.0),
    Atom("NME", "N", 8, 7, 9, 1.34, 116.5, 180.0),
    Atom("NME", "CH3", 16, 8, 7, 1.45, 121.5, 180.0),
    Atom("NME", "H", 16, 8, 17, 1.01, 119.5, 180.0),
    Atom("NME", "HH31", 17, 16, 8, 1.09, 109.5, 180.0),
    Atom("NME", "HH32", 17, 16, 8, 1.09, 109.5, 60.0),
    Atom("NME", "HH33", 17, 16, 8, 1.09, 109.5, -60.0),
)
SPECIES = tuple(atom.element for atom in PEPTIDE)


def geometry() -> NDArray[np.float64]:
    """(22, 3) positions in A of the table's internal coordinates."""
    found = np.zeros((len(PEPTIDE), 3))
    for index, atom in enumerate(PEPTIDE):
        if atom.bonded < 0:
            continue
        centre = found[atom.bonded]
        # What a first and second atom lack stands aside, so that the chain begins in a plane.
        second = found[atom.angle] if atom.angle >= 0 else centre - np.array([1.0, 0.0, 0.0])
        third = found[atom.dihedral] if atom.dihedral >= 0 else second + np.array([0.0, 1.0, 0.0])
        angle, turn = np.radians([180 - atom.angle_degrees, atom.dihedral_degrees])
        if atom.angle < 0:
            angle = 0.0
        axis = _unit(centre - second)
        normal = _unit(np.cross(second - third, axis))
        across = np.cross(normal, axis)
        found[index] = centre + atom.length_a * (
            np.cos(angle) * axis + np.sin(angle) * (np.cos(turn) * across + np.sin(turn) * normal)
        )
    return found


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / np.linalg.norm(vector)


class Amber:
    """AMBER-03 on alanine dipeptide, by OpenMM's double-precision reference platform.

    Args:
        solvent: "implicit" or "vacuum".

    Raises:
        EgraffError: OpenMM is not installed, or another solvent.
    """

    def __init__(self, solvent: str = IMPLICIT) -> None:
        if solvent not in SOLVENTS:
            raise EgraffError(f"expected a solvent out of {', '.join(SOLVENTS)}, got '{solvent}'.")
        self.solvent = solvent
        self.mm = openmm()
        app = self.mm.app
        self.system = app.ForceField(*SOLVENTS[solvent]).createSystem(
            _topology(app),
            nonbondedMethod=app.NoCutoff,
            constraints=None,
            removeCMMotion=False,
        )
        self._context = self.context(self.mm.VerletIntegrator(0.001))

    def context(self, integrator: Any) -> Any:
        """A simulation context, on the platform whose numbers do not depend on the machine."""
        platform = self.mm.Platform.getPlatformByName("Reference")
        return self.mm.Context(self.system, integrator, platform)

    def evaluate(self, positions: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """(energy in eV, (22, 3) forces in eV/A) of positions (22, 3) in A."""
        self._context.setPositions(positions / NM_A)
        return self.labels(self._context.getState(getEnergy=True, getForces=True))

    def labels(self, state: Any) -> tuple[float, NDArray[np.float64]]:
        """(energy in eV, (22, 3) forces in eV/A) of a state."""
        unit = self.mm.unit
        energy = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
        forces = state.getForces(asNumpy=True).value_in_unit(
            unit.kilojoule_per_mole / unit.nanometer
        )
        return float(energy * KJ_EV), np.asarray(forces, dtype=np.float64) * (KJ_EV / NM_A)


def openmm() -> Any:
    """The package OpenMM with its modules `app` and `unit`.

    Raises:
        EgraffError: it is not installed.
    """
    try:
        import openmm
        import openmm.app
        import openmm.unit
    except ImportError:
        raise EgraffError(
            "expected the package OpenMM, which holds the AMBER force field, got none: run "
            "`pip install openmm`."
        ) from None
    return openmm


def _topology(app: Any) -> Any:
    topology = app.Topology()
    chain = topology.addChain()
    residues: dict[str, Any] = {}
    atoms = []
    for row in PEPTIDE:
        if row.residue not in residues:
            residues[row.residue] = topology.addResidue(row.residue, chain)
        element = app.element.Element.getBySymbol(row.element)
        atoms.append(topology.addAtom(row.name, element, residues[row.residue]))
    for row, atom in zip(PEPTIDE, atoms, strict=True):
        if row.bonded >= 0:  # no rings: each atom's own bond is every bond
            topology.addBond(atoms[row.bonded], atom)
    return topology


def ask_amber(frames: Frames, solvent: str = IMPLICIT) -> Frames:
    """The frames with AMBER's energies (T,) in eV and forces (T, 22, 3) in eV/A.

    Raises:
        EgraffError: other atoms, or these in another order.
    """
    if frames.species != SPECIES:
        raise EgraffError(
            f"{frames.source}: expected alanine dipeptide with its atoms as `egraff data make "
            f"alanine_dipeptide` writes them ({''.join(SPECIES)}), got "
            f"{''.join(frames.species)[:60]}: the force field goes by that order."
        )
    amber = _shared(solvent)
    found = [amber.evaluate(positions) for positions in frames.positions]
    return replace(
        frames,
        energy=np.array([energy for energy, _ in found]),
        forces=np.array([forces for _, forces in found]).reshape(frames.positions.shape),
        stress=None,
    )


@lru_cache(maxsize=2)
def _shared(solvent: str) -> Amber:
    return Amber(solvent)


class AmberCalculator(Calculator):
    """AMBER-03 on alanine dipeptide as a calculator of ASE, energies in eV.

    Args:
        solvent: "implicit" or "vacuum".
    """

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 - as the base class has it

    def __init__(self, solvent: str = IMPLICIT, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.amber = Amber(solvent)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Any = None,
        system_changes: Any = all_changes,
    ) -> None:
        """Energy and forces of `atoms`, whose order is that of `PEPTIDE`."""
        super().calculate(atoms, properties, system_changes)
        if atoms is None:
            raise EgraffError("expected atoms to evaluate, got none.")
        species = tuple(atoms.get_chemical_symbols())
        if species != SPECIES:
            raise EgraffError(
                f"expected the atoms of alanine dipeptide as {''.join(SPECIES)}, got "
                f"{''.join(species)[:60]}: build them from egraff_lmp.references.alanine.PEPTIDE."
            )
        energy, forces = self.amber.evaluate(atoms.positions)
        self.results = {"energy": energy, "free_energy": energy, "forces": forces}


@dataclass(frozen=True)
class Alanine:
    """The settings of the peptide.

    Attributes:
        solvent: "implicit" (generalised Born) or "vacuum".
        friction_per_ps: of the Langevin thermostat.
    """

    solvent: str = IMPLICIT
    friction_per_ps: float = FRICTION_PER_PS

    key = KEY

    def __post_init__(self) -> None:
        if self.solvent not in SOLVENTS:
            raise EgraffError(
                f"expected a solvent out of {', '.join(SOLVENTS)}, got '{self.solvent}'."
            )
        openmm()  # before anything is written

    @property
    def title(self) -> str:
        """For people."""
        where = "implicit solvent" if self.solvent == IMPLICIT else "vacuum"
        return f"Alanine dipeptide (AMBER-03, {where})"

    @property
    def citations(self) -> tuple[Citation, ...]:
        """The force field, its solvent, and the program."""
        return (AMBER03, *((OBC,) if self.solvent == IMPLICIT else ()), OPENMM)

    def settings(self) -> dict[str, Any]:
        """Parameters and versions."""
        return {
            "force_field": "AMBER-03",
            "solvent": self.solvent,
            "files_of_openmm": list(SOLVENTS[self.solvent]),
            "constraints": "none",
            "thermostat": f"Langevin (middle), {self.friction_per_ps:g} per ps",
            "versions": versions(("egraff_lmp", "openmm", "numpy")),
        }

    def begin(self, plan: Plan, work: Path) -> Mapping[str, float]:
        """Minimise and settle; leaves a state."""
        amber = Amber(self.solvent)
        context = self._context(amber, plan, plan.seed)
        context.setPositions(geometry() / NM_A)
        amber.mm.LocalEnergyMinimizer.minimize(context)
        minimum, _ = amber.labels(context.getState(getEnergy=True, getForces=True))
        context.setVelocitiesToTemperature(plan.temperature_kelvin, plan.seed)
        context.getIntegrator().step(plan.settling_steps)
        self._keep(amber, context, work, 0)
        return {"energy_of_minimum_ev": minimum}

    def advance(self, plan: Plan, work: Path, number: int) -> Segment:
        """One segment, with a seed of the thermostat of its own."""
        amber = Amber(self.solvent)
        context = self._context(amber, plan, plan.seed + 1 + number)
        text = _state_path(work, number).read_text(encoding="utf-8")
        context.setState(amber.mm.XmlSerializer.deserialize(text))
        n_frames = plan.segments[number]
        positions = np.zeros((n_frames, len(SPECIES), 3))
        energy, forces = np.zeros(n_frames), np.zeros_like(positions)
        kinetic = 0.0
        for index in range(n_frames):
            context.getIntegrator().step(plan.every)
            state = context.getState(getPositions=True, getEnergy=True, getForces=True)
            found = state.getPositions(asNumpy=True).value_in_unit(amber.mm.unit.angstrom)
            positions[index] = found
            energy[index], forces[index] = amber.labels(state)
            kinetic += state.getKineticEnergy().value_in_unit(amber.mm.unit.kilojoule_per_mole)
        self._keep(amber, context, work, number + 1)
        degrees = 3 * len(SPECIES)
        temperature = 2 * kinetic * KJ_EV / n_frames / (degrees * _KELVIN_EV)
        frames = Frames(
            SPECIES,
            positions,
            np.zeros((n_frames, 3, 3)),
            (False, False, False),
            energy,
            forces,
            plan.stride_fs,
            self.title,
        )
        return Segment(frames, {"temperature_kelvin": float(temperature)})

    def _context(self, amber: Amber, plan: Plan, seed: int) -> Any:
        integrator = amber.mm.LangevinMiddleIntegrator(
            plan.temperature_kelvin, self.friction_per_ps, plan.timestep_fs / 1000
        )
        integrator.setRandomNumberSeed(seed)
        return amber.context(integrator)

    def _keep(self, amber: Amber, context: Any, work: Path, number: int) -> None:
        state = context.getState(getPositions=True, getVelocities=True)
        write_text(_state_path(work, number), amber.mm.XmlSerializer.serialize(state))


def _state_path(work: Path, number: int) -> Path:
    return work / f"{number:05d}.state.xml"
