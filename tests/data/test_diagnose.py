"""Each lie that a data set can tell is told here, and found; the real sets' are those known."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from ase.units import fs, kB

from egraff_lmp.data import timeline
from egraff_lmp.data.diagnose import check_part, check_paths, check_set
from egraff_lmp.data.entry import DATA_VARIABLE
from egraff_lmp.data.finding import PartInput
from egraff_lmp.data.frames import Frames
from egraff_lmp.data.part_checks import CHECKS
from egraff_lmp.data.store import write_store
from egraff_lmp.data.table import DATA_SETS, data_set
from egraff_lmp.errors import EgraffError

KELVIN, STEP_FS, STIFFNESS = 300.0, 1.0, 5.0
THIRD_DIGIT = 5e-3  # numbers of the real sets are quoted with two digits


def solid(n_frames=300, seed=0):
    """Argon atoms on springs in equilibrium at 300 K, on a lattice in a cell of 15.2 A."""
    from ase.data import atomic_masses

    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), axis=-1).reshape(1, -1, 3)
    mass = atomic_masses[18]
    omega = np.sqrt(STIFFNESS / mass)
    time = STEP_FS * fs * np.arange(n_frames)[:, None, None]
    # Amplitudes whose energy is k_B T each on average, as for oscillators in a heat bath.
    amplitude = np.sqrt(2 * kB * KELVIN * rng.exponential(size=(1, 64, 3)) / STIFFNESS)
    shift = amplitude * np.cos(omega * time + rng.uniform(0, 2 * np.pi, size=(1, 64, 3)))
    return Frames(
        species=("Ar",) * 64,
        positions=2.3 * grid + shift,  # covalent radii touch at 2.1 A
        cell=np.broadcast_to(15.2 * np.eye(3), (n_frames, 3, 3)).copy(),
        pbc=(True, True, True),
        energy=0.5 * STIFFNESS * np.sum(shift**2, axis=(1, 2)) - 1000.0,
        forces=-STIFFNESS * shift,
        timestep_fs=STEP_FS,
        source="solid",
    )


def found(frames, **known):
    known = {"order": "series", "timestep_fs": STEP_FS, "temperature_kelvin": KELVIN} | known
    findings, facts = check_part(PartInput("p", frames, **known))
    return {f.check: f for f in findings if f.level != "note"}, facts


def test_a_clean_set_is_clean():
    problems, facts = found(solid())
    assert not problems
    assert facts["work_correlation"] == pytest.approx(1.0, abs=1e-4)
    # 192 oscillators have a temperature known to 1 / sqrt(192), five times that is 36 %; seed 0
    # is within the tolerance of the check.
    assert facts["temperature_kelvin"] == pytest.approx(KELVIN, rel=0.25)
    assert len({row.key for row in CHECKS}) == len(CHECKS)


def test_shuffled_series():
    mixed = solid().select(np.random.default_rng(0).permutation(300))
    problems, facts = found(mixed)
    assert set(problems) == {"order"}
    assert problems["order"].level == "error"
    assert "in random order" in problems["order"].message
    assert facts["shuffled"]
    # Nothing was promised: the reader of a file is warned, a set that says so is only noted.
    assert found(mixed, order=None)[0]["order"].level == "warning"
    assert not found(mixed, order="independent")[0]


def test_frames_too_far_apart():
    problems, _ = found(solid(600).select(slice(None, None, 60)))
    assert set(problems) == {"order"}


def test_gap_in_a_series():
    # An odd number of half periods is the farthest the atoms can be from where they were.
    kept = np.delete(np.arange(300), np.s_[101:140]).astype(np.int64)
    problems, facts = found(solid().select(kept))
    assert problems["order"].level == "warning"
    assert facts["jump_after"] == 100
    assert "work" not in problems


@pytest.mark.parametrize(
    ("what", "factor", "words"),
    [
        ("forces", 23.06, "energies in eV and forces in kcal/mol/A"),
        ("energy", 23.06, "energies in kcal/mol and forces in eV/A"),
        ("energy", 1 / 27.2114, "energies in hartree and forces in eV/A"),
        ("forces", 1 / 51.4221, "energies in eV and forces in hartree/bohr"),
        ("forces", -1.0, "gradients in place of forces"),
    ],
)
def test_labels_in_different_units(what, factor, words):
    frames = solid()
    problems, _ = found(replace(frames, **{what: getattr(frames, what) * factor}))
    assert problems["work"].level == "error"
    assert words in problems["work"].message


def test_labels_of_another_surface():
    frames = solid()
    rng = np.random.default_rng(0)
    noise = rng.normal(size=frames.energy.shape) * np.diff(frames.energy).std()
    problems, facts = found(replace(frames, energy=frames.energy + noise))
    assert problems["work"].level == "warning"
    # Differences of the noise have twice its variance: 1 / sqrt(1 + 2).
    assert facts["work_correlation"] == pytest.approx(1 / np.sqrt(3), abs=0.15)


def test_forces_of_another_surface_are_told_by_their_work():
    """An error of a known size in every force component, which changes slowly, is found again."""
    frames = solid()
    rng = np.random.default_rng(0)
    error = 0.3 * np.broadcast_to(rng.normal(size=(1, 64, 3)), frames.forces.shape)
    problems, facts = found(replace(frames, forces=frames.forces + error))
    # Projected on about 300 directions, of which those of a period of 200 fs differ: a few tens.
    assert facts["force_inconsistency_mev_per_angstrom"] == pytest.approx(300, rel=0.3)
    assert "can be right in both" in problems["work"].message


def test_everything_in_kcal_or_in_bohr():
    frames = solid()
    hot = replace(frames, forces=frames.forces * 46.1, energy=frames.energy * 46.1)
    assert "kcal/mol" in found(hot)[0]["units"].message
    small = replace(frames, positions=frames.positions / 0.529177, cell=frames.cell / 0.529177)
    assert "bohr" in found(small)[0]["units"].message
    nano = replace(frames, positions=frames.positions / 10, cell=frames.cell / 10)
    assert "nm" in found(nano, r_max=0.5)[0]["units"].message


def test_forces_that_do_not_sum_to_zero():
    """Noise of a known size is told by the net force, and so is the force error that it costs."""
    frames = solid()
    balanced = frames.forces - frames.forces.mean(axis=1, keepdims=True)
    noise = 0.02 * np.random.default_rng(0).normal(size=frames.forces.shape)
    notes = []
    for forces in (balanced, balanced + noise):
        findings, _ = check_part(PartInput("p", replace(frames, forces=forces), order="series"))
        notes.append([f for f in findings if f.check == "net force"])
    assert not notes[0]
    (note,) = notes[1]
    # 900 components of the net force: their mean square is known to 1/sqrt(450), 5 %.
    assert note.values["force_noise_mev_per_angstrom"] == pytest.approx(20, rel=0.1)
    assert "no force field can have a force MAE below about 16" in note.message


def springs(kelvin: float, seed: int = 0) -> Frames:
    """Four atoms with equal springs of no length, drawn from exp(-U / k_B T) exactly.

    U = k/2 sum over pairs |x_i - x_j|^2 = 2 k sum |x_i - centre|^2.
    """
    stiffness = 3.0  # eV/A^2
    rng = np.random.default_rng(seed)
    positions = rng.normal(size=(4000, 4, 3)) * np.sqrt(kB * kelvin / (4 * stiffness))
    centred = positions - positions.mean(axis=1, keepdims=True)
    return Frames(
        species=("C",) * 4,
        positions=centred + rng.normal(scale=5.0, size=(4000, 1, 3)),  # wherever it is
        cell=np.zeros((4000, 3, 3)),
        pbc=(False, False, False),
        energy=2 * stiffness * (centred**2).sum(axis=(1, 2)),
        forces=-4 * stiffness * centred,
        timestep_fs=None,
        source="springs",
    )


def surface(frames: Frames, kelvin: float):
    part = PartInput("p", frames, temperature_kelvin=kelvin)
    (finding,) = [f for f in check_part(part)[0] if f.check == "surface"]
    return finding


def test_frames_of_another_surface_are_told_by_their_virial():
    right = surface(springs(500.0), 500.0)
    assert right.level == "note"
    error = right.values["virial_temperature_error_kelvin"]
    # 4000 frames of nine coordinates of relative variance 2 each.
    assert error == pytest.approx(500 * np.sqrt(2 / 9 / 4000), rel=0.6)
    assert abs(right.values["virial_temperature_kelvin"] - 500) < 4 * error
    wrong = surface(springs(500.0), 300.0)
    assert wrong.level == "warning"
    assert "no rollout at it has their structure" in wrong.message
    # Half of the force is the surface of half of the temperature.
    frames = springs(500.0)
    assert surface(replace(frames, forces=0.5 * frames.forces), 250.0).level == "note"
    assert surface(replace(frames, forces=-frames.forces), 500.0).level == "warning"


def test_only_a_molecule_has_a_virial_temperature():
    frames = springs(500.0)
    boxed = replace(
        frames, pbc=(True, True, True), cell=np.broadcast_to(20 * np.eye(3), (4000, 3, 3))
    )
    assert surface(boxed, 300.0).level == "warning"
    for other in (
        replace(boxed, cell=np.broadcast_to(0.5 * np.eye(3), (4000, 3, 3))),
        replace(frames, forces=None),
        frames.select(slice(0, 5)),
        replace(frames, forces=0 * frames.forces),
    ):
        assert timeline.virial_temperature(other) is None


def test_wrong_temperature_and_time_step():
    problems, _ = found(solid(), temperature_kelvin=1200.0)
    assert problems["temperature"].level == "warning"
    problems, _ = found(solid(), timestep_fs=0.5)
    assert "are 1." in problems["temperature"].message  # and proposes the true step
    assert "not 0.5 fs" in problems["temperature"].message


def test_frames_of_unknown_distance_in_time_have_no_temperature():
    kept = np.sort(np.random.default_rng(0).choice(300, 200, replace=False)).astype(np.int64)
    gaps = np.diff(kept)
    frames = solid().select(kept)
    known = {"order": "ordered", "temperature_kelvin": 2 * KELVIN}
    problems, facts = found(frames, **known)
    assert "temperature_kelvin" not in facts
    assert "work" not in problems
    problems, facts = found(frames, gaps=gaps, **known)
    assert facts["temperature_kelvin"] == pytest.approx(KELVIN, rel=0.25)
    assert set(problems) == {"temperature"}


def test_frozen_frames():
    still = np.zeros(50, dtype=np.int64)
    problems, facts = found(solid().select(still))
    assert set(problems) == {"arrays"}
    assert facts["n_repeated"] == 49


def test_heating_up():
    frames = solid()
    heat = np.linspace(0.5, 1.5, 300)[:, None, None]
    mean = frames.positions.mean(axis=0)
    problems, _ = found(replace(frames, positions=mean + heat * (frames.positions - mean)))
    assert "not in equilibrium" in problems["temperature"].message


def test_small_and_missing_cells():
    assert "15.20 A, below twice the cutoff of 8 A" in found(solid(), r_max=8.0)[0]["cells"].message
    assert not found(solid(), r_max=7.5)[0]
    none = replace(solid(), cell=np.zeros((300, 3, 3)))
    assert found(none)[0]["cells"].level == "error"


def test_missing_placeholder_and_repeated_arrays():
    frames = solid()
    problems, _ = found(replace(frames, energy=None))
    assert "no energies" in problems["arrays"].message
    problems, _ = found(replace(frames, forces=np.zeros_like(frames.forces)))
    assert "all forces are 0" in problems["arrays"].message
    problems, _ = found(frames, n_frames=1000)
    assert "300 frames, 1000 are published" in problems["arrays"].message
    twice = np.concatenate([np.arange(300), [7, 8]]).astype(np.int64)
    problems, facts = found(frames.select(twice), order="independent")
    assert facts["n_repeated"] == 2


def test_one_frame_and_one_atom_are_no_accident():
    one = solid(1)
    assert not found(one)[0]
    atom = replace(one, species=("Ar",), positions=one.positions[:, :1], forces=one.forces[:, :1])
    assert not found(atom)[0]


def test_paths(tmp_path):
    frames = solid()
    write_store(frames, tmp_path / "a.npz")
    write_store(frames.select(slice(290, 300)), tmp_path / "b.npz")
    (tmp_path / "c.npz").write_bytes(b"")
    result = check_paths([tmp_path / name for name in ("a.npz", "b.npz", "c.npz")])
    kinds = {(f.check, f.level) for f in result.findings if f.level != "note"}
    assert kinds == {("shared", "warning"), ("files", "error")}
    shared = next(f for f in result.findings if f.check == "shared")
    assert shared.values["n_shared"] == 10
    assert (result.count("error"), result.count("warning")) == (1, 1)
    assert result.to_dict()["parts"][str(tmp_path / "a.npz")]["n_frames"] == 300


def test_non_finite_labels_are_a_finding(tmp_path):
    frames = solid()
    energy = frames.energy.copy()
    energy[3] = np.nan
    write_store(replace(frames, energy=energy), tmp_path / "a.npz")
    result = check_paths([tmp_path / "a.npz"])
    assert [f.level for f in result.findings] == ["error"]
    assert "non-finite energy in 1 of 300" in result.findings[0].message


def test_unknown_part():
    with pytest.raises(EgraffError, match="part out of train, test, val, got 'dev'"):
        check_set(data_set("gete"), ["dev"])


def test_absent_files(tmp_path, monkeypatch):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    result = check_set(data_set("aspirin"))
    assert [(f.part, f.level) for f in result.findings] == [
        ("train", "warning"), ("val", "warning"), ("test", "warning"), ("whole", "note"),
    ]  # fmt: skip


@pytest.fixture
def incomplete(ab_initio_data, tmp_path, monkeypatch):
    """A copy of one composition of LiPS20 that can be damaged."""
    entry = DATA_SETS["lips20"]
    if not entry.exists("S"):
        pytest.skip(f"no LiPS20 at {ab_initio_data}")
    folder = tmp_path / entry.files["S"]
    shutil.copytree(entry.path("S"), folder)
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    return folder


def test_incomplete_folders(incomplete):
    (incomplete / "set.000/force.npy").unlink()
    (incomplete / "set.000/energy.npy").write_bytes(b"")
    result = check_set(data_set("lips20"), ["S"])
    texts = [f.message for f in result.findings if f.level == "error"]
    assert any("force.npy is missing" in text for text in texts)
    assert any("energy.npy is empty" in text for text in texts)
    assert any("expected an array of numbers" in text for text in texts)


def test_a_glass_as_the_public_copy_has_it(tmp_path, monkeypatch):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    folder = tmp_path / DATA_SETS["lips20"].files["g67"]
    (folder / "set.000").mkdir(parents=True)
    (folder / "type.raw").write_text("0\n" * 82 + "1\n" * 40 + "2\n" * 138)
    (folder / "type_map.raw").write_text("Li\nP\nS\n")
    np.save(folder / "set.000/box.npy", np.ones((4, 9)))
    np.save(folder / "set.000/energy.npy", np.zeros(4))
    findings = check_set(data_set("lips20"), ["g67"]).findings
    texts = " ".join(f.message for f in findings if f.level == "error")
    assert "coord.npy is missing" in texts
    assert "force.npy is missing" in texts
    assert "expected coord and box" in texts
    assert [f.level for f in findings if "virial" in f.message] == ["warning"]


def test_changed_files(incomplete):
    file = incomplete / "set.000/coord.npy"
    positions = np.load(file)
    positions[0, 0] += 1e-3
    np.save(file, positions)
    result = check_set(data_set("lips20"), ["S"])
    assert any("is not the file that was registered" in f.message for f in result.findings)


def real(ab_initio_data, key, *parts):
    entry = DATA_SETS[key]
    if not all(entry.exists(part) for part in parts):
        pytest.skip(f"no {key} at {ab_initio_data}")
    result = check_set(entry, list(parts))
    assert not result.count("error")
    return result, {(f.check, f.part): f for f in result.findings}


def test_gete(ab_initio_data):
    result, by = real(ab_initio_data, "gete", "test", "val")
    for part, correlation in (("test", 0.803), ("val", 0.882)):
        assert by["work", part].level == "warning"
        facts = result.parts[part]
        assert facts["work_correlation"] == pytest.approx(correlation, abs=THIRD_DIGIT)
        assert facts["temperature_kelvin"] == pytest.approx(920, abs=10)
    # The gap counts as one pair with a large dE, which flatters the correlation.
    assert result.parts["val"]["work_correlation_with_gaps"] == pytest.approx(
        0.919, abs=THIRD_DIGIT
    )
    for part, noise in (("test", 15.25), ("val", 15.16)):
        values = by["net force", part].values
        assert values["force_noise_mev_per_angstrom"] == pytest.approx(noise, abs=0.01)
    jump = by["order", "val"].values
    assert (jump["jump_after"], jump["n_jumps"]) == (9, 1)
    assert jump["jump_steps"] == pytest.approx(9.2, abs=0.05)


@pytest.mark.parametrize(("key", "shared"), [("aspirin", 8), ("ethanol", 3)])
def test_md17(ab_initio_data, key, shared):
    result, by = real(ab_initio_data, key, "train", "val", "test")
    assert by["shared", "train, test"].values["n_shared"] == shared
    assert result.count("warning") == 1
    assert result.parts["test"]["work_correlation"] == pytest.approx(0.9999, abs=2e-4)
    assert result.parts["train"]["shuffled"]


def test_lips(ab_initio_data):
    result, by = real(ab_initio_data, "lips", "val")
    assert result.parts["val"]["shuffled"]
    assert "in random order" in by["order", "val"].message
    assert result.parts["val"]["smallest_height_angstrom"] == pytest.approx(11.18, abs=0.005)


def test_acetylacetone(ab_initio_data):
    _, by = real(ab_initio_data, "acetylacetone", "train", "val", "test")
    assert "the same 650 frames" in by["shared", "val, test"].message
    assert "-2791 +- 53 K, stated are 300 K" in by["surface", "val"].message
    assert ("shared", "train, test") not in by


def test_3bpa(ab_initio_data):
    result, by = real(ab_initio_data, "3bpa", "train", "val", "test")
    # Neither the frames of 300 nor those of 600 K are of the surface that the forces are of.
    assert {key for key in by if by[key].level == "warning"} == {
        ("surface", "train"), ("surface", "val"), ("surface", "test")
    }  # fmt: skip
    assert "498 +- 31 K, stated are 300 K" in by["surface", "val"].message
    assert "770 +- 31 K, stated are 600 K" in by["surface", "test"].message
    assert all("work_correlation" not in facts for facts in result.parts.values())


def test_lips20(ab_initio_data):
    entry = DATA_SETS["lips20"]
    here = [part for part in entry.files if entry.exists(part)]
    if len(here) < 12 or entry.gaps() is None:
        pytest.skip(f"no LiPS20 at {ab_initio_data}")
    result, by = real(ab_initio_data, "lips20", *here)
    small = {part for check, part in by if check == "cells"}
    assert small == {"Li3P", "S", "beta-Li3PS4", "Li2P2S6", "Li7PS6"}
    parts = result.parts.values()
    means = [facts["temperature_kelvin"] for facts in parts]
    assert (min(means), max(means)) == pytest.approx((1561, 3007), abs=1)
    # They start as crystals near 1300 K and melt, the hottest at 3100 K.
    assert min(facts["temperature_start_kelvin"] for facts in parts) == pytest.approx(1286, abs=1)
    assert max(facts["temperature_end_kelvin"] for facts in parts) == pytest.approx(3085, abs=1)
    assert "not in equilibrium" in by["temperature", "Li"].message
    assert min(f["work_correlation"] for f in result.parts.values()) > 0.98
