"""MDBENCHGNN archives."""

from __future__ import annotations

import numpy as np
import pytest

from egraff_lmp.data.npz import read_npz
from egraff_lmp.errors import EgraffError


@pytest.fixture
def arrays(water):
    return {
        "pos": water.positions,
        "energy": water.energy[:, None],
        "forces": water.forces,
        "cell": water.cell,
        "pbc": np.array(water.pbc),
        "atomic_numbers": np.array([8, 1, 1]),
    }


def written(tmp_path, arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    return tmp_path / "a.npz"


def test_all_arrays(tmp_path, arrays, water, same_frames):
    same_frames(read_npz(written(tmp_path, arrays)), water)


def test_one_cell_and_repeated_numbers(tmp_path, arrays, water):
    arrays |= {"cell": water.cell[0], "atomic_numbers": np.array([[8, 1, 1]] * 2)}
    arrays["energy"] = water.energy
    frames = read_npz(written(tmp_path, arrays))
    assert np.array_equal(frames.cell, np.stack([water.cell[0]] * 2))
    assert frames.species == ("O", "H", "H")
    assert np.array_equal(frames.energy, water.energy)


def test_bare_positions(tmp_path, arrays):
    frames = read_npz(written(tmp_path, {k: arrays[k] for k in ("pos", "atomic_numbers")}))
    assert frames.pbc == (False, False, False)
    assert frames.energy is None
    assert frames.forces is None
    assert not frames.cell.any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pos": None}, "pos missing, got atomic_numbers, cell"),
        ({"pos": np.zeros((2, 9))}, r"pos of shape \(frames, atoms, 3\), got \(2, 9\)"),
        ({"forces": np.zeros((2, 2, 3))}, r"forces of shape \(2, 3, 3\).*got \(2, 2, 3\)"),
        ({"energy": np.zeros((3, 1))}, r"energy of shape \(2,\).*got \(3,\)"),
        ({"energy": np.zeros((2, 3))}, r"energy of shape.*got \(2, 3\)"),
        ({"cell": np.zeros((3, 3, 3))}, r"cell of shape.*got \(3, 3, 3\)"),
        ({"pbc": np.array([True, False])}, r"pbc of shape \(3,\)"),
        ({"atomic_numbers": np.array([8, 1])}, "positions"),
        ({"atomic_numbers": np.array([8, 0, 400])}, r"from 1 to 118, got \[0, 400\]"),
        ({"atomic_numbers": np.array([[8, 1, 1], [1, 8, 1]])}, "one file per composition"),
        ({"pos": np.array([{"code": 1}], dtype=object)}, "pickled objects"),
    ],
)
def test_wrong_arrays(tmp_path, arrays, change, message):
    arrays = {key: value for key, value in {**arrays, **change}.items() if value is not None}
    with pytest.raises(EgraffError, match=message):
        read_npz(written(tmp_path, arrays))


def test_damaged_files(tmp_path, arrays):
    content = written(tmp_path, arrays).read_bytes()
    for name, part in (("cut", content[:200]), ("empty", b""), ("text", b"hello there")):
        path = tmp_path / f"{name}.npz"
        path.write_bytes(part)
        with pytest.raises(EgraffError, match=str(path)):
            read_npz(path)
