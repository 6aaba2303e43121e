"""`egraff score`: rollouts against a reference."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from math import isclose
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from egraff_lmp.cli.task import Json
from egraff_lmp.errors import EgraffError

if TYPE_CHECKING:
    from egraff_lmp.data.frames import Frames
    from egraff_lmp.score import Rerun

STEP_TOLERANCE = 1e-3  # time steps are written with few digits, such as 1.209 fs


def command(
    reference: Annotated[
        str, typer.Argument(help="Ground truth: a file, a folder, or SET:PART such as gete:test.")
    ],
    trajectory: Annotated[
        list[str], typer.Argument(help="Rollouts of one model, one for each independent start.")
    ],
    as_json: Json = False,
    mode: Annotated[str, typer.Option(help="Form of the metrics: egraff, paper or both.")] = "both",
    r_max: Annotated[
        float | None,
        typer.Option("--r-max", help="Range of g(r) in A, at most half a cell height."),
    ] = None,
    bin_width: Annotated[float, typer.Option("--bin", help="Bin width of g(r) in A.")] = 0.05,
    skip: Annotated[
        int, typer.Option(help="Number of frames left out at the start of each rollout.")
    ] = 0,
    timestep_fs: Annotated[
        float | None,
        typer.Option(help="MD time step of dumps in fs, where thermo.csv does not tell it."),
    ] = None,
    reference_timestep_fs: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Time between frames of REFERENCE in fs, where it is a series that does not tell "
            "it.",
        ),
    ] = None,
    start: Annotated[
        list[int] | None,
        typer.Option(help="Reference frame a rollout started from; once per rollout. [default: 0]"),
    ] = None,
    rerun_reference: Annotated[
        str | None,
        typer.Option(help="The model's energies and forces on the REFERENCE frames."),
    ] = None,
    rerun_oracle: Annotated[
        list[str] | None,
        typer.Option(help="The ground truth's on the frames of TRAJECTORY; once per rollout."),
    ] = None,
    oracle: Annotated[
        str | None,
        typer.Option(
            help="Evaluate this reference force field on the frames of TRAJECTORY, in place of "
            "--rerun-oracle: water (SPC/Fw), alanine_dipeptide or alanine_dipeptide_vacuum "
            "(AMBER-03)."
        ),
    ] = None,
    rerun_committee: Annotated[
        list[str] | None,
        typer.Option(
            help="The mean of other force fields' on the frames of TRAJECTORY, where the ground "
            "truth cannot be evaluated; once per rollout."
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="Temperature of the ensemble in K, which its bounds and free energies need."
        ),
    ] = None,
    temperature_bounds: Annotated[
        tuple[float, float],
        typer.Option(
            help="Lowest and highest temperature as multiples of --temperature; a rollout "
            "that leaves them ends there."
        ),
    ] = (0.25, 4.0),
    log: Annotated[
        list[Path] | None,
        typer.Option(help="LAMMPS log of a rollout; once per rollout. [default: beside its dump]"),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="File for the values as CSV, with a row of units.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Write g(r) of rollouts and reference (of molecules h(r)) to this PNG, PDF or SVG."
        ),
    ] = None,
    rmsd_threshold: Annotated[
        float, typer.Option(help="RMSD in A beyond which a rollout has diverged.")
    ] = 0.5,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
) -> None:
    """Score rollouts: structure, energy and force violation, transport, stability, cost."""
    # Imported here, so that `egraff --help` is instant.
    from egraff_lmp.cli.score_tables import show
    from egraff_lmp.fileio import picture_format, require_writable, write_text
    from egraff_lmp.score import Rerun, read_rollout, score_trajectory
    from egraff_lmp.score.align import concatenate
    from egraff_lmp.score.picture import draw_curves
    from egraff_lmp.score.records import RERUN_COMMITTEE, RERUN_ORACLE, RERUN_REFERENCE

    if log and len(log) != len(trajectory):
        raise EgraffError(
            f"expected one log for each of the {len(trajectory)} rollouts, got {len(log)}: give "
            "--log once per rollout, or not at all."
        )
    if oracle is not None and rerun_oracle:
        raise EgraffError(
            "expected --oracle or --rerun-oracle, got both: leave one out, as each of them gives "
            "the ground truth on the rollouts' frames."
        )
    kind = "png" if plot is None else picture_format(plot)
    for path in (csv, plot):
        if path is not None:
            require_writable(path.absolute().parent)
    truth = _with_step(_read(reference, timestep_fs), reference_timestep_fs)
    rollouts = [
        read_rollout(path, timestep_fs, [log[number]] if log else ())
        for number, path in enumerate(trajectory)
    ]
    reruns = {}
    if rerun_reference is not None:
        reruns[RERUN_REFERENCE] = Rerun(truth, _read(rerun_reference, timestep_fs))
    for name, paths in ((RERUN_ORACLE, rerun_oracle), (RERUN_COMMITTEE, rerun_committee)):
        if paths:
            frames = [one.frames for one in rollouts]
            reruns[name] = Rerun(
                concatenate([_read(path, timestep_fs) for path in paths]),
                concatenate(frames),
                lengths=tuple(map(len, frames)),
            )
    if oracle is not None:
        reruns[RERUN_ORACLE] = _asked(oracle, [one.frames for one in rollouts])
    scores = score_trajectory(
        truth,
        rollouts,
        reruns=reruns,
        mode=mode,
        r_max=r_max,
        bin_width=bin_width,
        skip=skip,
        starts=tuple(start or ()),
        temperature_kelvin=temperature,
        temperature_bounds=temperature_bounds,
        rmsd_threshold=rmsd_threshold,
        seed=seed,
    )
    if csv is not None:
        write_text(csv, scores.to_csv())
    if plot is not None:
        draw_curves(scores.curves, plot, kind)
    if as_json:
        typer.echo(scores.to_json())
    else:
        show(scores)


def _asked(oracle: str, rollouts: list[Frames]) -> Rerun:
    """A reference force field on the frames of each rollout."""
    from egraff_lmp.references.oracle import ask
    from egraff_lmp.score import Rerun
    from egraff_lmp.score.align import concatenate

    with tempfile.TemporaryDirectory(prefix="egraff-oracle-") as folder:
        truth = [ask(oracle, one, Path(folder) / str(n)) for n, one in enumerate(rollouts)]
    return Rerun(concatenate(truth), concatenate(rollouts), lengths=tuple(map(len, rollouts)))


def _with_step(frames: Frames, timestep_fs: float | None) -> Frames:
    """The reference as the series that the command line says it is.

    Raises:
        EgraffError: its file says another time between frames.
    """
    if timestep_fs is None:
        return frames
    told = frames.timestep_fs
    if told is not None and not isclose(told, timestep_fs, rel_tol=STEP_TOLERANCE):
        raise EgraffError(
            f"--reference-timestep-fs: expected the {told:g} fs between frames that "
            f"{frames.source} states, got {timestep_fs:g}: leave the option out."
        )
    return replace(frames, timestep_fs=timestep_fs)


def _read(source: str, timestep_fs: float | None) -> Frames:
    # Imported here, so that `egraff --help` is instant.
    from egraff_lmp.data.lammps_dump import read_lammps_dump
    from egraff_lmp.data.lammps_scan import is_lammps_dump
    from egraff_lmp.data.table import read_source

    path = Path(source).expanduser()
    if is_lammps_dump(path):
        return read_lammps_dump(path, timestep_fs=timestep_fs)
    return read_source(source)
