"""The figures of a matrix: their data are the numbers given, and many of them stay cheap."""

from __future__ import annotations

import csv
import io
import struct
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from matrix_synthetic import KEYS, R, T, page, traces, value_of

from egraff_lmp.report.figures import draw_all, rdf, write_files
from egraff_lmp.report.figures.base import GREYS, GROUP, Material
from egraff_lmp.report.matrix import MatrixPage, write_page
from egraff_lmp.report.plots import COLOURS
from egraff_lmp.report.record import Curve

# A page of 30 cells and 6 models stays below 10 MB; a third of the cells takes a third of that.
CELLS, MAX_MEGABYTES = 10, 3.3


def material(found: MatrixPage) -> Material:
    return Material(
        found.labels, found.models, {(c.cell, c.model): c for c in found.cells},
        {(t.cell, t.model): t for t in found.traces},
    )  # fmt: skip


def rows(text: str) -> tuple[list[str], list[dict[str, str]]]:
    lines = list(csv.DictReader(io.StringIO(text)))
    return list(lines[0].values()), lines[1:]


def test_every_family_draws_and_its_data_are_what_was_drawn() -> None:
    found = {figure.name: figure for figure in draw_all(material(page(cells=2, models=2)))}
    assert set(found) == {
        "fig3-rdf", "fig4-violation", "fig5-ev", "fig5-fv", "fig6-radar", "fig7-pairs",
        "fig8-rmsd", "fig9-rmsd", "fig8-displacement", "fig9-displacement", "stability", "cost",
    }  # fmt: skip
    for figure in found.values():
        assert figure.png.startswith(b"\x89PNG")
        assert struct.unpack(">II", figure.png[16:24]) == (figure.width, figure.height)
        assert figure.title
        assert figure.caption

    units, lines = rows(found["fig3-rdf"].csv)
    assert units[3] == "A"
    mine = [line for line in lines if (line["cell"], line["model"]) == ("cell1", "nequip")]
    given = traces(1, 0, "nequip")
    assert given.rollout is not None
    assert given.reference is not None
    assert [float(line["r"]) for line in mine] == R
    assert [float(line["rollout"]) for line in mine] == list(given.rollout.y)
    assert [float(line["reference"]) for line in mine] == list(given.reference.y)

    units, lines = rows(found["fig5-fv"].csv)
    mine = [line for line in lines if (line["cell"], line["model"]) == ("cell0", "nequip")]
    assert units[2] == "fs"
    assert [float(line["t"]) for line in mine] == T
    assert [float(line["low"]) for line in mine] == list(traces(0, 0, "nequip").over_time["fv"].low)

    _, lines = rows(found["fig4-violation"].csv)
    place = KEYS.index(("fv", "trajectory", "egraff", "", "1"))
    value = next(float(line["value"]) for line in lines
                 if (line["cell"], line["model"], line["key"], line["comparison"])
                 == ("cell1", "allegro", "fv", "trajectory"))  # fmt: skip
    assert value == value_of(1, 1, place)

    _, lines = rows(found["stability"].csv)
    assert {line["lasted"] for line in lines} == {"790.0", "400.0"}


def test_radars_are_over_the_largest_value_of_a_system() -> None:
    found = {figure.name: figure for figure in draw_all(material(page(cells=2, models=3)))}
    _, lines = rows(found["fig6-radar"].csv)
    for measure in {line["measure"] for line in lines}:
        mine = [line for line in lines if (line["cell"], line["measure"]) == ("cell1", measure)]
        largest = max(float(line["value"]) for line in mine)
        assert max(float(line["share"]) for line in mine) == 100.0
        for line in mine:
            assert abs(float(line["share"]) - 100 * float(line["value"]) / largest) < 1e-9


def test_what_is_broken_on_purpose_is_grey_and_takes_no_colour_of_the_others() -> None:
    found = page(cells=2, models=4)
    broken = {"nequip": "shuffled", "botnet": "half-cutoff"}
    cells = [replace(cell, control=broken.get(cell.model)) for cell in found.cells]
    drawn = material(replace(found, cells=cells))
    colours = {model: drawn.colour(model) for model in found.models}
    assert [colours["nequip"], colours["botnet"]] == list(GREYS)
    assert [colours["allegro"], colours["mace"]] == list(COLOURS[:2])


def test_nothing_to_draw_gives_no_figures() -> None:
    empty = replace(page(), cells=(), traces=())
    assert draw_all(material(empty)) == []


def test_many_cells_make_several_figures_and_a_page_of_sane_size(tmp_path: Path) -> None:
    path = write_page(page(cells=CELLS, models=6), tmp_path / "big.html")
    assert path.stat().st_size < MAX_MEGABYTES * 1e6
    names = sorted(p.stem for p in (tmp_path / "big-files").glob("*.png"))
    assert [n for n in names if n.startswith("fig3")] == [f"fig3-rdf-{k}" for k in range(1, 3)]
    assert GROUP * 2 >= CELLS
    assert names == sorted(p.stem for p in (tmp_path / "big-files").glob("*.csv"))


def test_figures_of_an_earlier_page_are_taken_away_and_nothing_else(tmp_path: Path) -> None:
    drawn = draw_all(material(page(cells=1, models=1)))
    (tmp_path / "notes.csv").write_text("mine")
    (tmp_path / "fig3-rdf-4.png").write_text("old")
    write_files(drawn, tmp_path)
    assert (tmp_path / "notes.csv").is_file()
    assert not (tmp_path / "fig3-rdf-4.png").exists()
    assert (tmp_path / "fig3-rdf.png").read_bytes() == drawn[0].png


def test_a_collapsed_rollout_does_not_hide_the_reference() -> None:
    found = page(cells=1, models=2)
    reference = found.traces[0].reference
    assert reference is not None

    def drawn(height: float) -> bytes:
        rollout = Curve("", R, [height for _ in R])
        both = [replace(found.traces[0], rollout=rollout), found.traces[1]]
        return next(rdf.draw(material(replace(found, traces=both)))).png

    # What lies above the cut changes nothing in the picture, what lies below does.
    cut = rdf.CUT * max(reference.y)
    assert drawn(1.2 * cut) == drawn(50 * cut)
    assert drawn(0.8 * cut) != drawn(50 * cut)
