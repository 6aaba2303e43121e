"""What the figures share: their material, their paper and pencil, their files."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from egraff_lmp.results.curves import over_time, root
from egraff_lmp.results.record import Curve, ModelResult, Results
from egraff_lmp.score.records import TRAJECTORY, TRANSPORT, Scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Dots an inch: 10.5 inches of width are sharp on a page of 74 rem, and small enough to be many.
DPI = 120
WIDTH_INCHES = 10.5
PALETTE = 128
# The reduction makes the white of the paper 253 of 255, which shows on a white page.
NEARLY_WHITE = 251
# Systems in one figure; more of them make another.
GROUP = 8
LEGEND_ROW_INCHES = 0.2
FV_TITLE = "0.7071: unrelated forces"
INK = "#1b1f24"
# Okabe and Ito's palette: told apart with every common colour vision deficiency, and in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
GREYS = ("#3f3f46", "#a1a1aa")  # of negative controls
BEYOND = "^"  # marks a negative control that lies above the scale of the ordinary models

STYLE: Any = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.edgecolor": "#57606a",
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 10,
    "grid.color": "#e4e7eb",
    "grid.linewidth": 0.7,
    "xtick.color": "#57606a",
    "ytick.color": "#57606a",
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "font.family": "DejaVu Sans",
}


def colour_of(results: Results, model: str) -> str:
    """Of a model, the same in every figure; negative controls are grey."""
    controls = {one.name for one in results.models if one.control is not None}
    alike = [m.name for m in results.models if (m.name in controls) == (model in controls)]
    colours = GREYS if model in controls else COLOURS
    return colours[alike.index(model) % len(colours)]


@dataclass(frozen=True)
class Material:
    """What there is to draw."""

    results: Results

    @cached_property
    def labels(self) -> dict[str, str]:
        """Name of a system to its title, in order."""
        return {system.name: system.label for system in self.results.systems}

    @cached_property
    def models(self) -> list[str]:
        """Names, in the order of the colours."""
        return [model.name for model in self.results.models]

    @cached_property
    def controls(self) -> set[str]:
        """Names of the negative controls."""
        return {model.name for model in self.results.models if model.control is not None}

    @cached_property
    def found(self) -> dict[tuple[str, str], ModelResult]:
        """(system, model) to what it gave."""
        return {(system.name, one.model.name): one for system, one in self.results}

    def scores(self, system: str, model: str) -> Scores | None:
        """The record of a scoring, None without one."""
        result = self.found.get((system, model))
        return None if result is None else result.scores

    def value(
        self, system: str, model: str, key: str, comparison: str, mode: str = "egraff"
    ) -> tuple[float, tuple[float, float] | None] | None:
        """A value and its interval, or None."""
        result = self.found.get((system, model))
        score = None if result is None else result.find(key, comparison, mode)
        return None if score is None or score.value is None else (score.value, score.interval)

    def curve(
        self, system: str, model: str, key: str, comparison: str = TRAJECTORY
    ) -> Curve | None:
        """A quantity over time: "ev", "fv", "rmsd", or the "displacement" over the lag."""
        scores = self.scores(system, model)
        if key == "displacement":
            return root(over_time(scores, "msd", TRANSPORT, geometric=False))
        return over_time(scores, key, comparison, geometric=key != "rmsd")

    def colour(self, model: str) -> str:
        """See `colour_of`."""
        return colour_of(self.results, model)

    def groups(self, systems: Sequence[str]) -> list[list[str]]:
        """Systems in groups of nearly equal size, none above GROUP."""
        count = -(-len(systems) // GROUP)
        size = -(-len(systems) // count) if count else 1
        return [list(systems[k : k + size]) for k in range(0, len(systems), size)]


@dataclass(frozen=True)
class PageFigure:
    """One finished figure.

    Attributes:
        name: of its files, without ending.
        title, caption: for the page.
        png: the picture.
        csv: its data: names of the columns, their units, then the rows.
        width, height: in pixels.
        section: of the page, where it stands.
    """

    name: str
    title: str
    caption: str
    png: bytes
    csv: str
    width: int
    height: int
    section: str = "figures"

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
    import matplotlib  # optional
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


def finish(
    figure: Figure, name: str, title: str, caption: str, data: str, section: str = "figures"
) -> PageFigure:
    """Render a figure, in PALETTE colours: a third of the bytes, and no eye sees it."""
    from PIL import Image  # optional

    canvas: Any = figure.canvas
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    picture = picture.quantize(PALETTE, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    palette = picture.getpalette() or []
    picture.putpalette([255 if v >= NEARLY_WHITE else v for v in palette])
    stream = io.BytesIO()
    picture.save(stream, format="png")
    return PageFigure(name, title, caption, stream.getvalue(), data, *picture.size, section)


def legend(figure: Figure, material: Material, extra: Sequence[Any] = ()) -> None:
    """One legend above all axes: a line for each model, then `extra` handles."""
    from matplotlib.lines import Line2D  # optional

    handles = [
        Line2D([], [], color=material.colour(m), lw=2.2,
               label=f"{m} †" if m in material.controls else m)
        for m in material.models
    ]  # fmt: skip
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


def dashed(label: str) -> Any:
    """A handle of a legend for a dashed line."""
    from matplotlib.lines import Line2D  # optional

    return Line2D([], [], color=INK, ls="--", lw=1, label=label)


def draw_lines(
    axis: Axes, curves: Mapping[str, Curve], material: Material, *, log: bool = False,
    top: float | None = None,
) -> None:  # fmt: skip
    """A line for each model, on the scale of the ordinary ones, or up to `top`.

    A negative control above that scale is cut off, and marked where it leaves it.
    """
    ordinary = {m: c for m, c in curves.items() if m not in material.controls}
    for model, curve in (ordinary or curves).items():
        draw_line(axis, curve, material.colour(model))
    if log and _positive(axis):
        plain_log(axis)
    if not ordinary:
        return
    axis.margins(x=0.02)
    low, high = axis.get_ylim()
    high = high if top is None else top
    for model, curve in curves.items():
        if model in ordinary:
            continue
        draw_line(axis, curve, material.colour(model))
        over = np.asarray(curve.y, dtype=float) > high
        if over.any():
            axis.plot([curve.x[int(over.argmax())]], [high], marker=BEYOND, ms=6, clip_on=False,
                      color=material.colour(model))  # fmt: skip
    axis.set_ylim(low, high)


def draw_line(axis: Axes, curve: Curve, colour: Any, label: str = "") -> None:
    """One curve with its band; a single point as a point."""
    marker = "o" if len(curve.x) == 1 else ""
    axis.plot(curve.x, curve.y, color=colour, lw=1.3, marker=marker, label=label)
    if len(curve.low):
        axis.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.16, lw=0)


def curve_rows(curve: Curve, *place: object) -> list[tuple[object, ...]]:
    """Rows of a figure's data: `place`, x, y and the band."""
    band: list[tuple[object, object]] = list(zip(curve.low, curve.high, strict=True))
    band = band or [("", "")] * len(curve.x)
    return [(*place, x, y, *b) for x, y, b in zip(curve.x, curve.y, band, strict=True)]


def _positive(axis: Axes) -> bool:
    values = [np.asarray(line.get_ydata(), dtype=float) for line in axis.get_lines()]
    return bool(values) and all(np.any(v > 0) for v in values)


def plain_log(axis: Axes, which: str = "y") -> None:
    """A logarithmic axis that reads 5, 10, 20, 50 where it spans little, else powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator  # optional

    ruler = axis.yaxis if which == "y" else axis.xaxis
    (axis.set_yscale if which == "y" else axis.set_xscale)("log")
    low, high = ruler.get_view_interval()
    if high / low > 1e3:
        return
    ruler.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0), numticks=20))
    ruler.set_minor_locator(NullLocator())
    ruler.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
