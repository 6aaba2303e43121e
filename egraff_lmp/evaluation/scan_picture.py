"""Scans as one picture: a panel each, the model's energies over the reference's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from egraff_lmp.evaluation.scan import Scan
from egraff_lmp.fileio import atomic_path, picture_format

COLUMNS = 3


def draw_scans(scans: Sequence[Scan], path: Path) -> None:
    """Write a panel of each scan.

    Args:
        scans: at least one.
        path: PNG, PDF or SVG file.

    Raises:
        EgraffError: another kind of file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    kind = picture_format(path)
    columns = min(COLUMNS, len(scans))
    rows = -(-len(scans) // columns)
    figure = Figure(figsize=(4.4 * columns, 3.4 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, scan in zip(axes, scans, strict=False):
        values = scan.coordinate.values
        axis.plot(values, scan.reference_mev, "o-", color="0.55", ms=4, lw=1.5, label="reference")
        axis.plot(values, scan.predicted_mev, ".-", color="#0072B2", ms=5, lw=1.2, label="model")
        axis.set_title(f"{scan.source}: MAE {scan.mae_mev:.3g} meV", fontsize="small")
        unit = f", {scan.coordinate.unit}" if scan.coordinate.unit else ""
        axis.set_xlabel(f"{scan.coordinate.name}{unit}")
        axis.set_ylabel("energy above the lowest frame, meV")
        axis.legend(frameon=False, fontsize="small")
    for axis in axes[len(scans) :]:
        axis.set_axis_off()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150, format=kind)
