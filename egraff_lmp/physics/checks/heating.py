"""A temperature ramp in LAMMPS, and where it first fails."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.data.lammps_thermo import Thermo, read_thermo
from egraff_lmp.physics.contacts import TOO_CLOSE, closest_share
from egraff_lmp.physics.record import Line, Panel, Subject
from egraff_lmp.physics.rollouts import run, timestep_fs
from egraff_lmp.rollout.run import RolloutResult
from egraff_lmp.verify.finding import Finding, at_least, not_applicable

COLD_KELVIN, HOT_KELVIN = 300.0, 3000.0
DAMPING_FS = 50.0
# A ramp that is faster breaks nothing, and passing it says nothing.
SHORTEST_PS = 0.5
# Twice the last target, for more than the few steps that a fluctuation lasts.
RUNAWAY_KELVIN = 2 * HOT_KELVIN
_REACHED = "temperature reached without a failure"


def judge(subject: Subject) -> tuple[Sequence[Finding], Sequence[Panel]]:
    """The ramp, run or gone on with."""
    step = timestep_fs(subject, subject.structure) / 2  # atoms are three times as fast in the end
    result = run(
        subject,
        "heating",
        subject.structure,
        ensemble="nvt",
        temperature_kelvin=COLD_KELVIN,
        temperature_end_kelvin=HOT_KELVIN,
        temperature_max_kelvin=RUNAWAY_KELVIN,
        timestep_fs=step,
        damping_fs=DAMPING_FS,
    )
    frames, thermo = result.frames(), read_thermo(result.thermo)
    steps = thermo.step[: len(frames)]
    shares = np.array([_share(frames, k) for k in range(len(frames))])
    targets = target_kelvin(steps, subject.settings.steps)
    n_steps = subject.settings.steps
    findings = judge_ramp(steps, shares, n_steps, n_steps * step / 1000, result)
    return findings, _panels(thermo, targets, shares)


def target_kelvin(steps: ArrayLike, n_steps: int) -> NDArray[np.float64]:
    """The thermostat's temperature at steps of a ramp of `n_steps`."""
    return COLD_KELVIN + (HOT_KELVIN - COLD_KELVIN) * np.asarray(steps) / n_steps


def judge_ramp(
    steps: NDArray[np.int64],
    shares: NDArray[np.float64],
    n_steps: int,
    picoseconds: float,
    result: RolloutResult,
) -> list[Finding]:
    """How far the ramp went.

    Args:
        steps: of the frames, (T,).
        shares: closest atoms over their covalent radii, (T,).
        n_steps: of the ramp.
        picoseconds: that the ramp lasts.
        result: how the rollout ended.
    """
    close = np.flatnonzero(shares < TOO_CLOSE)
    if len(close):
        k = int(close[0])
        kelvin = float(target_kelvin(steps[max(k - 1, 0)], n_steps))
        reason = f"two atoms are at {shares[k]:.2f} of the sum of their covalent radii"
        return [_stopped(kelvin, int(steps[k]), reason)]
    if result.status != "finished":
        kelvin = float(target_kelvin(result.n_steps, n_steps))
        return [_stopped(kelvin, result.n_steps, result.reason)]
    if picoseconds < SHORTEST_PS:
        reason = f"a ramp of {picoseconds:g} ps is too short for atoms to meet, take more steps"
        return [not_applicable(_REACHED, reason)]
    return [at_least(_REACHED, HOT_KELVIN, HOT_KELVIN, "K")]


def _stopped(kelvin: float, step: int, reason: str) -> Finding:
    return Finding(
        _REACHED, "failed", kelvin, HOT_KELVIN, "K", at_least=True, where=f"failed at step {step}",
        reason=reason,
    )  # fmt: skip


def _share(frames: Frames, k: int) -> float:
    return closest_share(frames.species, frames.positions[k], frames.cell[k], frames.pbc)


def _panels(
    thermo: Thermo, targets: NDArray[np.float64], shares: NDArray[np.float64]
) -> list[Panel]:
    picoseconds = thermo.time_fs / 1000
    seen = picoseconds[: len(targets)]
    return [
        Panel(
            "temperature",
            "time, ps",
            "temperature, K",
            (
                Line.of("atoms", picoseconds, thermo.temperature_kelvin),
                Line.of("thermostat", seen, targets),
            ),
        ),
        Panel("closest atoms", "time, ps", "share of covalent radii", (Line.of("", seen, shares),)),
    ]
