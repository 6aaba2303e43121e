"""Files of several compositions, as MACE and NequIP are trained on."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from egraff_lmp.data.ase_io import collection_from_images
from egraff_lmp.data.collection import Collection
from egraff_lmp.data.read import read_collection, read_frames
from egraff_lmp.errors import EgraffError


def labelled(symbols, energy, *, pbc=True, stress=None, **info):
    atoms = Atoms(symbols, cell=np.eye(3) * 8, pbc=pbc)
    atoms.positions[:] = np.arange(3 * len(atoms)).reshape(-1, 3) + energy / 100
    results = {"energy": energy, "forces": np.full((len(atoms), 3), energy)}
    if stress is not None:
        results["stress"] = np.full(6, stress)
    atoms.calc = SinglePointCalculator(atoms, **results)
    atoms.info.update(info)
    return atoms


@pytest.fixture
def images():
    """Water and hydrogen by turns, with two isolated atoms between them."""
    found = [labelled("H2O" if t % 3 else "H2", float(t)) for t in range(12)]
    found.insert(2, labelled("H", -13.0, config_type="IsolatedAtom"))
    found.append(labelled("O", -430.0, pbc=False))
    return found


def energies(groups):
    return sorted(float(value) for frames in groups for value in frames.energy)


def test_frames_are_grouped(tmp_path, images):
    ase.io.write(tmp_path / "a.extxyz", images)
    found = read_collection(tmp_path / "a.extxyz")
    assert [frames.species for frames in found.groups] == [("H", "H"), ("H", "H", "O")]
    assert [len(frames) for frames in found.groups] == [4, 8]
    assert found.isolated_ev == {"H": -13.0, "O": -430.0}
    assert energies(found.groups) == list(range(12))
    with pytest.raises(EgraffError, match=r"one file per composition \(`egraff train`"):
        read_frames(tmp_path / "a.extxyz")


@pytest.mark.parametrize("method", ["shuffled", "contiguous"])
def test_a_split_takes_frames_of_the_whole_file(images, method):
    found = collection_from_images(images, "x")
    parts = found.split([5, 4, 3], method=method, seed=1)
    assert [sum(len(frames) for frames in part) for part in parts] == [5, 4, 3]
    assert sorted(value for part in parts for value in energies(part)) == list(range(12))
    if method == "contiguous":
        assert [energies(part) for part in parts] == [
            [0, 1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11]
        ]  # fmt: skip
    for part in parts:  # labels stay with their frames
        for frames in part:
            assert np.array_equal(frames.forces[:, 0, 0], frames.energy)


def test_one_composition_is_split_as_before(water):
    """The same frames in the same order as `split_frames`, the time step kept."""
    from egraff_lmp.data.split import split_frames

    found = Collection.of(water)
    for method in ("shuffled", "contiguous"):
        [[part], []] = found.split([2, 0], method=method, seed=3)
        before = split_frames(water, [2, 0], method=method, seed=3)[0]
        assert part.sha256() == before.sha256()
        assert part.timestep_fs == before.timestep_fs


def test_stress_of_some_frames_is_kept():
    found = collection_from_images([labelled("H2", 1.0, stress=0.5), labelled("H2", 2.0)], "x")
    assert [frames.stress is None for frames in found.groups] == [False, True]


def test_isolated_atoms_that_contradict():
    two = [labelled("H", -13.0, pbc=False), labelled("H", -12.0, pbc=False)]
    with pytest.raises(EgraffError, match=r"x, frame 1: expected one energy of an isolated H"):
        collection_from_images([*two, labelled("H2", 0.0)], "x")
    with pytest.raises(EgraffError, match="at least one frame beside isolated atoms, got none"):
        collection_from_images(two[:1], "x")
    nameless = Atoms("H")
    with pytest.raises(EgraffError, match="energy of an isolated H atom, it has none"):
        collection_from_images([nameless, labelled("H2", 0.0)], "x")


def test_an_atom_in_a_crystal_is_a_frame():
    found = collection_from_images([labelled("Cu", -3.0)], "x")
    assert len(found) == 1
    assert found.isolated_ev == {}


def test_weights_of_configurations():
    heavy = labelled("H2", 1.0, config_weight=2.0, config_forces_weight=0.5)
    (frames,) = collection_from_images([heavy, labelled("H2", 2.0)], "x").groups
    assert np.array_equal(frames.weights, [[2.0, 1.0, 2.0], [1.0, 1.0, 1.0]])
    assert frames.select(np.array([1])).weights.tolist() == [[1.0, 1.0, 1.0]]
    (plain,) = collection_from_images([labelled("H2", 2.0)], "x").groups
    assert plain.weights is None
