"""Faults that no other test had seen: each of these failed before it was mended.

Fresh memory is poisoned (`tests/conftest.py`), since that of a new process happens to hold zeros.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from decks import TIME_LIMIT_SECONDS, Deck, run_decks
from toy_files import Raising, Rough, WrongGradient, deploy_toy

from egraff_lmp.contract import read_contract
from egraff_lmp.paths import mpi_program
from egraff_lmp.rollout.datafile import Structure, write_data_file

R_MAX = 4.0
BAR_A3_PER_EV = 1.6021765e6
KCAL_PER_EV = 23.060549
SUM = 1e-9  # eV: a hundred terms of 1 eV
SAME = 1e-12  # eV, relative to energies of 1 eV: the same sum in another order


@pytest.fixture(scope="module")
def model(quick_model):
    return quick_model


def grid_of_27() -> Structure:
    rng = np.random.default_rng(12)
    grid = np.stack(np.meshgrid(*[range(3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    positions = (grid + 0.3) * 2.7 + rng.normal(0, 0.1, (27, 3))
    species = tuple("Ge" if i % 2 else "Te" for i in range(27))
    return Structure(species, positions, np.eye(3) * 8.1, (True,) * 3, None, "27 atoms")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_data_file(tmp_path / "atoms.data", grid_of_27(), ("Ge", "Te"))
    return tmp_path / "atoms.data"


def head(data: Path, *before: str, units: str = "metal") -> tuple[str, ...]:
    return (f"units {units}", "atom_modify map yes", *before, f'read_data "{data}"')


def use(path: Path, style: str = "") -> tuple[str, ...]:
    return (f"pair_style egraff {style}", f'pair_coeff * * "{path}" Ge Te')


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("style", ["", "exchange no"])
def test_per_atom_virials_with_newton_off(data, model, ranks, style) -> None:
    """LAMMPS clears the rows of ghosts with newton on only."""
    measure = (
        "compute s all stress/atom NULL virial",
        "compute c all centroid/stress/atom NULL virial",
        "compute p all pressure NULL virial",
        "fix ask all ave/atom 1 1 1 c_s[1] c_c[1]",
        "run 0 post no",
    )
    gone = ("group some id <= 9", "delete_atoms group some compress no", "run 0 post no")
    decks = {
        name: Deck(
            (*head(data, "newton off"), *use(model("mace", "float64", r_max=R_MAX), style), *lines),
            {"f": 3, "c_s": 6, "c_c": 9},
            {"p": 6},
            ("vol",),
        )
        for name, lines in {"whole": measure, "some": (*measure, *gone)}.items()
    }
    for found in run_decks(decks, ranks).values():
        wanted = -found["p"] * found["vol"] / BAR_A3_PER_EV
        # xx, yy, zz, xy, xz, yz; the nine of centroid/stress go on with yx, zx, zy, which sum to
        # the same as xy, xz, yz because a rotation of all atoms leaves the energy as it is.
        for name, components in (("c_s", wanted), ("c_c", np.append(wanted, wanted[3:]))):
            got = found[name].sum(0) / BAR_A3_PER_EV
            assert got.shape == components.shape
            assert np.abs(got - components).max() < SUM * max(1.0, np.abs(wanted).max())


@pytest.mark.mpi
@pytest.mark.parametrize("newton", ["off", "on"])
def test_ranks_without_atoms_and_ghosts_under_comm_tiled(tmp_path, model, newton) -> None:
    """A rank that left out a communication made the others wait for ever."""
    pair = Structure(
        ("Ge", "Te"),
        np.array([[1.0, 1.0, 1.0], [2.5, 1.5, 1.0]]),
        np.diag([200.0, 20.0, 20.0]),
        (True, False, False),
        None,
        "two atoms in a corner",
    )
    write_data_file(tmp_path / "pair.data", pair, ("Ge", "Te"))
    deck = Deck(
        (
            f"newton {newton}",
            "processors 4 1 1",
            "boundary p f f",
            "comm_style tiled",
            *head(tmp_path / "pair.data"),
            *use(model("nequip", "float64", r_max=R_MAX)),
            "compute s all stress/atom NULL virial",
            "fix ask all ave/atom 1 1 1 c_s[1]",
            "run 2 post no",
        )
    )
    alone = Deck(tuple(line for line in deck.commands if "processors" not in line))
    many, one = run_decks({"it": deck}, 4)["it"], run_decks({"it": alone}, 1)["it"]
    assert np.abs(many["f"] - one["f"]).max() < SUM


@pytest.mark.mpi
def test_a_member_that_fails_on_one_rank_does_not_leave_the_others_waiting(tmp_path, model) -> None:
    """Of an ensemble the first member raises on one rank, the second one exchanges features."""
    apart = Structure(
        ("Ge", "Ge", "Te", "Te"),
        np.array([[1.0, 1.0, 1.0], [3.0, 1.0, 1.0], [12.0, 1.0, 1.0], [14.0, 1.0, 1.0]]),
        np.diag([20.0, 10.0, 10.0]),
        (True,) * 3,
        None,
        "Ge on one rank, Te on the other",
    )
    write_data_file(tmp_path / "apart.data", apart, ("Ge", "Te"))
    mace = model("mace", "float64", r_max=R_MAX)
    te = read_contract(mace).species.index("Te")
    raising = deploy_toy(Raising(te), mace, tmp_path / "raising.pt")
    deck = Deck(
        (
            *head(tmp_path / "apart.data", "processors 2 1 1"),
            "pair_style egraff",
            f'pair_coeff * * "{raising}" "{mace}" Ge Te',
            "run 0 post no",
        )
    )
    error = run_decks({"it": deck}, 2)["it"].error
    assert "raising.pt failed on a rank with 2 atoms" in error
    assert "this network does not like the element" in error


@pytest.mark.mpi
def test_a_restart_of_another_machine_waits_for_the_lines_of_the_deck(data, model) -> None:
    """Two threads a rank fit one rank here, and not two: the restart file asks for them."""
    path = model("mace", "float64", r_max=R_MAX)
    kept = data.parent / "kept"
    write = (*head(data), *use(path, "threads 2"), "run 0 post no", f'write_restart "{kept}"')
    assert not run_decks({"it": Deck(write)}, 1)["it"].error
    own = Deck((f'read_restart "{kept}"', *use(path, "threads 1"), "run 0 post no"))
    bare = Deck((f'read_restart "{kept}"', "run 0 post no"))
    found = run_decks({"own": own, "bare": bare}, 2)
    assert not found["own"].error
    assert "got 'threads 2'" in found["bare"].error
    assert "repeat the pair_style and pair_coeff lines" in found["bare"].error


@pytest.mark.mpi
def test_edge_energies_come_in_the_units_of_the_deck(data, model) -> None:
    path = model("allegro", "float64", r_max=R_MAX)
    ask = ("compute q all egraff/atom edge_energy", "fix ask all ave/atom 1 1 1 c_q")
    decks = {
        units: Deck(
            (*head(data, units=units), *use(path), *ask, "run 0 post no"), {"f": 3, "c_q": 1}
        )
        for units in ("metal", "real")
    }
    found = run_decks(decks, 1)
    for column in ("f", "c_q"):
        metal, real = (found[units][column] for units in ("metal", "real"))
        assert np.abs(real - KCAL_PER_EV * metal).max() < 1e-6 * np.abs(real).max()


def cutoffs(log: str) -> list[float]:
    """What each `info comm` says, in A."""
    lines = [line for line in log.splitlines() if "Communication cutoff" in line]
    return [float(line.split("=")[1].split()[0]) for line in lines]


@pytest.mark.mpi
def test_the_ghost_cutoff_of_the_deck_comes_back(data, model) -> None:
    """A halo raises it; what the deck says, before or after, counts as soon as none is needed."""
    path = model("mace", "float64", r_max=R_MAX)
    halo = ("pair_style egraff exchange no", f'pair_coeff * * "{path}" Ge Te')
    kept = data.parent / "kept"
    decks = {
        "later wish": (
            *head(data),
            *halo,
            "run 0 post no",
            "comm_modify cutoff 25",
            "run 0 post no",
            "info comm out log",
        ),
        "another style": (
            *head(data),
            "comm_modify cutoff 7",
            *halo,
            "run 0 post no",
            "info comm out log",
            "pair_style zero 4.0",
            "pair_coeff * *",
            "run 0 post no",
            "info comm out log",
        ),
        "two instances": (
            *head(data),
            "comm_modify cutoff 7",
            "pair_style hybrid/overlay egraff exchange no egraff exchange no",
            f'pair_coeff * * egraff 1 "{path}" Ge Te',
            f'pair_coeff * * egraff 2 "{path}" Ge Te',
            "run 0 post no",
            "run 0 post no",
            "info comm out log",
            *use(path),
            "run 0 post no",
            "info comm out log",
        ),
        "write": (
            *head(data),
            "comm_modify cutoff 7",
            *halo,
            "run 0 post no",
            f'write_restart "{kept}"',
        ),
    }
    found = run_decks({name: Deck(lines, {}) for name, lines in decks.items()}, 2)
    layers = 2
    reach = layers * R_MAX + 2.0  # the default skin of units metal
    assert not found["write"].error
    assert cutoffs(found["later wish"].log) == [25.0]
    assert cutoffs(found["another style"].log) == [reach, 7.0]
    assert cutoffs(found["two instances"].log) == [reach, 7.0]
    again = Deck((f'read_restart "{kept}"', *use(path), "run 0 post no", "info comm out log"), {})
    assert cutoffs(run_decks({"it": again}, 2)["it"].log) == [7.0]


def thermo_of_lmp(lines: tuple[str, ...], folder: Path, ranks: int, *options: str) -> list[float]:
    """The columns of the last thermo row of `lmp`, where LAMMPS and torch share one OpenMP."""
    (folder / "in.deck").write_text("\n".join(lines) + "\n")
    lmp = Path(sys.executable).parent / "lmp"
    command = ["-n", str(ranks), str(lmp), "-in", "in.deck", "-log", "none", *options]
    done = subprocess.run(
        [mpi_program("mpiexec"), *command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_SECONDS,
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-1000:]
    rows = done.stdout.splitlines()
    last = next(k for k, row in enumerate(rows) if row.startswith("Loop time")) - 1
    return [float(word) for word in rows[last].split()]


@pytest.mark.mpi
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("ranks", [1, 2])
def test_other_styles_keep_their_threads(data, model, monkeypatch, ranks, threads) -> None:
    """LAMMPS' threaded styles ran with torch's thread count, and missed a part of their atoms."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    path = model("mace", "float64", r_max=R_MAX)
    lines = (
        *head(data),
        "pair_style hybrid/overlay egraff lj/cut 4.0",
        f'pair_coeff * * egraff "{path}" Ge Te',
        "pair_coeff * * lj/cut 0.1 2.5",
        "compute lj all pair lj/cut",
        "fix move all nve",
        "timestep 0.0001",
        "thermo_style custom step pe c_lj press",
        "thermo_modify format float %.17g",
        "run 2",
    )
    plain = thermo_of_lmp(lines, data.parent, ranks)
    omp = ("-sf", "omp", "-pk", "omp", str(threads))
    threaded = thermo_of_lmp(lines, data.parent, ranks, *omp)
    assert np.allclose(plain, threaded, rtol=1e-9, atol=SUM)


@pytest.mark.mpi
def test_the_suffix_omp_alone(data, model, monkeypatch) -> None:
    """`fix nve/omp` crashed after the first step where torch had taken another thread count."""
    lines = (
        *head(data),
        *use(model("mace", "float64", r_max=R_MAX)),
        "fix move all nve",
        "timestep 0.0001",
        "thermo_modify format float %.17g",
        "run 2",
    )
    plain = thermo_of_lmp(lines, data.parent, 1)
    # Two threads: the value that a run without the variable would have on a larger machine.
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert np.allclose(plain, thermo_of_lmp(lines, data.parent, 1, "-sf", "omp"), rtol=1e-9)


@pytest.mark.mpi
def test_the_compute_tells_two_instances_apart(data, model) -> None:
    """Under hybrid/overlay, as `pair_coeff * * egraff 2` does."""
    one, two = (model("mace", "float64", r_max=R_MAX, seed=seed) for seed in (7, 8))
    lines = (
        *head(data),
        "pair_style hybrid/overlay egraff egraff",
        f'pair_coeff * * egraff 1 "{one}" Ge Te',
        f'pair_coeff * * egraff 2 "{two}" Ge Te',
    )
    ask = {
        name: ("compute q all egraff/atom " + name + " features", "run 0 post no")
        for name in ("", "pair egraff 1", "pair egraff 2", "pair egraff 3", "pair egraff")
    }
    gather = "fix ask all ave/atom 1 1 1 c_q[1]"
    decks = {
        name: Deck((*lines, asked, gather, go), {"f_ask": 1}) for name, (asked, go) in ask.items()
    }
    alone = {
        number: Deck(
            (*head(data), *use(path), "compute q all egraff/atom features", gather, "run 0"),
            {"f_ask": 1},
        )
        for number, path in ((1, one), (2, two))
    }
    found = run_decks(decks, 1)
    single = run_decks(alone, 1)
    for number in (1, 2):
        got = found[f"pair egraff {number}"]["f_ask"]
        assert np.abs(got - single[number]["f_ask"]).max() < SAME
    assert np.abs(single[1]["f_ask"] - single[2]["f_ask"]).max() > 1e-3
    wanted = "add one of 'pair egraff 1', 'pair egraff 2' before the names"
    assert wanted in found[""].error
    assert "expected one of 'pair egraff 1', 'pair egraff 2', got 'pair egraff 3'" in (
        found["pair egraff 3"].error
    )
    assert "expected a pair style and its number after 'pair'" in found["pair egraff"].error


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2])
def test_check_yes_says_what_is_wrong(data, model, tmp_path, ranks) -> None:
    template = model("mace", "float64", r_max=R_MAX)
    hydrogen = read_contract(template).species.index("H")
    files = {
        "rough": deploy_toy(Rough(), template, tmp_path / "rough.pt"),
        "wrong": deploy_toy(WrongGradient(), template, tmp_path / "wrong.pt"),
        "raising": deploy_toy(Raising(hydrogen), template, tmp_path / "raising.pt"),
    }
    decks = {
        name: Deck((*head(data), *use(path, "check yes"), "run 0 post no"))
        for name, path in files.items()
    }
    found = run_decks(decks, ranks)
    assert "the energy is not smooth at this configuration" in found["rough"].error
    assert "the forces are not the derivative of the energy at this configuration" in (
        found["wrong"].error
    )
    # The self-test frame holds hydrogen, the deck does not: all ranks fail, with one line.
    assert "could not be loaded on a rank" in found["raising"].error
