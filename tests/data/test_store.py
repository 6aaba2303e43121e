"""The one on-disk form keeps everything, and notices what was changed."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from egraff_lmp.data.read import detect_format, read_frames
from egraff_lmp.data.store import is_store, read_header, read_store, write_store
from egraff_lmp.errors import EgraffError


def test_nothing_is_lost(tmp_path, water, same_frames):
    stress = np.random.default_rng(0).normal(size=(2, 3, 3))
    whole = replace(water, timestep_fs=1.209, stress=stress)
    header = write_store(whole, tmp_path / "a.npz", {"licence": "none"})
    got = read_frames(tmp_path / "a.npz")
    same_frames(got, whole)
    assert np.array_equal(got.stress, stress)
    assert got.timestep_fs == 1.209
    assert got.sha256() == whole.sha256()
    assert read_header(tmp_path / "a.npz") == header
    assert header["provenance"] == {"licence": "none"}
    assert header["units"]["forces"] == "eV/A"
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_unlabelled_molecule(tmp_path, water):
    bare = replace(
        water, energy=None, forces=None, pbc=(False, False, False), cell=np.zeros((2, 3, 3))
    )
    write_store(bare, tmp_path / "a.npz")
    got = read_store(tmp_path / "a.npz")
    assert (got.energy, got.forces, got.stress, got.timestep_fs) == (None,) * 4
    assert got.pbc == (False, False, False)


def test_float32_comes_back_as_float64(tmp_path, water):
    write_store(replace(water, positions=water.positions.astype(np.float32)), tmp_path / "a.npz")
    assert read_store(tmp_path / "a.npz").positions.dtype == np.float64


def rewritten(path, **changes):
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    np.savez(path, **(arrays | changes))
    return path


@pytest.mark.parametrize("name", ["positions", "energy", "forces", "cell"])
def test_a_changed_number_is_noticed(tmp_path, water, name):
    write_store(water, tmp_path / "a.npz")
    changed = getattr(water, name).copy()
    changed.reshape(-1)[0] += 1e-9
    with pytest.raises(EgraffError, match="changed after it was written"):
        read_store(rewritten(tmp_path / "a.npz", **{name: changed}))


def test_changed_elements_and_time_step_are_noticed(tmp_path, water):
    header = write_store(water, tmp_path / "a.npz")
    with pytest.raises(EgraffError, match="changed after"):
        read_store(rewritten(tmp_path / "a.npz", species=np.array(["O", "H", "D"])))
    write_store(water, tmp_path / "a.npz")
    text = np.array(json.dumps(header | {"timestep_fs": 2.0}))
    with pytest.raises(EgraffError, match="changed after"):
        read_store(rewritten(tmp_path / "a.npz", header=text))


def test_newer_versions_and_damage(tmp_path, water):
    path = tmp_path / "a.npz"
    header = write_store(water, path)
    rewritten(path, header=np.array(json.dumps(header | {"version": 2})))
    with pytest.raises(EgraffError, match="version 1 of egraff-frames, got 2"):
        read_store(path)
    write_store(water, path)
    path.write_bytes(path.read_bytes()[:-200])
    assert not is_store(path)
    with pytest.raises(EgraffError, match="damaged"):
        read_store(path)
    np.savez(path, header=np.array("no json"), positions=np.zeros(1))
    with pytest.raises(EgraffError, match="damaged"):
        read_store(path)


def test_other_archives_stay_with_their_readers(tmp_path):
    np.savez(tmp_path / "a.npz", pos=np.zeros((1, 1, 3)), atomic_numbers=[1])
    assert not is_store(tmp_path / "a.npz")
    assert detect_format(tmp_path / "a.npz").key == "npz"


def test_a_failed_write_leaves_the_old_file(tmp_path, water):
    write_store(water, tmp_path / "a.npz")
    with pytest.raises(EgraffError, match="JSON can hold"):
        write_store(water, tmp_path / "a.npz", {"x": object()})
    assert len(read_store(tmp_path / "a.npz")) == 2
    with pytest.raises(EgraffError, match=r"ends in \.npz"):
        write_store(water, tmp_path / "a.h5")
