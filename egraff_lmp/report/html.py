"""One self-contained HTML page from a `Report`: no script, no network, figures embedded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from egraff_lmp.fileio import write_text
from egraff_lmp.report import plots
from egraff_lmp.report.findings import findings, headline
from egraff_lmp.report.numbers import DASH, NBSP, counted, number
from egraff_lmp.report.record import COMMITTEE, STRUCTURE, ModelReport, Report
from egraff_lmp.report.tables import motion_table, paper_table, structure_table, violation_table
from egraff_lmp.report.templates import check_installed, fill

_TEMPLATE = "template.html.j2"
# Rows of the summary card: label, metric, subject; the first of the subjects that exists is shown.
_HEADLINES = (
    ("Wright's factor of g(r)", "WF", ("total",)),
    ("JSD of pair distances", "JSD", ("total",)),
    ("energy violation", "EV", ("rerun-oracle", "rerun-reference", COMMITTEE, "trajectory")),
    ("force violation", "FV", ("rerun-oracle", "rerun-reference", COMMITTEE, "trajectory")),
)


def write_report(report: Report, path: str | Path) -> Path:
    """Write the page atomically and return its path."""
    path = Path(path)
    write_text(path, render(report))
    return path


def render(report: Report) -> str:
    """The page as text.

    Raises:
        EgraffError: jinja2 or matplotlib is not installed.
    """
    check_installed()
    return fill(_TEMPLATE, **_context(report))


def _context(report: Report) -> dict[str, Any]:
    models = list(report.models)
    return {
        "report": report,
        "cards": [_card(m, plots.colour_of(i)) for i, m in enumerate(models)],
        "findings": findings(report),
        "failures": [
            {"model": m.architecture, "stage": f.stage, "reason": f.reason}
            for m in models
            for f in m.failures
        ],
        "accuracy": [_accuracy(m, plots.colour_of(i)) for i, m in enumerate(models) if m.accuracy],
        "structure": structure_table(models),
        "violation": violation_table(models),
        "motion": motion_table(models),
        "paper": paper_table(models),
        "costs": [_cost(m, plots.colour_of(i)) for i, m in enumerate(models) if m.cost],
        "stages": [(name, state, number(s), key) for name, state, s, key in report.stages],
        "hardware": dict(report.provenance).get("hardware", "unrecorded hardware"),
        "rdf": plots.rdf_figure(report.rdf, models),
        "violation_plot": plots.violation_figure(models),
        "learning": plots.learning_figure(models),
        "temperature": plots.temperature_figure(models, report.temperature_kelvin),
    }


def _card(model: ModelReport, colour: str) -> dict[str, Any]:
    lines = []
    for label, metric, subjects in _HEADLINES:
        score = headline(model, metric, subjects)
        if score is None:
            lines.append({"name": f"{label}", "value": DASH, "aside": "no result"})
            continue
        name = label if score.subject == "total" else f"{label}, {score.subject}"
        has_floor = score.floor is not None and score.kind == STRUCTURE
        aside = f"floor {number(score.floor)}" if has_floor else ""
        value = f"{number(score.value)}{NBSP}{score.unit}".strip(NBSP)
        lines.append({"name": name, "value": value, "aside": aside})
    if model.accuracy:
        value = f"{number(model.accuracy.force_mae_mev_per_angstrom)} meV/Å"
        lines.append({"name": "force MAE, held-out", "value": value, "aside": ""})
    if model.cost and model.cost.ms_per_step is not None:
        aside = counted(model.cost.ranks, "rank")
        value = f"{number(model.cost.ms_per_step)} ms/step"
        lines.append({"name": "cost", "value": value, "aside": aside})
    return {
        "name": model.architecture,
        "kind": model.locality,
        "colour": colour,
        "lines": lines,
        "facts": model.facts,
    }


def _accuracy(model: ModelReport, colour: str) -> dict[str, Any]:
    a = model.accuracy
    values = (
        ()
        if a is None
        else (
            a.energy_mae_mev_per_atom,
            a.energy_rmse_mev_per_atom,
            a.force_mae_mev_per_angstrom,
            a.force_rmse_mev_per_angstrom,
            a.force_scale_mev_per_angstrom,
        )
    )
    return {
        "name": model.architecture,
        "colour": colour,
        "numbers": [number(v) for v in values],
        "frames": number(a.frames if a else None),
        "window": a.window if a else "",
    }


def _cost(model: ModelReport, colour: str) -> dict[str, Any]:
    c = model.cost
    values = (
        ()
        if c is None
        else (
            c.train_seconds,
            c.epochs,
            c.ms_per_step,
            c.us_per_atom_step,
            c.atoms,
            c.steps,
            c.ranks,
            c.threads,
        )
    )
    return {
        "name": model.architecture,
        "colour": colour,
        "numbers": [number(v) for v in values],
        "precision": c.precision if c else "",
    }
