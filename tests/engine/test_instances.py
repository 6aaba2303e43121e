"""More than one LAMMPS at a time, or one after the other, in the same processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from decks import EVERYDAY, KEYS

from egraff_lmp.deployed import DeployedModel
from egraff_lmp.paths import mpi_program
from egraff_lmp.rollout.datafile import Structure, write_data_file

TIME_LIMIT_SECONDS = 300
R_MAX = 4.0
ENERGY = 1e-9  # eV

HEAD = """
import json, sys
import egraff_lmp, lammps
from mpi4py import MPI
world = MPI.COMM_WORLD
job = json.load(open(sys.argv[1]))

def deck(model, after=("run 0 post no",)):
    return ["units metal", "atom_modify map yes", f'read_data "{job["data"]}"', "pair_style egraff",
            f'pair_coeff * * "{model}" Ge Te', *after]

def new(comm=world, *args):
    return lammps.lammps(cmdargs=["-log", "none", "-screen", "none", *args], comm=comm)

def tell(values):
    with open(f"{sys.argv[1]}.{world.rank}", "w") as file:
        json.dump(values, file)
"""


@pytest.fixture(scope="module")
def model(quick_model):
    return quick_model


@pytest.fixture
def run(tmp_path, model):
    """`run(program, ranks)`: what every rank told, and the energy of each model by Python."""
    rng = np.random.default_rng(12)
    grid = np.stack(np.meshgrid(*[range(3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    positions = (grid + 0.3) * 2.7 + rng.normal(0, 0.1, (27, 3))
    species = tuple("Ge" if i % 2 else "Te" for i in range(27))
    structure = Structure(species, positions, np.eye(3) * 8.1, (True,) * 3, None, "27 atoms")
    write_data_file(tmp_path / "atoms.data", structure, ("Ge", "Te"))
    models = {key: str(model(key, "float64", scale=1.0, r_max=R_MAX)) for key in EVERYDAY}
    energies = {
        key: DeployedModel(path).evaluate(species, positions, structure.cell, structure.pbc).energy
        for key, path in models.items()
    }

    def launch(program: str, ranks: int):
        job = tmp_path / "job.json"
        job.write_text(json.dumps({"data": str(tmp_path / "atoms.data"), "models": models}))
        done = subprocess.run(
            [mpi_program("mpiexec"), "-n", str(ranks), sys.executable, "-c", HEAD + program, job],
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT_SECONDS,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return [json.loads(Path(f"{job}.{rank}").read_text()) for rank in range(ranks)], energies

    return launch


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_clear_and_load_again(run, ranks):
    told, energies = run(
        """
lmp, found = new(), []
for key in ("nequip", "mace", "nequip", "allegro"):
    lmp.command("clear")
    lmp.commands_list(deck(job["models"][key]))
    found.append((key, lmp.get_thermo("pe")))
lmp.close()
tell(found)
""",
        ranks,
    )
    for found in told:
        assert len(found) == 4
        for key, energy in found:
            assert abs(energy - energies[key]) < ENERGY


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_another_style_and_back(run, ranks):
    """Replacing the pair style, new coefficients for it, and unloading the plugin."""
    told, energies = run(
        """
lmp, found = new(), []
lmp.commands_list(deck(job["models"]["nequip"]))
lmp.commands_list(["pair_style lj/cut 5.0", "pair_coeff * * 0.01 2.5", "run 0 post no"])
lmp.commands_list(["pair_style egraff", f'pair_coeff * * "{job["models"]["mace"]}" Ge Te',
                   "run 0 post no"])
found.append(("mace", lmp.get_thermo("pe")))
lmp.commands_list([f'pair_coeff * * "{job["models"]["allegro"]}" Ge Te', "run 0 post no"])
found.append(("allegro", lmp.get_thermo("pe")))
lmp.command("plugin unload pair egraff")
try:
    lmp.command("pair_style egraff")
    found.append(("error", "none"))
except Exception as error:
    found.append(("error", str(error)))
lmp.command("clear")
lmp.commands_list(deck(job["models"]["nequip"]))
found.append(("nequip", lmp.get_thermo("pe")))
lmp.close()
tell(found)
""",
        ranks,
    )
    for found in told:
        for key, value in found:
            if key == "error":
                assert "pair style 'egraff'" in value
            else:
                assert abs(value - energies[key]) < ENERGY


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_two_instances_take_turns(run, ranks):
    told, energies = run(
        """
first, second = new(), new()
first.commands_list(deck(job["models"]["nequip"], []))
second.commands_list(deck(job["models"]["mace"], []))
found = []
for _ in range(3):
    for key, lmp in (("nequip", first), ("mace", second)):
        lmp.command("run 0 post no")
        found.append((key, lmp.get_thermo("pe")))
first.close()
second.command("run 0 post no")
found.append(("mace", second.get_thermo("pe")))
second.close()
tell(found)
""",
        ranks,
    )
    for found in told:
        assert len(found) == 7
        for key, energy in found:
            assert abs(energy - energies[key]) < ENERGY


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [2, 4])
def test_an_instance_on_each_part_of_the_world(run, ranks):
    """Different models, different numbers of steps, no shared collective."""
    told, energies = run(
        """
part = world.Split(world.rank % 2, world.rank)
key = ("nequip", "allegro")[world.rank % 2]
lmp, found = new(part), []
for _ in range(1 + 3 * (world.rank % 2)):
    lmp.command("clear")
    lmp.commands_list(deck(job["models"][key]))
    found.append((key, lmp.get_thermo("pe")))
lmp.close()
world.Barrier()
tell(found)
""",
        ranks,
    )
    assert [len(found) for found in told] == [1, 4] * (ranks // 2)
    for found in told:
        for key, energy in found:
            assert abs(energy - energies[key]) < ENERGY


def partitions(folder: Path, layout: str, ranks: int, lines: list[str]) -> list[str]:
    """Logs of the replicas of one partitioned run."""
    (folder / "in.replicas").write_text("\n".join(lines) + "\n")
    done = subprocess.run(
        [
            *(mpi_program("mpiexec"), "-n", str(ranks), str(Path(sys.executable).parent / "lmp")),
            *("-partition", layout, "-in", "in.replicas", "-screen", "none"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_SECONDS,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return [path.read_text() for path in sorted(folder.glob("log.lammps.*"))]


@pytest.mark.mpi
@pytest.mark.parametrize("key", KEYS)
def test_nudged_elastic_band(key, model, tmp_path):
    """An atom beside a lattice site, three replicas; the first stays where it was minimised."""
    grid = np.stack(np.meshgrid(*[range(2)] * 3, indexing="ij"), -1).reshape(-1, 3) * 3.0 + 1.0
    structure = Structure(("Ge", "Te") * 4, grid, np.eye(3) * 6.0, (True,) * 3, None, "8 atoms")
    write_data_file(tmp_path / "atoms.data", structure, ("Ge", "Te"))
    (tmp_path / "final").write_text("1\n1 1.4 1.2 1.1\n")
    path = model(key, "float64", scale=1.0, r_max=R_MAX)
    lines = [
        "units metal",
        "atom_modify map array sort 0 0.0",
        "read_data atoms.data",
        "pair_style egraff",
        f'pair_coeff * * "{path}" Ge Te',
        "fix band all neb 1.0",
        "timestep 0.002",
        "min_style quickmin",
        "thermo 5",
        "neb 0.0 0.01 5 5 5 final final",
    ]
    for layout, ranks in (("3x1", 3), ("3x2", 6)):
        folder = tmp_path / layout
        folder.mkdir()
        for name in ("atoms.data", "final"):
            (folder / name).write_bytes((tmp_path / name).read_bytes())
        logs = partitions(folder, layout, ranks, lines)
        assert len(logs) == 3
        assert all("egraff: " in log and "1 thread(s) per rank" in log for log in logs)
        rows = (folder / "log.lammps").read_text().split("\n")
        last = [float(word) for word in rows[-2].split()[:20] if word.replace(".", "").strip("-")]
        energies = last[-5::2][:3]
        (tmp_path / f"{layout}.json").write_text(json.dumps(energies))
        python = DeployedModel(path).evaluate(
            structure.species, grid, structure.cell, structure.pbc
        )
        # The first replica is the given structure: symmetric, so that minimising leaves it alone.
        assert any(abs(value - python.energy) < 1e-4 for value in last), rows[-2]


@pytest.mark.mpi
@pytest.mark.parametrize("key", KEYS)
def test_temperature_replicas(key, model, tmp_path):
    rng = np.random.default_rng(1)
    grid = np.stack(np.meshgrid(*[range(2)] * 3, indexing="ij"), -1).reshape(-1, 3) * 3.0
    positions = grid + rng.normal(0, 0.1, (8, 3)) + 1.0
    structure = Structure(("Ge", "Te") * 4, positions, np.eye(3) * 6, (True,) * 3, None, "8 atoms")
    path = model(key, "float64", scale=1.0, r_max=R_MAX)
    found = {}
    for layout, ranks in (("2x1", 2), ("2x2", 4)):
        folder = tmp_path / layout
        folder.mkdir()
        write_data_file(folder / "atoms.data", structure, ("Ge", "Te"))
        logs = partitions(
            folder,
            layout,
            ranks,
            [
                "variable t world 300 600",
                "units metal",
                "atom_modify map yes",
                "read_data atoms.data",
                "pair_style egraff",
                f'pair_coeff * * "{path}" Ge Te',
                "velocity all create $t 7 loop all",
                "timestep 0.001",
                "fix move all nvt temp $t $t 0.1",
                "thermo 10",
                "temper 40 10 $t move 2 5",
            ],
        )
        assert all("egraff: " in log for log in logs)
        found[layout] = (folder / "log.lammps").read_text().splitlines()[-5:]
    assert found["2x1"] == found["2x2"], "the same swaps on any number of ranks"
