"""What the figures share: their material, their paper and pencil, their files."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from egraff_lmp.results.curves import over_time, root
from egraff_lmp.results.record import Curve, ModelResult, Results
from egraff_lmp.score.records import TRAJECTORY, TRANSPORT, Scores
from egraff_lmp.score.violation import UNCORRELATED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = tuple[object, ...]  # of a figure's data
# (system, model) to a value and its interval.
Values = dict[tuple[str, str], tuple[float, tuple[float, float] | None]]

# Dots an inch: 10.5 inches of width are sharp on a page of 74 rem, and small enough to be many.
DPI = 120
WIDTH_INCHES = 10.5
PALETTE = 128
# The reduction makes the white of the paper 253 of 255, which shows on a white page.
NEARLY_WHITE = 251
# Systems in one figure; more of them make another.
GROUP = 8
LEGEND_ROW_INCHES = 0.2
INK = "#1b1f24"
# Okabe and Ito's palette: told apart with every common colour vision deficiency, and in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
# Whose they are, so that a force field has one colour on all pages, whatever else ran beside it.
COLOURED = ("nequip", "allegro", "botnet", "mace", "equiformer", "torchmdnet")
GREYS = ("#3f3f46", "#a1a1aa")  # of negative controls
CONTROLS = "negative controls †"
THIN, WIDE = 0.7, 1.3  # lines of negative controls, and of the others
BEYOND = "^"  # marks a negative control that lies above the scale of the ordinary models

VIOLATIONS = {"ev": "energy violation", "fv": "force violation"}
_STYLE = Path(__file__).with_name("page.mplstyle")
# Name of a figure to its title, caption, section of the page, and columns of its data with units.
_WORDS = json.loads(Path(__file__).with_name("words.json").read_text(encoding="utf-8"))


def colours_of(results: Results) -> dict[str, str]:
    """Name of a model to its colour, the same in every figure; negative controls are grey.

    The first model of a force field has the colour of the force field, the others those that are
    left, and all of them again where none is.
    """
    found: dict[str, str] = {}
    own = dict(zip(COLOURED, COLOURS, strict=True))
    for one in results.models:
        if one.control is None and one.forcefield in own:
            found[one.name] = own.pop(one.forcefield)
    free = cycle([colour for colour in COLOURS if colour not in found.values()] or COLOURS)
    greys = cycle(GREYS)
    return {
        one.name: found.get(one.name) or next(free if one.control is None else greys)
        for one in results.models
    }


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

    @cached_property
    def titles(self) -> dict[str, str]:
        """Name of a model to its title: negative controls are marked."""
        return {m: f"{m} †" if m in self.controls else m for m in self.models}

    @cached_property
    def colours(self) -> dict[str, str]:
        """Title of a model to its colour, for a legend."""
        return dict(zip(self.titles.values(), colours_of(self.results).values(), strict=True))

    @cached_property
    def legend(self) -> dict[str, str]:
        """Titles and colours where the thin lines of all negative controls share one entry."""
        ordinary = {
            title: self.colours[title] for m, title in self.titles.items() if m not in self.controls
        }
        return {**ordinary, CONTROLS: GREYS[0]} if self.controls else ordinary

    def colour(self, model: str) -> str:
        """See `colours_of`."""
        return self.colours[self.titles[model]]

    def scores(self, system: str, model: str) -> Scores | None:
        """The record of a scoring, None without one."""
        result = self.found.get((system, model))
        return None if result is None else result.scores

    def values(self, key: str, comparison: str, mode: str = "egraff") -> Values:
        """Those that there are, in the order of systems and models."""
        found: Values = {}
        for place in product(self.labels, self.models):
            result = self.found.get(place)
            score = None if result is None else result.find(key, comparison, mode)
            if score is not None and score.value is not None:
                found[place] = score.value, score.interval
        return found

    def curves(self, system: str, key: str, comparison: str = TRAJECTORY) -> dict[str, Curve]:
        """A quantity over time, of every model that has it.

        It is "ev", "fv", "rmsd", or the "displacement" over the lag.
        """
        found = {}
        for model in self.models:
            scores = self.scores(system, model)
            if key == "displacement":
                curve = root(over_time(scores, "msd", TRANSPORT, geometric=False))
            else:
                curve = over_time(scores, key, comparison, geometric=key != "rmsd")
            if curve is not None:
                found[model] = curve
        return found

    def groups(self, systems: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
        """Systems in groups of nearly equal size, none above GROUP.

        Each comes after the end of its figure's name: "" where it is the only one, else a number.
        """
        count = -(-len(systems) // GROUP)
        for k in range(count):
            size = -(-len(systems) // count)
            yield f"-{k + 1}" if count > 1 else "", systems[k * size : (k + 1) * size]


@dataclass(frozen=True)
class PageFigure:
    """One finished figure.

    Attributes:
        name: of its files, without ending.
        png: the picture, `width` by `height` pixels.
        csv: its data: names of the columns, their units, then the rows.
        section: of the page, where it stands.
        title, caption: for the page.
    """

    name: str
    png: bytes
    width: int
    height: int
    csv: str
    section: str
    title: str
    caption: str

    @property
    def address(self) -> str:
        """The picture as a `data:` address."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")


@contextmanager
def paper(width: float, height: float, layout: Any = None) -> Iterator[Figure]:
    """An empty figure, in inches, and the style of the page for what is drawn on it."""
    import matplotlib  # optional
    from matplotlib.figure import Figure

    with matplotlib.rc_context(fname=_STYLE):
        yield Figure(figsize=(width, height), dpi=DPI, layout=layout)


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
    height = rows * row_inches + top + bottom
    with paper(width, height) as figure:
        axes = figure.subplots(rows, columns, squeeze=False, **subplots)
        figure.subplots_adjust(
            left=left / width, right=1 - right / width, top=1 - top / height,
            bottom=bottom / height, hspace=hspace, wspace=wspace,
        )  # fmt: skip
        yield figure, axes


@contextmanager
def panels(
    count: int, columns: int, row_inches: float, **more: Any
) -> Iterator[tuple[Figure, Sequence[Axes]]]:
    """A figure with `count` axes in rows of `columns`; further arguments as of `canvas`."""
    with canvas(-(-count // columns), columns, row_inches, **more) as (figure, axes):
        for axis in axes.flat[count:]:
            axis.set_visible(False)
        yield figure, axes.flat[:count]


def finish(
    figure: Figure,
    name: str,
    data: Sequence[Row],
    colours: Mapping[str, Any] | None = None,
    ending: str = "",
    units: Mapping[str, str] | None = None,
    note: Sequence[str] = (),
    **values: float,
) -> PageFigure:
    """Render a figure, in PALETTE colours: a third of the bytes, and no eye sees it.

    Args:
        figure: the drawing.
        name: of its words.
        data: rows of what is drawn.
        colours: names in a legend to their colours, None for no legend.
        ending: of its own name, as of `Material.groups`.
        units: of columns whose unit is that of what is drawn.
        note: sentences behind its caption.
        values: numbers in its caption.
    """
    if colours is not None:
        _legend(figure, colours)
    picture, width, height = rendered(figure)
    words, table = _WORDS[name], io.StringIO()
    columns = {**words["columns"], **(units or {})}
    caption = " ".join((words["caption"].format(**values), *note))
    csv.writer(table, lineterminator="\n").writerows([columns, columns.values(), *data])
    return PageFigure(
        name + ending, picture, width, height, table.getvalue(), words["section"],
        words["title"], caption,
    )  # fmt: skip


def rendered(figure: Figure) -> tuple[bytes, int, int]:
    """(PNG, width, height in pixels) of a drawing, in PALETTE colours."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # optional
    from PIL import Image  # optional

    sheet = FigureCanvasAgg(figure)
    sheet.draw()
    picture = Image.fromarray(np.asarray(sheet.buffer_rgba())[..., :3].copy())
    picture = picture.quantize(PALETTE, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    palette = picture.getpalette() or []
    picture.putpalette([255 if v >= NEARLY_WHITE else v for v in palette])
    png = io.BytesIO()
    picture.save(png, format="png")
    return png.getvalue(), *picture.size


def _legend(figure: Figure, colours: Mapping[str, Any]) -> None:
    """One legend above all axes: a line for each name, then what has a label in the axes."""
    from matplotlib.lines import Line2D  # optional

    handles: dict[str, Any] = {
        name: Line2D([], [], color=colour, lw=THIN if name == CONTROLS else 2.2, label=name)
        for name, colour in colours.items()
    }
    for axis in figure.axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    width, height = figure.get_size_inches()
    columns = max(1, min(len(handles), int(width / (0.42 + 0.083 * max(map(len, handles))))))
    lines = -(-len(handles) // columns)
    more = LEGEND_ROW_INCHES * (lines - 1)
    if more:  # further rows push the axes down, and do not shrink them
        old = figure.subplotpars
        taller = height + more
        figure.set_size_inches(width, taller)
        figure.subplots_adjust(
            bottom=old.bottom * height / taller, top=1 - ((1 - old.top) * height + more) / taller
        )
    figure.legend(
        handles=list(handles.values()), loc="upper center", handlelength=1.4, columnspacing=1.2,
        ncols=-(-len(handles) // lines), borderaxespad=0.15,  # lines of equal length
    )  # fmt: skip


def draw_lines(
    axis: Axes, curves: Mapping[str, Curve | None], material: Material, *place: object,
    log: bool = False, top: float | None = None,
) -> list[Row]:  # fmt: skip
    """A line for each model with a curve, on the scale of the ordinary ones, or up to `top`.

    A negative control above that scale is cut off, and marked where it leaves it.

    Returns:
        `place`, model, x, y and the band of every point.
    """
    found = {m: curve for m, curve in curves.items() if curve is not None}
    ordinary = {m: curve for m, curve in found.items() if m not in material.controls}
    shown = ordinary or found
    for model, curve in shown.items():
        draw_line(axis, curve, material.colour(model))
    if log and shown and all(any(y > 0 for y in curve.y) for curve in shown.values()):
        plain_log(axis)
    if ordinary:
        axis.margins(x=0.02)
        low, high = axis.get_ylim()
        for model in (m for m in found if m not in ordinary):
            draw_line(axis, found[model], material.colour(model), top or high, width=THIN)
        axis.set_ylim(low, top or high)
    return [row for m, curve in found.items() for row in curve_rows(curve, *place, m)]


def draw_line(
    axis: Axes, curve: Curve, colour: Any, top: float = np.inf, width: float = WIDE
) -> None:
    """One curve with its band, marked where it rises above `top`; a single point as a point."""
    marker = "o" if len(curve.x) == 1 else ""
    # Thin lines lie below the others.
    axis.plot(curve.x, curve.y, color=colour, lw=width, marker=marker, zorder=1.7 + 0.3 * width)
    if len(curve.low):
        axis.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.16, lw=0)
    beyond = next((x for x, y in zip(curve.x, curve.y, strict=True) if y > top), None)
    if beyond is not None:
        axis.plot([beyond], [top], marker=BEYOND, ms=6, clip_on=False, color=colour)


def draw_unrelated(axis: Axes) -> None:
    """The force violation of unrelated forces."""
    axis.axhline(UNCORRELATED, color=INK, lw=1, ls="--", label="0.7071: unrelated forces")


def say(axis: Axes, text: str) -> None:
    """Words in place of what is not there."""
    axis.text(0.5, 0.5, text, ha="center", va="center", color="#57606a", fontsize=8,
              transform=axis.transAxes)  # fmt: skip


def curve_rows(curve: Curve, *place: object) -> list[Row]:
    """Rows of a figure's data: `place`, x, y and the band."""
    band: list[tuple[object, object]] = list(zip(curve.low, curve.high, strict=True))
    band = band or [("", "")] * len(curve.x)
    return [(*place, x, y, *b) for x, y, b in zip(curve.x, curve.y, band, strict=True)]


def plain_log(axis: Axes, which: str = "y") -> None:
    """A logarithmic axis that reads 5, 10, 20, 50 where it spans little, else powers of ten."""
    from matplotlib.ticker import LogLocator, NullLocator  # optional

    axis.set(**{f"{which}scale": "log"})
    ruler = axis.yaxis if which == "y" else axis.xaxis
    low, high = ruler.get_view_interval()
    if high / low > 1e3:
        return
    ruler.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0), numticks=20))
    ruler.set_minor_locator(NullLocator())
    ruler.set_major_formatter("{x:g}")
