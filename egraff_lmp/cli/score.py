"""`egraff score`: rollouts against a reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from egraff_lmp.cli.console import output
from egraff_lmp.errors import EgraffError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from egraff_lmp.data.frames import Frames
    from egraff_lmp.score import Score, Scores
    from egraff_lmp.score.cost import Cost

_TITLES = {
    "structure": "Structure",
    "trajectory": "Rollout at time t against reference at time t",
    "rerun-reference": "Model re-evaluated on reference frames",
    "rerun-oracle": "Reference potential (or a committee) re-evaluated on rollout frames",
    "transport": "Transport",
    "stability": "Stability",
}


def command(
    reference: Annotated[
        str, typer.Argument(help="Ground truth: a file, a folder, or SET:PART (gete:test).")
    ],
    trajectory: Annotated[
        list[str], typer.Argument(help="Rollouts of one model, one for each independent start.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
    mode: Annotated[str, typer.Option(help="Form of the metrics: egraff, paper or both.")] = "both",
    r_max: Annotated[
        float | None,
        typer.Option("--r-max", help="Range of g(r) in A, at most half a cell height."),
    ] = None,
    bin_width: Annotated[float, typer.Option("--bin", help="Bin width of g(r) in A.")] = 0.05,
    skip: Annotated[int, typer.Option(help="Frames left out at the start of each rollout.")] = 0,
    timestep_fs: Annotated[
        float | None,
        typer.Option(help="MD time step of dumps in fs, where thermo.csv does not tell it."),
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
        typer.Option(
            help="The ground truth's, or a committee's, on the frames of TRAJECTORY; once per "
            "rollout."
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="Of the ensemble in K, for its bounds and for free energies."),
    ] = None,
    temperature_bounds: Annotated[
        tuple[float, float],
        typer.Option(help="Multiples of --temperature; a run that leaves them ends there."),
    ] = (0.25, 4.0),
    log: Annotated[
        list[Path] | None,
        typer.Option(help="LAMMPS log of a rollout; once per rollout. [default: beside its dump]"),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write the values here, with a row of units.")
    ] = None,
    rmsd_threshold: Annotated[
        float, typer.Option(help="RMSD in A beyond which a rollout has diverged.")
    ] = 0.5,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
) -> None:
    """Score rollouts: structure, energy and force violation, transport, stability, cost."""
    from egraff_lmp.fileio import write_text
    from egraff_lmp.score import score_trajectory
    from egraff_lmp.score.align import concatenate
    from egraff_lmp.score.records import RERUN_ORACLE, RERUN_REFERENCE
    from egraff_lmp.score.rollout import read_rollout

    if log and len(log) != len(trajectory):
        raise EgraffError(
            f"expected one log for each of the {len(trajectory)} rollouts, got {len(log)}: give "
            "--log once per rollout, or not at all."
        )
    truth = _read(reference, timestep_fs)
    ran = [
        read_rollout(path, timestep_fs, [log[number]] if log else ())
        for number, path in enumerate(trajectory)
    ]
    rollouts = [one.frames for one in ran]
    reruns = {}
    if rerun_reference is not None:
        reruns[RERUN_REFERENCE] = (truth, _read(rerun_reference, timestep_fs))
    if rerun_oracle:
        oracle = concatenate([_read(path, timestep_fs) for path in rerun_oracle])
        reruns[RERUN_ORACLE] = (oracle, concatenate(rollouts))
    scores = score_trajectory(
        truth,
        rollouts,
        reruns=reruns,
        temperatures=[one.temperature_kelvin for one in ran],
        ends=[one.end for one in ran],
        costs=[one.cost for one in ran],
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
    if as_json:
        typer.echo(scores.to_json())
    else:
        _show(scores)


def _read(source: str, timestep_fs: float | None) -> Frames:
    from egraff_lmp.data.lammps_dump import read_lammps_dump
    from egraff_lmp.data.lammps_scan import is_lammps_dump
    from egraff_lmp.data.table import read_source

    path = Path(source).expanduser()
    if is_lammps_dump(path):
        return read_lammps_dump(path, timestep_fs=timestep_fs)
    return read_source(source)


def _show(scores: Scores) -> None:
    from egraff_lmp.score.records import FLOOR

    _line("Reference", scores.reference)
    for number, rollout in enumerate(scores.trajectories, 1):
        _line(f"Rollout {number}", rollout)
    confidence = f"{100 * scores.settings['confidence']:g} %"
    groups: dict[tuple[str, str], list[Score]] = {}
    for score in scores.scores:
        groups.setdefault((score.comparison, score.mode), []).append(score)
    shown: set[tuple[str, str]] = set()
    for (comparison, mode), group in groups.items():
        notes = _notes(group)
        if all(score.value is None for score in group):
            if (comparison, notes[0]) not in shown:
                _text(f"\n{_TITLES[comparison]}", style="bold")
                _text("; ".join(notes), indent=2)
                shown.add((comparison, notes[0]))
            continue
        _text(f"\n{_TITLES[comparison]} ({mode} mode)", style="bold")
        output.print(_table(group, confidence))
        for line in [*_remarks(group), *notes]:
            _text(line, indent=2)
    if any(scores.costs):
        _text("\nCost", style="bold")
        output.print(_costs(scores.costs))
        for machine in dict.fromkeys(cost.machine for cost in scores.costs if cost):
            _text(machine, indent=2)
    _text(f"\nFloor: {FLOOR}. Intervals: block bootstrap.")


def _line(title: str, described: object) -> None:
    facts = dict(described)  # type: ignore[call-overload]
    step = f", every {facts['timestep_fs']:g} fs" if facts["timestep_fs"] else ""
    _text(f"{title}: {facts['source']}")
    _text(f"{facts['n_frames']} frames of {facts['formula']}{step}", indent=2)


def _table(group: list[Score], confidence: str) -> Table:
    from rich import box
    from rich.table import Table

    from egraff_lmp.score import METRICS
    from egraff_lmp.score.table import VIOLATION_INPUTS

    # Of violations reference against reference is what unrelated frames give: no lower bound.
    violations = any(METRICS[score.key].input in VIOLATION_INPUTS for score in group)
    against_itself = "unrelated" if violations else "floor"
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    pairs = any(score.pair not in ("", "total") for score in group)
    table.add_column("metric")
    if pairs:
        table.add_column("pair", no_wrap=True)
    for name in ("value", confidence, against_itself):
        table.add_column(name, justify="right", no_wrap=True)
    for score in group:
        unit = "" if score.unit == "1" else f" {score.unit}"
        interval = "-" if score.interval is None else "..".join(map(_short, score.interval))
        table.add_row(
            METRICS[score.key].label + unit,
            *([score.pair] if pairs else []),
            _number(score.value),
            interval,
            _number(score.floor),
        )
    return table


def _costs(costs: Sequence[Cost | None]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("rollout", "steps", "ms/step", "us/atom/step", "steps/s", "ns/day"):
        table.add_column(name, justify="right", no_wrap=True)
    for number, cost in enumerate(costs, 1):
        if cost is None:
            table.add_row(str(number), *"-----")
            continue
        values = (cost.ms_per_step, cost.us_per_atom_and_step, cost.frames_per_second)
        table.add_row(
            str(number), str(cost.n_steps), *map(_number, values), _number(cost.ns_per_day)
        )
    return table


def _remarks(group: list[Score]) -> list[str]:
    """Window, frames and limits, said once for a table."""
    from egraff_lmp.score import METRICS

    first = next(score for score in group if score.value is not None)
    starts = f", {first.n_starts} starts" if first.n_starts and first.n_starts > 1 else ""
    lines = [
        first.window,
        f"{first.n_frames} frames against {first.n_frames_reference}{starts}; intervals over "
        f"{first.resampled}",
    ]
    for what, counted in (
        ("agree exactly and are left out", [score.n_zero for score in group]),
        ("failed (not finite) and are left out", [score.n_failed for score in group]),
    ):
        if max(counted):
            lines.append(f"{max(counted)} frames {what}")
    for score in group:
        metric = METRICS[score.key]
        told = metric.uncorrelated is not None and f"{metric.uncorrelated:.4f}" in score.note
        if metric.uncorrelated is not None and score.comparison == "trajectory" and not told:
            lines.append(f"{metric.label} of unrelated frames: {metric.uncorrelated:.4f}")
        if metric.accepted_below and score.pair == "total" and score.value is not None:
            verdict = "passes" if score.value < metric.accepted_below else "fails"
            lines.append(f"{metric.label} total {verdict} the {metric.accepted_below:g} % rule")
    return lines


def _notes(group: list[Score]) -> list[str]:
    """What the scores of a table say besides, each thing once, with its row where rows differ."""
    distinct = list(dict.fromkeys(score.note for score in group if score.note))
    if len(distinct) < 2 or group[0].comparison != "transport":
        # One line for each rollout that ended early.
        apart = group[0].comparison == "stability"
        return [line for note in distinct for line in (note.split("; ") if apart else [note])]
    return [f"{score.pair}: {score.note}" for score in group if score.note]


def _short(value: float) -> str:
    """Three digits, whole numbers from 1000 on."""
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _text(text: str, style: str = "", indent: int = 0) -> None:
    from rich.padding import Padding
    from rich.text import Text

    output.print(Padding(Text(text, style=style), (0, 0, 0, indent)))
