"""Vibrational density of states: the power spectrum of velocities.

By the theorem of Wiener and Khinchin the Fourier transform of the velocity autocorrelation

    D(nu) ~ sum_i m_i integral <v_i(0) . v_i(t)> exp(-2 pi i nu t) dt

is the mean of |sum_t w(t) v_i(t) exp(-2 pi i nu t)|^2 over segments of the trajectory (Welch, IEEE
Trans. Audio 15 (1967) 70), here with the window w of Hann. A line has the width of 1.44 over the
length of a segment. It is normalised where it is compared, so that neither temperature nor unit
matters. What diffuses has a density at nu = 0, too.

Where no velocities are at hand they are differences of positions, v(t + dt/2) = (x(t + dt) -
x(t))/dt, which lie half-way between frames and damp the power by sinc(nu dt)^2; this is undone.
"""

from __future__ import annotations

import numpy as np

from egraff_lmp.score.arrays import Floats

# Frames further apart miss vibrations, whose power turns up at other frequencies: the highest is
# 1/(2 dt), 50 THz; 20 THz is about the highest of what holds no hydrogen, carbon, nitrogen, oxygen.
MAX_STEP_FS, MAX_STEP_LIGHT_FS = 10.0, 4.0
LIGHT = frozenset({"H", "C", "N", "O", "F", "B"})
MAX_THZ = 125.0  # H-H, the highest of all
SEGMENT_FS, MIN_SEGMENT_FS = 1000.0, 250.0
LINE_WIDTH = 1.44  # full width at half maximum of the power of Hann's window, over 1/length


def segment_fs(length_fs: float) -> float | None:
    """Length of the segments of trajectories of which the shortest has this length.

    At most `SEGMENT_FS`, two of them where they stay above `MIN_SEGMENT_FS`, and None for less than
    a single one.
    """
    if length_fs < MIN_SEGMENT_FS:
        return None
    return min(SEGMENT_FS, length_fs if length_fs < 2 * MIN_SEGMENT_FS else length_fs / 2)


def frequencies(segment: float, step_fs: float) -> Floats:
    """(F,) in THz, from 0 in steps of the inverse length of a segment in fs.

    Up to nine tenths of the highest that frames `step_fs` apart show, where differences of
    positions still see half of the power, and up to `MAX_THZ`.
    """
    highest = min(MAX_THZ, 0.9 * 500.0 / step_fs)
    return np.asarray(np.arange(int(highest * segment / 1000) + 1) * (1000 / segment))


def differences(positions: Floats, step_fs: float) -> Floats:
    """Velocities (T - 1, N, 3) in A/fs half-way between frames, of unwrapped positions in A."""
    return np.asarray(np.diff(positions, axis=0) / step_fs)


def damping(nu: Floats, step_fs: float) -> Floats:
    """(F,) by which `differences` multiply the power at frequencies in THz: sinc(nu dt)^2."""
    return np.asarray(np.sinc(nu * step_fs / 1000) ** 2)


def power_spectra(velocities: Floats, masses: Floats, step_fs: float, nu: Floats) -> Floats:
    """Power at frequencies (F,) in THz of each whole segment, (K, F), in the unit of m v^2.

    Args:
        velocities: (T, N, 3), relative to the centre of mass of all atoms.
        masses: (N,).
        step_fs: time between frames.
        nu: as of `frequencies`, whose second entry is the inverse length of a segment.
    """
    from scipy.signal import zoom_fft  # an optional package

    length = max(2, round(1000 / nu[1] / step_fs))
    n_segments = len(velocities) // length
    window = np.hanning(length + 2)[1:-1]
    window = window / np.sqrt((window**2).sum())
    found = np.zeros((n_segments, len(nu)))
    for k in range(n_segments):
        v = velocities[k * length : (k + 1) * length]
        v = (np.sqrt(masses)[:, None] * v).reshape(length, -1) * window[:, None]
        spectrum = zoom_fft(v, [0, nu[-1]], len(nu), fs=1000 / step_fs, endpoint=True, axis=0)
        found[k] = (spectrum.real**2 + spectrum.imag**2).sum(axis=1)
    return found
