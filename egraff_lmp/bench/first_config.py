"""A first config of a benchmark for the frames at hand: what `egraff init bench` writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import yaml

from egraff_lmp.bench.config import AbInitio, parse_config
from egraff_lmp.bench.frames import parts_of, read_ab_initio
from egraff_lmp.data.collection import Collection
from egraff_lmp.data.frames import Frames
from egraff_lmp.data.outline import Outline, outline
from egraff_lmp.data.table import read_source
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import write_text
from egraff_lmp.train.first_config import require_free

# Shares of the frames at which the parts end; what lies between them keeps them apart in time.
TRAIN, VALIDATION_FIRST, VALIDATION, HELD_OUT = 0.50, 0.53, 0.63, 0.66
FEWEST = 30  # frames from which all parts have some
STARTS = 3
DUMP_STEPS = 20  # between frames of a rollout where the reference is no series
ROLLOUT_FRAMES = 50  # of a rollout then


@dataclass(frozen=True)
class Times:
    """Time steps of a benchmark in fs.

    Attributes:
        timestep_fs: of the rollouts.
        stride_fs: between frames, a whole multiple of it.
        series: whether `stride_fs` is that of the reference's frames, which are a series.
    """

    timestep_fs: float
    stride_fs: float
    series: bool


def write_first_config(
    path: str | Path,
    sources: Sequence[str],
    temperature_kelvin: float,
    *,
    forcefields: Sequence[str],
    timestep_fs: float = 1.0,
    stride_fs: float | None = None,
    force: bool = False,
) -> tuple[Outline, Times]:
    """Write a commented config of a benchmark, checked, its data read and split.

    Args:
        path: YAML file to write.
        sources: the reference, files or SET:PART of one composition, in order of time.
        temperature_kelvin: of the rollouts, which should be that of the frames.
        forcefields: names of architectures to compare.
        timestep_fs: of the rollouts; taken a little shorter where frames are no multiple of it.
        stride_fs: time between frames of the reference, where it does not tell it.
        force: overwrite a file that exists.

    Raises:
        EgraffError: a file is there, too few frames, missing labels, an unknown force field.
    """
    path = Path(path)
    require_free(path, force)
    pieces = [read_source(source) for source in sources]
    found = outline([Collection.of(frames) for frames in pieces])
    if found.n_frames < FEWEST:
        raise EgraffError(
            f"{', '.join(sources)}: expected at least {FEWEST} frames to train on, to validate "
            f"with and to compare with, got {found.n_frames}: give more of the trajectory."
        )
    times = _times(pieces[0], timestep_fs, stride_fs)
    text = bench_text(path, sources, temperature_kelvin, forcefields, found, times)
    config = parse_config(yaml.safe_load(text), str(path))
    if isinstance(config.reference, AbInitio):
        parts_of(read_ab_initio(config.reference), config)
    write_text(path, text)
    return found, times


def _times(frames: Frames, timestep_fs: float, stride_fs: float | None) -> Times:
    """The stride of the reference, and a time step that divides it."""
    if timestep_fs <= 0 or (stride_fs is not None and stride_fs <= 0):
        raise EgraffError(
            f"expected times above 0 fs, got a time step of {timestep_fs} fs and "
            f"{stride_fs} fs between frames."
        )
    stride = stride_fs if stride_fs is not None else frames.timestep_fs
    if stride is None:
        return Times(timestep_fs, DUMP_STEPS * timestep_fs, False)
    # A whole number of steps, none of them longer than was asked for.
    return Times(stride / ceil(stride / timestep_fs - 1e-9), stride, True)


def bench_text(
    path: Path,
    sources: Sequence[str],
    temperature_kelvin: float,
    forcefields: Sequence[str],
    found: Outline,
    times: Times,
) -> str:
    """YAML of the config, with the reason of each choice as a comment."""
    train, first, last, held_out = (
        round(share * found.n_frames) for share in (TRAIN, VALIDATION_FIRST, VALIDATION, HELD_OUT)
    )
    n_held_out = found.n_frames - held_out
    starts = [held_out + k * n_held_out // STARTS for k in range(STARTS)]
    frames = n_held_out // STARTS if times.series else ROLLOUT_FRAMES
    named = json.dumps(f"{found.formulas[0]} at {temperature_kelvin:g} K", ensure_ascii=False)
    models = [f"  - {{name: {name}, forcefield: {name}, preset: small}}" for name in forcefields]
    return "\n".join(
        [
            f"# Force fields for {found.formulas[0]}: {found.n_frames} frames of {found.n_atoms} "
            "atoms.",
            f"# See what would be run with `egraff bench {path} --dry-run`, run it with "
            f"`egraff bench",
            f"# {path}`; the same command goes on. `egraff config show {path}` prints every key.",
            f"name: {json.dumps(_name(path, found))}",
            f"title: {named}",
            "seed: 1",
            f"temperature_kelvin: {temperature_kelvin:g}  # of the rollouts, and of the frames",
            "",
            *_reference_lines(sources, times),
            "",
            "# Numbers of frames; the gaps keep the parts apart in time.",
            "split:",
            f"  train: {{first: 0, last: {train}}}",
            f"  validation: {{first: {first}, last: {last}}}",
            f"  held_out: {{first: {held_out}, last: {found.n_frames}}}",
            "",
            "training:  # of all models; the keys are those of a training's config",
            f"  r_max: {found.r_max_angstrom}  # A; nearest neighbours are at "
            f"{found.nearest_angstrom:.2f} A, {found.n_neighbours:.0f} atoms within it",
            "  batch_size: 4",
            "  device: cpu",
            "  schedule: {name: cosine}",
            "  stop: {max_epochs: 30, max_minutes: 10}  # of each model: raise both for results",
            "",
            "models:  # preset paper is larger; `control: half-cutoff` makes a negative control",
            *models,
            "",
            "rollout:",
            f"  timestep_fs: {times.timestep_fs:.10g}",
            f"  length_fs: {frames * times.stride_fs:.10g}  # of each start",
            f"  starts: {starts}  # held-out frames, each with velocities of its own seed",
            f"  ranks: {1 if found.n_atoms < 100 else 2}  # MPI ranks",
            "",
            "scoring:",
            "  skip_fs: 0  # left out of the structure at the beginning of a rollout, in fs",
            "",
        ]
    )


def _reference_lines(sources: Sequence[str], times: Times) -> list[str]:
    listed = ", ".join(json.dumps(source, ensure_ascii=False) for source in sources)
    lines = ["reference:", "  kind: ab-initio"]
    lines.append(f"  sources: [{listed}]  # paths are seen from where the command is run")
    if times.series:
        return [*lines, f"  stride_fs: {times.stride_fs:.10g}  # time between frames"]
    return [
        *lines,
        "  # The files tell no time between frames. Where the frames follow each other, give it",
        "  # as stride_fs and take time_series out: rollouts are then compared at equal times too.",
        "  time_series: false",
        f"  stride_fs: {times.stride_fs:.10g}  # between frames of a rollout",
    ]


def _name(path: Path, found: Outline) -> str:
    """A name for the folder of the results, of the letters that one may have."""
    word = found.formulas[0] if path.stem == "bench" else path.stem
    kept = (one if one.isascii() and (one.isalnum() or one in "_.-") else "-" for one in word)
    return "".join(kept).lstrip("_.-") or "bench"
