"""Curves of the rollouts beside those of the reference, as one picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import atomic_path
from egraff_lmp.score.options import EGRAFF
from egraff_lmp.score.records import Curves

TITLES = {
    "g": "g(r)", "h": "h(r), 1/A", "S": "S(q)", "angle": "bond angles, 1/degree",
    "n": "atoms with n neighbours",
}  # fmt: skip
AXES = {"S": "q, 1/A", "angle": "angle, degrees", "n": "n"}
COLUMNS = 3


def draw_curves(curves: Mapping[str, Curves], path: Path, kind: str) -> None:
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

    mode = EGRAFF if any(name.startswith(EGRAFF) for name in curves) else "paper"
    shown: dict[tuple[str, str], dict[str, Curves]] = {}
    for name, each in curves.items():
        if name.startswith(f"{mode} "):
            for part in each.g:
                shown.setdefault((each.kind, part), {})[name.split()[-1]] = each
    if not shown:
        raise EgraffError("--plot: expected curves of a structure, the scores have none.")
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(3.4 * columns, 2.7 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis, ((kind_of, part), sides) in zip(axes, shown.items(), strict=False):
        for name, each in sides.items():
            style = {"color": "0.5", "lw": 2.5} if name == "reference" else {"lw": 1.2}
            axis.plot(each.r, each.g[part], label=name, **style)
        axis.set_title(f"{TITLES.get(kind_of, kind_of)}, {part}", fontsize="medium")
        axis.set_xlabel(AXES.get(kind_of, "r, A"))
    for axis in axes[len(shown) :]:
        axis.remove()
    figure.axes[0].legend(frameon=False, fontsize="small")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120, format=kind)
