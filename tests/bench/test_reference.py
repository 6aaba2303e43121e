"""The reference: crystals, archives, pieces of one trajectory, parts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from egraff_lmp.bench.config import Classical, Part
from egraff_lmp.bench.frames import crystal, joined, part_of, write_npz
from egraff_lmp.data import Frames
from egraff_lmp.data.read import read_frames
from egraff_lmp.errors import EgraffError

A = 6.48
SETTINGS: dict[str, Any] = {
    "kind": "classical",
    "species": ("Cd", "Te"),
    "structure": "zincblende",
    "lattice_constant_angstrom": A,
    "repeat": (2, 2, 2),
    "pair_style": "sw",
    "potential": "CdTe.sw",
    "timestep_fs": 2.0,
    "stride_fs": 20.0,
    "equilibration_ps": 1.0,
    "length_ps": 2.0,
}


def frames(n: int, seed: int = 0, source: str = "a") -> Frames:
    rng = np.random.default_rng(seed)
    return Frames(
        species=("Ge", "Te", "Te"),
        positions=rng.normal(size=(n, 3, 3)),
        cell=np.tile(9.0 * np.eye(3), (n, 1, 1)),
        pbc=(True, True, True),
        energy=rng.normal(size=n),
        forces=rng.normal(size=(n, 3, 3)),
        timestep_fs=None,
        source=source,
    )


def test_the_crystal_is_zincblende() -> None:
    found = crystal(Classical(**SETTINGS))
    assert found.n_atoms == 64
    assert found.species.count("Cd") == found.species.count("Te") == 32
    np.testing.assert_allclose(found.cell[0], 2 * A * np.eye(3))
    difference = found.positions[0][:, None] - found.positions[0][None]
    difference -= 2 * A * np.round(difference / (2 * A))
    distance = np.linalg.norm(difference, axis=2) + 99 * np.eye(64)
    bond = np.sqrt(3) / 4 * A
    assert distance.min() == pytest.approx(bond)
    i, j = np.nonzero(np.abs(distance - bond) < 1e-6)
    assert len(i) == 64 * 4
    assert all(found.species[a] != found.species[b] for a, b in zip(i, j, strict=True))


def test_species_that_do_not_fit_the_structure() -> None:
    with pytest.raises(EgraffError, match="zincblende"):
        crystal(Classical(**{**SETTINGS, "species": ("Cd",)}))


def test_an_archive_reads_back_bit_for_bit(tmp_path: Path) -> None:
    written = frames(4)
    write_npz(written, tmp_path / "a.npz")
    read = read_frames(tmp_path / "a.npz")
    assert read.sha256() == written.sha256()
    assert read.pbc == written.pbc


def test_pieces_become_one_time_series_in_order() -> None:
    whole = joined([frames(3), frames(2, seed=1, source="b")], 1.209)
    assert len(whole) == 5
    assert whole.timestep_fs == 1.209
    np.testing.assert_array_equal(whole.positions[3:], frames(2, seed=1).positions)


def test_pieces_of_other_atoms_are_refused() -> None:
    other = replace(frames(2), species=("Te", "Ge", "Te"), source="b")
    with pytest.raises(EgraffError, match="same order"):
        joined([frames(2), other], 1.0)


@pytest.mark.parametrize(("field", "word"), [("energy", "energies"), ("forces", "forces")])
def test_pieces_without_labels_are_refused(field: str, word: str) -> None:
    with pytest.raises(EgraffError, match=f"no {word}"):
        joined([replace(frames(2), **{field: None})], 1.0)  # type: ignore[arg-type]


def test_a_part_keeps_its_time_step_and_may_not_exceed_the_reference() -> None:
    whole = joined([frames(10)], 2.0)
    part = part_of(whole, Part(first=2, last=9, every=3), "train")
    np.testing.assert_array_equal(part.positions, whole.positions[[2, 5, 8]])
    assert part.timestep_fs == 6.0
    with pytest.raises(EgraffError, match=r"split\.held_out.*10"):
        part_of(whole, Part(first=2, last=11), "held_out")
