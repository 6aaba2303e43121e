"""Metadynamics in LAMMPS: a surface that is known, stops, broken runs, and misuse."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from egraff_lmp.cli import build_app
from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.metadynamics import (
    Settings,
    commands_driver,
    model_driver,
    oracle_driver,
    run_metadynamics,
    torsion_of,
)
from egraff_lmp.metadynamics.driver import NO_PAIR
from egraff_lmp.metadynamics.files import BROKEN, ENDED, segment_path
from egraff_lmp.metadynamics.record import NAME
from egraff_lmp.metadynamics.settings import KCAL_EV
from egraff_lmp.metadynamics.surface import difference, mean_absolute_error
from egraff_lmp.metadynamics.worker import OracleForces, require_colvars
from egraff_lmp.references.alanine import SPECIES, Amber, geometry
from egraff_lmp.references.oracle import ORACLES, Oracle

MODEL = Path(__file__).resolve().parents[2] / "deployed_models" / "gete-mace.pt"
# Five atoms in a chain: F(phi, psi) is the sum of the torsional potentials, since the weight of
# bonds and angles does not depend on torsions.
TORSIONAL_EV = 0.05
SHIFT_DEGREES = 60.0
# Two runs of 40 ps on a surface that spans 4.6 kcal/mol: four seeds gave errors of 0.26 to 0.33 and
# 0.9 to 1.5 in the worst bin, and 1.1 or more against what a wrong scheme would be right for.
MEAN_KCAL, LARGEST_KCAL, WRONG_KCAL = 0.5, 2.2, 0.8


def chain() -> Frames:
    positions = np.array(
        [[0.0, 0.0, 0.0], [0.5, 1.4, 0.0], [2.0, 1.4, 0.3], [2.5, 2.8, 0.0], [4.0, 2.8, 0.2]]
    )
    cell = np.zeros((1, 3, 3))
    return Frames(
        ("C",) * 5, positions[None], cell, (False,) * 3, None, None, None, "a chain of five atoms"
    )


def restraints(stiffness=10.0):
    terms = [f"bond {i} {i + 1} {stiffness} {stiffness} 1.5 1.5" for i in range(1, 5)]
    terms += [f"angle {i} {i + 1} {i + 2} 3.0 3.0 110.0" for i in range(1, 4)]
    k = TORSIONAL_EV
    terms.append(f"dihedral 1 2 3 4 {k} {k} 0.0 mult 2")
    terms.append(f"dihedral 2 3 4 5 {k} {k} {SHIFT_DEGREES} mult 1")
    return commands_driver("a chain", [*NO_PAIR, f"fix chain all restrain {' '.join(terms)}"])


def settings(**changes) -> Settings:
    frames = chain()
    torsions = tuple(
        torsion_of(words, frames.species, frames.positions[0]) for words in ("1,2,3,4", "2,3,4,5")
    )
    usual = {"hill_every": 100, "steps": 400, "runs": 1, "bins": 30, "friction_per_ps": 5.0}
    return Settings(torsions, **{**usual, **changes})


def known_kcal(asked: Settings):
    angles = np.radians(asked.centres_degrees())
    first = 1 + np.cos(2 * angles)
    second = 1 + np.cos(angles - np.radians(SHIFT_DEGREES))
    return TORSIONAL_EV / KCAL_EV * (first[:, None] + second[None])


@pytest.mark.mpi
def test_a_known_surface_is_found(tmp_path):
    asked = settings(hill_every=80, steps=40_000, runs=2)
    found = run_metadynamics(chain(), restraints(), asked, tmp_path / "out")
    known, everywhere = known_kcal(asked), np.ones((asked.bins,) * 2, dtype=bool)
    mean = found.mean_kcal()
    assert mean_absolute_error(mean, known, everywhere) < MEAN_KCAL
    assert np.abs(difference(mean, known, everywhere)).max() < LARGEST_KCAL
    # What a wrong sign, a wrong order of the torsions or a wrong scale would read.
    for wrong in (known.max() - known, known.T, 2 * known, known[::-1, ::-1]):
        assert mean_absolute_error(mean, wrong, everywhere) > WRONG_KCAL
    # Every step is counted once, over the ends of segments too.
    assert len(asked.segments) > 1
    assert found.visits.sum(axis=(1, 2)).tolist() == [asked.steps] * 2
    assert not np.array_equal(*found.free_energy_kcal)
    assert found.floor_kcal is not None
    assert all(run.half_time_kcal < LARGEST_KCAL for run in found.runs)


@pytest.mark.mpi
def test_a_run_that_was_ended_goes_on_as_if_it_had_not_been(tmp_path):
    asked = settings(hill_every=10, steps=400)
    whole = run_metadynamics(chain(), restraints(), asked, tmp_path / "whole")
    calls = []

    def end(done, total):
        calls.append(done)
        if len(calls) == 2:  # the first is told before the process is started
            raise KeyboardInterrupt

    folder = tmp_path / "ended"
    with pytest.raises(KeyboardInterrupt):
        run_metadynamics(chain(), restraints(), asked, folder, end)
    # An end between the segments: the second one needs a file that is not there.
    gate = f'if "$(step) > 0" then "include {tmp_path / "gate"}"'
    gated = restraints().commands(("C",))
    with pytest.raises(EgraffError, match="gate"):
        run_metadynamics(chain(), commands_driver("a chain", [*gated, gate]), asked, folder)
    assert segment_path(folder / "run-1", 0).exists()
    assert not segment_path(folder / "run-1", 1).exists()
    assert not (folder / NAME).exists()
    # What a killed process leaves, too: a part of the next segment.
    (folder / "run-1" / "unfinished").mkdir(exist_ok=True)
    (folder / "run-1" / "unfinished" / "out.pmf").write_text("# 2\n")
    again = run_metadynamics(chain(), restraints(), asked, folder)
    assert np.array_equal(again.free_energy_kcal, whole.free_energy_kcal)
    assert np.array_equal(again.visits, whole.visits)
    # A finished folder is read, and one of other settings is refused.
    assert run_metadynamics(chain(), restraints(), asked, folder).date == again.date
    with pytest.raises(EgraffError, match=r"with seed 2, got one with 1: ask for the same again"):
        run_metadynamics(chain(), restraints(), replace(asked, seed=2), folder)


@pytest.mark.mpi
def test_a_chain_that_falls_apart_is_told_and_not_averaged(tmp_path):
    asked = settings(steps=1000)
    loose = run_metadynamics(chain(), restraints(stiffness=1e-3), asked, tmp_path / "loose")
    (run,) = loose.runs
    assert run.status == "broken"
    assert run.reason.startswith("bond C")
    assert 0 < run.time_ps < 1
    assert loose.free_energy_kcal.shape == (0, asked.bins, asked.bins)
    assert loose.broken == (0,)
    wild = run_metadynamics(
        chain(), restraints(stiffness=1e4), replace(asked, timestep_fs=20.0), tmp_path / "wild"
    )
    assert wild.runs[0].status == "broken"


@pytest.mark.mpi
def test_other_runs_count_where_one_broke(tmp_path):
    asked = settings(runs=2)
    ended = tmp_path / "run-1" / ENDED
    ended.parent.mkdir()
    ended.write_text(json.dumps({"kind": BROKEN, "reason": "a bond", "time_fs": 100.0}))
    (ended.parent / "seconds.txt").write_text("1.0\n")
    found = run_metadynamics(chain(), restraints(), asked, tmp_path)
    assert [run.status for run in found.runs] == ["broken", "complete"]
    assert found.runs[0].time_ps == pytest.approx(0.1)
    assert len(found.free_energy_kcal) == 1
    assert not segment_path(ended.parent, 0).exists()


@pytest.mark.mpi
def test_a_mistake_in_the_set_up_is_no_result(tmp_path):
    wrong = commands_driver("nothing", ["pair_style none", "fix it all no/such/fix"])
    with pytest.raises(EgraffError, match="no/such/fix"):
        run_metadynamics(chain(), wrong, settings(), tmp_path)
    assert not (tmp_path / "run-1" / ENDED).exists()  # so that a repeated call tries again


def test_lammps_without_colvars():
    require_colvars(lambda kind, name: (kind, name) == ("fix", "colvars"))
    with pytest.raises(EgraffError, match="a LAMMPS with the package COLVARS, got one without"):
        require_colvars(lambda kind, name: False)


def test_what_a_potential_does_not_know(tmp_path):
    with pytest.raises(EgraffError, match=r"elements that the model knows \(Ge Te\), got C"):
        run_metadynamics(chain(), model_driver(MODEL, 300.0), settings(), tmp_path)
    with pytest.raises(EgraffError, match="a molecule without a periodic cell"):
        run_metadynamics(
            replace(chain(), pbc=(True,) * 3, cell=np.eye(3)[None] * 20), restraints(), settings(),
            tmp_path,
        )  # fmt: skip
    assert not list(tmp_path.iterdir())
    with pytest.raises(EgraffError, match="an oracle of one molecule out of alanine_dipeptide"):
        oracle_driver("water")


def test_misuse_of_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"C {x} {y} {z}\n" for x, y, z in chain().positions[0])
    Path("chain.xyz").write_text(f'5\npbc="F F F"\n{rows}')
    torsions = ["--torsion", "1,2,3,4", "--torsion", "2,3,4,5"]
    for words, got in (([], "neither"), (["--model", "a", "--oracle", "b"], "both")):
        done = CliRunner().invoke(build_app(), ["metadynamics", "chain.xyz", *torsions, *words])
        assert f"by --model or by --oracle, got {got}" in str(done.exception)
    reference = Path(__file__).resolve().parents[2] / "benchmarks" / "alanine" / "reference"
    words = ["metadynamics", "chain.xyz", *torsions, "--against", str(reference)]
    done = CliRunner().invoke(build_app(), words)  # before the work, not after it
    assert "expected a reference with the same torsions, (1, 2, 3, 4)" in str(done.exception)
    done = CliRunner().invoke(build_app(), ["metadynamics", "chain.xyz", "--torsion", "1,2,3,4"])
    assert "expected --torsion twice, got it 1 times" in str(done.exception)


def test_forces_of_an_oracle_go_by_the_numbers_of_atoms(monkeypatch):
    def evaluate(positions):
        if positions[0, 0] > 10:
            raise ValueError("too far")
        return 1.0, 2.0 * positions

    row = Oracle("springs", "springs", ORACLES["water"].ask, ("C",) * 5, lambda: evaluate)
    monkeypatch.setitem(ORACLES, "springs", row)
    oracle = OracleForces("springs")
    positions, tags = chain().positions[0], np.array([3, 1, 5, 2, 4])
    stored, forces = positions[tags - 1], np.zeros((5, 3))
    oracle(None, 0, 5, tags, stored, forces)
    assert np.array_equal(forces, 2.0 * stored)
    assert oracle.error is None
    oracle(None, 1, 5, tags, stored + 20.0, forces)
    assert np.isnan(forces).all()
    assert str(oracle.error) == "too far"


@pytest.mark.mpi
def test_the_reference_of_the_peptide(tmp_path):
    pytest.importorskip("openmm", reason="OpenMM is an optional package, and not here")
    frames = Frames(
        SPECIES, geometry()[None], np.zeros((1, 3, 3)), (False,) * 3, None, None, None, "a peptide"
    )
    torsions = tuple(torsion_of(name, SPECIES, geometry()) for name in ("phi", "psi"))
    asked = Settings(torsions, hill_every=50, steps=200, runs=1)
    found = run_metadynamics(frames, oracle_driver("alanine_dipeptide"), asked, tmp_path / "out")
    assert found.runs[0].status == "complete"
    # The start, minimised by nobody, is within its basin of the extended chain for 0.2 ps.
    with np.load(segment_path(tmp_path / "out" / "run-1", 1)) as last:
        energy, _ = Amber().evaluate(last["positions"][-1].astype(np.float64))
    assert energy < Amber().evaluate(geometry())[0] + 1.5
    with pytest.raises(EgraffError, match="the force field goes by that order"):
        run_metadynamics(chain(), oracle_driver("alanine_dipeptide"), asked, tmp_path / "other")
