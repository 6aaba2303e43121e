"""A deployed native file equals its package's own ASE calculator on the native file."""

from __future__ import annotations

import contextlib
import io
import warnings

import ase
import numpy as np
import pytest
import torch
from interop_files import SPECIES, mace_model

from egraff_lmp import EgraffCalculator
from egraff_lmp.compare.compare import TOLERANCE_FLOAT64, difference
from egraff_lmp.compare.lammps_side import Case, evaluate_in_lammps
from egraff_lmp.contract import read_contract, save_deployed
from egraff_lmp.graph import find_edges
from egraff_lmp.rollout.datafile import Structure
from egraff_lmp.train.deploy_file import deploy_file

# The acceptance bound for float64: eV, eV/A and eV/A^3.
PARITY = 1e-8
# float32 resolves 1e-7; sums of terms that cancel lose two digits. Relative to the largest force
# and the largest energy of an atom.
PARITY_FLOAT32 = 2e-5
# Below this there would be nothing to compare, eV/A.
SMALLEST_FORCE = 5e-3

# Every option of MACE that is taken over, a few at a time.
MACE_CASES = {
    "MACE, agnostic first": {
        "atomic_inter_scale": None,
        "interaction_cls_first": "RealAgnosticInteractionBlock",
        "MLP_irreps": "4x0e",
        "num_interactions": 2,
    },
    "correlation 3, l 2": {"correlation": 3, "hidden_irreps": "4x0e + 4x1o + 4x2e", "max_ell": 3},
    "density, repulsion, Agnesi": {
        "interaction_cls": "RealAgnosticDensityResidualInteractionBlock",
        "interaction_cls_first": "RealAgnosticDensityInteractionBlock",
        "pair_repulsion": True,
        "distance_transform": "Agnesi",
    },
    "agnostic everywhere, cutoff outside": {
        "interaction_cls": "RealAgnosticInteractionBlock",
        "interaction_cls_first": "RealAgnosticDensityInteractionBlock",
        "apply_cutoff": False,
        "num_interactions": 3,
        "correlation": [3, 2, 1],
    },
    "density, cutoff outside, soft": {
        "interaction_cls": "RealAgnosticDensityResidualInteractionBlock",
        "apply_cutoff": False,
        "distance_transform": "Soft",
        "use_last_readout_only": True,
    },
    "one layer": {"num_interactions": 1, "hidden_irreps": "5x0e", "radial_type": "gaussian"},
    "scalars, agnostic product": {
        "hidden_irreps": "5x0e",
        "use_agnostic_product": True,
        "keep_last_layer_irreps": True,
        "edge_irreps": None,
    },
}
EXCHANGED = ("density, repulsion, Agnesi", "agnostic everywhere, cutoff outside")


def mace_calculator(path):
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        from mace.calculators import MACECalculator

        model = torch.load(path, weights_only=False)
        dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
        return MACECalculator(models=[model], default_dtype=dtype)


def nequip_calculator(path):
    from nequip.integrations.ase import NequIPCalculator

    from egraff_lmp.forcefields.nequip_package import nequip_state

    class Native(NequIPCalculator):
        def calculate(self, *args, **options):
            with nequip_state():  # it wants torch's default dtype to be float64
                super().calculate(*args, **options)

    with nequip_state():
        return Native._from_saved_model(path, chemical_species_to_atom_type_map=True)


def assert_same(deployed, native, frames, tolerance):
    ours = EgraffCalculator(deployed)
    for name, frame in frames.items():
        mine, theirs = frame.copy(), frame.copy()
        mine.calc, theirs.calc = ours, native
        energy, forces = theirs.get_potential_energy(), theirs.get_forces()
        assert np.abs(forces).max() > SMALLEST_FORCE, name
        single = tolerance == PARITY_FLOAT32
        scale = max(1.0, np.abs(forces).max()) if single else 1.0
        largest = np.abs(theirs.get_potential_energies()).max() if single else 1.0
        difference = abs(mine.get_potential_energy() - energy) / len(frame)
        assert difference < tolerance * max(scale, largest), name
        assert np.abs(mine.get_forces() - forces).max() < tolerance * scale, name
        if frame.pbc.all():
            assert np.abs(mine.get_stress() - theirs.get_stress()).max() < tolerance * scale, name


@pytest.fixture(scope="module")
def mace_files(folder):
    def make(name):
        path = folder / f"{name}.model"
        if not path.exists():
            torch.save(mace_model(**MACE_CASES[name]), path)
        return path

    return make


@pytest.mark.parametrize("name", list(MACE_CASES))
def test_mace(name, mace_files, frames, folder):
    path = mace_files(name)
    contract = deploy_file(path, folder / f"{name}.pt", trust=True)
    assert contract.forcefield == "mace"
    assert contract.species == SPECIES
    assert contract.dtype == "float64"
    assert_same(folder / f"{name}.pt", mace_calculator(path), frames, PARITY)


@pytest.mark.parametrize("name", ["nequip", "nequip-rich", "nequip-ema", "allegro", "allegro-rich"])
def test_checkpoints(name, nequip_files, frames, folder):
    path = nequip_files(name)
    contract = deploy_file(path, folder / f"{name}.pt")
    assert contract.forcefield == name.split("-")[0]
    assert contract.provenance["imported"]["averaged_weights"] == name.endswith("ema")
    assert_same(folder / f"{name}.pt", nequip_calculator(path), frames, PARITY)


@pytest.mark.parametrize("key", ["nequip", "allegro"])
def test_packages(key, packages, frames, folder):
    deploy_file(packages[key], folder / f"{key}-package.pt", trust=True)
    assert_same(folder / f"{key}-package.pt", nequip_calculator(packages[key]), frames, PARITY)


def test_single_precision(nequip_files, frames, folder):
    path = folder / "single.model"
    torch.save(mace_model(dtype=torch.float32), path)
    deploy_file(path, folder / "single-mace.pt", trust=True)
    assert_same(folder / "single-mace.pt", mace_calculator(path), frames, PARITY_FLOAT32)
    path = nequip_files("nequip-float32")
    assert deploy_file(path, folder / "single-nequip.pt").dtype == "float32"
    assert_same(folder / "single-nequip.pt", nequip_calculator(path), frames, PARITY_FLOAT32)


@pytest.mark.parametrize("key", ["mace", "nequip"])
def test_another_precision(key, mace_files, nequip_files, frames, folder):
    """The same weights in float32 give the same forces to float32's digits."""
    path = nequip_files("nequip-rich")
    if key == "mace":
        path = mace_files("density, repulsion, Agnesi")
    out = folder / f"{key}-float32.pt"
    assert deploy_file(path, out, dtype="float32", trust=True).dtype == "float32"
    native = mace_calculator(path) if key == "mace" else nequip_calculator(path)
    assert_same(out, native, frames, PARITY_FLOAT32)


def test_what_the_file_says_of_itself(mace_files, frames, folder):
    from egraff_lmp.fileio import sha256_file

    path = mace_files("MACE, agnostic first")
    frame = frames["molecule"]
    from egraff_lmp.data.ase_io import frames_from_images

    given = frames_from_images([frame], "molecule")
    deploy_file(path, folder / "said.pt", trust=True, frame=given)
    contract = read_contract(folder / "said.pt")
    imported = contract.provenance["imported"]
    assert imported["file"] == path.name
    assert imported["sha256"] == sha256_file(path)
    assert imported["class"] == "MACE"
    assert contract.versions["mace-torch"]
    assert contract.energy_reference.per_species_ev["O"] == -432.1
    assert contract.self_test.species == tuple(frame.get_chemical_symbols())
    single = ase.Atoms("O", [[0, 0, 0]])
    single.calc = EgraffCalculator(folder / "said.pt")
    alone = single.copy()
    alone.calc = mace_calculator(path)
    assert single.get_potential_energy() == pytest.approx(alone.get_potential_energy(), abs=PARITY)


def test_edge_energies_sum_to_those_of_atoms(nequip_files, frames, folder):
    """With a scale and a mean number of neighbours for each type of the centre."""
    contract = deploy_file(nequip_files("allegro-rich"), folder / "edges.pt")
    frame = frames["triclinic"]
    edges = find_edges(frame.positions, np.asarray(frame.cell), frame.pbc, contract.r_max)
    module = torch.jit.load(str(folder / "edges.pt"))
    types = torch.tensor([SPECIES.index(element) for element in frame.get_chemical_symbols()])
    vectors = torch.tensor(edges.vectors(frame.positions, np.asarray(frame.cell)))
    index = torch.tensor(edges.index)
    found = module(vectors, index, types, len(frame))
    references = list(contract.energy_reference.per_species_ev.values())
    shift = torch.tensor(references, dtype=torch.float64)[types]
    total = shift.index_add(0, index[0], found["edge_energy"])
    assert torch.allclose(total, found["atomic_energy"], rtol=0, atol=PARITY)
    assert found["edge_energy"].abs().max() > 1e-2


@pytest.mark.mpi
def test_ranks(mace_files, nequip_files, frames, folder):
    """What is gathered from ghosts is exchanged, or known by type, in every variant."""
    cases = []
    frame = frames["triclinic"].repeat((2, 1, 1))
    structure = Structure(
        tuple(frame.get_chemical_symbols()),
        frame.positions,
        np.asarray(frame.cell),
        (True, True, True),
        None,
        "two cells",
    )
    natives = {name: mace_files(name) for name in EXCHANGED}
    natives["nequip-rich"] = nequip_files("nequip-rich")
    for number, (name, path) in enumerate(natives.items()):
        out = folder / f"ranks-{number}.pt"
        contract = deploy_file(path, out, trust=True)
        module = torch.jit.load(str(out)).eval()
        for parameter in module.parameters():
            parameter.requires_grad_(False)
        # One graph: such a file loads ten times faster.
        save_deployed(torch.jit.freeze(module, optimize_numerics=False), contract, out)
        cases.append(Case(name, structure, out))
    one, two = (evaluate_in_lammps(cases, count) for count in (1, 2))
    for case, first, second in zip(cases, one, two, strict=True):
        found = difference("1", "2", first, second, TOLERANCE_FLOAT64 * 10)
        assert found.ok, (case.name, found)
        assert np.abs(first.forces).max() > SMALLEST_FORCE
        atoms = frame.copy()
        atoms.calc = EgraffCalculator(case.model)
        assert np.abs(atoms.get_forces() - first.forces).max() < PARITY
