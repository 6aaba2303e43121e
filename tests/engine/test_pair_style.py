"""Whatever a deck does around the pair style, the forces stay what Python says they are.

All variants of a rank count run in one mpiexec.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from decks import KEYS_AND_RANKS, ByKey, Deck, Outcome, Outcomes

from egraff_lmp.contract import read_contract
from egraff_lmp.deployed import DeployedModel, Evaluation
from egraff_lmp.rollout.datafile import Structure, write_data_file

TOLERANCE = 1e-10  # eV/A: float64 sums in another order
PYTHON = 1e-8  # eV/A: Python adds lattice shifts, LAMMPS makes ghosts
KCAL_PER_EV = 23.060549  # LAMMPS' own factor between metal and real
ELEMENTS = ("Ge", "Te")


SIDE = 10.4  # A
R_MAX = 4.0  # A; the halo of NequIP is 12 A


@pytest.fixture(scope="module")
def model(quick_model):
    return quick_model


def liquid() -> Structure:
    """64 atoms in a cube whose halo wraps around."""
    rng = np.random.default_rng(11)
    grid = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    positions = (grid + 0.25) * SIDE / 4 + rng.normal(0, 0.1, (64, 3))
    species = tuple("Ge" if i % 5 == 0 else "Te" for i in range(64))
    return Structure(species, positions, np.eye(3) * SIDE, (True,) * 3, None, "liquid")


def network(model, key: str) -> Path:
    return model(key, "float64", r_max=R_MAX)


def cluster() -> Structure:
    """The same atoms without periodicity, in the middle of a larger box."""
    bulk = liquid()
    return Structure(
        bulk.species, bulk.positions + 8.0, np.eye(3) * 26.0, (False,) * 3, None, "cluster"
    )


PER_ATOM = {"f": 3, "x": 3, "type": 1}
BOX = ("xlo", "ylo", "zlo", "lx", "ly", "lz", "xy", "xz", "yz")
COLUMNS = {"charge": "{0} {1} 0.0 {2}", "full": "{0} 1 {1} 0.0 {2}", "bond": "{0} 1 {1} {2}"}


def as_atom_style(data: Path, style: str) -> Path:
    """A copy of a data file with the columns of another atom style."""
    head, atoms = data.read_text().split("Atoms # atomic\n\n")
    rows = [line.split(maxsplit=2) for line in atoms.splitlines() if line.strip()]
    body = "\n".join(COLUMNS[style].format(*row) for row in rows)
    other = data.with_suffix(f".{style}")
    other.write_text(f"{head}Atoms # {style}\n\n{body}\n")
    return other


def deck(
    data: Path,
    model: Path | str,
    *,
    units: str = "metal",
    before: Sequence[str] = (),
    read: str = "",
    made: Sequence[str] = (),
    style: str = "egraff",
    coeff: str = '* * "{model}" Ge Te',
    after: Sequence[str] = (),
    run: Sequence[str] = ("run 0 post no",),
    **gathered: object,
) -> Deck:
    atom_style = data.suffix[1:] if data.suffix[1:] in COLUMNS else "atomic"
    commands = (
        f"units {units}",
        f"atom_style {atom_style}",
        "atom_modify map yes",
        *before,
        f'read_data "{data}" {read}',
        *made,
        f"pair_style {style}",
        f"pair_coeff {coeff.format(model=model)}",
        *after,
        *run,
    )
    return Deck(commands, **{"thermo": ("pe", *BOX), "per_atom": PER_ATOM, **gathered})


def python_side(
    outcome: Outcome, model: Path, elements: Sequence[str] = ELEMENTS, periodic: bool = True
) -> Evaluation:
    """The independent result for the atoms that a deck ended with."""
    lx, ly, lz, xy, xz, yz = (float(outcome[name]) for name in BOX[3:])
    cell = np.array([[lx, 0, 0], [xy, ly, 0], [xz, yz, lz]])
    species = [elements[int(t) - 1] for t in outcome["type"][:, 0]]
    return DeployedModel(model).evaluate(species, outcome["x"], cell, (periodic,) * 3)


BOUNDARIES = ("f f f", "s s s", "m m m", "fs f sm")
TILED = ("comm_style tiled", "balance 1.0 rcb")
FOUR = ("Ge", "Te", "Ge", "Te")

# Every variant leaves the physics of the same 64 atoms alone.
SAME = {
    "newton off": {"before": ("newton off",)},
    "x grid": {"before": ("processors * 1 1",)},
    "y grid": {"before": ("processors 1 * 1",)},
    "z grid": {"before": ("processors 1 1 *",)},
    "tiled": {"after": TILED},
    "tiled, newton off": {"before": ("newton off",), "after": TILED},
    "balanced bricks": {"after": ("balance 1.0 shift xyz 10 1.05",)},
    "sorted": {"before": ("atom_modify sort 1 2.0",)},
    "not sorted": {"before": ("atom_modify sort 0 0.0",)},
    "nofdotr": {"after": ("pair_modify nofdotr",)},
    "wide skin": {"after": ("neighbor 4.0 bin",)},
    "no skin": {"after": ("neighbor 0.0 bin",)},
    "nsq": {"after": ("neighbor 1.0 nsq",)},
    "far ghosts": {"after": ("comm_modify cutoff 12.0",)},
    "multi": {"after": ("neighbor 1.0 multi", "comm_modify mode multi")},
    "one lattice vector more": {
        "before": ("box tilt large",),
        "made": ("change_box all triclinic", f"change_box all xy delta {SIDE}"),
    },
    "tilted the other way": {
        "before": ("box tilt large",),
        "made": ("change_box all triclinic", f"change_box all xz delta -{SIDE} yz delta {SIDE}"),
    },
    "halo": {"style": "egraff exchange no"},
    "halo, newton off": {"before": ("newton off",), "style": "egraff exchange no"},
    "halo, tiled": {"style": "egraff exchange no", "after": TILED},
    "checked": {"style": "egraff check yes"},
    "two types for one element": {
        "read": "extra/atom/types 2",
        "made": (
            "mass 3 72.63",
            "mass 4 127.6",
            # Te atoms 2-5 and Ge atom 1 (species follow i % 5) under types of their own.
            "set atom 1 type 3",
            "set atom 2*5 type 4",
        ),
        "coeff": '* * "{model}" Ge Te Ge Te',
    },
    "hybrid": {"style": "hybrid egraff", "coeff": '* * egraff "{model}" Ge Te'},
    "hybrid/overlay": {
        "style": "hybrid/overlay egraff zero 6.0",
        "coeff": '* * egraff "{model}" Ge Te',
        "after": ("pair_coeff * * zero",),
    },
    "hybrid/overlay, halo": {
        "style": "hybrid/overlay egraff exchange no zero 6.0",
        "coeff": '* * egraff "{model}" Ge Te',
        "after": ("pair_coeff * * zero",),
    },
    "hybrid/overlay, newton off": {
        "before": ("newton off",),
        "style": "hybrid/overlay egraff zero 6.0",
        "coeff": '* * egraff "{model}" Ge Te',
        "after": ("pair_coeff * * zero",),
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair style")
    write_data_file(folder / "bulk.data", liquid(), ELEMENTS)
    write_data_file(folder / "cluster.data", cluster(), ELEMENTS)
    for style in COLUMNS:
        as_atom_style(folder / "bulk.data", style)
    return folder


def same_decks(folder: Path, model: Path) -> dict[str, Deck]:
    bulk = folder / "bulk.data"
    decks = {"plain": deck(bulk, model)}
    decks |= {
        name: deck(bulk, model, **change)
        for name, change in SAME.items()
        # LAMMPS refuses to tile where ghosts reach beyond one box: halos of three cutoffs and more.
        if name != "halo, tiled" or read_contract(model).halo_layers < 3
    }
    decks |= {
        "charge": deck(folder / "bulk.charge", model),
        "full": deck(folder / "bulk.full", model),
        "bonds": deck(
            folder / "bulk.bond",
            model,
            read="extra/bond/types 1 extra/bond/per/atom 4 extra/special/per/atom 12",
            made=(
                "bond_style zero",
                "bond_coeff *",
                "special_bonds lj/coul 1 1 1",
                "create_bonds single/bond 1 1 2",
                "create_bonds single/bond 1 2 3",
            ),
        ),
    }
    return decks


@pytest.fixture(scope="module")
def static(folder, model):
    """Outcomes of all decks without steps: force field -> ranks -> name -> outcome."""

    def outcomes(key: str) -> Outcomes:
        path = network(model, key)
        return Outcomes({**same_decks(folder, path), **other_decks(folder, path)})

    return ByKey(outcomes)


@pytest.mark.mpi
@pytest.mark.parametrize(("key", "ranks"), KEYS_AND_RANKS)
def test_what_must_not_matter(static, model, folder, key, ranks):
    plain = static[key][1]["plain"]
    python = python_side(plain, network(model, key))
    assert np.abs(plain["f"] - python.forces).max() < PYTHON
    assert abs(plain["pe"] - python.energy) < PYTHON * 64
    assert np.abs(plain["f"]).max() > 0.1, "forces of the size of real ones"
    for name in same_decks(folder, network(model, key)):
        outcome = static[key][ranks][name]
        assert np.abs(outcome["f"] - plain["f"]).max() < TOLERANCE, name
        assert abs(outcome["pe"] - plain["pe"]) < 1e-12 * abs(plain["pe"]) * 64, name


ZBL_OVERLAY = ("pair_coeff 1 1 zbl 32 32", "pair_coeff 1 2 zbl 32 52", "pair_coeff 2 2 zbl 52 52")


# Decks that change the system; each is compared with something else.
def other_decks(folder: Path, model: Path) -> dict[str, Deck]:
    bulk, cluster = folder / "bulk.data", folder / "cluster.data"
    decks = {
        "real": deck(bulk, model, units="real"),
        "real, newton off": deck(bulk, model, units="real", before=("newton off",)),
        "deleted": deck(
            bulk, model, made=("group gone id 3:64:7", "delete_atoms group gone compress no")
        ),
        "created": deck(
            bulk,
            model,
            made=(
                "group gone id 3:64:5",
                "delete_atoms group gone compress no",
                "create_atoms 1 random 5 19 NULL overlap 1.5 maxtry 500",
            ),
        ),
        "scaled": deck(
            bulk,
            model,
            style="hybrid/scaled 0.25 egraff 1.0 zero 6.0",
            coeff='* * egraff "{model}" Ge Te',
            after=("pair_coeff * * zero",),
        ),
        "overlay": deck(
            bulk,
            model,
            style="hybrid/overlay egraff zbl 2.0 3.0",
            coeff='* * egraff "{model}" Ge Te',
            after=ZBL_OVERLAY,
        ),
        "overlay, newton off": deck(
            bulk,
            model,
            before=("newton off",),
            style="hybrid/overlay egraff zbl 2.0 3.0",
            coeff='* * egraff "{model}" Ge Te',
            after=ZBL_OVERLAY,
        ),
        "zbl": deck(
            bulk,
            model,
            style="zbl 2.0 3.0",
            coeff="1 1 32 32",
            after=("pair_coeff 1 2 32 52", "pair_coeff 2 2 52 52"),
        ),
        "subset": deck(
            bulk,
            model,
            style="hybrid egraff lj/cut 6.0",
            coeff='* * egraff "{model}" NULL Te',
            after=("pair_coeff 1 * lj/cut 0.05 2.5",),
        ),
        "subset, tiled, newton off": deck(
            bulk,
            model,
            before=("newton off",),
            style="hybrid lj/cut 6.0 egraff",
            coeff='* * egraff "{model}" NULL Te',
            after=("pair_coeff 1 * lj/cut 0.05 2.5", *TILED),
        ),
        "subset, halo": deck(
            bulk,
            model,
            style="hybrid egraff exchange no lj/cut 6.0",
            coeff='* * egraff "{model}" NULL Te',
            after=("pair_coeff 1 * lj/cut 0.05 2.5",),
        ),
        "lj of the subset": deck(
            bulk,
            model,
            style="lj/cut 6.0",
            coeff="1 * 0.05 2.5",
            after=("pair_coeff 2 2 0.0 2.5",),
        ),
        "Te alone": deck(
            bulk, model, made=("group ge type 1", "delete_atoms group ge compress no")
        ),
        "Ge excluded": deck(
            bulk, model, after=("group ge type 1", "neigh_modify exclude group ge all")
        ),
        "bonds of others": deck(
            folder / "bulk.bond",
            model,
            read="extra/bond/types 1 extra/bond/per/atom 4 extra/special/per/atom 12",
            made=("bond_style zero", "bond_coeff *", "create_bonds single/bond 1 1 6"),
            style="hybrid egraff lj/cut 6.0",
            coeff='* * egraff "{model}" NULL Te',
            after=("pair_coeff 1 * lj/cut 0.05 2.5", "special_bonds lj/coul 1 0.5 1"),
        ),
    }
    for boundary in BOUNDARIES:
        decks[f"cluster {boundary}"] = deck(
            cluster, model, before=(f"boundary {boundary}",), read="nocoeff"
        )
    return decks


@pytest.mark.mpi
@pytest.mark.parametrize(("key", "ranks"), KEYS_AND_RANKS)
def test_real_units_are_metal_ones_converted(static, key, ranks):
    plain = static[key][1]["plain"]
    for name in ("real", "real, newton off"):
        real = static[key][ranks][name]
        assert np.abs(real["f"] / KCAL_PER_EV - plain["f"]).max() < TOLERANCE
        assert real["pe"] / KCAL_PER_EV == pytest.approx(float(plain["pe"]), rel=1e-12)


@pytest.mark.mpi
@pytest.mark.parametrize(("key", "ranks"), KEYS_AND_RANKS)
def test_ids_need_not_be_consecutive(static, model, key, ranks):
    for name in ("deleted", "created"):
        outcome, one = static[key][ranks][name], static[key][1][name]
        python = python_side(outcome, network(model, key))
        assert np.abs(outcome["f"] - python.forces).max() < PYTHON
        # New IDs follow the ranks that made them: compare atom by atom in space.
        here, there = (np.lexsort(np.round(o["x"], 6).T) for o in (outcome, one))
        assert np.abs(outcome["f"][here] - one["f"][there]).max() < TOLERANCE
        if name == "deleted":
            assert outcome["ids"][-1] > len(outcome["ids"])


@pytest.mark.mpi
@pytest.mark.parametrize(("key", "ranks"), KEYS_AND_RANKS)
def test_overlay_adds_and_scaled_scales(static, key, ranks):
    one, here = static[key][1], static[key][ranks]
    total = one["plain"]["f"] + one["zbl"]["f"]
    assert np.abs(one["zbl"]["f"]).max() > 0.1
    for name in ("overlay", "overlay, newton off"):
        assert np.abs(here[name]["f"] - total).max() < TOLERANCE
    assert np.abs(here["scaled"]["f"] - 0.25 * one["plain"]["f"]).max() < TOLERANCE
    assert here["scaled"]["pe"] == pytest.approx(0.25 * float(one["plain"]["pe"]))


@pytest.mark.mpi
@pytest.mark.parametrize(("key", "ranks"), KEYS_AND_RANKS)
def test_null_types_are_not_there_for_the_network(static, key, ranks):
    """Ge by Lennard-Jones, Te by the network: the sum of both alone."""
    one = static[key][1]
    alone = one["Te alone"]
    assert len(alone["ids"]) < 64
    total = one["lj of the subset"]["f"].copy()
    total[alone["ids"] - 1] += alone["f"]
    energy = one["lj of the subset"]["pe"] + alone["pe"]
    for name in ("subset", "subset, tiled, newton off", "subset, halo"):
        outcome = static[key][ranks][name]
        assert np.abs(outcome["f"] - total).max() < TOLERANCE, name
        assert abs(outcome["pe"] - energy) < 1e-10, name
    assert not static[key][ranks]["bonds of others"].error
    excluded, te = static[key][ranks]["Ge excluded"], alone["ids"] - 1
    assert np.abs(excluded["f"][te] - alone["f"]).max() < TOLERANCE
    assert not np.delete(excluded["f"], te, axis=0).any()
    assert abs(excluded["pe"] - alone["pe"]) < 1e-10


@pytest.mark.mpi
@pytest.mark.parametrize(("key", "ranks"), KEYS_AND_RANKS)
def test_every_kind_of_open_boundary(static, model, key, ranks):
    free = static[key][1]["cluster f f f"]
    python = python_side(free, network(model, key), periodic=False)
    assert np.abs(free["f"] - python.forces).max() < PYTHON
    for boundary in BOUNDARIES:
        outcome = static[key][ranks][f"cluster {boundary}"]
        assert np.abs(outcome["f"] - free["f"]).max() < TOLERANCE, boundary
