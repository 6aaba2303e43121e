"""Allowed wave vectors and densities against sums over atoms, one vector at a time."""

from __future__ import annotations

import numpy as np
import pytest

from egraff_lmp.score import wave_vectors as module
from egraff_lmp.score.wave_vectors import densities, wave_vectors

CUBIC = 7.0 * np.eye(3)
TRICLINIC = np.array([[6.0, 0.3, -1.4], [-1.8, 5.5, -1.8], [0.0, 0.1, 8.2]])
SINGLE = 1e-5  # sums of some atoms in complex64
RNG = np.random.default_rng(0)


def brute(cell: np.ndarray, q_max: float) -> np.ndarray:
    """Indices (M, 3) of all vectors with 0 < |q| < q_max, both halves."""
    most = 30
    indices = np.stack(np.meshgrid(*[np.arange(-most, most + 1)] * 3, indexing="ij"), axis=-1)
    indices = indices.reshape(-1, 3)
    q = np.linalg.norm(indices @ (2 * np.pi * np.linalg.inv(cell).T), axis=1)
    return indices[(q > 0) & (q < q_max)]


@pytest.mark.parametrize("cell", [CUBIC, TRICLINIC], ids=["cubic", "triclinic"])
def test_half_of_the_allowed_vectors_are_listed_each_once(cell: np.ndarray) -> None:
    found = wave_vectors(cell, 6.0, 0.1)
    rod, place = np.nonzero(found.shells < 60)
    listed = np.column_stack([found.rods[rod], place - found.l_max])
    both = {tuple(one) for one in np.concatenate([listed, -listed]).tolist()}
    assert both == {tuple(one) for one in brute(cell, 6.0).tolist()}
    assert len(both) == 2 * len(listed)
    q = np.linalg.norm(listed @ (2 * np.pi * np.linalg.inv(cell).T), axis=1)
    np.testing.assert_array_equal(found.shells[rod, place], np.floor(q / 0.1 + 1e-9))
    np.testing.assert_array_equal(found.numbers, np.histogram(q + 1e-9, 60, (0, 6))[0])


@pytest.mark.parametrize("cell", [CUBIC, TRICLINIC], ids=["cubic", "triclinic"])
def test_densities_are_sums_over_atoms(cell: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_A_TIME", 50)  # many portions
    vectors = wave_vectors(cell, 4.0, 0.1)
    x, kinds = 50 * RNG.normal(size=(9, 3)), np.array([0, 1, 0, 2, 2, 1, 0, 0, 1])
    b = 2 * np.pi * np.linalg.inv(cell).T
    seen = 0
    for part, rho in densities(x, cell, vectors, kinds):
        rods = vectors.rods[part]
        for r, place in np.ndindex(rho.shape[1:]):
            q = np.array([*rods[r], place - vectors.l_max]) @ b
            phases = np.exp(1j * x @ q)
            expected = [phases[kinds == kind].sum() for kind in range(3)]
            np.testing.assert_allclose(rho[:, r, place], expected, atol=SINGLE)
            seen += 1
    assert seen == vectors.shells.size


def test_of_a_large_cell_a_share_of_the_vectors_is_kept() -> None:
    """All shells keep about the same share, and no more than the limit is listed."""
    whole = wave_vectors(4 * CUBIC, 6.0, 1.0)
    part = wave_vectors(4 * CUBIC, 6.0, 1.0, max_vectors=whole.shells.size // 4)
    assert part.shells.size <= whole.shells.size // 4
    share = part.numbers[2:] / whole.numbers[2:]  # hundreds of vectors and more
    assert (np.abs(share - 0.25) < 0.08).all()
