"""What the figures of a matrix share: their material, their paper and pencil, their files."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from egraff_lmp.report.plots import STYLE, colour_of
from egraff_lmp.report.traces import Traces
from egraff_lmp.report.value import CellSummary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Dots an inch: 10.5 inches of width are sharp on a page of 74 rem, and small enough to be many.
DPI = 120
WIDTH_INCHES = 10.5
COLOURS = 128
# The reduction makes the white of the paper 253 of 255, which shows on a white page.
NEARLY_WHITE = 251
# Cells in one figure; more of them make another.
GROUP = 8
GREYS = ("#3f3f46", "#a1a1aa")
LEGEND_ROW_INCHES = 0.2
FV_TITLE = "0.7071: unrelated forces"


@dataclass(frozen=True)
class Material:
    """What there is to draw.

    Attributes:
        labels: name of a cell to its title, in order.
        models: names, in the order of the colours.
        summaries: (cell, model) to its values.
        traces: (cell, model) to its curves.
    """

    labels: Mapping[str, str]
    models: Sequence[str]
    summaries: Mapping[tuple[str, str], CellSummary]
    traces: Mapping[tuple[str, str], Traces]

    def value(self, cell: str, model: str, key: str, comparison: str, mode: str = "",
              pair: str = "") -> tuple[float, tuple[float, float] | None] | None:  # fmt: skip
        """A value and its interval, or None."""
        summary = self.summaries.get((cell, model))
        found = None if summary is None else summary.find(key, comparison, mode, pair)
        if found is None or found.value is None:
            return None
        return found.value, found.interval

    def colour(self, model: str) -> str:
        """Of a model, the same in every figure; those that are broken on purpose are grey."""
        controls = {s.model for s in self.summaries.values() if s.control}
        alike = [other for other in self.models if (other in controls) == (model in controls)]
        number = alike.index(model)
        return GREYS[number % len(GREYS)] if model in controls else colour_of(number)

    def groups(self, cells: Sequence[str]) -> list[list[str]]:
        """Cells in groups of nearly equal size, none above GROUP."""
        count = -(-len(cells) // GROUP)
        size = -(-len(cells) // count) if count else 1
        return [list(cells[k : k + size]) for k in range(0, len(cells), size)]


@dataclass(frozen=True)
class PageFigure:
    """One finished figure.

    Attributes:
        name: of its files, without ending.
        title, caption: for the page.
        png: the picture.
        csv: its data: names of the columns, their units, then the rows.
        width, height: in pixels.
    """

    name: str
    title: str
    caption: str
    png: bytes
    csv: str
    width: int
    height: int

    @property
    def address(self) -> str:
        """The picture as a `data:` address."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")


def table(units: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> str:
    """CSV text: the keys of `units`, the units, then the rows."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(units)
    writer.writerow(units.values())
    writer.writerows(rows)
    return stream.getvalue()


@contextmanager
def canvas(
    rows: int,
    columns: int,
    row_inches: float,
    *,
    left: float = 0.65,
    right: float = 0.12,
    top: float = 0.45,
    bottom: float = 0.45,
    hspace: float = 0.3,
    wspace: float = 0.3,
    width: float = WIDTH_INCHES,
    **subplots: Any,
) -> Iterator[tuple[Figure, Any]]:
    """A figure with a grid of axes, margins in inches (no layout engine: many axes make it slow).

    Yields (figure, axes of shape (rows, columns)).
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = rows * row_inches + top + bottom
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), dpi=DPI)
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, squeeze=False, **subplots)
        figure.subplots_adjust(
            left=left / width, right=1 - right / width, top=1 - top / height,
            bottom=bottom / height, hspace=hspace, wspace=wspace,
        )  # fmt: skip
        yield figure, axes


def finish(figure: Figure, name: str, title: str, caption: str, data: str) -> PageFigure:
    """Render a figure, in COLOURS colours: a third of the bytes, and no eye sees it."""
    from PIL import Image

    canvas: Any = figure.canvas
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    picture = picture.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    palette = picture.getpalette() or []
    picture.putpalette([255 if v >= NEARLY_WHITE else v for v in palette])
    stream = io.BytesIO()
    picture.save(stream, format="png")
    return PageFigure(name, title, caption, stream.getvalue(), data, *picture.size)


def legend(figure: Figure, material: Material, extra: Sequence[Any] = ()) -> None:
    """One legend above all axes: a line for each model, then `extra` handles."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=material.colour(m), lw=2.2, label=m) for m in material.models]
    handles += list(extra)
    width, height = figure.get_size_inches()
    widest = max(len(str(handle.get_label())) for handle in handles)
    columns = max(1, min(len(handles), int(width / (0.42 + 0.083 * widest))))
    lines = -(-len(handles) // columns)
    columns = -(-len(handles) // lines)  # lines of equal length
    more = LEGEND_ROW_INCHES * (lines - 1)
    if more:  # further rows push the axes down, and do not shrink them
        old = figure.subplotpars
        taller = height + more
        figure.set_size_inches(width, taller)
        figure.subplots_adjust(
            bottom=old.bottom * height / taller, top=1 - ((1 - old.top) * height + more) / taller
        )
    figure.legend(
        handles=handles, loc="upper center", ncols=columns, handlelength=1.4, columnspacing=1.2,
        borderaxespad=0.15,
    )  # fmt: skip


def numbered(name: str, number: int, total: int) -> str:
    """NAME, or NAME-2 where there are several."""
    return name if total == 1 else f"{name}-{number}"


def hide_rest(axes: Iterable[Axes], used: int) -> None:
    """Take away the axes of a grid that nothing is drawn in."""
    for axis in list(axes)[used:]:
        axis.set_visible(False)
