"""pair_style nequip, allegro and mace: decks and files of the packages' authors, run as they are.

Small untrained models are exported by the packages' own code; their own ASE calculators give the
reference. Every rank count evaluates all decks in one mpiexec.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from decks import Deck, Outcomes

from egraff_lmp.forcefields.nequip_package import nequip_state
from egraff_lmp.rollout.datafile import Structure, write_data_file

R_MAX = 3.5
TYPES = ["Ge", "Te"]
RANKS = (1, 2, *(pytest.param(n, marks=pytest.mark.study) for n in (3, 4, 8)))
BAR_A3_PER_EV = 1.6021765e6
KCAL_PER_EV = 23.060549  # LAMMPS' own
UNIT = 1e-7  # its digits
# Other orders of summation of float64 numbers of up to 10 eV/A.
RANKS_AGREE = 1e-10  # eV/A
# The packages make edge vectors of wrapped positions and lattice shifts, LAMMPS of ghosts.
PACKAGE = 1e-8  # eV/A, eV an atom
# float32 carries 7 digits, of which a network loses one or two.
SINGLE = 5e-4
TRAJECTORY = 1e-9  # eV/A: the same, magnified by 15 steps
# fix numdiff's displacement squared times a third derivative of about 1e3 eV/A^3.
NUMDIFF = 1e-4
DISPLACEMENT = 1e-4  # A

STYLE = {
    "nequip": "nequip",
    "nequip cutoffs": "nequip",
    "allegro cutoffs": "allegro",
    "mace": "mace no_domain_decomposition",
    "mace single": "mace",
}
LAYERS = {"nequip": 2, "nequip cutoffs": 3, "allegro cutoffs": 2, "mace": 2, "mace single": 1}
HALO = {"nequip": 2, "nequip cutoffs": 3, "mace": 2}
# What the authors' pages ask for, the other one of MACE.
NEWTON = {"nequip": "off", "allegro cutoffs": "on", "mace": "off"}
DERIVATIVES = ("nequip", "allegro cutoffs", "mace")
# Decks about what all styles share.
FEW_RANKS = (2, pytest.param(1, marks=pytest.mark.study))
CORNERS = ("tiny", "corner", "one atom")
CASES = [(name, "27 atoms") for name in STYLE] + [
    (name, where) for name in ("nequip cutoffs", "allegro cutoffs", "mace") for where in CORNERS
]
ENERGIES = {
    "per_type_energy_scales": {"Ge": 40.0, "Te": 30.0},
    "per_type_energy_shifts": {"Ge": -1.0, "Te": -2.0},
    "avg_num_neighbors": 8.0,
}
CUTOFFS = {"per_edge_type_cutoff": {"Ge": {"Ge": 2.9, "Te": 3.2}, "Te": R_MAX}}


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    previous = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(previous)


def nequip_model(**settings: Any) -> Any:
    from nequip.model import NequIPGNNModel

    arguments = {
        "num_layers": 2,
        "l_max": 1,
        "parity": False,
        "num_features": 4,
        "radial_mlp_width": 8,
        "num_bessels": 4,
    }
    return NequIPGNNModel(
        seed=3,
        model_dtype="float64",
        r_max=R_MAX,
        type_names=TYPES,
        **ENERGIES | arguments | settings,
    )


def allegro_model(**settings: Any) -> Any:
    from allegro.model import AllegroModel

    return AllegroModel(
        seed=3,
        model_dtype="float64",
        r_max=R_MAX,
        type_names=TYPES,
        l_max=1,
        num_layers=2,
        num_scalar_features=8,
        num_tensor_features=4,
        allegro_mlp_hidden_layers_width=8,
        scalar_embed_mlp_hidden_layers_width=8,
        readout_mlp_hidden_layers_width=8,
        radial_chemical_embed={"_target_": "allegro.nn.TwoBodyBesselScalarEmbed", "num_bessels": 4},
        **ENERGIES | settings,
    )


def save_nequip(model: Any, path: Path) -> None:
    """As `nequip-compile --mode torchscript` does, which refuses to on the torch of today."""
    from nequip.model.inference_models.torchscript import save_torchscript_model

    save_torchscript_model(model, model.metadata | {"allow_tf32": "0"}, str(path), "cpu")


def mace_model(dtype: torch.dtype, num_interactions: int = 2) -> Any:
    from e3nn import o3
    from mace.modules import ScaleShiftMACE
    from mace.modules.blocks import RealAgnosticResidualInteractionBlock

    with default_dtype(dtype), torch.random.fork_rng():
        torch.manual_seed(5)
        return ScaleShiftMACE(
            atomic_inter_scale=40.0,
            atomic_inter_shift=0.2,
            pair_repulsion=True,
            distance_transform="Agnesi",
            r_max=R_MAX,
            num_bessel=4,
            num_polynomial_cutoff=5,
            max_ell=1,
            interaction_cls=RealAgnosticResidualInteractionBlock,
            interaction_cls_first=RealAgnosticResidualInteractionBlock,
            num_interactions=num_interactions,
            num_elements=2,
            hidden_irreps=o3.Irreps("4x0e + 4x1o"),
            MLP_irreps=o3.Irreps("4x0e"),
            atomic_energies=np.array([-1.0, -2.0]),
            avg_num_neighbors=8.0,
            atomic_numbers=[32, 52],
            correlation=2,
            gate=torch.nn.functional.silu,
            radial_MLP=[8],
        )


def save_mace(model: Any, path: Path) -> None:
    """As `mace_create_lammps_model` does with a model of one head."""
    from copy import deepcopy

    from e3nn.util import jit
    from mace.calculators import LAMMPS_MACE

    jit.compile(LAMMPS_MACE(deepcopy(model))).save(str(path))


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Mapping[str, tuple[Path, Any]]:
    """name -> (file, ASE calculator of the package)."""
    folder = tmp_path_factory.mktemp("upstream files")
    found = {}
    with nequip_state():
        from nequip.integrations.ase import NequIPCalculator

        zbl = {"_target_": "nequip.nn.pair_potential.ZBL", "units": "metal"}
        zbl["chemical_species"] = TYPES
        for name, model in {
            "nequip": nequip_model(),
            "nequip cutoffs": nequip_model(num_layers=3, pair_potential=zbl, **CUTOFFS),
            "allegro cutoffs": allegro_model(**CUTOFFS),
        }.items():
            path = folder / f"{name}.nequip.pth"
            save_nequip(model, path)
            found[name] = (
                path,
                NequIPCalculator.from_compiled_model(path, chemical_species_to_atom_type_map=True),
            )
    with warnings.catch_warnings(), default_dtype(torch.get_default_dtype()):
        warnings.simplefilter("ignore")
        from mace.calculators import MACECalculator

        for name, dtype, layers in (
            ("mace", torch.float64, 2),
            ("mace single", torch.float32, 1),
        ):
            model = mace_model(dtype, layers)
            path = folder / f"{name}.model-lammps.pt"
            save_mace(model, path)
            calculator = MACECalculator(
                models=[model], device="cpu", default_dtype=str(dtype).removeprefix("torch.")
            )
            found[name] = (path, calculator)
    return found


def structures() -> dict[str, Structure]:
    """A sheared cell of 27 atoms, one below the cutoff, atoms in a corner of a large box."""
    rng = np.random.default_rng(12)
    grid = np.stack(np.meshgrid(*[range(3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    positions = (grid + 0.3) * 2.7 + rng.normal(0, 0.1, (27, 3))
    species = tuple("Ge" if i % 2 else "Te" for i in range(27))
    box = np.array([[8.1, 0.0, 0.0], [1.5, 8.1, 0.0], [-0.8, 0.5, 8.1]])
    tiny = np.array([[3.1, 0.0, 0.0], [0.9, 3.3, 0.0], [-0.7, 0.6, 3.2]])
    pair = np.array([[0.1, 0.2, 0.3], [1.7, 1.8, 1.9]])
    corner = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 3.4], [3.3, 1.0, 1.0], [15.0, 15.0, 15.0]])
    every = (True, True, True)
    return {
        "27 atoms": Structure(species, positions, box, every, None, "27 atoms"),
        "tiny": Structure(("Ge", "Te"), pair, tiny, every, None, "tiny"),
        "corner": Structure(
            ("Ge", "Te", "Te", "Ge"), corner, np.eye(3) * 24.0, every, None, "corner"
        ),
        "one atom": Structure(
            ("Te",), np.array([[1.0, 2.0, 3.0]]), np.eye(3) * 12.0, every, None, "one atom"
        ),
    }


@pytest.fixture(scope="module")
def data_files(tmp_path_factory) -> Mapping[str, Path]:
    folder = tmp_path_factory.mktemp("data")
    paths = {name: folder / f"{name}.data" for name in structures()}
    for name, structure in structures().items():
        write_data_file(paths[name], structure, TYPES)
    return paths


GATHER = {"f": 3, "c_e": 1, "c_s": 6, "c_c": 9}
MEASURE = (
    "compute e all pe/atom",
    "compute s all stress/atom NULL virial",
    "compute c all centroid/stress/atom NULL virial",
    "compute p all pressure NULL virial",
    "thermo_style custom step pe vol c_p[1]",
)


def deck(
    name: str, path: Path, data: Path, *, before=(), after=(), style=None, gather=None
) -> Deck:
    """A deck as the pair styles' authors document it."""
    return Deck(
        (
            "units metal",
            "atom_style atomic",
            "atom_modify map yes",
            *before,
            f'read_data "{data}"',
            f"pair_style {style or STYLE[name]}",
            f'pair_coeff * * "{path}" Ge Te',
            *MEASURE,
            *after,
            "run 0 post no",
        ),
        gather or GATHER,
        {"p": 6},
        ("pe", "vol"),
    )


@pytest.fixture(scope="module")
def outcomes(models, data_files):
    decks: dict[object, Deck] = {
        (name, where): deck(name, models[name][0], data)
        for name, where in CASES
        for data in [data_files[where]]
    }
    for name, newton in NEWTON.items():
        decks[name, "newton"] = deck(
            name, models[name][0], data_files["27 atoms"], before=(f"newton {newton}",)
        )
    # Atoms migrate and the list is rebuilt: ghosts are other ones at every step.
    decks["nequip", "moves"] = deck(
        "nequip",
        models["nequip"][0],
        data_files["27 atoms"],
        before=("neighbor 0.05 bin", "neigh_modify every 1 delay 0 check yes"),
        after=("velocity all create 2000 7 loop all", "timestep 0.002", "fix m all nve", "run 15"),
    )
    return Outcomes(decks)


@pytest.fixture(scope="module")
def references(models, data_files):
    """(energy, energies, forces, virial) by the packages' ASE calculators."""
    from ase.io import read

    found = {}
    for where, data in data_files.items():
        atoms = read(
            data, format="lammps-data", units="metal", atom_style="atomic", sort_by_id=True
        )
        atoms.set_chemical_symbols([TYPES[t - 1] for t in atoms.arrays["type"]])
        for name, (_, calculator) in models.items():
            copy = atoms.copy()
            copy.calc = calculator
            # Both packages take positions in torch's default precision.
            with default_dtype(torch.float32 if name == "mace single" else torch.float64):
                found[name, where] = (
                    copy.get_potential_energy(),
                    copy.get_potential_energies(),
                    copy.get_forces(),
                    -copy.get_stress(voigt=False) * copy.get_volume(),
                )
    return found


def virial(outcome) -> np.ndarray:
    xx, yy, zz, xy, xz, yz = outcome["p"] * outcome["vol"] / BAR_A3_PER_EV
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize(("name", "where"), CASES)
def test_equals_the_packages_own_result(outcomes, references, name, where, ranks):
    outcome = outcomes[ranks][name, where]
    energy, energies, forces, stress = references[name, where]
    allowed = SINGLE if name == "mace single" else PACKAGE
    n = len(forces)
    assert np.abs(outcome["f"] - forces).max() < allowed
    assert abs(outcome["pe"] - energy) < allowed * n
    assert np.abs(outcome["c_e"].ravel() - energies).max() < allowed
    assert np.abs(virial(outcome) - stress).max() < allowed * n
    if where == "27 atoms":
        assert np.abs(forces).max() > 0.3  # the tolerance is of forces of this size


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", RANKS[1:])
@pytest.mark.parametrize(("name", "where"), CASES)
def test_ranks_agree(outcomes, name, where, ranks):
    allowed = SINGLE if name == "mace single" else RANKS_AGREE
    one, many = outcomes[1][name, where], outcomes[ranks][name, where]
    assert np.abs(one["f"] - many["f"]).max() < allowed
    assert np.abs(one["c_e"] - many["c_e"]).max() < allowed


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", RANKS[1:])
def test_dynamics_agree(outcomes, ranks):
    one, many = outcomes[1]["nequip", "moves"], outcomes[ranks]["nequip", "moves"]
    builds = re.search(r"Neighbor list builds = (\d+)", one.log)
    assert builds
    assert int(builds[1]) > 3
    assert np.abs(one["f"] - many["f"]).max() < TRAJECTORY


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("name", NEWTON)
def test_newton_of_the_deck_changes_nothing(outcomes, name, ranks):
    one, other = outcomes[1][name, "27 atoms"], outcomes[ranks][name, "newton"]
    assert np.abs(one["f"] - other["f"]).max() < RANKS_AGREE
    assert np.abs(virial(one) - virial(other)).max() < RANKS_AGREE * len(one["f"])


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("name", STYLE)
def test_per_atom_virials_sum_to_the_total(outcomes, name, ranks):
    outcome = outcomes[ranks][name, "27 atoms"]
    total = -outcome["p"] * outcome["vol"]
    # Sums of the same float64 numbers, whatever the network's precision.
    allowed = 1e-9 * np.abs(outcome["c_s"]).sum()
    assert np.abs(outcome["c_s"].sum(0) - total).max() < allowed
    nine = outcome["c_c"].sum(0)
    assert np.abs(nine[:6] - total).max() < allowed


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("name", STYLE)
def test_table_says_what_the_halo_costs(outcomes, name, ranks):
    log = outcomes[ranks][name, "27 atoms"].log
    where = "nor needed on one rank; on more" if ranks == 1 else "in this file:"
    assert (f"{where} a halo of {HALO.get(name)} x {R_MAX:g} A" in log) == (name in HALO)
    if ranks == 1:
        assert re.search(r"edges evaluated / edges owned: (\d+) / \1 = 1.00", log)
    package = {"nequip": "NequIP", "allegro": "Allegro", "mace": "MACE"}[name.split()[0]]
    dtype = "float32" if name == "mace single" else "float64"
    assert f"{dtype}, {LAYERS[name]} layer(s), r_max {R_MAX:g} A" in log
    assert f"  {package} (" in log


@pytest.fixture(scope="module")
def others(models, data_files, tmp_path_factory):
    """Decks about more than one evaluation."""
    data = data_files["27 atoms"]
    restart = tmp_path_factory.mktemp("restart") / "atoms.restart"
    nequip, mace = models["nequip"][0], models["mace"][0]
    numdiff = (
        "group few id 1 2 3",
        f"fix forces few numdiff 1 {DISPLACEMENT}",
        f"fix strain all numdiff/virial 1 {DISPLACEMENT / 10}",
        "thermo_style custom step pe vol c_p[1] f_strain[*]",
    )
    move = (
        "velocity all create 600 7 loop all",
        "timestep 0.001",
        "fix m all nve",
        "run 3 post no",
    )
    decks: dict[object, Deck] = {
        name: Deck(
            deck(name, models[name][0], data, after=numdiff).commands,
            {"f": 3, "f_forces": 3},
            {"p": 6},
            ("pe", "vol"),
            {"strain": 6},
        )
        for name in DERIVATIVES
    }
    decks["check"] = deck("nequip", nequip, data, style="nequip check yes")
    decks["real"] = Deck(
        ("units real", *deck("mace", mace, data).commands[1:]), {"f": 3}, {}, ("pe",)
    )
    decks["ensemble"] = Deck(
        (
            *deck("nequip", nequip, data).commands[:5],
            "pair_style nequip",
            f'pair_coeff * * "{nequip}" "{models["nequip cutoffs"][0]}" Ge Te',
            "compute d all egraff/atom deviation",
            "run 0 post no",
        ),
        {"f": 3, "c_d": 1},
    )
    decks["hybrid"] = Deck(
        (
            *deck("nequip", nequip, data).commands[:5],
            "pair_style hybrid/overlay mace zero 4.0",
            f'pair_coeff * * mace "{mace}" Ge Te',
            "pair_coeff * * zero",
            "run 0 post no",
        ),
    )
    decks["write"] = Deck(
        (*deck("nequip", nequip, data).commands, *move, f'write_restart "{restart}"')
    )
    decks["restart"] = Deck((f'read_restart "{restart}"', "run 0 post no"))
    return Outcomes(decks)


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", FEW_RANKS)
@pytest.mark.parametrize("name", DERIVATIVES)
def test_numerical_derivatives(others, name, ranks):
    outcome = others[ranks][name]
    assert np.abs(outcome["f_forces"][:3] - outcome["f"][:3]).max() < NUMDIFF
    total = (virial(outcome) * BAR_A3_PER_EV / outcome["vol"]).ravel()[[0, 4, 8, 5, 2, 1]]
    assert np.abs(outcome["strain"] - total).max() < NUMDIFF * max(1.0, np.abs(total).max())


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", FEW_RANKS)
def test_rest_of_the_base_style_works(others, outcomes, ranks):
    found = others[ranks]
    check = found["check"]
    assert not check.error
    assert "forces, finite differences on 3 atom(s)" in check.log
    assert np.abs(found["restart"]["f"] - found["write"]["f"]).max() < RANKS_AGREE
    mace, nequip = outcomes[1]["mace", "27 atoms"], outcomes[1]["nequip", "27 atoms"]
    assert np.abs(found["hybrid"]["f"] - mace["f"]).max() < RANKS_AGREE
    assert found["real"]["pe"] == pytest.approx(mace["pe"] * KCAL_PER_EV, rel=UNIT)
    assert "the file does not say its units" in found["real"].log
    other = outcomes[1]["nequip cutoffs", "27 atoms"]["f"]
    mean = 0.5 * (nequip["f"] + other)
    assert np.abs(found["ensemble"]["f"] - mean).max() < RANKS_AGREE
    deviation = 0.5 * np.linalg.norm(nequip["f"] - other, axis=1)
    assert np.abs(found["ensemble"]["c_d"].ravel() - deviation).max() < RANKS_AGREE


# Neither masses nor exchange, of which these files say nothing.
KEYWORDS = (
    "device, threads, check, deviation, guard, max_force, min_distance, max_temperature, "
    "lost_atoms, sha256"
)
EXPECTED = {
    "egraff, nequip file": "expected a model file written by 'egraff deploy', got a NequIP export "
    "(nequip-compile --mode torchscript): write 'pair_style nequip' for it",
    "egraff, allegro file": "got an Allegro export (nequip-compile --mode torchscript): write "
    "'pair_style allegro' for it",
    "egraff, mace file": "got a MACE export (mace_create_lammps_model): write 'pair_style mace'",
    "nequip, allegro file": "expected a NequIP export (nequip-compile --mode torchscript), got an "
    "Allegro export (nequip-compile --mode torchscript): write 'pair_style allegro' for it",
    "allegro, nequip file": "expected an Allegro export (nequip-compile --mode torchscript), got a "
    "NequIP export (nequip-compile --mode torchscript): write 'pair_style nequip' for it",
    "nequip, mace file": "got a MACE export (mace_create_lammps_model): write 'pair_style mace'",
    "mace, nequip file": "expected a MACE export (mace_create_lammps_model), got a NequIP export",
    "nequip, egraff file": "got a model file written by 'egraff deploy': write 'pair_style egraff'",
    "mace, egraff file": "got a model file written by 'egraff deploy': write 'pair_style egraff'",
    "mace, checkpoint": "got a training checkpoint: export it with mace_create_lammps_model, or "
    "turn it into a model file for 'pair_style egraff' with 'egraff deploy CHECKPOINT OUT.pt'",
    "nequip, script": "got a TorchScript file of another kind: export its training checkpoint with "
    "nequip-compile",
    "nequip, old release": "expected a GraphModel with an energy model inside, got another module",
    "nequip, no r_max": "expected an export that states its model_dtype, got none",
    "nequip, missing file": "pair_coeff nequip: expected a model file, but",
    "nequip, unknown name": "pair_coeff nequip: expected elements out of 'Ge Te'",
    "mace, unknown name": "pair_coeff mace: expected elements out of 'Ge Te'",
    "allegro, one name": "pair_coeff allegro: expected 2 element(s), one per atom type, got 1",
    "nequip, no names": "pair_coeff nequip: expected a model file and 2 element(s) after '* *', "
    "got nothing: write 'pair_coeff * * file Element1 Element2 ...'",
    "mace, not star": "Pair_coeff must start with * * for pair style mace",  # LAMMPS' own
    "nequip, keyword of mace": f"pair_style nequip: expected a keyword out of {KEYWORDS}, got "
    "'no_domain_decomposition'",
    "mace, keyword": f"pair_style mace: expected a keyword out of {KEYWORDS}, got "
    "'domain_decomposition': pair_style mace [no_domain_decomposition]",
    "allegro, masses": f"pair_style allegro: expected a keyword out of {KEYWORDS}, got 'masses'",
    "mace, device": "pair_style mace: expected device auto, cpu or cuda, got 'tpu'",
    "mace, units": "pair_style mace: expected 'units metal' (A, eV, ps) or 'units real'",
    "nequip, other masses": "",
}


class _OldRelease(torch.nn.Module):
    """A module around the model, as nequip-deploy of old releases wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.model = torch.nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x)


@pytest.fixture(scope="module")
def messages(models, data_files, quick_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wrong")
    checkpoint, script = folder / "last.ckpt", folder / "script.pt"
    torch.save({"state_dict": {}}, checkpoint)
    torch.jit.save(torch.jit.script(_OldRelease()), str(script))
    # Only the archive's names tell a NequIP export: a module of nequip's under another parent.
    old, incomplete = folder / "old.nequip.pth", folder / "incomplete.nequip.pth"
    export = torch.jit.load(str(models["nequip"][0]))
    extra = {"r_max": "3.5", "type_names": "Ge Te", "model_dtype": "float64"}
    torch.jit.save(export.model, str(old), _extra_files=extra)
    del extra["model_dtype"]
    torch.jit.save(export, str(incomplete), _extra_files=extra)

    files = {
        f"{style} file": models[name][0]
        for style, name in {
            "nequip": "nequip",
            "allegro": "allegro cutoffs",
            "mace": "mace",
        }.items()
    }
    files |= {"egraff file": quick_model("nequip", "float64")}
    files |= {"checkpoint": checkpoint, "script": script, "old release": old}
    files |= {"no r_max": incomplete, "missing file": Path("nowhere.pth")}

    def lines(case: str) -> Deck:
        style, what = case.split(", ")
        path = files.get(what, files[f"{style} file"])
        commands = list(deck("nequip", path, data_files["27 atoms"], style=style).commands)
        at = next(i for i, line in enumerate(commands) if line.startswith("pair_style"))
        words = {
            "unknown name": f'* * "{path}" Ge Xx',
            "one name": f'* * "{path}" Ge',
            "no names": "* *",
            "not star": f'1 2 "{path}" Ge Te',
        }
        if what in words:
            commands[at + 1] = f"pair_coeff {words[what]}"
        keywords = {
            "keyword of mace": "no_domain_decomposition",
            "keyword": "domain_decomposition",
            "masses": "masses no",
            "device": "device tpu",
        }
        if what in keywords:
            commands[at] += f" {keywords[what]}"
        if what == "units":
            commands[0] = "units lj"
            commands.insert(at, "mass * 1.0")
        if what == "other masses":
            commands.insert(at, "mass * 1.0")
        return Deck(tuple(commands))

    decks = {case: lines(case) for case in EXPECTED}
    return Outcomes(decks)


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", FEW_RANKS)
@pytest.mark.parametrize("case", EXPECTED)
def test_message(messages, case, ranks):
    error = messages[ranks][case].error
    assert EXPECTED[case] in error.split("\n")[0]  # LAMMPS adds the input line
    assert bool(error) == bool(EXPECTED[case])
    assert "Exception raised from" not in error  # no C++ trace
