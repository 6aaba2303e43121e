"""What consecutive frames say about each other: order, work and energy, kinetic temperature.

Pure functions on arrays. Displacements are those of the nearest periodic images, so frames may be
wrapped; no atom may cross half a cell between two frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.data import atomic_masses, atomic_numbers, covalent_radii
from ase.geometry import get_distances
from ase.units import fs, kB
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames

# A displacement this many times the median one spans frames that were left out.
JUMP = 3.0


def displacements(
    frames: Frames, first: NDArray[np.int64] | None = None, second: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """(P, N, 3) vectors in A from frames `first` to frames `second`, nearest images.

    Without indices: from each frame to the next, P = T - 1.
    """
    if first is None or second is None:
        first, second = np.arange(len(frames) - 1), np.arange(1, len(frames))
    vectors = frames.positions[second] - frames.positions[first]
    if not any(frames.pbc):
        return vectors
    cell = frames.cell[first]
    scaled = vectors @ np.linalg.inv(cell)
    scaled -= np.rint(scaled) * np.array(frames.pbc, dtype=np.float64)
    return np.asarray(scaled @ cell, dtype=np.float64)


def rms(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """(P,) root-mean-square component of vectors (P, N, 3)."""
    return np.asarray(np.sqrt(np.mean(vectors**2, axis=(1, 2))))


def continuity(vectors: NDArray[np.float64]) -> float:
    """Median cosine between consecutive displacements d_t and d_(t+1), over all atoms at once.

    Near 1 where the frames resolve the motion (velocities carry on); exactly -1/2 on average for
    independent frames, because d_t = x_(t+1) - x_t and d_(t+1) = x_(t+2) - x_(t+1) share x_(t+1)
    with opposite signs; near 0 for a random walk. NaN for fewer than three frames, or frozen ones.
    """
    if len(vectors) < 2:
        return float("nan")
    dot = np.einsum("tni,tni->t", vectors[1:], vectors[:-1])
    norms = np.linalg.norm(vectors.reshape(len(vectors), -1), axis=1)
    sizes = norms[1:] * norms[:-1]
    moved = sizes > 0
    return float(np.median(dot[moved] / sizes[moved])) if moved.any() else float("nan")


def against_random(frames: Frames, vectors: NDArray[np.float64], *, seed: int = 0) -> float:
    """Median size of consecutive displacements over that of random pairs of frames.

    1 for frames in random order, towards 0 for a time series that goes far; NaN where nothing
    moves.
    """
    rng = np.random.default_rng(seed)
    first = rng.integers(0, len(frames), size=min(500, 4 * len(frames)))
    second = (first + rng.integers(1, len(frames), size=first.size)) % len(frames)
    typical = float(np.median(rms(displacements(frames, first, second))))
    return float(np.median(rms(vectors))) / typical if typical > 0 else float("nan")


def jumps(vectors: NDArray[np.float64]) -> NDArray[np.int64]:
    """Frames after which the displacement is more than `JUMP` times the median one."""
    sizes = rms(vectors)
    return np.flatnonzero(sizes > JUMP * np.median(sizes)).astype(np.int64)


@dataclass(frozen=True)
class WorkEnergy:
    """Energy differences against the work of the forces over pairs of consecutive frames.

    Attributes:
        correlation: Pearson's, of dE and -F.dx; 1 for clean labels.
        slope: dE per -F.dx by least squares; 1 for clean labels, another number for other units.
        n_pairs: pairs of frames.
        force_error: root mean square in eV/A of what an error of every force component would have
            to be to make the difference between dE and work, if the energies are right and the
            error has no direction of its own: (dE - work) / |dx| of each pair. For clean labels it
            is the error of the rule.
    """

    correlation: float
    slope: float
    n_pairs: int
    force_error: float


def work_energy(
    frames: Frames, vectors: NDArray[np.float64], keep: NDArray[np.bool_]
) -> WorkEnergy | None:
    """Compare dE = E_(t+1) - E_t with -(F_t + F_(t+1))/2 . (x_(t+1) - x_t), the trapezoidal rule.

    Args:
        frames: labelled frames.
        vectors: displacements of consecutive frames (T - 1, N, 3) in A.
        keep: which pairs to use, (T - 1,).

    Returns:
        None without labels, for fewer than three pairs, or where nothing changes.
    """
    if frames.energy is None or frames.forces is None or np.count_nonzero(keep) < 3:
        return None
    mean_force = 0.5 * (frames.forces[1:] + frames.forces[:-1])
    work = -np.einsum("tni,tni->t", mean_force, vectors)[keep]
    change = np.diff(frames.energy)[keep]
    if not (np.ptp(work) > 0 and np.ptp(change) > 0):
        return None
    correlation = float(np.corrcoef(change, work)[0, 1])
    lengths = np.sqrt((vectors[keep] ** 2).sum(axis=(1, 2)))
    force_error = float(np.sqrt(np.mean(((change - work) / np.maximum(lengths, 1e-12)) ** 2)))
    slope = float(change @ work / (work @ work))
    return WorkEnergy(correlation, slope, int(work.size), force_error)


def kinetic_temperatures(
    frames: Frames, vectors: NDArray[np.float64], timestep_fs: float, keep: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Temperatures in K of the frames with a neighbour on each side.

    v_t = (x_(t+1) - x_(t-1)) / (2 dt) and T = sum m v^2 / ((3 N - 3) k_B). A vibration of angular
    frequency w is damped by sin(w dt)^2 / (w dt)^2, 3 % for C-H at 0.5 fs.

    Args:
        frames: a time series.
        vectors: displacements of consecutive frames (T - 1, N, 3) in A.
        timestep_fs: time between them.
        keep: pairs of consecutive frames that are one such step apart, (T - 1,).
    """
    both = keep[1:] & keep[:-1]
    velocities = (vectors[1:] + vectors[:-1])[both] / (2 * timestep_fs * fs)
    masses = np.array([atomic_masses[atomic_numbers[name]] for name in frames.species])
    freedom = max(3 * frames.n_atoms - 3, 1)
    twice_kinetic = np.einsum("n,tni,tni->t", masses, velocities, velocities)
    return np.asarray(twice_kinetic / (freedom * kB))


@dataclass(frozen=True)
class VirialTemperature:
    """Temperature at which frames would be drawn from the surface of their forces.

    Attributes:
        kelvin: the mean.
        error_kelvin: its standard error, from blocks of frames.
    """

    kelvin: float
    error_kelvin: float


VIRIAL_BLOCKS = 10
# The published molecular sets are within 10 %, or wrong by half and more.
VIRIAL_TOLERANCE, VIRIAL_SIGMAS = 0.25, 3.0


def virial_temperature(frames: Frames) -> VirialTemperature | None:
    """T = -<sum_i x_i . F_i> / ((3 N - 3) k_B) of a molecule, by the virial theorem.

    Every coordinate but those of the centre of mass has <x dU/dx> = k_B T where frames are drawn
    from exp(-U / k_B T) and nothing leaves to infinity. It holds for the forces that stand in the
    data: frames that were drawn with another method's forces have another temperature, which may be
    negative.

    Returns:
        None without forces, for fewer than `VIRIAL_BLOCKS` frames, where nothing changes, for a
        single atom, and for what is no molecule on its own: in a periodic cell, frames that reach
        over half of it.
    """
    if frames.forces is None or frames.n_atoms < 2 or len(frames) < VIRIAL_BLOCKS:
        return None
    centred = frames.positions - frames.positions.mean(axis=1, keepdims=True)
    if any(frames.pbc) and 2 * np.ptp(centred, axis=1).max() >= smallest_height(frames):
        return None
    virial = -np.einsum("tni,tni->t", centred, frames.forces)
    each = virial / ((3 * frames.n_atoms - 3) * kB)
    blocks = np.array([block.mean() for block in np.array_split(each, VIRIAL_BLOCKS)])
    error = float(blocks.std(ddof=1) / np.sqrt(VIRIAL_BLOCKS))
    return VirialTemperature(float(each.mean()), error) if error else None


def off_surface(frames: Frames, stated_kelvin: float | None) -> VirialTemperature | None:
    """The virial temperature where it is not the stated one, beyond tolerance and error; else None.

    Frames like these were not drawn from exp(-U / k_B T) at the stated temperature.
    """
    found = virial_temperature(frames)
    if found is None or stated_kelvin is None or not np.isfinite(found.kelvin):
        return None
    off = abs(found.kelvin - stated_kelvin)
    allowed = max(VIRIAL_TOLERANCE * stated_kelvin, VIRIAL_SIGMAS * found.error_kelvin)
    return found if off > allowed else None


def smallest_height(frames: Frames) -> float:
    """Smallest distance between opposite faces of the cells along periodic directions, in A.

    Infinite without periodicity, zero where a periodic frame has no volume.
    """
    along = np.flatnonzero(frames.pbc)
    if not along.size:
        return float("inf")
    if not np.all(np.abs(np.linalg.det(frames.cell)) > 0):
        return 0.0
    # Columns of the inverse cell are the reciprocal vectors, of length 1 / height.
    reciprocal = np.linalg.inv(frames.cell)
    return float(np.min(1 / np.linalg.norm(reciprocal, axis=1)[:, along]))


def bond_scale(frames: Frames, *, n_frames: int = 3, n_centres: int = 64) -> float:
    """Median over atoms of the smallest d_ij / (r_i + r_j) with covalent radii r; about 1.

    Lengths in bohr read as A give 1.9, lengths in nm 0.1. NaN for single atoms.
    """
    if frames.n_atoms < 2:
        return float("nan")
    radii = np.array([covalent_radii[atomic_numbers[name]] for name in frames.species])
    centres = np.linspace(0, frames.n_atoms - 1, min(n_centres, frames.n_atoms)).astype(int)
    pbc = np.array(frames.pbc) & bool(np.abs(np.linalg.det(frames.cell[0])) > 0)
    found = []
    for index in np.linspace(0, len(frames) - 1, min(n_frames, len(frames))).astype(int):
        positions = frames.positions[index]
        _, distances = get_distances(
            positions[centres], positions, cell=frames.cell[index], pbc=pbc
        )
        scaled = distances / (radii[centres][:, None] + radii[None, :])
        scaled[np.arange(len(centres)), centres] = np.inf
        found.append(scaled.min(axis=1))
    return float(np.median(found))
