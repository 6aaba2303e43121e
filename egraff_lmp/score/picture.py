"""Curves of the rollouts beside those of the reference, as one picture."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import atomic_path
from egraff_lmp.score.options import EGRAFF
from egraff_lmp.score.records import REFERENCE, Curves

# Name of a curve to its symbol, and to that of what it is drawn over.
SYMBOLS = {
    "g": ("g(r)", "r"), "h": ("h(r)", "r"), "S": ("S(q)", "q"), "angle": ("bond angles", "angle"),
    "n": ("atoms with n neighbours", "n"), "vdos": ("vibrations", "frequency"), "msd": ("MSD", "t"),
}  # fmt: skip
COLUMNS = 3


def draw_curves(curves: Iterable[Curves], path: Path, kind: str) -> None:
    """Write a panel of each kind of curve and part (all pairs, each pair of elements).

    Args:
        curves: of the scores; those of the `egraff` form where there are some.
        path: file to write.
        kind: its format, such as "png".

    Raises:
        EgraffError: there is no curve.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    found = list(curves)
    mode = EGRAFF if any(one.mode == EGRAFF for one in found) else "paper"
    shown: dict[tuple[str, str], list[Curves]] = {}
    for one in found:
        if one.mode == mode:
            for part in one.y:
                shown.setdefault((one.name, part), []).append(one)
    if not shown:
        raise EgraffError("--plot: expected curves of a structure, the scores have none.")
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(3.4 * columns, 2.7 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis, ((name, part), sides) in zip(axes, shown.items(), strict=False):
        for each in sides:
            style = {"color": "0.5", "lw": 2.5} if each.side == REFERENCE else {"lw": 1.2}
            axis.plot(each.x, each.y[part], label=each.side, **style)
        ordinate, abscissa = SYMBOLS.get(name, (name, "x"))
        title = ", ".join((_with_unit(ordinate, sides[0].y_unit), part))
        axis.set_title(title, fontsize="medium")
        axis.set_xlabel(_with_unit(abscissa, sides[0].x_unit))
        if name == "msd":
            axis.set(xscale="log", yscale="log")
    for axis in axes[len(shown) :]:
        axis.remove()
    figure.axes[0].legend(frameon=False, fontsize="small")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120, format=kind)


def _with_unit(symbol: str, unit: str) -> str:
    return symbol if unit == "1" else f"{symbol}, {unit}"
