"""Runs of many steps: conservation, migration and rebuilds, and equal results on any rank count."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from decks import KEYS

from egraff_lmp.paths import mpi_program
from egraff_lmp.rollout.datafile import Structure, write_data_file

TIME_LIMIT_SECONDS = 600
DRIFT = 1e-5  # eV/atom/ps
SCALE = 1.0  # eV; see conftest.model
# An untrained network has no repulsion: with a deeper well the liquid collapses and heats up.
SCALE_NVE = 0.1  # eV
# Two rank counts differ by rounding at every step; in a liquid that doubles every few tens of fs.
# After 60 fs 1e-12 A may have become 1e-9.
POSITIONS_AFTER_MIGRATION = 1e-7  # A


def liquid(spacing: float = 2.4) -> Structure:
    """64 atoms on a jittered lattice of `spacing` A: 9.6 A, below 2 r_max, by default."""
    rng = np.random.default_rng(11)
    grid = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    positions = (grid + 0.25) * spacing + rng.normal(0, 0.1, (64, 3))
    species = tuple("Ge" if i % 5 == 0 else "Te" for i in range(64))
    return Structure(species, positions, np.eye(3) * 4 * spacing, (True,) * 3, None, "liquid")


def lmp(folder: Path, lines: list[str], ranks: int) -> str:
    """Run `lines` with plain lmp under mpiexec; what it printed."""
    (folder / "in.test").write_text("\n".join(lines) + "\n")
    program = str(Path(sys.executable).parent / "lmp")
    done = subprocess.run(
        [mpi_program("mpiexec"), "-n", str(ranks), program, "-in", "in.test", "-log", "none"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_SECONDS,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def head(model: Path) -> list[str]:
    return [
        "units metal",
        "atom_style atomic",
        "read_data liquid.data",
        "pair_style egraff",
        f'pair_coeff * * "{model}" Ge Te',
        "thermo_style custom step temp pe etotal press",
        "thermo_modify format float %.17g",
    ]


def thermo(text: str) -> np.ndarray:
    """Rows of the last thermo table."""
    block = text.split("Step")[-1].splitlines()[1:]
    rows = []
    for line in block:
        if line.startswith("Loop"):
            break
        rows.append([float(word) for word in line.split()])
    return np.array(rows)


def final_positions(folder: Path) -> np.ndarray:
    lines = (folder / "final.dump").read_text().splitlines()
    rows = np.array([[float(word) for word in line.split()] for line in lines[9:]])
    return rows[np.argsort(rows[:, 0]), 1:]


@pytest.mark.mpi
@pytest.mark.slow
@pytest.mark.parametrize("key", KEYS)
def test_nve_conserves_energy(key, model, tmp_path):
    write_data_file(tmp_path / "liquid.data", liquid(3.2), ("Ge", "Te"))
    text = lmp(
        tmp_path,
        [
            *head(model(key, "float64", SCALE_NVE)),
            "velocity all create 300 1 mom yes loop all",
            "timestep 0.0005",
            "fix move all nve",
            "thermo 20",
            "run 2000",
        ],
        ranks=2,
    )
    rows = thermo(text)
    # Something must have moved for the drift to mean anything.
    assert np.ptp(rows[:, 2]) > 0.01
    picoseconds = rows[:, 0] * 0.0005
    slope = np.polyfit(picoseconds, rows[:, 3], 1)[0] / 64
    assert abs(slope) < DRIFT


@pytest.mark.mpi
@pytest.mark.parametrize("key", KEYS)
def test_migration_and_rebuilds_agree_over_ranks(key, model, tmp_path):
    """Atoms at 20 000 K cross several subdomain borders; every step may rebuild the list."""
    found = {}
    for ranks in (1, 2, 4):
        folder = tmp_path / str(ranks)
        folder.mkdir()
        write_data_file(folder / "liquid.data", liquid(), ("Ge", "Te"))
        lmp(
            folder,
            [
                *head(model(key, "float64", SCALE)),
                "velocity all create 20000 1 mom yes loop all",
                "neighbor 0.5 bin",
                "neigh_modify every 1 delay 0 check yes",
                "timestep 0.0005",
                "fix move all nve",
                "run 120",
                "write_dump all custom final.dump id xu yu zu vx vy vz modify format float %.17g",
            ],
            ranks,
        )
        found[ranks] = final_positions(folder)
    moved = np.abs(found[1][:, :3] - liquid().positions).max()
    assert moved > 0.3
    for ranks in (2, 4):
        assert np.abs(found[ranks] - found[1]).max() < POSITIONS_AFTER_MIGRATION


ENSEMBLES = {
    "nvt": ["velocity all create 600 1 loop all", "fix f all nvt temp 600 600 0.1", "run 20"],
    "npt": [
        "velocity all create 600 1 loop all",
        "fix f all npt temp 600 600 0.1 aniso 1.0 1.0 1.0",
        "run 20",
    ],
    "minimise": ["min_style cg", "minimize 0.0 1.0e-4 15 100"],
    "rerun": [
        "velocity all create 600 1 loop all",
        "fix f all nve",
        "dump d all custom 5 run.dump id type x y z",
        "dump_modify d format float %.17g",
        "run 20",
        "undump d",
        "rerun run.dump dump x y z",
    ],
}


@pytest.mark.mpi
@pytest.mark.parametrize("what", ENSEMBLES)
def test_every_way_to_run_agrees_over_ranks(what, model, tmp_path):
    """Potential energy and pressure of the last step, on 1, 2 and 4 ranks."""
    found = {}
    for ranks in (1, 2, 4):
        folder = tmp_path / str(ranks)
        folder.mkdir()
        write_data_file(folder / "liquid.data", liquid(), ("Ge", "Te"))
        lines = [*head(model("nequip", "float64", SCALE)), "thermo 5", "timestep 0.001"]
        found[ranks] = thermo(lmp(folder, lines + ENSEMBLES[what], ranks))
    for ranks in (2, 4):
        assert found[ranks].shape == found[1].shape
        np.testing.assert_allclose(found[ranks][:, 2], found[1][:, 2], rtol=1e-9)
        np.testing.assert_allclose(found[ranks][:, 4], found[1][:, 4], rtol=1e-6, atol=1e-4)


@pytest.mark.mpi
@pytest.mark.parametrize("key", KEYS)
def test_table_on_rank_zero(key, model, tmp_path):
    """What the user is told: types, device, threads, edges, bytes, memory; once."""
    from egraff_lmp.contract import read_contract
    from egraff_lmp.fileio import sha256_file

    path = model(key, "float32")
    write_data_file(tmp_path / "liquid.data", liquid(), ("Ge", "Te"))
    text = lmp(tmp_path, [*head(path), "fix f all nve", "run 1", "run 1"], ranks=2)
    contract = read_contract(path)
    assert text.count("edges evaluated / edges owned") == 1
    line = next(row for row in text.splitlines() if "edges evaluated" in row)
    evaluated, owned = line.split(": ")[1].split(" = ")[0].split(" / ")
    assert int(evaluated) == int(owned) > 0
    assert line.endswith("= 1.00")
    assert f"sha256 {sha256_file(path)[:12]}" in text
    assert f"{contract.architecture} float32" in text
    assert "2 rank(s) (2 on this node), device cpu, 1 thread(s) per rank" in text
    assert ("exchanged a step: 0 B (strictly local)" in text) == (not contract.exchange_widths)
    assert "memory of the network on the busiest rank, measured" in text
    # Images of one atom are held once: two ranks hold no more than each other's atoms.
    held = re.search(r"atoms held of other ranks: (\d+), of at most 1 rank\(s\) each\n", text)
    assert held
    assert 0 < int(held[1]) <= len(liquid().species)
    busiest = re.search(r"edges of the busiest rank / mean: ([\d.]+)\n", text)
    assert busiest
    assert 1.0 <= float(busiest[1]) < 2.0


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_atoms_on_top_of_each_other_end_the_run_on_all_ranks(ranks, model, tmp_path):
    """Two atoms at one point have no direction between them: an error, not a frozen job."""
    structure = liquid()
    structure.positions[1] = structure.positions[0]
    write_data_file(tmp_path / "liquid.data", structure, ("Ge", "Te"))
    (tmp_path / "in.test").write_text(
        "\n".join([*head(model("nequip", "float64", SCALE)), "run 0\n"])
    )
    program = str(Path(sys.executable).parent / "lmp")
    done = subprocess.run(
        [mpi_program("mpiexec"), "-n", str(ranks), program, "-in", "in.test", "-log", "none"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_SECONDS,
    )
    text = done.stdout + done.stderr
    assert done.returncode != 0
    assert text.count("ERROR: pair_style egraff: expected atoms apart from each other") == 1
    assert "got atoms 1 and 2 in the same place" in text or "got atoms 2 and 1" in text
    assert "Traceback" not in text
