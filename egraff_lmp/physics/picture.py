"""The picture of a check: its panels in a grid, on the paper of the report's figures."""

from __future__ import annotations

from collections.abc import Sequence

from egraff_lmp.physics.record import Panel
from egraff_lmp.report.figures.base import COLOURS, INK, panels, rendered

COLUMNS = 2
WIDTH_INCHES, ROW_INCHES = 9.0, 2.3
_UNITS = {"A^3": "Å³", " mA": " mÅ", "/A": "/Å", ", A": ", Å"}


def draw(found: Sequence[Panel]) -> tuple[bytes, int, int]:
    """(PNG, width, height in pixels) of at least one panel."""
    with panels(
        len(found), COLUMNS, ROW_INCHES, width=WIDTH_INCHES, left=0.75, hspace=0.62, top=0.35,
    ) as (figure, axes):  # fmt: skip
        for axis, panel in zip(axes, found, strict=True):
            _draw_panel(axis, panel)
        return rendered(figure)


def _draw_panel(axis, panel: Panel) -> None:  # type: ignore[no-untyped-def]
    for line, colour in zip(panel.lines, COLOURS, strict=False):
        axis.plot(
            line.x, line.y, color=colour, lw=1.4, label=line.label or None,
            marker="o" if panel.points or len(line.x) == 1 else "", ms=3.5,
        )  # fmt: skip
    for (x, text), style in zip(panel.marks, (":", "--", "-."), strict=False):
        axis.axvline(x, color=INK, lw=0.9, ls=style, label=text)
    if panel.y_range is not None:
        low, high = axis.get_ylim()
        axis.set_ylim(max(low, panel.y_range[0]), min(high, panel.y_range[1]))
    axis.set_title(panel.title)
    axis.set_xlabel(_with_signs(panel.x_label))
    axis.set_ylabel(_with_signs(panel.y_label))
    if panel.marks or any(line.label for line in panel.lines):
        axis.legend(loc="best", fontsize=7.5)


def _with_signs(label: str) -> str:
    for plain, sign in _UNITS.items():
        label = label.replace(plain, sign)
    return label
