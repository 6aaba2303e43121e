"""LAMMPS' own checklist for force styles, for every deployed file here and every network.

What `unittest/force-styles` of LAMMPS asks of a pair style: forces, stress and energy at the start
and after four steps; the same with newton off, after a restart, from a data file and without fdotr;
per-atom sums; numerical derivatives. Reference values come from ASE in place of stored numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from decks import KEYS, RANKS, Deck, Outcomes

from egraff_lmp import EgraffCalculator
from egraff_lmp.contract import read_contract
from egraff_lmp.forcefields import FORCE_FIELDS
from egraff_lmp.rollout.datafile import Structure, write_data_file

ROOT = Path(__file__).resolve().parents[2]
# Two of the files in `make test`, all in `make study`.
DEPLOYED = [
    pytest.param(
        path.name,
        marks=() if path.name in ("gete-nequip.pt", "lips20-allegro.pt") else (pytest.mark.study,),
    )
    for path in sorted((ROOT / "deployed_models").glob("*.pt"))
]
BAR_A3_PER_EV = 1.6021765e6
STEPS, TIMESTEP_FS = 4, 2.0


@dataclass(frozen=True)
class Tolerances:
    """Forces in eV/A (and per-atom energies in eV); virials and energies are sums over atoms.

    `derivative` is that of central differences over 1e-4 A (float64) or 1e-2 A (float32).
    """

    ranks: float
    python: float
    derivative: float
    displacement: float


TOLERANCES = {
    "float64": Tolerances(1e-9, 1e-6, 1e-5, 1e-4),
    # Seven digits of forces of up to 10 eV/A, less one or two in the network.
    "float32": Tolerances(5e-4, 1e-3, 1e-1, 1e-2),
}


@pytest.fixture(scope="module")
def model(quick_model):
    return quick_model


@pytest.fixture(scope="module", params=[*DEPLOYED, *KEYS])
def case(request, model, tmp_path_factory):
    """(model file, data file, atoms of ASE, tolerances)."""
    from ase.io import read

    folder = tmp_path_factory.mktemp("force style")
    if request.param in FORCE_FIELDS:
        path, dtype = model(request.param, "float64", scale=8.0, r_max=4.0), "float64"
        elements: tuple[str, ...] = ("Ge", "Te")
    else:
        path, dtype = ROOT / "deployed_models" / request.param, "float32"
        elements = read_contract(path).species
    data = ROOT / "lammps_inputs/gete.data"
    if dtype == "float64" or elements != ("Ge", "Te"):
        rng = np.random.default_rng(12)
        grid = np.stack(np.meshgrid(*[range(3)] * 3, indexing="ij"), -1).reshape(-1, 3)
        positions = (grid + 0.3) * 2.7 + rng.normal(0, 0.1, (27, 3))
        species = tuple(elements[(i + 1) % len(elements)] for i in range(27))
        structure = Structure(species, positions, np.eye(3) * 8.1, (True,) * 3, None, "27 atoms")
        data = folder / "atoms.data"
        write_data_file(data, structure, elements)
    atoms = read(data, format="lammps-data", units="metal", atom_style="atomic", sort_by_id=True)
    atoms.set_chemical_symbols([elements[t - 1] for t in atoms.arrays["type"]])
    return path, data, atoms, TOLERANCES[dtype], folder


GATHER = {"f": 3, "x": 3, "v": 3, "c_e": 1, "c_s": 6}
MEASURE = (
    "compute e all pe/atom",
    "compute s all stress/atom NULL virial",
    "compute p all pressure NULL virial",
    "thermo_style custom step pe vol c_p[1]",
    "fix ask all ave/atom 1 1 1 c_s[1]",
)


def decks(path: Path, data: Path, tolerances: Tolerances, folder: Path) -> dict[str, Deck]:
    elements = (
        read_contract(path).species if path.parent.name == "deployed_models" else ("Ge", "Te")
    )
    head = ("units metal", "atom_modify map yes")
    pair = ("pair_style egraff", f'pair_coeff * * "{path}" {" ".join(elements)}')
    warm = "velocity all create 900 7 loop all"
    move = (f"timestep {TIMESTEP_FS / 1000}", "fix move all nve")
    read = f'read_data "{data}"'

    def made(*lines: str, gather=None, before=()) -> Deck:
        return Deck((*head, *before, *lines), gather or GATHER, {"p": 6}, ("pe", "vol"))

    restart = folder / "restart"
    numdiff = (
        "group few id 1 2 3",
        f"fix forces few numdiff 1 {tolerances.displacement}",
        f"fix strain all numdiff/virial 1 {tolerances.displacement / 10}",
        "variable v1 equal f_strain[1]",
        "thermo_style custom step pe vol c_p[1] f_strain[*]",
    )
    run = f"run {STEPS} post no"
    return {
        "init": made(read, *pair, *MEASURE, warm, "run 0 post no"),
        "run": made(read, *pair, *MEASURE, warm, *move, run),
        "newton off": made(read, *pair, *MEASURE, warm, *move, run, before=("newton off",)),
        "nofdotr": made(read, *pair, "pair_modify nofdotr", *MEASURE, warm, *move, run),
        "write": made(
            read,
            *pair,
            *MEASURE,
            warm,
            "run 0 post no",
            f'write_restart "{restart}"',
            f'write_data "{restart}.data"',
        ),
        "restart": Deck(
            (f'read_restart "{restart}"', *MEASURE, *move, run), GATHER, {"p": 6}, ("pe", "vol")
        ),
        "data": made(f'read_data "{restart}.data"', *pair, *MEASURE, *move, run),
        "numdiff": Deck(
            (*head, read, *pair, *MEASURE, *numdiff, "run 0 post no"),
            {"f": 3, "f_forces": 3},
            {"p": 6},
            ("pe", "vol"),
            {"strain": 6},
        ),
    }


@pytest.fixture(scope="module")
def outcomes(case):
    path, data, _, tolerances, folder = case
    return Outcomes(decks(path, data, tolerances, folder))


@pytest.fixture(scope="module")
def reference(case, outcomes):
    """Energy, forces and virial at the start and after the steps, by ASE."""
    from ase import units
    from ase.md.verlet import VelocityVerlet

    path, _, atoms, _, _ = case
    start = outcomes[1]["init"]
    atoms = atoms.copy()
    atoms.calc = EgraffCalculator(path)
    atoms.set_velocities(start["v"] / (1000 * units.fs))  # A/ps
    found = {}
    for name in ("init", "run"):
        if name == "run":
            VelocityVerlet(atoms, TIMESTEP_FS * units.fs).run(STEPS)
        virial = -atoms.get_stress(voigt=False) * atoms.get_volume()
        found[name] = (atoms.get_potential_energy(), atoms.get_forces(), virial)
    return found


def virial(outcome) -> np.ndarray:
    xx, yy, zz, xy, xz, yz = outcome["p"] * outcome["vol"] / BAR_A3_PER_EV
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("name", ["init", "run", "newton off", "nofdotr", "restart", "data"])
def test_energy_forces_and_stress(outcomes, reference, case, name, ranks):
    outcome, tolerances = outcomes[ranks][name], case[3]
    energy, forces, stress = reference["init" if name == "init" else "run"]
    n = len(forces)
    assert np.abs(forces).max() > 0.05
    assert np.abs(outcome["f"] - forces).max() < tolerances.python
    assert abs(outcome["pe"] - energy) < tolerances.python * n
    assert np.abs(virial(outcome) - stress).max() < tolerances.python * n
    one = outcomes[1]["init" if name == "init" else "run"]
    assert np.abs(outcome["f"] - one["f"]).max() < tolerances.ranks


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("name", ["init", "run", "newton off"])
def test_per_atom_sums(outcomes, case, name, ranks):
    outcome = outcomes[ranks][name]
    # Sums of the same float64 numbers, whatever the network's precision.
    assert abs(outcome["c_e"].sum() - outcome["pe"]) < 1e-9 * abs(outcome["pe"])
    six = -outcome["c_s"].sum(0)
    total = outcome["p"] * outcome["vol"]
    assert np.abs(six - total).max() < 1e-9 * np.abs(outcome["c_s"]).sum()


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", RANKS)
def test_numerical_derivatives(outcomes, case, ranks):
    outcome, tolerances = outcomes[ranks]["numdiff"], case[3]
    assert np.abs(outcome["f_forces"][:3] - outcome["f"][:3]).max() < tolerances.derivative
    strain = outcome["strain"]
    total = (virial(outcome) * BAR_A3_PER_EV / outcome["vol"]).ravel()[[0, 4, 8, 5, 2, 1]]
    allowed = tolerances.derivative * max(1.0, np.abs(total).max())
    assert np.abs(strain - total).max() < allowed
