"""Per-atom virials, heat flux, and what models offer through compute egraff/atom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from decks import KEYS, RANKS, ByKey, Deck, Outcomes, run_decks

from egraff_lmp.contract import read_contract
from egraff_lmp.deployed import DeployedModel
from egraff_lmp.forcefields import FORCE_FIELDS
from egraff_lmp.graph import find_edges
from egraff_lmp.rollout.datafile import Structure, write_data_file

R_MAX = 4.0
BAR_A3_PER_EV = 1.6021765e6
SUM = 1e-9  # eV: a thousand terms of 1 eV
KINETIC = 1.0364269e-4  # amu (A/ps)^2 in eV: LAMMPS' mvv2e of units metal
MASS = {"Ge": 72.63, "Te": 127.6}


@pytest.fixture(scope="module")
def model(quick_model):
    return quick_model


def cell_of_48(periodic: bool) -> Structure:
    rng = np.random.default_rng(2)
    grid = np.stack(np.meshgrid(range(4), range(4), range(3), indexing="ij"), -1).reshape(-1, 3)
    positions = (grid + 0.25) * 2.6 + rng.normal(0, 0.15, (48, 3))
    box = np.array([[10.4, 0.0, 0.0], [2.0, 10.4, 0.0], [-1.0, 0.7, 7.8]])
    if not periodic:
        positions, box = positions + 6.0, np.eye(3) * 22.0
    species = tuple("Ge" if i % 3 == 0 else "Te" for i in range(48))
    return Structure(species, positions, box, (periodic,) * 3, None, "48 atoms")


HEAT = (
    "velocity all create 3000 5 loop all",
    "compute ke all ke/atom",
    "compute pe all pe/atom",
    "compute s all stress/atom NULL virial",
    "compute c all centroid/stress/atom NULL virial",
    "compute p all pressure NULL virial",
    "compute J all heat/flux ke pe c",
    "thermo_style custom step pe vol c_p[1] c_J[1]",
)


def deck(data: Path, model: Path, before=(), style="", after=(), gather=None) -> Deck:
    return Deck(
        (
            "units metal",
            "atom_modify map yes",
            *before,
            f'read_data "{data}"',
            f"pair_style egraff {style}",
            f'pair_coeff * * "{model}" Ge Te',
            *HEAT,
            *after,
            # Per-atom virials are summed in a step that somebody announced them for.
            "fix ask all ave/atom 1 1 1 c_s[1] c_c[1]",
            "run 1 post no",
        ),
        per_atom=gather or {"f": 3, "x": 3, "v": 3, "c_s": 6, "c_c": 9, "c_pe": 1},
        vectors={"p": 6, "J": 6},
        thermo=("pe", "vol"),
    )


VARIANTS = {
    "plain": {},
    "newton off": {"before": ("newton off",)},
    "halo": {"style": "exchange no"},
    "nofdotr": {"after": ("pair_modify nofdotr",)},
    "tiled": {"after": ("comm_style tiled", "balance 1.0 rcb")},
}


@pytest.fixture(scope="module")
def outcomes(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("per atom")
    for name, periodic in (("bulk", True), ("cluster", False)):
        write_data_file(folder / f"{name}.data", cell_of_48(periodic), ("Ge", "Te"))

    def outcomes(key: str) -> Outcomes:
        path = model(key, "float64", r_max=R_MAX)
        decks = {name: deck(folder / "bulk.data", path, **by) for name, by in VARIANTS.items()}
        decks["cluster"] = deck(folder / "cluster.data", path, before=("boundary f f f",))
        return Outcomes(decks)

    return ByKey(outcomes)


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("key", KEYS)
def test_per_atom_virials_sum_to_the_virial(outcomes, key, name, ranks):
    outcome, plain = outcomes[key][ranks][name], outcomes[key][1]["plain"]
    total = outcome["p"] * outcome["vol"] / BAR_A3_PER_EV
    assert np.abs(total).max() > 1.0
    six = -outcome["c_s"].sum(0) / BAR_A3_PER_EV
    nine = -outcome["c_c"].sum(0) / BAR_A3_PER_EV
    assert np.abs(six - total).max() < SUM
    assert np.abs(nine[:6] - total).max() < SUM
    assert np.abs(nine[6:] - total[3:]).max() < SUM, "the sum is symmetric"
    for column in ("c_s", "c_c", "f"):
        scale = BAR_A3_PER_EV if column != "f" else 1.0
        assert np.abs(outcome[column] - plain[column]).max() / scale < 1e-10, column
    assert np.allclose(outcome["J"], plain["J"], rtol=1e-10, atol=1e-10 * np.abs(plain["J"]).max())


@pytest.mark.mpi
def test_heat_flux_is_the_rate_of_the_energy_moment(outcomes, model):
    """J = d/dt sum_i r_i E_i in a cluster (Fan et al., Phys. Rev. B 92, 094301 (2015), Eq. 2)."""
    outcome = outcomes["allegro"][1]["cluster"]
    structure = cell_of_48(False)
    network = DeployedModel(model("allegro", "float64", r_max=R_MAX))
    x, v = outcome["x"], outcome["v"]
    masses = np.array([MASS[s] for s in structure.species])

    def energies(shift: float) -> np.ndarray:
        moved = x + shift * v
        return network.evaluate(structure.species, moved, structure.cell, structure.pbc).energies

    h = 1e-6  # ps
    potential_rate = (energies(h) - energies(-h)) / (2 * h)
    kinetic = 0.5 * KINETIC * masses * (v**2).sum(1)
    kinetic_rate = (outcome["f"] * v).sum(1)
    origin = x.mean(0)
    flux = (v * (energies(0.0) + kinetic)[:, None]).sum(0)
    flux += ((x - origin) * (potential_rate + kinetic_rate)[:, None]).sum(0)
    assert np.abs(flux).max() > 1.0
    assert outcome["J"][:3] == pytest.approx(flux, rel=1e-5, abs=1e-5 * np.abs(flux).max())


@pytest.mark.mpi
@pytest.mark.parametrize("key", KEYS)
def test_message_passing_flux_is_called_an_approximation(outcomes, key):
    log = outcomes[key][2]["plain"].log
    warned = "a heat flux made of them is an approximation" in log
    assert warned == (key != "allegro")


@pytest.mark.mpi
@pytest.mark.slow
@pytest.mark.parametrize("key", KEYS)
def test_heat_flux_of_1600_atoms(key, model, root):
    """The shipped GeTe melt, eight times."""
    path = model(key, "float64", r_max=R_MAX)
    commands = (
        "units metal",
        f'read_data "{root}/lammps_inputs/gete.data"',
        "replicate 2 2 2",
        "pair_style egraff",
        f'pair_coeff * * "{path}" Ge Te',
        "displace_atoms all random 0.1 0.1 0.1 5",
        "velocity all create 920 5 loop geom",
        *HEAT[1:],
        "fix ask all ave/atom 1 1 1 c_s[1] c_c[1]",
        "run 0 post no",
    )
    decks = {"melt": Deck(commands, per_atom={}, vectors={"J": 6})}
    one, four = (run_decks(decks, ranks)["melt"] for ranks in (1, 4))
    assert np.abs(one["J"] - four["J"]).max() <= 1e-10 * np.abs(one["J"]).max()


OFFERED = {**dict.fromkeys(FORCE_FIELDS, "features"), "allegro": "edge_energy"}


@pytest.mark.mpi
@pytest.mark.parametrize("key", KEYS)
def test_what_models_offer(key, model, tmp_path):
    structure = cell_of_48(True)
    write_data_file(tmp_path / "bulk.data", structure, ("Ge", "Te"))
    path = model(key, "float64", r_max=R_MAX)
    (output,) = read_contract(path).outputs
    assert output.name == OFFERED[key]
    lines = (f"compute q all egraff/atom {output.name}", "group ge type 1")
    more = (f"compute g ge egraff/atom {output.name}", "fix g ge ave/time 1 1 1 c_g[1]")
    made = deck(
        tmp_path / "bulk.data",
        path,
        after=(*lines, *more),
        gather={"x": 3, "c_q": output.width, "c_g": output.width, "c_pe": 1},
    )
    made = Deck(made.commands, made.per_atom, {"q": 2 * output.width}, made.thermo)

    evaluator = DeployedModel(path)
    for ranks in (1, 2, 4):
        outcome = run_decks({"bulk": made}, ranks)["bulk"]
        edges = find_edges(outcome["x"], structure.cell, structure.pbc, R_MAX)
        vectors = torch.tensor(edges.vectors(outcome["x"], structure.cell))
        types = torch.tensor([evaluator.contract.species.index(s) for s in structure.species])
        found = evaluator._module(vectors, torch.tensor(edges.index), types, 48)
        rows = found[output.name].detach().double().reshape(-1, output.width)
        if output.per == "edge":
            rows = torch.zeros(48, 1, dtype=rows.dtype).index_add(
                0, torch.tensor(edges.index[0]), rows
            )
            shift = [
                evaluator.contract.energy_reference.per_species_ev[s] for s in structure.species
            ]
            # A law: the edges of a centre are its energy.
            assert rows[:, 0].numpy() == pytest.approx(outcome["c_pe"][:, 0] - shift, abs=1e-9)
        expected = rows.numpy()
        assert np.abs(outcome["c_q"] - expected).max() < 1e-8
        largest, mean = outcome["q"][0::2], outcome["q"][1::2]
        assert largest == pytest.approx(expected.max(0), abs=1e-8)
        assert mean == pytest.approx(expected.mean(0), abs=1e-8)
        ge = np.array(structure.species) == "Ge"
        assert np.abs(outcome["c_g"][ge] - expected[ge]).max() < 1e-8
        assert not outcome["c_g"][~ge].any()
