"""Frames that earlier stages wrote, as later ones want them: held-out part, reruns, rollouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from egraff_lmp.bench.config import BenchConfig
from egraff_lmp.bench.reference import joined
from egraff_lmp.bench.stage import StageResult
from egraff_lmp.data import Frames
from egraff_lmp.data.npz import read_npz
from egraff_lmp.score.records import Fact, RunEnd
from egraff_lmp.score.rollout import Rollout, read_rollout
from egraff_lmp.score.stability import not_finite


def held_out(config: BenchConfig, reference: StageResult) -> Frames:
    """The held-out part, as a time series where it is one."""
    step = config.stride_fs * config.split.held_out.every if config.time_series else None
    return archive(reference.path("held_out"), step)


def archive(path: Path, step_fs: float | None) -> Frames:
    """An archive that a stage wrote, as a time series if a time step is given.

    Read without the checks on foreign data: a bad model's forces may be absurd, and are a result.
    """
    return replace(read_npz(path), timestep_fs=step_fs)


def rollout_of(config: BenchConfig, rollout: StageResult) -> Rollout:
    """A rollout as a time series up to the first frame that is not finite, and how it ended.

    Of a rollout that broke down, that is what can be looked at; its end is part of the scores. Its
    wall times are not: the bytes of a score must not depend on what else a machine does.
    """
    found = read_rollout(rollout.path("trajectory"))
    frames = replace(found.frames, timestep_fs=config.stride_fs)
    end = found.end
    if end is None and rollout.value.get("status") == "failed":
        message = str(rollout.value.get("reason", ""))
        end = RunEnd(len(frames) - 1, Fact("lammps", {"message": message}))
    broken = not_finite(frames.positions, frames.forces, frames.energy)
    temperature = found.temperature_kelvin
    if broken is not None:
        # At least one frame: the start is a reference frame, and finite.
        end = broken if end is None or broken.frame < end.frame else end
        frames = frames.select(slice(0, broken.frame))
        temperature = None if temperature is None else temperature[: broken.frame]
    step_fs = config.rollout.timestep_fs
    return Rollout(
        frames=frames,
        temperature_kelvin=temperature,
        end=end,
        lasted_fs=rollout.value["n_steps"] * step_fs,
        asked_fs=config.steps * step_fs,
    )


def judged(config: BenchConfig, rollouts: Sequence[Frames]) -> tuple[Frames, tuple[int, ...]]:
    """The frames of rollouts that an oracle is asked about: all, or some by a committee.

    Returns:
        Those of all rollouts one after the other, and how many there are of each.
    """
    pieces = [one.select(slice(None, None, config.scoring.committee_every)) for one in rollouts]
    return joined(pieces, pieces[0].timestep_fs or 1.0), tuple(map(len, pieces))
