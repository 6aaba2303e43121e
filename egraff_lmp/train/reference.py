"""The zero and the scale of the energies, found from the training set.

A network learns E - sum_i e(s_i), with one reference energy e per species. The total energies of a
plane-wave or Gaussian code are thousands of eV, of which float32 keeps no meV; the references are
therefore added outside the network, in float64.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError

METHODS = ("auto", "least_squares", "isolated_atoms", "mean", "none", "unchanged")


def reference_energies(
    parts: Sequence[Frames],
    species: Sequence[str],
    method: str,
    isolated_atoms_ev: Mapping[str, float] | None = None,
) -> NDArray[np.float64]:
    """Reference energy of each species in eV, (len(species),).

    Args:
        parts: training frames, one entry a composition. Energies whose weight in the loss is 0
            do not count.
        species: elements in type order.
        method: "least_squares" minimises sum over frames of (E - sum_i e(s_i))^2; where the
            compositions leave e undetermined (always so for a single composition of several
            elements) the solution of least norm is taken, which still removes the mean exactly.
            "mean" gives every species the mean energy per atom. "isolated_atoms" takes the given
            energies of free atoms. "none" takes zero, and so does "unchanged" until
            `start.begun_from` puts those of another network in their place. "auto" is
            "isolated_atoms" where there is one of each species, else "least_squares".
        isolated_atoms_ev: element to energy, for "isolated_atoms".

    Raises:
        EgraffError: an element without an isolated-atom energy, frames without energies, or a
            weight of 0 for all of them.
    """
    if method not in METHODS:
        raise EgraffError(f"expected a reference out of {', '.join(METHODS)}, got '{method}'.")
    method = chosen_method(method, species, isolated_atoms_ev or {})
    if method in ("none", "unchanged"):
        return np.zeros(len(species))
    if method == "isolated_atoms":
        return _isolated(species, isolated_atoms_ev or {})
    counts, energies, weights = _compositions(parts, species)
    if method == "mean":
        per_atom = float(weights @ energies / (weights @ counts.sum(axis=1)))
        return np.full(len(species), per_atom)
    # Rows are compositions, weighted by their frames: the same normal equations as one row a frame.
    root = np.sqrt(weights)
    solution, *_ = np.linalg.lstsq(counts * root[:, None], energies * root, rcond=1e-10)
    return np.asarray(solution, dtype=np.float64)


def chosen_method(method: str, species: Sequence[str], isolated_ev: Mapping[str, float]) -> str:
    """What "auto" stands for with these isolated atoms (element to eV); else `method` itself."""
    if method != "auto":
        return method
    return "isolated_atoms" if set(species) <= set(isolated_ev) else "least_squares"


def stress_rms(parts: Sequence[Frames]) -> float:
    """Root mean square of all stress components in eV/A^3; 1.0 where there are none or all are 0.

    Frames that are not periodic in three directions have none; weights of 0 leave frames out.
    """
    weighed = [part.weighed("stress") for part in parts]
    known = [part.stress for part in weighed if part.stress is not None and all(part.pbc)]
    squares = sum(float((stress**2).sum()) for stress in known)
    n = sum(stress.size for stress in known)
    return float(np.sqrt(squares / n)) if squares > 0 else 1.0


def force_rms(parts: Sequence[Frames]) -> float:
    """Root mean square of all force components in eV/A: the scale of the network's output.

    1.0 where there are no forces or all are zero; weights of 0 leave frames out.
    """
    known = [f for f in (part.weighed("forces").forces for part in parts) if f is not None]
    squares = sum(float((forces**2).sum()) for forces in known)
    n = sum(forces.size for forces in known)
    return float(np.sqrt(squares / n)) if squares > 0 else 1.0


def composition_counts(names: Sequence[str], species: Sequence[str]) -> NDArray[np.float64]:
    """How many atoms of each species, (len(species),)."""
    count = Counter(names)
    return np.array([count[name] for name in species], dtype=np.float64)


def _compositions(
    parts: Sequence[Frames], species: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    for part in parts:
        if part.energy is None:
            raise EgraffError(
                f"{part.source}: expected energies for the energy reference, it has none: use "
                "`reference: {method: none}` and `loss: {energy: 0}` to train on forces alone."
            )
    weighed = [some for some in (part.weighed("energy") for part in parts) if len(some)]
    if not weighed:
        raise EgraffError(
            "expected energies for the energy reference, all of them have a weight of 0: mend the "
            "weights, or use `reference: {method: none}` and `loss: {energy: 0}`."
        )
    counts = np.stack([composition_counts(part.species, species) for part in weighed])
    energies = np.array([part.energy.mean() for part in weighed if part.energy is not None])
    weights = np.array([float(len(part)) for part in weighed])
    return counts, energies, weights


def _isolated(species: Sequence[str], energies: Mapping[str, float]) -> NDArray[np.float64]:
    missing = [name for name in species if name not in energies]
    if missing:
        raise EgraffError(
            f"expected an isolated-atom energy for each of {', '.join(species)}, "
            f"{', '.join(missing)} missing: give `reference.isolated_atoms_ev` or "
            "`reference.isolated_atoms`, or use `method: least_squares`."
        )
    return np.array([energies[name] for name in species], dtype=np.float64)
