"""The learning curve as a picture, from the rows of the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from egraff_lmp.fileio import atomic_path

PICTURE = "learning_curve.png"
PANELS = (
    ("loss", {"train_loss": "training", "validation_loss": "validation"}),
    ("force MAE, meV/A", {"validation_forces_mae_mev_per_angstrom": "validation"}),
    ("energy MAE, meV/atom", {"validation_energy_mae_mev_per_atom": "validation"}),
    ("learning rate", {"learning_rate": ""}),
)
STRESS = (
    "stress MAE, meV/A^3",
    {
        "validation_stress_mae_mev_per_angstrom3": "validation",
        "validation_zero_stress_mae_mev_per_angstrom3": "zero stress",
    },
)


def draw_curve(rows: Sequence[Mapping[str, float]], path: Path, second_stage: int | None) -> None:
    """Write losses, validation errors and learning rate over epochs to the PNG file `path`.

    Args:
        rows: of the log, one an epoch; nothing is drawn without any.
        path: file to write.
        second_stage: last epoch of the first stage, marked by a line, or None.
    """
    if not rows:
        return
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    panels = [*PANELS, STRESS] if all(name in row for row in rows for name in STRESS[1]) else PANELS
    height = -(-len(panels) // 2)
    figure = Figure(figsize=(8.0, 2.5 * height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(height, 2, sharex=True).flat)
    for axis in axes[len(panels) :]:
        axis.remove()
    epochs = [row["epoch"] for row in rows]
    for axis, (title, columns) in zip(axes, panels, strict=False):
        for name, label in columns.items():
            axis.plot(epochs, [row[name] for row in rows], ".-", markersize=3, label=label)
        if second_stage is not None and second_stage < len(rows):
            axis.axvline(second_stage + 0.5, color="0.6", linestyle=":")
        axis.set_title(title, fontsize="medium")
        axis.set_yscale("log")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(columns) > 1:
            axis.legend(frameon=False)
    for axis in figure.axes[-2:]:
        axis.set_xlabel("epoch")
        axis.tick_params(labelbottom=True)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")
