"""Several files in one pair_coeff: their mean, how far they disagree, and the limit on that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from decks import RANKS, Deck, Outcomes, run_decks

from egraff_lmp.deployed import DeployedModel
from egraff_lmp.rollout.datafile import Structure, write_data_file

PYTHON = 1e-8  # eV/A
KCAL_PER_EV = 23.060549
R_MAXES = {"nequip": 4.0, "allegro": 4.6, "mace": 3.7}  # members may differ


@pytest.fixture(scope="module")
def model(quick_model):
    return quick_model


def atoms() -> Structure:
    rng = np.random.default_rng(12)
    grid = np.stack(np.meshgrid(*[range(3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    positions = (grid + 0.3) * 2.7 + rng.normal(0, 0.1, (27, 3))
    species = tuple("Ge" if i % 2 else "Te" for i in range(27))
    return Structure(species, positions, np.eye(3) * 8.1, (True,) * 3, None, "27 atoms")


@pytest.fixture(scope="module")
def members(model) -> list[Path]:
    return [model(key, "float64", scale=1.0, r_max=R_MAXES[key]) for key in R_MAXES]


def deck(
    folder: Path, files: list[Path], style="", units="metal", before=(), after=(), **kw
) -> Deck:
    names = " ".join(f'"{file}"' for file in files)
    deviates = len(files) > 1
    return Deck(
        (
            f"units {units}",
            "atom_modify map yes",
            *before,
            f'read_data "{folder}/atoms.data"',
            f"pair_style egraff {style}",
            f"pair_coeff * * {names} Ge Te",
            "compute pe all pe/atom",
            *(
                (
                    "compute dev all egraff/atom deviation",
                    "thermo_style custom step pe c_dev[1] c_dev[2]",
                )
                if deviates
                else ()
            ),
            "fix ask all ave/atom 1 1 1 c_pe",
            *after,
            "run 0 post no",
        ),
        per_atom={"f": 3, "x": 3, "c_pe": 1, **({"c_dev": 1} if deviates else {})},
        vectors={"dev": 2} if deviates else {},
        thermo=("pe", "step"),
        **kw,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ensemble")
    write_data_file(folder / "atoms.data", atoms(), ("Ge", "Te"))
    return folder


@pytest.fixture(scope="module")
def outcomes(folder, members):
    decks = {
        "metal": deck(folder, members),
        "real": deck(folder, members, units="real"),
        "newton off": deck(folder, members, before=("newton off",)),
        "halo": deck(folder, members, style="exchange no"),
        "checked": deck(folder, members, style="check yes"),
        "twice the same": deck(folder, [members[0], members[0]]),
    }
    return Outcomes(decks)


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", RANKS)
def test_mean_and_deviation_are_those_of_python(outcomes, members, ranks):
    structure = atoms()
    alone = [
        DeployedModel(file).evaluate(
            structure.species, structure.positions, structure.cell, structure.pbc
        )
        for file in members
    ]
    forces = np.array([one.forces for one in alone])
    mean = forces.mean(0)
    deviation = np.sqrt(((forces - mean) ** 2).sum(-1).mean(0))
    assert np.median(deviation) > 0.01
    for name in ("metal", "newton off", "halo", "checked"):
        outcome = outcomes[ranks][name]
        assert np.abs(outcome["f"] - mean).max() < PYTHON, name
        assert abs(outcome["pe"] - np.mean([one.energy for one in alone])) < PYTHON * 27
        energies = np.mean([one.energies for one in alone], axis=0)
        assert np.abs(outcome["c_pe"][:, 0] - energies).max() < PYTHON
        assert np.abs(outcome["c_dev"][:, 0] - deviation).max() < PYTHON, name
        assert outcome["dev"] == pytest.approx([deviation.max(), deviation.mean()], abs=PYTHON)
    real = outcomes[ranks]["real"]
    assert np.abs(real["f"] / KCAL_PER_EV - mean).max() < PYTHON
    assert np.abs(real["c_dev"][:, 0] / KCAL_PER_EV - deviation).max() < PYTHON


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", RANKS)
def test_a_model_agrees_with_itself(outcomes, ranks):
    assert outcomes[ranks]["twice the same"]["c_dev"].max() < 1e-14


@pytest.mark.mpi
def test_the_table_names_every_member_and_its_cost(outcomes, members):
    log = outcomes[2]["metal"].log
    for file in members:
        assert f"egraff: {file}\n" in log
    assert "ensemble of 3: a step costs all of them" in log
    assert log.count("  its first evaluation took ") == 3
    for name, doi in (("NequIP", "s41467-022-29939-5"), ("Allegro", "s41467-023-36329-y")):
        cited = log.split(f"- pair_style egraff, model {name}:")[1].split("\n\n")[1]
        assert doi in cited, "LAMMPS' own list of what to cite"
    assert "memory of the network on the busiest rank, measured: " in log


MOVE = ("velocity all create 2000 3 loop all", "timestep 0.0005", "fix move all nve")


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_the_limit_stops_or_writes(folder, members, ranks, tmp_path):
    import MDAnalysis

    watch = (*MOVE, "fix d all ave/time 1 1 1 c_dev[1] file {out}", "run 30 post no")

    def run(style: str, out: Path):
        after = tuple(line.format(out=f'"{out}"') for line in watch)
        return run_decks({"it": deck(folder, members, style=style, after=after)}, ranks)["it"]

    free = run("", tmp_path / "free.txt")
    assert free["step"] == 30
    largest = np.loadtxt(tmp_path / "free.txt")[:, 1]
    limit = (largest[0] + largest.max()) / 2
    crossed = int(np.argmax(largest > limit))
    assert 0 < crossed < 30, "the deviation must grow for this test to mean something"

    stopped = run(f"deviation {limit:.12g} stop", tmp_path / "stopped.txt")
    assert stopped["step"] == crossed
    assert f"egraff: step {crossed}: the ensemble's forces on atom " in stopped.log
    assert "the run ends here" in stopped.log

    frames = tmp_path / "far frames.dump"
    written = run(f'deviation {limit:.12g} "{frames}"', tmp_path / "written.txt")
    assert written["step"] == 30
    above = largest > limit
    crossings = [k for k in range(31) if above[k] and (k == 0 or not above[k - 1])]
    universe = MDAnalysis.Universe(
        str(frames),
        format="LAMMPSDUMP",
        lammps_coordinate_convention="unwrapped",
        additional_columns=["deviation"],
    )
    assert [int(frame.data["step"]) for frame in universe.trajectory] == crossings
    first = universe.trajectory[0]
    assert first.n_atoms == 27
    assert float(first.data["deviation"].max()) == pytest.approx(largest[crossed], rel=1e-5)
