"""Mean squared displacement over all time origins.

    MSD(m) = 1/(T - m) sum_k 1/N sum_i |x_i(k + m) - x_i(k)|^2

The sum of squares needs no more than running sums, the cross term is an autocorrelation, taken by
the fast Fourier transform in O(T log T) (Calandrini et al., Collection SFN 12 (2011) 201, 4.2.1).
"""

from __future__ import annotations

import numpy as np

from egraff_lmp.score.arrays import Floats, Ints

# Floats held at a time: 32 MB; more atoms than that are taken in turns.
CHUNK = 4_000_000
CURVE_LAGS = 100  # of a curve for a figure


def mean_squared_displacement(positions: Floats) -> Floats:
    """MSD in A^2 at lags of 0 to T - 1 frames, (T,).

    Of positions (T, N, 3) in A, unwrapped and without drift (see `unwrap`).
    """
    n_frames, n_atoms = positions.shape[:2]
    total = np.zeros(n_frames)
    for atoms in atom_chunks(n_frames, n_atoms):
        # Distances from the mean: the smaller the numbers, the less the difference below loses.
        x = positions[:, atoms] - positions[:, atoms].mean(axis=0)
        spectrum = np.fft.rfft(x, n=2 * n_frames, axis=0)
        power = (spectrum.real**2 + spectrum.imag**2).sum(axis=(1, 2))
        products = np.fft.irfft(power, n=2 * n_frames)[:n_frames]
        squares = np.concatenate(([0.0], np.cumsum((x**2).sum(axis=(1, 2)))))
        # Sum over origins of |x(k)|^2 + |x(k + m)|^2: the first T - m and the last T - m frames.
        lags = np.arange(n_frames)
        total += squares[n_frames - lags] + (squares[-1] - squares[lags]) - 2 * products
    return np.maximum(total / (n_frames - np.arange(n_frames)) / n_atoms, 0.0)


def curve_lags(longest: int) -> Ints:
    """At most `CURVE_LAGS` lags in frames from 1 to `longest`, evenly spread over its logarithm."""
    if longest < 1:
        return np.zeros(0, dtype=np.int64)
    return np.unique(np.round(np.geomspace(1, longest, CURVE_LAGS)).astype(np.int64))


def squared_displacements(positions: Floats, lags: Ints, n_blocks: int) -> tuple[Floats, Floats]:
    """Sums of squared displacements at some lags, kept apart by block of time origins.

    Args:
        positions: (T, N, 3) in A, unwrapped and without drift.
        lags: (L,) in frames, below T.
        n_blocks: K, blocks of consecutive time origins.

    Returns:
        Sums over the origins of a block of the mean over atoms, (K, L) in A^2, and the number of
        origins in each, (K, L). Sums over blocks of the first divided by those of the second give
        the MSD.
    """
    n_frames, n_atoms = positions.shape[:2]
    sums, numbers = np.zeros((2, n_blocks, len(lags)))
    for column, lag in enumerate(lags):
        origins = n_frames - int(lag)
        block = np.arange(origins) * n_blocks // origins
        numbers[:, column] = np.bincount(block, minlength=n_blocks)
        for atoms in atom_chunks(n_frames, n_atoms):
            x = positions[:, atoms]
            squared = ((x[lag:] - x[: n_frames - lag]) ** 2).sum(axis=(1, 2))
            sums[:, column] += np.bincount(block, weights=squared, minlength=n_blocks) / n_atoms
    return sums, numbers


def atom_chunks(n_frames: int, n_atoms: int) -> list[slice]:
    """Slices of atoms, small enough for the temporaries of one to stay below `CHUNK` floats."""
    size = max(1, CHUNK // (3 * n_frames))
    return [slice(first, first + size) for first in range(0, n_atoms, size)]
