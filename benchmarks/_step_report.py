"""Numbers, table and picture of what `step.py` measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from egraff_lmp.forcefields import FORCE_FIELDS

# Colour of each side; LAMMPS has one shade a layout.
_COLOURS = {
    "own": "#888888",
    "package": "#888888",
    "eager": "#d08020",
    "deployed": "#70b0e0",
    "kernels": "#2e75b6",
    "symmetrix": "#c04060",
}
_LAMMPS_COLOURS = ("#1f4e79", "#2e75b6", "#5a9bd5", "#9dc3e6")
_STEP_QUANTITIES = {"us_an_atom": "µs for an atom and a step"}
# How a legend names the sides.
_WORDS = {
    "own": "its own package's ASE calculator",
    "package": "its own package",
    "eager": "the network in PyTorch",
    "deployed": "the deployed file, in Python",
    "kernels": "on the kernels",
}
Blocks = dict[str, list[dict[str, Any]]]


def summary(blocks: Blocks, n_atoms: int) -> dict[str, dict[str, Any]]:
    """Of each side: ms a step, us an atom, p99 over median, shares of a step, memory an atom."""
    found = {}
    for side, parts in blocks.items():
        seconds = np.concatenate([part["seconds"] for part in parts])
        median = float(np.median(seconds))
        row: dict[str, Any] = {
            "ms_a_step": 1e3 * median,
            "us_an_atom": 1e6 * median / n_atoms,
            "p99_over_median": float(np.percentile(seconds, 99)) / median,
            "steps": len(seconds),
            "peak_kb_an_atom": max(part["peak_bytes"] for part in parts) / 1e3 / n_atoms,
        }
        if "network_seconds" in parts[0]:
            means = [float(np.mean(part["seconds"])) for part in parts]
            for name in ("network", "exchange"):
                shares = [
                    part[f"{name}_seconds"] / mean for part, mean in zip(parts, means, strict=True)
                ]
                row[f"{name}_share"] = float(np.median(shares))
            row["outside_share"] = 1.0 - row["network_share"]
        found[side] = row
    return found


def ratios(blocks: Blocks) -> dict[str, dict[str, float]]:
    """ "A/B": time of A over time of B, both of one repeat; median, smallest, largest."""
    medians = {
        side: np.array([np.median(part["seconds"]) for part in parts])
        for side, parts in blocks.items()
    }
    found = {}
    for upper in medians:
        for lower in medians:
            if upper == lower:
                continue
            values = medians[upper] / medians[lower]
            found[f"{upper}/{lower}"] = {
                "median": float(np.median(values)),
                "smallest": float(values.min()),
                "largest": float(values.max()),
            }
    return found


def table(cases: list[dict[str, Any]]) -> str:
    """Markdown: a row a side of each case."""
    lines = [
        "| force field | system | precision | side | ms a step | us an atom | p99/median "
        "| times eager | outside network | share of GEMM | peak kB an atom |",
        "|---|---|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for case in cases:
        for side, row in case["sides"].items():
            ratio = case["ratios"].get(f"eager/{side}")
            outside, share = row.get("outside_share"), row.get("gemm_share")
            cells = [
                case["forcefield"],
                case["system"],
                case["dtype"],
                side,
                f"{row['ms_a_step']:.2f}",
                f"{row['us_an_atom']:.0f}",
                f"{row['p99_over_median']:.2f}",
                f"{ratio['median']:.2f}" if ratio else "",
                f"{100 * outside:.0f} %" if outside is not None else "",
                f"{100 * share:.0f} %" if share is not None else "",
                f"{row['peak_kb_an_atom']:.0f}",
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def picture(
    cases: list[dict[str, Any]], path: Path, quantities: Mapping[str, str] = _STEP_QUANTITIES
) -> None:
    """Bars, logarithmic: a row of panels a system and precision, a column a quantity.

    Args:
        cases: what was measured.
        path: the PNG.
        quantities: entry of a side to the label of its axis.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from egraff_lmp.fileio import atomic_path

    panels = sorted({(case["system"], case["dtype"]) for case in cases}, key=lambda p: p)
    figure, axes = plt.subplots(
        len(panels),
        len(quantities),
        figsize=(8 * len(quantities), 2.6 * len(panels) + 0.6),
        squeeze=False,
        layout="constrained",
    )
    colours = _colours(cases)
    for row, (system, dtype) in zip(axes, panels, strict=True):
        here = [case for case in cases if (case["system"], case["dtype"]) == (system, dtype)]
        for axis, (quantity, label) in zip(row, quantities.items(), strict=True):
            _bars(axis, here, quantity, colours)
            axis.set_ylabel(label)
            material = system.partition("-")[0]
            axis.set_title(f"{material}, {here[0]['n_atoms']} atoms, {dtype}")
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in colours.values()]
    figure.legend(handles, map(_words, colours), loc="outside lower center", ncols=2)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")
    plt.close(figure)


def _bars(axis: Any, cases: list[dict[str, Any]], quantity: str, colours: dict[str, str]) -> None:
    """One panel."""
    width = 0.8 / len(colours)
    for position, case in enumerate(cases):
        for offset, side in enumerate(colours):
            row = case["sides"].get(side)
            if row is not None:
                left = position + (offset - (len(colours) - 1) / 2) * width
                axis.bar(left, row[quantity], width, color=colours[side])
    axis.set_yscale("log")
    names = [_name(case["forcefield"]) for case in cases]
    axis.set_xticks(range(len(cases)), names)


def _name(forcefield: str) -> str:
    """A force field, or a model of another package, as a person writes it."""
    known = FORCE_FIELDS.get(forcefield)
    return forcefield if known is None else known.architecture


def _words(side: str) -> str:
    """A side as the legend names it."""
    if side.startswith("lammps "):
        ranks, _, threads = side.removeprefix("lammps ").partition("x")
        plural = "s" * (int(ranks) > 1)
        return f"the deployed file, in LAMMPS ({ranks} rank{plural} x {threads})"
    return _WORDS.get(side, side)


def _colours(cases: list[dict[str, Any]]) -> dict[str, str]:
    sides = list(dict.fromkeys(side for case in cases for side in case["sides"]))
    lammps = [side for side in sides if side.startswith("lammps")]
    own = {side: _LAMMPS_COLOURS[i % len(_LAMMPS_COLOURS)] for i, side in enumerate(lammps)}
    return {side: own.get(side) or _COLOURS[side.split(" ")[0]] for side in sides}
