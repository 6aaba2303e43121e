"""The figures of a page, one file a family, one row each in the table below.

A family is a function of the `Material` that yields finished figures, none where it has nothing to
draw: most of them compare several systems, those of `single` look into one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from egraff_lmp.fileio import atomic_path, write_text
from egraff_lmp.report.figures import (
    atoms,
    cost,
    curves,
    endurance,
    heatmap,
    overtime,
    pairs,
    pareto,
    radar,
    rdf,
    single,
    violation,
)
from egraff_lmp.report.figures.base import Material, PageFigure
from egraff_lmp.results.record import Results

Family = Callable[[Material], Iterator[PageFigure]]
OF_ONE: tuple[Family, ...] = (
    pareto.draw,
    curves.draw_parts,
    single.draw_violation,
    single.draw_learning,
    single.draw_temperature,
    atoms.draw_rotation,
)
CHEAP: tuple[Family, ...] = (heatmap.draw,)  # drawn while systems are still run
OF_SEVERAL: tuple[Family, ...] = (
    pareto.draw,
    *CHEAP,
    atoms.draw_rotation,
    atoms.draw_systems,
    rdf.draw,
    curves.draw_systems,
    violation.draw,
    overtime.draw_violation,
    radar.draw,
    pairs.draw,
    overtime.draw_deviation,
    overtime.draw_learning,
    endurance.draw,
    cost.draw,
)
# Figures that an earlier page wrote, to be taken away where they are no more.
_OURS = ("pareto", "pareto-[0-9]", "fig[1-9]-*", "stability", "cost", "map", "structure",
         "violation", "learning", "temperature", "scattering", "angles", "coordination",
         "vibrations", "msd", "curves", "curves-[0-9]", "learning-*")  # fmt: skip


def draw_all(results: Results, cheap: bool = False) -> list[PageFigure]:
    """Every figure that there is material for; with `cheap`, those that take no time."""
    families = OF_ONE if len(results.systems) == 1 else OF_SEVERAL
    material = Material(results)
    return [
        figure for family in families if not cheap or family in CHEAP for figure in family(material)
    ]


def write_files(figures: Iterable[PageFigure], folder: Path) -> None:
    """Write NAME.png and NAME.csv of every figure, and take away those of an earlier page."""
    folder.mkdir(parents=True, exist_ok=True)
    written = set()
    for figure in figures:
        with atomic_path(folder / f"{figure.name}.png") as path:
            path.write_bytes(figure.png)
        write_text(folder / f"{figure.name}.csv", figure.csv)
        written.add(figure.name)
    for pattern in _OURS:
        for ending in ("png", "csv"):
            for path in folder.glob(f"{pattern}.{ending}"):
                if path.stem not in written:
                    path.unlink()
