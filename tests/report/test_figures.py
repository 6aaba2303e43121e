"""The figures: their data are the numbers given, controls stretch no scale, many stay cheap."""

from __future__ import annotations

import csv
import io
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic_results import R, T, of_models, results, score, scores_of, value_of, with_scores

from egraff_lmp.report.figures import atoms, curves, draw_all, rdf, write_files
from egraff_lmp.report.figures.base import (
    BEYOND,
    COLOURS,
    CONTROLS,
    GREYS,
    GROUP,
    Material,
    PageFigure,
    canvas,
    colours_of,
    draw_lines,
)
from egraff_lmp.report.figures.heatmap import _shades
from egraff_lmp.report.page import write_page
from egraff_lmp.results.curves import over_time
from egraff_lmp.results.record import (
    Curve,
    Equivariance,
    ModelResult,
    Results,
    Snapshot,
    System,
)
from egraff_lmp.score.records import REFERENCE, RERUN_REFERENCE, ROLLOUTS, TRAJECTORY, Curves

# A page of 30 systems and 6 models stays below 10 MB; a third of the systems takes a third of that.
SYSTEMS, MAX_MEGABYTES = 10, 3.3


def drawn(found: Results) -> dict[str, PageFigure]:
    return {figure.name: figure for figure in draw_all(found)}


def given(system: int, model: int, side: str, name: str) -> Curves:
    found = scores_of(system, model).drawn(side, name)
    assert found is not None
    return found


def rows(text: str) -> tuple[list[str], list[dict[str, str]]]:
    lines = list(csv.DictReader(io.StringIO(text)))
    return list(lines[0].values()), lines[1:]


def check(figure: PageFigure) -> None:
    assert figure.png.startswith(b"\x89PNG")
    assert struct.unpack(">II", figure.png[16:24]) == (figure.width, figure.height)
    assert figure.title
    assert figure.caption


def test_every_family_draws_and_its_data_are_what_was_drawn() -> None:
    found = drawn(results(2, 3))
    assert set(found) == {
        "map", "curves", "learning-systems", "fig3-rdf", "fig4-violation", "fig5-ev", "fig5-fv",
        "fig6-radar", "fig7-pairs",
        "fig8-rmsd", "fig9-rmsd", "fig8-displacement", "fig9-displacement", "stability", "cost",
        "pareto",
    }  # fmt: skip
    for figure in found.values():
        check(figure)

    units, lines = rows(found["fig3-rdf"].csv)
    assert units[3] == "A"
    mine = [line for line in lines if (line["cell"], line["model"]) == ("cell1", "nequip")]
    assert [float(line["r"]) for line in mine] == R.tolist()
    for column, side in (("rollout", ROLLOUTS), ("reference", REFERENCE)):
        assert [float(x[column]) for x in mine] == given(1, 0, side, "h").y["total"].tolist()

    units, lines = rows(found["fig5-fv"].csv)
    mine = [line for line in lines if (line["cell"], line["model"]) == ("cell0", "nequip")]
    assert units[2] == "fs"
    assert [float(line["t"]) for line in mine] == T.tolist()
    curve = over_time(scores_of(0, 0), "fv", TRAJECTORY)
    assert curve is not None
    assert [float(line["low"]) for line in mine] == list(curve.low)

    _, lines = rows(found["fig4-violation"].csv)
    value = next(float(line["value"]) for line in lines
                 if (line["cell"], line["model"], line["key"], line["comparison"])
                 == ("cell1", "allegro", "fv", "trajectory"))  # fmt: skip
    assert value == value_of(1, 1, "fv", TRAJECTORY)

    _, lines = rows(found["stability"].csv)
    assert {line["lasted"] for line in lines} == {"790.0", "400.0"}


def test_one_system_is_looked_into() -> None:
    found = drawn(results(1, 2))
    assert {name: figure.section for name, figure in found.items()} == {
        "structure": "structure", "violation": "rollouts", "learning": "accuracy",
        "temperature": "motion", "pareto": "decision", "scattering": "structure",
        "angles": "structure", "coordination": "structure", "vibrations": "motion",
        "msd": "motion",
    }  # fmt: skip
    for figure in found.values():
        check(figure)
    _, lines = rows(found["structure"].csv)
    curve = given(0, 1, ROLLOUTS, "g").y["Cd-Te"]
    mine = [x for x in lines if (x["part"], x["of"]) == ("Cd-Te", "allegro")]
    assert [float(line["value"]) for line in mine] == curve.tolist()
    _, lines = rows(found["violation"].csv)
    assert {line["comparison"] for line in lines} == {"trajectory", "rerun-oracle"}
    _, lines = rows(found["learning"].csv)
    assert {(line["of"], line["model"]) for line in lines} >= {("force", "allegro")}
    _, lines = rows(found["temperature"].csv)
    assert {line["start"] for line in lines} == {"1", "2"}


def test_radars_are_over_the_largest_value_of_a_system() -> None:
    _, lines = rows(drawn(results(2, 3))["fig6-radar"].csv)
    for measure in {line["measure"] for line in lines}:
        mine = [line for line in lines if (line["cell"], line["measure"]) == ("cell1", measure)]
        largest = max(float(line["value"]) for line in mine)
        assert max(float(line["share"]) for line in mine) == 100.0
        for line in mine:
            assert abs(float(line["share"]) - 100 * float(line["value"]) / largest) < 1e-9


def test_negative_controls_are_grey_and_take_no_colour_of_the_others() -> None:
    whole = results(2, 4, 2)
    models = (*whole.models[2:], *whole.models[:2])
    material = Material(replace(whole, models=models))
    assert [material.colour(model.name) for model in models] == [*GREYS, *COLOURS[:2]]


def test_a_negative_control_stretches_no_scale() -> None:
    def wild(factor: float) -> dict[str, PageFigure]:
        def change(system: System, one: ModelResult) -> ModelResult:
            if one.model.control is None or one.scores is None:
                return one
            value = factor * value_of(1, 2, "fv", RERUN_REFERENCE)
            return with_scores(one, score(value, "fv", RERUN_REFERENCE))

        return drawn(of_models(results(2, 3, 1), change))

    # Of a control it is seen that it lies beyond, and not how far.
    one, other = wild(100.0), wild(1e4)
    for name in ("fig6-radar", "fig7-pairs"):
        assert one[name].png == other[name].png
        assert one[name].csv != other[name].csv
    _, lines = rows(one["fig6-radar"].csv)
    assert max(float(x["share"]) for x in lines if x["model"] == "allegro") == 100.0


def test_shades_are_those_of_the_ordinary_models() -> None:
    values = np.array([[1.0, 10.0, 1e6], [3.0, np.nan, 0.0]])
    shades, largest = _shades(values, np.array([True, True, False]))
    assert largest == 10.0
    assert shades[0].tolist() == [0.0, 1.0, 1.0]
    assert 0 < shades[1, 0] < 1
    assert np.isnan(shades[1, 1])
    assert shades[1, 2] == 0.0
    assert _shades(values[:, 2:], np.array([False]))[1] == 1e6  # nothing else to scale by


def test_nothing_to_draw_gives_no_figures() -> None:
    bare = {"scores": None, "costs": (), "rollouts": (), "training": None}
    for systems in (1, 3):
        assert draw_all(of_models(results(systems), lambda s, one: replace(one, **bare))) == []


def test_many_systems_make_several_figures_and_a_page_of_sane_size(tmp_path: Path) -> None:
    path = write_page(results(SYSTEMS, 6), tmp_path / "big.html")
    assert path.stat().st_size < MAX_MEGABYTES * 1e6
    names = sorted(p.stem for p in (tmp_path / "big-files").glob("*.png"))
    assert [n for n in names if n.startswith("fig3")] == [f"fig3-rdf-{k}" for k in range(1, 3)]
    assert GROUP * 2 >= SYSTEMS
    assert names == sorted(p.stem for p in (tmp_path / "big-files").glob("*.csv"))


def test_figures_of_an_earlier_page_are_taken_away_and_nothing_else(tmp_path: Path) -> None:
    found = draw_all(results(1, 1))
    (tmp_path / "notes.csv").write_text("mine")
    (tmp_path / "fig3-rdf-4.png").write_text("old")
    write_files(found, tmp_path)
    assert (tmp_path / "notes.csv").is_file()
    assert not (tmp_path / "fig3-rdf-4.png").exists()
    assert (tmp_path / f"{found[0].name}.png").read_bytes() == found[0].png


def test_a_collapsed_rollout_does_not_hide_the_reference() -> None:
    whole = results(1, 2)
    reference = given(0, 0, REFERENCE, "g").y["total"]

    def picture(height: float) -> bytes:
        y = {"total": np.full(len(R), height)}
        flat = Curves("g", R, "A", y, "1", 350, side=ROLLOUTS)

        def collapsed(system: System, one: ModelResult) -> ModelResult:
            if one.model.name != "nequip" or one.scores is None:
                return one
            collapsed_first = (flat, *one.scores.curves)
            return replace(one, scores=replace(one.scores, curves=collapsed_first))

        return next(rdf.draw(Material(of_models(whole, collapsed)))).png

    # What lies above the cut changes nothing in the picture, what lies below does.
    cut = rdf.CUT * float(reference.max())
    assert picture(1.2 * cut) == picture(50 * cut)
    assert picture(0.8 * cut) != picture(50 * cut)


@pytest.mark.parametrize("log", [False, True])
def test_lines_are_on_the_scale_of_the_ordinary_models(log: bool) -> None:
    material = Material(results(2, 3, 1))
    ordinary = {m: Curve([0, 1, 2], [0.1, 0.2, 0.4]) for m in material.models[:2]}
    spans = []
    for control in ({}, {material.models[2]: Curve([0, 1, 2], [0.1, 5.0, 500.0])}):
        with canvas(1, 1, 2.0) as (_, axes):
            draw_lines(axes[0, 0], {**ordinary, **control}, material, log=log)
            assert axes[0, 0].get_yscale() == ("log" if log else "linear")
            spans.append(axes[0, 0].get_ylim())
            marks = [line for line in axes[0, 0].get_lines() if line.get_marker() == BEYOND]
            assert [list(mark.get_xdata()) for mark in marks] == ([[1]] if control else [])
    assert spans[0] == spans[1]
    assert spans[0][1] < 1
    assert spans[0][0] > 0 or not log


def test_units_of_a_curve_go_from_the_score_to_the_data_of_its_figure() -> None:
    found = drawn(results(1, 2))
    for name, expected in (("vibrations", ["THz", "1/THz"]), ("angles", ["degrees", "1/degree"])):
        units, _ = rows(found[name].csv)
        assert units[2:] == expected
    _, lines = rows(drawn(results(2, 2))["curves"].csv)
    assert {(line["curve"], line["x_unit"], line["value_unit"]) for line in lines} == {
        ("g", "A", "1"), ("h", "A", "1/A"), ("S", "1/A", "1"), ("angle", "degrees", "1/degree"),
        ("n", "1", "1"), ("vdos", "THz", "1/THz"), ("msd", "fs", "A^2"),
    }  # fmt: skip


def test_a_model_without_a_curve_is_named_and_a_curve_of_nobody_has_no_figure() -> None:
    def without(*models: str) -> Results:
        def change(system: System, one: ModelResult) -> ModelResult:
            if one.model.name not in models or one.scores is None:
                return one
            left = tuple(curve for curve in one.scores.curves if curve.name != "vdos")
            return replace(one, scores=replace(one.scores, curves=left))

        return of_models(results(1, 3, 1), change)

    found = drawn(without("allegro", "botnet"))
    assert "There is no such curve of allegro and botnet †." in found["vibrations"].caption
    assert "no such curve" not in found["scattering"].caption
    assert "vibrations" not in drawn(without("nequip", "allegro", "botnet"))


def test_negative_controls_are_thin_below_the_others_and_share_a_line_of_the_legend() -> None:
    material = Material(results(1, 4, 2))
    assert list(material.legend) == ["nequip", "allegro", CONTROLS]
    (system,) = material.results.systems
    kind = curves.KINDS[0]
    with canvas(1, 1, 2.0) as (_, axes):
        curves.draw_panel(
            axes[0, 0], material, kind, given(0, 0, REFERENCE, "g"), kind.reference(system),
            kind.rollouts(system), "total",
        )  # fmt: skip
        drawn_lines = [x for x in axes[0, 0].get_lines() if len(x.get_xdata()) > 2]
    widths = {line.get_color(): (line.get_linewidth(), line.get_zorder()) for line in drawn_lines}
    thick = [widths[colour] for colour in COLOURS[:2]]
    thin = [widths[colour] for colour in GREYS]
    assert max(thin) < min(thick)
    assert max(order for _, order in thin) < min(order for _, order in thick)


def test_parts_beyond_the_panels_of_a_figure_are_in_its_data() -> None:
    parts = [f"part{k}" for k in range(curves.MAX_PANELS + 2)]

    def change(system: System, one: ModelResult) -> ModelResult:
        assert one.scores is not None
        found = tuple(replace(c, y=dict.fromkeys(parts, c.y["total"])) for c in one.scores.curves)
        return replace(one, scores=replace(one.scores, curves=found))

    figure = drawn(of_models(results(1, 1), change))["angles"]
    assert "The data hold 2 more parts than are drawn." in figure.caption
    assert {line["part"] for line in rows(figure.csv)[1]} == set(parts)


def test_a_force_field_has_its_colour_whatever_ran_beside_it() -> None:
    whole = results(1, 6)
    alone = replace(whole, models=whole.models[3:5])
    twice = replace(whole, models=(replace(whole.models[0], name="other"), *whole.models))
    for found in (alone, twice):
        colours = colours_of(found)
        assert all(colours[m.name] == colours_of(whole)[m.name] for m in whole.models[3:5])
    assert len(set(colours_of(whole).values())) == 6
    # The first of two of one force field has its colour, the other one that is left.
    pair = colours_of(replace(twice, models=twice.models[:3]))
    assert pair["other"] == COLOURS[0]
    assert len(set(pair.values())) == 3


FRAME = Snapshot(
    ("O", "H", "H"), [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]], np.zeros((3, 3)).tolist(),
    [[0, 0, 1.0], [0, 0, -0.5], [0, 0, -0.5]],
)  # fmt: skip


def test_systems_and_a_rotation_are_drawn_where_a_frame_is_known() -> None:
    def turned(system: System, one: ModelResult) -> ModelResult:
        return replace(one, equivariance=Equivariance(1e-3, 2e-3, 500.0))

    whole = of_models(results(3, 2), turned)
    known = [
        replace(one, reference=replace(one.reference, first=FRAME)) for one in whole.systems[1:]
    ]
    last = replace(known[-1].models[-1], equivariance=None)
    known[-1] = replace(known[-1], models=(*known[-1].models[:-1], last))
    found = drawn(replace(whole, systems=(whole.systems[0], *known)))
    for name in ("fig1-rotation", "fig2-systems"):
        check(found[name])
        assert {line["cell"] for line in rows(found[name].csv)[1]} == {"cell1", "cell2"}
    _, lines = rows(found["fig1-rotation"].csv)
    assert {(x["rotation"], x["inversion"], x["rms_force"]) for x in lines} == {
        ("0.001", "0.002", "500.0")
    }
    assert len(lines) == 3
    assert "Not measured of allegro." in found["fig1-rotation"].caption


def test_bonds_of_water_and_edges_of_a_cell() -> None:
    radii = np.array([0.66, 0.31, 0.31])
    assert atoms.bonds(np.array(FRAME.positions), radii).tolist() == [[0, 1], [0, 2]]
    edges = atoms.cell_edges(np.diag([1.0, 2.0, 3.0]))
    assert sorted(np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1)) == [1] * 4 + [2] * 4 + [3] * 4
    # Views are rotations: lengths stay, and a hand stays a hand.
    for matrix in (atoms.view(), atoms.turn()):
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(matrix) == pytest.approx(1)
