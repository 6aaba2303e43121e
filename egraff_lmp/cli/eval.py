"""`egraff eval`: errors of a deployed file on labelled frames."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Sequence
from contextlib import nullcontext
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from egraff_lmp.cli.console import counting, output, print_json
from egraff_lmp.cli.task import Json
from egraff_lmp.errors import EgraffError

if TYPE_CHECKING:
    from egraff_lmp.data.collection import Collection
    from egraff_lmp.data.label_names import LabelKeys
    from egraff_lmp.evaluation.errors import FrameResult, GroupErrors
    from egraff_lmp.evaluation.scan import Coordinate, Scan


class Units(str, Enum):
    """What forces are that seem to be in another unit; as `data: {units}` of a training."""

    error = "error"
    warn = "warn"


def command(
    model: Annotated[Path, typer.Argument(help="File written by `egraff deploy`.")],
    data: Annotated[
        list[str],
        typer.Argument(
            help="Labelled frames: files that egraff or ASE reads, of one or several compositions, "
            "or SET:PART such as gete:val."
        ),
    ],
    energy_key: Annotated[
        str | None, typer.Option(help="Name of the energies in files that ASE reads.")
    ] = None,
    forces_key: Annotated[str | None, typer.Option(help="Name of the forces, likewise.")] = None,
    stress_key: Annotated[str | None, typer.Option(help="Name of the stresses, likewise.")] = None,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write the errors of each frame to this CSV file.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Write predictions against references, or scans, to this PNG, PDF or SVG file."
        ),
    ] = None,
    scan: Annotated[
        bool,
        typer.Option(
            "--scan",
            help="Compare energies along each file, whose frames are a scan in order, relative to "
            "its lowest frame.",
        ),
    ] = False,
    torsion: Annotated[
        str | None,
        typer.Option(
            help="Atoms of the dihedral angle that a scan turns, counted from 1, such as 2,7,8,9; "
            "by default the one that turns most."
        ),
    ] = None,
    units: Annotated[
        Units,
        typer.Option(help="What forces are that seem to be in kcal/mol/A: an error, or a warning."),
    ] = Units.error,
    as_json: Json = False,
) -> None:
    """Print errors of energy, forces and stress, per composition and per element.

    Evaluates in Python on the CPU. This runs the model: a TorchScript file is a program, so
    evaluate only files that you trust.
    """
    from egraff_lmp.data.label_names import LabelKeys
    from egraff_lmp.deployed import DeployedModel
    from egraff_lmp.evaluation.errors import evaluate_frames, group_errors
    from egraff_lmp.fileio import picture_format, require_writable

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if plot is not None:
        picture_format(plot)
    for path in (csv_file, plot):
        if path is not None:
            require_writable(path.absolute().parent)
    if torsion is not None and not scan:
        raise EgraffError("expected --torsion with --scan, got it alone: add --scan.")
    keys = LabelKeys(energy_key, forces_key, stress_key)
    sources = [_read(source, keys, units) for source in data]
    coordinates = _coordinates(sources, torsion) if scan else []
    deployed = DeployedModel(model)
    with counting("frames") as progress:
        results = evaluate_frames(deployed, sources, progress)
    groups = group_errors(results)
    scans = _scans(data, sources, coordinates, results) if scan else []
    _write(results, scans, csv_file, plot)
    if as_json:
        facts = {
            "model": model.name,
            "sha256": deployed.sha256,
            "data": data,
            "groups": [group.as_dict() for group in groups],
        }
        print_json(facts | ({"scans": [one.as_dict() for one in scans]} if scan else {}))
        return
    _print_scans(scans) if scan else _print(groups, results)
    for path in (csv_file, plot):
        if path is not None:
            output.print(str(path), soft_wrap=True, highlight=False, markup=False)


def _coordinates(sources: Sequence[Collection], torsion: str | None) -> list[Coordinate]:
    """Where the frames of each scan stand; what is no scan fails here, before the work."""
    from egraff_lmp.evaluation.scan import coordinate_of, scan_frames
    from egraff_lmp.metadynamics import torsion_of

    found = []
    for source in sources:
        frames = scan_frames(source)
        named = (
            None if torsion is None else torsion_of(torsion, frames.species, frames.positions[0])
        )
        found.append(coordinate_of(source, None if named is None else named.atoms))
    return found


def _scans(
    data: Sequence[str],
    sources: Sequence[Collection],
    coordinates: Sequence[Coordinate],
    results: Sequence[FrameResult],
) -> list[Scan]:
    """Each source with its own part of the results."""
    from egraff_lmp.evaluation.scan import compare

    found, first = [], 0
    for name, source, coordinate in zip(data, sources, coordinates, strict=True):
        last = first + len(source)
        found.append(compare(name, coordinate, results[first:last]))
        first = last
    return found


def _write(
    results: Sequence[FrameResult], scans: Sequence[Scan], csv_file: Path | None, plot: Path | None
) -> None:
    from egraff_lmp.evaluation.errors import frame_rows
    from egraff_lmp.evaluation.parity import draw_parity
    from egraff_lmp.evaluation.scan_picture import draw_scans
    from egraff_lmp.fileio import write_text

    if csv_file is not None:
        rows = list(frame_rows(results))
        if scans:
            along = [row for one in scans for row in one.rows()]
            rows = [frame | more for frame, more in zip(rows, along, strict=True)]
        write_text(csv_file, _csv(rows))
    if plot is not None and scans:
        draw_scans(scans, plot)
    elif plot is not None:
        draw_parity(results, plot)


def _read(source: str, keys: LabelKeys, units: Units) -> Collection:
    """Labelled frames.

    Raises:
        EgraffError: they cannot be read, or seem to be in another unit and that is an error.
    """
    from egraff_lmp.data.check import unit_suspicion, units_are_judged
    from egraff_lmp.data.table import collect_source

    with units_are_judged() if units is Units.error else nullcontext():
        found = collect_source(source, keys=keys)
    doubts = [said for frames in found.groups if (said := unit_suspicion(frames)) is not None]
    if doubts and units is Units.error:
        raise EgraffError(f"{doubts[0]} If they are right, say `--units warn`.")
    return found


def _csv(rows: Sequence[dict[str, object]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _print(groups: Sequence[GroupErrors], results: Sequence[FrameResult]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("mean absolute errors", overflow="fold")
    table.add_column("frames", justify="right")
    table.add_column("energy\nmeV/atom", justify="right", no_wrap=True)
    table.add_column("forces\nmeV/A", justify="right", no_wrap=True)
    table.add_column("zero\nforces", justify="right", no_wrap=True)
    stressed = any(each.stress is not None for each in results)
    if stressed:
        table.add_column("stress\nmeV/A^3", justify="right", no_wrap=True)
        table.add_column("zero\nstress", justify="right", no_wrap=True)
    for group in groups:
        cells = [
            group.name,
            str(group.n_frames),
            _number(group.energy_mae_mev_per_atom),
            _number(group.forces_mae_mev_per_angstrom),
            _number(group.zero_forces_mae_mev_per_angstrom),
        ]
        if stressed:
            cells.append(_number(group.stress_mae_mev_per_angstrom3))
            cells.append(_number(group.zero_stress_mae_mev_per_angstrom3))
        table.add_row(*cells)
    output.print(table)
    whole = groups[0]
    output.print(
        f"Root mean square: energy {_number(whole.energy_rmse_mev_per_atom)} meV/atom, forces "
        f"{_number(whole.forces_rmse_mev_per_angstrom)} meV/A. Without the mean error of each "
        f"composition the energy MAE is {_number(whole.energy_offset_free_mae_mev_per_atom)} "
        "meV/atom. The largest force error of an atom is "
        f"{_number(whole.largest_force_error_mev_per_angstrom)} meV/A.",
        highlight=False,
    )


def _print_scans(scans: Sequence[Scan]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("energies above the lowest frame", overflow="fold")
    for heading in (
        "frames", "MAE\nmeV", "largest\nerror, meV", "at", "barrier\nmeV", "model's\nmeV",
    ):  # fmt: skip
        table.add_column(heading, justify="right", no_wrap=True)
    for one in scans:
        place = one.coordinate
        low, high = place.values.min(), place.values.max()
        words = f"{place.name}, {low:.0f} to {high:.0f} {place.unit}".rstrip()
        numbers = (
            one.mae_mev,
            one.largest_error_mev,
            one.largest_error_at,
            one.reference_barrier_mev,
            one.predicted_barrier_mev,
        )
        n_frames = str(len(one.reference_mev))
        table.add_row(f"{one.source}\n{words}", n_frames, *map(_number, numbers))
    output.print(table)
    output.print(
        "Energies are of all atoms, and relative to the lowest frame of each curve; a barrier is "
        "the height of the highest frame.",
        highlight=False,
    )


def _number(value: float) -> str:
    return "-" if value != value else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
