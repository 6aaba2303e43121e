"""DeePMD systems."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from egraff_lmp.data.deepmd import read_deepmd, systems_below
from egraff_lmp.errors import EgraffError


def write(folder, frames, sets=(slice(0, 1), slice(1, 2))):
    folder.mkdir(parents=True)
    (folder / "type_map.raw").write_text("H\nO\n")
    (folder / "type.raw").write_text("1\n0\n0\n")
    for index, which in enumerate(sets):
        part = folder / f"set.{index:03}"
        part.mkdir()
        np.save(part / "coord.npy", frames.positions[which].reshape(-1, 9))
        np.save(part / "box.npy", frames.cell[which].reshape(-1, 9))
        np.save(part / "energy.npy", frames.energy[which])
        np.save(part / "force.npy", frames.forces[which].reshape(-1, 9))
    return folder


def test_sets_are_joined_in_order(tmp_path, water, same_frames):
    same_frames(read_deepmd(write(tmp_path / "a", water)), water)


def test_raw_text(tmp_path, water, same_frames):
    folder = write(tmp_path / "a", water, sets=())
    for name, array in (
        ("coord", water.positions),
        ("box", water.cell),
        ("energy", water.energy),
        ("force", water.forces),
    ):
        np.savetxt(folder / f"{name}.raw", array.reshape(2, -1), fmt="%.17g")
    same_frames(read_deepmd(folder), water)


def test_nopbc_needs_no_box(tmp_path, water):
    folder = write(tmp_path / "a", water)
    (folder / "nopbc").touch()
    for box in folder.glob("set.*/box.npy"):
        box.unlink()
    frames = read_deepmd(folder)
    assert frames.pbc == (False, False, False)
    assert not frames.cell.any()


def test_unlabelled(tmp_path, water):
    folder = write(tmp_path / "a", water)
    for name in ("energy", "force"):
        for file in folder.glob(f"set.*/{name}.npy"):
            file.unlink()
    frames = read_deepmd(folder)
    assert (frames.energy, frames.forces) == (None, None)
    assert np.array_equal(frames.positions, water.positions)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("type_map.raw", None, "expected type_map.raw"),
        ("type_map.raw", "H\n", r"types 0 to 0 \(H\), got \[1\]"),
        ("type.raw", "1\n0\n", "6 columns for the 2 atoms"),
        ("type.raw", "O\nH\nH\n", "one integer per atom"),
        ("type.raw", "", "no atoms"),
        ("set.000/box.npy", None, "expected box in every set"),
        ("set.000/coord.npy", "damaged", r"coord\.npy: expected an array of numbers"),
    ],
)
def test_wrong_files(tmp_path, water, file, content, message):
    folder = write(tmp_path / "a", water)
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_text(content)
    with pytest.raises(EgraffError, match=message):
        read_deepmd(folder)


def test_label_of_another_length(tmp_path, water):
    folder = write(tmp_path / "a", water)
    np.save(folder / "set.000/energy.npy", np.zeros(2))
    with pytest.raises(EgraffError, match=r"energy that fits \(2,\).*got \(3,\)"):
        read_deepmd(folder)


def test_pickled_arrays_are_refused(tmp_path, water):
    folder = write(tmp_path / "a", water)
    np.save(folder / "set.000/coord.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(EgraffError, match="holds pickled objects"):
        read_deepmd(folder)


def test_mixed_types(tmp_path, water):
    folder = write(tmp_path / "a", water)
    np.save(folder / "set.000/real_atom_types.npy", np.zeros((1, 3)))
    with pytest.raises(EgraffError, match="mixed-type layout"):
        read_deepmd(folder)


def test_systems_below(tmp_path, water):
    write(tmp_path / "x/b", water)
    write(tmp_path / "a", replace(water))
    assert systems_below(tmp_path) == [tmp_path / "a", tmp_path / "x/b"]
    with pytest.raises(EgraffError, match=r"folder with type\.raw"):
        read_deepmd(tmp_path)
