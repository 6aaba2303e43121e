"""The rebuilt tables: which number stands where, means over systems, reasons for dashes."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import Any

import pytest
from synthetic_results import SHUFFLED, of_models, results, score, value_of, with_scores

from egraff_lmp.report.base import Page
from egraff_lmp.report.numbers import DASH, number
from egraff_lmp.report.printed import Paper, papers
from egraff_lmp.report.sections.paper import fields_of, paper, rebuilt, untouched
from egraff_lmp.results.record import FAILED, Model, PaperRow, Results, Trouble
from egraff_lmp.score.records import COST, RERUN_REFERENCE, STRUCTURE, TRAJECTORY, TRANSPORT

OURS, FU = papers()


def tables(found: Results, of: Paper = OURS) -> dict[str, Any]:
    return {table["key"]: table for table in rebuilt(of, found.systems, found.models)}


def entry(found: dict[str, Any], table: str, metric: str, row: str, column: int) -> Any:
    part = next(p for p in found[table]["parts"] if p["metric"] == metric)
    line = next(line for line in part["rows"] if line["label"] == row)
    return line["entries"][column]["parts"]


@pytest.mark.parametrize(
    ("table", "metric", "ours", "own", "factor"),
    [
        ("T1", "energy_mae", ("energy_mae_structure", RERUN_REFERENCE),
         ("energy_mae", RERUN_REFERENCE), 1),
        ("T1", "force_mae", ("force_mae", RERUN_REFERENCE), ("force_mae", RERUN_REFERENCE), 1),
        ("T2", "jsd", ("jsd_raw", STRUCTURE), ("jsd", STRUCTURE), 1),
        ("T2", "wf", ("wf_unrooted", STRUCTURE), ("wf", STRUCTURE), 1),
        ("T3", "ev", ("ev_released", TRAJECTORY), ("ev", RERUN_REFERENCE), 1e5),
        ("T3", "fv", ("fv", TRAJECTORY), ("fv", RERUN_REFERENCE), 1),
        ("T4", "train_time", ("training_time_epoch", COST), ("training_time", COST), 1),
        ("T4", "inference_time_1000_steps", ("minutes_per_1000_steps", COST),
         ("us_per_atom_step", COST), 1),
    ],
)  # fmt: skip
def test_both_forms_and_the_printed_number_stand_in_their_places(
    table: str, metric: str, ours: Any, own: Any, factor: float
) -> None:
    first, second, printed = entry(tables(results()), table, metric, "GeTe", 0)
    assert first["text"] == number(factor * value_of(0, 0, *ours, "paper", "total"))
    assert second["text"] == number(value_of(0, 0, *own, "egraff", "total"))
    assert printed["text"] != DASH


def test_a_row_of_several_systems_is_their_mean_and_says_how_many() -> None:
    found = tables(results())
    first, _, _ = entry(found, "T2", "jsd", "LiPS20", 0)
    values = [value_of(c, 0, "jsd_raw", STRUCTURE, "paper", "total") for c in (3, 4)]
    mean = sum(values) / 2
    assert float(first["sort"]) == pytest.approx(mean, rel=1e-12)
    # Intervals reach 10 % below and 20 % above each value; independent errors add in squares.
    spread = sqrt(sum(v * v for v in values)) / 2
    expected = f"{number(mean - 0.1 * spread)}\u202f–\u202f{number(mean + 0.2 * spread)}"
    assert first["aside"] == expected
    assert "mean of 2 of 2 systems" in first["hint"]
    rows = found["T2"]["parts"][0]["rows"]
    assert [r["count"] for r in rows if r["label"] == "LiPS20"] == ["mean of 2"]


def test_a_system_without_results_is_left_out_of_the_mean_and_named() -> None:
    lost = Trouble("rollout-nequip-1", "lost atoms.")

    def change(system: Any, one: Any) -> Any:
        if (system.name, one.model.name) != ("cell3", "nequip"):
            return one
        return replace(one, scores=None, costs=(), state=FAILED, troubles=(lost,))

    first, _, _ = entry(tables(of_models(results(), change)), "T2", "jsd", "LiPS20", 0)
    alone = value_of(4, 0, "jsd_raw", STRUCTURE, "paper", "total")
    assert first["text"] == f"{number(alone)} (1/2)"
    assert "without cell3: rollout-nequip-1: lost atoms." in first["hint"]


def test_dashes_say_why() -> None:
    found = tables(results(models=5))
    reasons = {
        "no run": entry(found, "T2", "wf", "Ethanol", 0)[0],
        "not run": entry(found, "T2", "wf", "GeTe", 4)[0],
        "no model": entry(found, "T2", "wf", "GeTe", 5)[0],
        "unprinted": entry(found, "T2", "wf", "GeTe", 4)[2],
        "no text": entry(found, "T7b", "wf", "LiPS20, Train structures", 0)[2],
    }
    assert {r["text"] for r in reasons.values()} == {DASH}
    assert {r["sort"] for r in reasons.values()} == {""}
    assert reasons["no run"]["hint"] == "no system of this run stands for this row"
    assert "not run yet" in reasons["not run"]["hint"]
    assert reasons["no model"]["hint"] == "this force field is not part of this run"
    assert reasons["unprinted"]["hint"] == "no number in the paper"
    assert reasons["no text"]["hint"] == "no number in the paper"


def test_models_of_one_force_field_have_columns_of_their_own_and_controls_none() -> None:
    models = (Model("small", "mace"), Model("wrong", "mace", SHUFFLED), Model("nequip", "nequip"))
    first = fields_of(OURS, OURS.tables[0], models)
    assert [(f.title, f.printed, f.model) for f in first] == [
        ("small", "MACE", "small"),
        ("nequip", "NEQUIP", "nequip"),
        ("ALLEGRO", "ALLEGRO", None),
        ("BOTNET", "BOTNET", None),
        ("EQUIFORMER", "EQUIFORMER", None),
        ("TORCHMDNET", "TORCHMDNET", None),
    ]


def test_tables_in_which_nothing_stands_are_named_and_not_drawn() -> None:
    alone = results(systems=1)
    assert list(tables(alone)) == ["T1", "T2", "T3", "T4"]
    assert [title.split(":")[0] for title in untouched(OURS, alone.systems)] == [
        "Table 5", "Table 6", "Table 7a", "Table 7b", "Table 17", "Table 18", "Table 19",
    ]  # fmt: skip
    assert list(tables(results())) == [
        "T1", "T2", "T3", "T4", "T5", "T6", "T7a", "T7b", "T17", "T18", "T19",
    ]  # fmt: skip
    assert list(tables(results(), FU)) == ["F6"]
    assert tables(alone, FU) == {}


def test_one_system_shows_its_own_rows_alone() -> None:
    shown = paper(Page(results(systems=1)))
    assert shown is not None
    (ours,) = shown["papers"]  # it stands in one paper alone
    assert {line["label"] for table in ours["tables"] for part in table["parts"]
            for line in part["rows"]} == {"GeTe"}  # fmt: skip
    whole = results(systems=1)
    unnamed = replace(whole, systems=(replace(whole.systems[0], paper=()),))
    assert paper(Page(unnamed)) is None
    assert PaperRow("GeTe").label == "GeTe"


def test_fu_et_al_stand_beside_ours_in_their_units_and_say_how_the_runs_differ() -> None:
    whole = results(2, 2)  # the second system stands for LiPS

    def change(system: Any, one: Any) -> Any:
        more = [
            score(value, key, TRANSPORT, mode, part="Li")
            for value, key, mode in ((0.03, "diffusivity_error_eq4", "paper"),
                                     (0.02, "diffusivity_error", "egraff"))
        ]  # fmt: skip
        return with_scores(one, *more) if one.scores is not None else one

    found = tables(of_models(whole, change), FU)
    assert [p["title"] for p in found["F6"]["parts"]][:2] == ["Force error (MAE)", "Stability"]
    own = [value_of(1, 0, "stability", "stability", mode) for mode in ("paper", "egraff")]
    stable = [line["text"] for line in entry(found, "F6", "stability", "LiPS", 0)]
    assert stable == [*(number(1e-3 * value) for value in own), "50"]  # fs to ps
    diffusing = [line["text"] for line in entry(found, "F6", "diffusivity_mae", "LiPS", 0)]
    assert diffusing == [number(0.3), number(0.2), "0.34"]  # A^2/ps to 1e-9 m^2/s
    speed = entry(found, "F6", "fps", "LiPS", 0)
    assert [line["kind"] for line in speed] == ["own", "printed"]
    # Our other model is not theirs, and theirs that we did not run have columns.
    assert [f.title for f in found["F6"]["parts"][0]["fields"]][:3] == [
        "nequip", "allegro", "DeepPot-SE",
    ]  # fmt: skip
    assert entry(found, "F6", "force_mae", "LiPS", 1)[2]["hint"] == "not a force field of the paper"
    (sentence,) = found["F6"]["differs"]
    assert sentence == (
        "system1, 300 K: ours are of 200 training frames, 2 rollouts of 0.79 ps with steps of 2 fs "
        "at 300 K, on 2 × Example CPU, 16 cores with 2 MPI ranks; printed: 19 000 frames, five "
        "rollouts of 50 ps with steps of 0.25 fs at 520 K, on a Tesla V100 GPU with ASE."
    )


def test_table_17_has_a_line_for_each_paper_that_it_compares() -> None:
    found = tables(results())
    (_, part) = found["T17"]["parts"]
    rows = {row["label"]: [form for form, _ in row["forms"]] for row in part["rows"]}
    assert rows["Aspirin"] == [
        "paper form", "egraff form", "EGraFFBench", "Liao 2023", "Fu 2023",
        "Thölke 2022",
    ]  # fmt: skip
    # Who printed nothing of a material has no line there.
    assert rows["LiPS"] == ["paper form", "egraff form", "EGraFFBench", "Fu 2023"]
    lines = [line["text"] for line in entry(found, "T17", "force_mae", "LiPS", 0)]
    assert lines[2:] == ["5.04", "3.7"]
    assert [f.title for f in part["fields"]][-2:] == ["PAINN", "DIMENET++"]
    assert "PAINN" not in [f.title for f in found["T1"]["parts"][0]["fields"]]
