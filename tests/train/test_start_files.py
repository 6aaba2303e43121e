"""Trainings that begin with a file of another package.

No foundation model is at hand: `mace-torch` and `nequip` make small networks of four elements with
random weights, and the frames hold two of these.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import warnings
from pathlib import Path
from types import ModuleType

import ase
import ase.io
import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from egraff_lmp import EgraffCalculator
from egraff_lmp.errors import EgraffError
from egraff_lmp.forcefields import edge_forces
from egraff_lmp.graph import find_edges
from egraff_lmp.interop import nequip_checkpoint
from egraff_lmp.train.checkpoint import load_checkpoint
from egraff_lmp.train.config import parse_config
from egraff_lmp.train.deploy import deploy
from egraff_lmp.train.run import train
from egraff_lmp.train.start import read_start, settled
from egraff_lmp.train.start_files import own_start, without_elements

SPECIES = ("H", "Ni", "Cu", "Au")
WANTED = ("Ni", "Au")
E0 = (-13.6, -432.1, -7.25, -20.5)
R_MAX = 4.0
# Relative to the largest energy of an atom and the largest force, in float64.
SAME = 1e-6
# A step that moves weights by less than float64 keeps of them.
NO_STEP = 1e-30


@pytest.fixture(scope="module")
def files() -> ModuleType:
    """`tests/interop/interop_files.py`."""
    path = Path(__file__).parents[1] / "interop" / "interop_files.py"
    spec = importlib.util.spec_from_file_location("interop_files_of_starts", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("starts")


MACES = {
    "residual": {},
    "foundation": {
        "interaction_cls": "RealAgnosticDensityResidualInteractionBlock",
        "interaction_cls_first": "RealAgnosticDensityInteractionBlock",
        "pair_repulsion": True,
        "distance_transform": "Agnesi",
        "correlation": 3,
        "hidden_irreps": "4x0e + 4x1o",
    },
    "agnostic": {
        "interaction_cls_first": "RealAgnosticInteractionBlock",
        "atomic_inter_scale": None,
        "use_agnostic_product": True,
        "gate": torch.tanh,
        "correlation": [3, 2],
    },
}


@pytest.fixture(scope="module")
def mace_file(files, folder):
    def make(name="residual", **changes):
        path = folder / f"{name}{'-'.join(changes)}.model"
        if not path.exists():
            arguments = {
                "num_elements": 4,
                "atomic_numbers": [1, 28, 29, 79],
                "atomic_energies": np.array(E0),
                **MACES[name],
                **changes,
            }
            torch.save(files.mace_model(**arguments), path)
        return path

    return make


@pytest.fixture(scope="module")
def nequip_file(files, folder):
    numbers = {name: 5.0 + index for index, name in enumerate(SPECIES)}
    cutoffs = {"H": 2.6, "Ni": {"Ni": 2.9, "H": 2.8, "Cu": 3.6, "Au": 3.9}}
    common = {
        "type_names": list(SPECIES),
        "per_type_energy_shifts": dict(zip(SPECIES, E0, strict=True)),
    }
    rich = {**common, "avg_num_neighbors": numbers, "per_edge_type_cutoff": cutoffs}
    configs = {
        "nequip": {**files.RICH_NEQUIP, **rich, "per_type_energy_scales": 2.5},
        "allegro": {**files.ALLEGRO, **common},
        "splines": {**files.RICH_ALLEGRO, **rich, "per_type_energy_scales": 2.5},
        "scales": {
            **files.NEQUIP,
            **common,
            "per_type_energy_scales": dict(zip(SPECIES, (1.0, 2.0, 3.0, 4.0), strict=True)),
        },
    }

    def make(name):
        path = folder / f"{name}.ckpt"
        if not path.exists():
            files.save_checkpoint(configs[name], path)
        return path

    return make


@pytest.fixture(scope="module")
def frames_file(folder) -> Path:
    """Frames of a rattled Ni-Au alloy, with energies and forces of EMT."""
    rng = np.random.default_rng(4)
    images = []
    for _ in range(10):
        atoms = bulk("Au", "fcc", a=3.9, cubic=True).repeat((2, 1, 1))
        atoms.symbols[[0, 3, 5]] = "Ni"
        atoms.positions += rng.normal(0, 0.12, atoms.positions.shape)
        atoms.calc = EMT()
        labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        atoms.calc = SinglePointCalculator(atoms, **labels)
        images.append(atoms)
    path = folder / "alloy.extxyz"
    ase.io.write(path, images)
    return path


@pytest.fixture
def config(frames_file):
    def make(start, **changes):
        raw = {
            "forcefield": "mace" if str(start).endswith(".model") else "nequip",
            "data": {"train": [str(frames_file)], "n_train": 8, "n_validation": 2},
            "start_from": str(start),
            "dtype": "float64",
            "stop": {"max_epochs": 1},
            "device": "cpu",
            "threads": 1,
            **changes,
        }
        return parse_config(raw, "test")

    return make


def random_alloys(species=WANTED):
    """Structures of chance: a triclinic cell smaller than 2 r_max, and a cluster."""
    rng = np.random.default_rng(9)
    found = []
    for n, pbc in ((6, True), (9, False)):
        grid = np.stack(np.meshgrid(range(3), range(3), range(1), indexing="ij"), -1).reshape(-1, 3)
        positions = grid[:n] * 2.3 + rng.normal(0, 0.25, (n, 3))
        cell = np.array([[7.1, 0.0, 0.0], [1.4, 7.3, 0.0], [-0.9, 0.8, 2.9]])
        names = [species[index % len(species)] for index in range(n)]
        found.append(ase.Atoms(names, positions, cell=cell, pbc=pbc))
    return found


def evaluated(model, species, atoms, r_max=R_MAX):
    edges = find_edges(atoms.positions, np.asarray(atoms.cell), atoms.pbc, r_max)
    vectors = torch.tensor(edges.vectors(atoms.positions, np.asarray(atoms.cell)))
    vectors.requires_grad_(True)
    index = torch.tensor(edges.index)
    types = torch.tensor([species.index(name) for name in atoms.get_chemical_symbols()])
    energies = model(vectors, index, types, len(atoms))["atomic_energy"]
    (gradient,) = torch.autograd.grad(energies.sum(), vectors)
    return energies.detach().numpy(), edge_forces(gradient, index, len(atoms)).numpy()


def assert_same(model, species, native, alloys):
    for atoms in alloys:
        energies, forces = evaluated(model, species, atoms)
        atoms.calc = native
        scale = np.abs(atoms.get_potential_energies()).max()
        assert energies == pytest.approx(atoms.get_potential_energies(), abs=SAME * scale)
        largest = np.abs(atoms.get_forces()).max()
        assert largest > 1e-3
        assert np.abs(forces - atoms.get_forces()).max() < SAME * largest


def mace_calculator(path):
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        from mace.calculators import MACECalculator

        return MACECalculator(
            models=[torch.load(path, weights_only=False)], default_dtype="float64"
        )


class Rebuilt(ase.calculators.calculator.Calculator):
    """What the package's own network says, by the evaluation that `tests/interop` proves."""

    implemented_properties = ["energies", "energy", "forces"]  # noqa: RUF012

    def __init__(self, path):
        super().__init__()
        foreign = nequip_checkpoint.read(path)
        self.model, self.species = foreign.build(torch.float64), foreign.species

    def calculate(self, atoms=None, properties=None, system_changes=()):
        super().calculate(atoms, properties, system_changes)
        energies, forces = evaluated(self.model, self.species, self.atoms)
        self.results = {"energies": energies, "energy": energies.sum(), "forces": forces}


def started(config):
    frames = [type("F", (), {"species": WANTED})]
    return read_start(config, None, frames, trust=True)


@pytest.mark.parametrize(
    ("name", "elements"), [*((name, "auto") for name in MACES), ("residual", "keep")]
)
def test_mace_begins_where_the_package_ended(name, elements, mace_file, config):
    path = mace_file(name)
    settings = config(path, start_elements=elements)
    start = started(settings)
    assert start.record.species == (WANTED if elements == "auto" else SPECIES)
    assert settled(settings, start).r_max == R_MAX  # not the 5 A of a config that says nothing
    native = mace_calculator(path)
    assert_same(start.build("float64"), start.record.species, native, random_alloys())
    if elements == "keep":
        alloys = random_alloys(SPECIES)
        assert_same(start.build("float64"), start.record.species, native, alloys)


@pytest.mark.parametrize("name", ["nequip", "allegro", "splines"])
def test_nequip_begins_where_the_package_ended(name, nequip_file, config):
    path = nequip_file(name)
    forcefield = "nequip" if name == "nequip" else "allegro"
    start = started(config(path, forcefield=forcefield))
    assert start.record.species == WANTED
    assert_same(start.build("float64"), WANTED, Rebuilt(path), random_alloys())


def test_before_the_first_step_and_after_the_last(mace_file, config, tmp_path):
    """A training without steps keeps forces; one with them learns; its checkpoint needs no file."""
    path = mace_file("residual")
    still = config(path, optimiser={"learning_rate": NO_STEP}, reference={"method": "unchanged"})
    result = train(still, tmp_path / "still", progress=False, trust=True)
    found = load_checkpoint(result.checkpoint)
    assert_same(found.build(), WANTED, mace_calculator(path), random_alloys())
    assert found.record.reference_method == "unchanged"
    assert found.record.provenance["start"]["format"] == "mace-model"
    deploy(result.checkpoint, tmp_path / "still.pt")  # without the file, and without trust
    alloy, native = random_alloys()[0], random_alloys()[0]
    alloy.calc, native.calc = EgraffCalculator(tmp_path / "still.pt"), mace_calculator(path)
    difference = np.abs(alloy.get_forces() - native.get_forces()).max()
    assert difference < SAME * np.abs(native.get_forces()).max()
    longer = config(path, optimiser={"learning_rate": 0.003}, stop={"max_epochs": 4})
    learnt = train(longer, tmp_path / "learnt", progress=False, trust=True)
    rows = (tmp_path / "learnt" / "log.csv").read_text().splitlines()
    losses = [float(row.split(",")[rows[0].split(",").index("train_loss")]) for row in rows[1:]]
    assert losses[-1] < 0.7 * losses[0]
    # The zero moved to EMT's, and scale and mean number of neighbours stayed.
    record = load_checkpoint(learnt.checkpoint).record
    assert record.reference_method == "start"
    assert (record.scale, record.avg_num_neighbors) == (1.7, 9.0)
    assert learnt.validation["energy_mae_mev_per_atom"] < 1e3


def test_own_checkpoints_can_be_cut(mace_file, config, tmp_path):
    kept = config(mace_file("residual"), start_elements="keep")
    result = train(kept, tmp_path / "kept", progress=False, trust=True)
    whole = own_start(result.checkpoint)
    assert whole.record.species == SPECIES
    cut = without_elements(whole, {"Ni", "Au"})
    for atoms in random_alloys():
        one = evaluated(whole.build("float64"), SPECIES, atoms)
        other = evaluated(cut.build("float64"), cut.record.species, atoms)
        assert np.abs(one[1] - other[1]).max() < SAME * np.abs(one[1]).max()


def test_what_a_config_may_not_say(mace_file, nequip_file, config):
    path = mace_file("residual")
    for changes, match in (
        ({"forcefield": "nequip"}, "with forcefield nequip.*set `forcefield: mace`"),
        ({"r_max": 5.0}, r"with r_max 5\.0.*set `r_max: 4\.0`"),
        ({"preset": "small"}, r"max_ell|hidden_irreps: '4x0e\+4x1o' \(config: '16x0e \+ 16x1o'\)"),
        ({"overrides": {"correlation": 3}}, r"correlation: 2 \(config: 3\)\. Leave them out"),
    ):
        with pytest.raises(EgraffError, match=match):
            started(config(path, **changes))
    same = {"hidden_irreps": "4x0e + 4x1o", "correlation": [2, 2]}
    assert started(config(path, overrides=same)).record.species == WANTED
    with pytest.raises(EgraffError, match="method is unchanged, and there is no start_from"):
        config(path, reference={"method": "unchanged"}, start_from=None)
    with pytest.raises(EgraffError, match="a scale of the energy for each element"):
        started(config(nequip_file("scales")))


@pytest.mark.parametrize("key", ["nequip", "allegro"])
def test_settings_call_nothing(key, config, tmp_path):
    """The packages' builders would call what a `_target_` in settings names."""
    payload = {"_target_": "torch.nn.Module", "x": [{"_target_": "os.mkdir"}]}
    settings = config(
        "none", forcefield=key, start_from=None, overrides={"pair_potential": payload}
    )
    with pytest.raises(EgraffError, match="settings call nothing, got _target_: torch"):
        train(settings, tmp_path / "x", progress=False)


def test_what_cannot_be_mapped(mace_file, config):
    gate = mace_file("residual", gate=torch.nn.functional.relu)
    with pytest.raises(EgraffError, match="got the nonlinearity relu: it can be deployed"):
        started(config(gate))
    heads = mace_file("residual", heads=["a", "b"], atomic_energies=np.array([E0, E0]))
    with pytest.raises(EgraffError, match="2 heads"):
        started(config(heads))


def test_a_pickle_is_not_opened_unasked(mace_file, config, tmp_path):
    with pytest.raises(EgraffError, match="say `--trust`"):
        train(config(mace_file("residual")), tmp_path / "x", progress=False)


def test_another_basis_is_refused(mace_file, config, folder):
    """With U and w turned against each other the function is the same; w is not ours."""
    model = torch.load(mace_file("foundation"), weights_only=False)
    contraction = model.products[0].symmetric_contractions.contractions[0]
    contraction.U_matrix_3 = -contraction.U_matrix_3
    contraction.weights_max.data.neg_()
    torch.save(model, folder / "turned.model")
    with pytest.raises(EgraffError, match="in the basis of the installed mace-torch"):
        started(config(folder / "turned.model"))
