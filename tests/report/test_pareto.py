"""Time against the composite: the data are the numbers given, controls take no part."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

from decided_systems import bulk, model
from synthetic_results import SHUFFLED, results

from egraff_lmp.report.figures import pareto
from egraff_lmp.report.figures.base import GROUP, Material, PageFigure
from egraff_lmp.results.record import ModelResult, Results


def of(*models: ModelResult, systems: int = 1) -> Results:
    whole = results(systems, 1)
    named = tuple(replace(bulk(*models), name=f"cell{k}") for k in range(systems))
    return replace(whole, models=tuple(one.model for one in models), systems=named)


def drawn(found: Results) -> list[PageFigure]:
    return list(pareto.draw(Material(found)))


def rows(figure: PageFigure) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(figure.csv)))[1:]


def test_its_data_are_times_composites_and_the_front() -> None:
    (figure,) = drawn(of(model("a", cost=10.0), model("b", cost=20.0)))
    assert (figure.name, figure.section) == ("pareto", "decision")
    first, second = rows(figure)
    assert (first["model"], float(first["us_per_atom_step"])) == ("a", 10.0)
    assert abs(float(first["composite"]) - 0.25) < 1e-9
    assert float(first["interval_low"]) < 0.25 < float(first["interval_high"])
    assert (first["on_front"], second["on_front"]) == ("1", "0")


def test_a_negative_control_changes_nothing() -> None:
    alone = drawn(of(model("a"), model("b", cost=20.0)))
    control = model("c", 90.0, cost=0.1, control=SHUFFLED)
    assert drawn(of(model("a"), model("b", cost=20.0), control))[0].png == alone[0].png


def test_how_far_beyond_one_that_knows_nothing_is_not_seen() -> None:
    def wrong(rmse: float) -> PageFigure:
        return drawn(of(model("a"), model("b", rmse=rmse, forces=None)))[0]

    assert wrong(2e3).png == wrong(2e6).png
    assert wrong(2e3).csv != wrong(2e6).csv


def test_without_times_there_is_no_picture() -> None:
    assert drawn(of(model("a", cost=None))) == []


def test_many_systems_are_several_figures() -> None:
    found = drawn(of(model("a"), systems=GROUP + 1))
    assert [figure.name for figure in found] == ["pareto-1", "pareto-2"]


def test_intervals_that_are_not_known_and_all_perfect_models_can_be_drawn() -> None:
    perfect = model("a", 20.0, (20.0, 20.0), vdos=0.2, rmse=0.0, forces=(0.0, 0.0))
    assert len(drawn(of(perfect))) == 1
    (figure,) = drawn(of(model("a", span=None)))
    assert rows(figure)[0]["interval_low"] == ""
