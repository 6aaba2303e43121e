"""`egraff score`: tables that fit the terminal, JSON alone on stdout, reruns, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from egraff_lmp.cli.score import command
from egraff_lmp.data.lammps_thermo import COLUMNS
from egraff_lmp.errors import EgraffError

pytest.importorskip("MDAnalysis")

SPECIES = ["Ge"] * 4 + ["Te"] * 8


@pytest.fixture
def egraff(monkeypatch):
    app = typer.Typer()
    app.command("score")(command)

    def run(*arguments, columns=80):
        from egraff_lmp.cli import console

        monkeypatch.setattr(console.output, "width", columns, raising=False)
        monkeypatch.setattr(console.output, "_width", columns)
        return CliRunner().invoke(app, [str(a) for a in arguments])

    return run


@pytest.fixture
def rollout(tmp_path):
    """Writes a dump with thermo.csv; every seed is another rollout of the same positions seed."""

    def write(name, seed, positions_seed=None, forces=True, lost=None, kelvin=300, calm=False):
        folder: Path = tmp_path / name
        folder.mkdir()
        positions = np.random.default_rng(positions_seed or seed).random((12, 12, 3)) * 8
        if calm:  # the same sites in every dump, or g(r) alone ends a rollout
            sites = np.random.default_rng(0).random((12, 3)) * 8
            positions = sites + 1e-6 * positions
        labels = np.random.default_rng(seed)
        lines, rows = [], [",".join(COLUMNS)]
        for step, frame in enumerate(positions):
            left = 12 if lost is None or step < lost else 10
            lines += ["ITEM: TIMESTEP", str(10 * step), "ITEM: NUMBER OF ATOMS", str(left)]
            lines += ["ITEM: BOX BOUNDS pp pp pp", *["0 8"] * 3]
            lines += ["ITEM: ATOMS id element xu yu zu" + (" fx fy fz" if forces else "")]
            for atom, (element, r) in enumerate(zip(SPECIES[:left], frame[:left], strict=True)):
                values = [*r, *(labels.normal(size=3) if forces else ())]
                lines.append(f"{atom + 1} {element} " + " ".join(map(repr, map(float, values))))
            rows.append(f"{10 * step},{20 * step},{kelvin},{labels.normal(-50):.6f},0,0,512")
        (folder / "traj.dump").write_text("\n".join(lines) + "\n")
        (folder / "thermo.csv").write_text("\n".join(rows) + "\n")
        return folder / "traj.dump"

    return write


def test_json_alone_on_stdout(egraff, rollout):
    result = egraff(rollout("a", 1), rollout("b", 2), "--json", "--mode", "egraff", "--skip", "2")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["settings"]["skip"] == 2
    assert record["trajectories"][0]["timestep_fs"] == 20.0
    keys = {(s["key"], s["comparison"]) for s in record["scores"] if s["value"] is not None}
    assert keys == {
        ("wf", "structure"), ("jsd", "structure"), ("rdf_mae", "structure"),
        ("ev", "trajectory"), ("fv", "trajectory"), ("stability", "stability"),
    }  # fmt: skip


@pytest.mark.parametrize("columns", [80, 50])
def test_tables_fit_the_terminal_and_name_both_modes(egraff, rollout, columns):
    result = egraff(rollout("a", 1), rollout("b", 2), rollout("c", 3), columns=columns)
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= columns
    text = " ".join(result.stdout.split())
    for expected in (
        "Structure (egraff mode)",
        "Structure (paper mode)",
        "12 frames of Ge4 Te8, every 20 fs",
        "Ge-Te",
        "WF unrooted %",
        "FV of unrelated frames: 0.7071",
        "2 starts",
        "9 % rule",
        "at equal times, every 20 fs",
        "where the ground truth is DFT there is none",
        "first half of the reference frames against the second half",
    ):
        assert expected in text, expected
    # Values are never cut.
    assert "…" not in text


def test_reruns_from_files(egraff, rollout):
    reference, first, second = rollout("a", 1), rollout("b", 2), rollout("c", 3)
    result = egraff(
        reference, first, second, "--json",
        "--rerun-reference", rollout("model", 4, positions_seed=1),
        "--rerun-oracle", rollout("oracle-1", 5, positions_seed=2),
        "--rerun-oracle", rollout("oracle-2", 6, positions_seed=3),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    scores = json.loads(result.stdout)["scores"]
    frames = {s["comparison"]: s["n_frames"] for s in scores if s["key"] == "fv"}
    assert frames == {"trajectory": 24, "rerun-reference": 12, "rerun-oracle": 24}
    # Random positions: atoms that cannot be followed have no RMSD and no diffusivity.
    absent = {s["key"] for s in scores if s["value"] is None}
    assert absent == {
        "rmsd", "divergence_time", "diffusivity_error", "diffusivity_error_eq4"
    }  # fmt: skip


def test_a_rerun_of_other_frames_is_refused(egraff, rollout):
    result = egraff(rollout("a", 1), rollout("b", 2), "--rerun-oracle", rollout("c", 3))
    assert isinstance(result.exception, EgraffError)
    assert "rerun these very frames" in str(result.exception)


def test_absent_forces_are_reported(egraff, rollout):
    result = egraff(rollout("a", 1), rollout("b", 2, forces=False))
    assert result.exit_code == 0, result.output
    assert "holds no forces" in " ".join(result.stdout.split())


def test_refusals_reach_the_user(egraff, rollout):
    path = rollout("a", 1)
    for arguments, message in (
        ((path, path, "--mode", "all"), "expected mode egraff, paper or both"),
        ((path, path, "--r-max", "9"), "at most half the smallest cell height"),
        ((path, path, "--bin", "0"), "expected a bin width above 0"),
        ((path, path, "--start", "99"), "expected a starting frame between 0 and 11"),
        ((path, path.parent / "none.dump"), "none.dump"),
    ):
        result = egraff(*arguments)
        assert isinstance(result.exception, EgraffError), arguments
        assert message in str(result.exception)


LOG = """\
  2 rank(s) (2 on this node), device cpu, 1 thread(s) per rank
Loop time of 2.2 on 2 procs for 110 steps with 12 atoms
"""


def stability(result):
    assert result.exit_code == 0, result.output
    scores = json.loads(result.stdout)["scores"]
    return next(s for s in scores if s["key"] == "stability" and s["mode"] == "egraff")


def test_a_dump_that_loses_atoms_is_a_result(egraff, rollout):
    result = egraff(rollout("a", 1, calm=True), rollout("b", 2, calm=True, lost=7), "--json")
    found = stability(result)
    assert found["value"] == 140.0
    assert "rollout 1 at 140 fs: 10 of 12 atoms left at step 70" in found["note"]
    assert json.loads(result.stdout)["trajectories"][0]["n_frames"] == 7


def test_a_run_that_leaves_its_temperature_ends(egraff, rollout):
    reference, hot = rollout("a", 1, calm=True), rollout("b", 2, calm=True, kelvin=900)
    assert stability(egraff(reference, hot, "--json", "--temperature", 300))["value"] == 220
    bounds = ("--temperature-bounds", 0.5, 2)
    found = stability(egraff(reference, hot, "--json", "--temperature", 300, *bounds))
    assert found["value"] == 0
    assert "temperature 900 K, 150 to 600 K allowed" in found["note"]


@pytest.mark.parametrize("columns", [80, 60])
def test_cost_from_the_log(egraff, rollout, columns):
    first, second = rollout("b", 2), rollout("c", 3)
    (first.parent / "log.0.lammps").write_text(LOG)
    result = egraff(rollout("a", 1), first, second, columns=columns)
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.split())
    assert "1 110 20 1667" in text  # steps, ms/step, us/atom/step
    assert "12 atoms on 2 MPI ranks of 1 threads" in text
    costs = json.loads(egraff(rollout("d", 1), first, second, "--json").stdout)["costs"]
    assert costs[0]["ms_per_step"] == pytest.approx(20)
    assert costs[1] is None
    result = egraff(first, second, "--log", first.parent / "log.0.lammps", "--json")
    assert json.loads(result.stdout)["costs"][0]["n_steps"] == 110
    result = egraff(first, first, second, "--log", first.parent / "log.0.lammps")
    assert "expected one log for each of the 2 rollouts" in str(result.exception)


def test_csv_with_a_row_of_units(egraff, rollout, tmp_path):
    import csv

    path = tmp_path / "scores.csv"
    result = egraff(rollout("a", 1), rollout("b", 2), "--csv", path)
    assert result.exit_code == 0, result.output
    with open(path, newline="", encoding="utf-8") as stream:
        units, *rows = csv.DictReader(stream)
    assert (units["value"], units["n_frames"]) == ("see unit", "frames")
    assert {"wf", "fv", "stability"} <= {row["key"] for row in rows}
    assert all(float(row["value"]) >= 0 for row in rows if row["value"])
