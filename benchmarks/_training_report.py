"""Numbers and table of what `training.py` measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from _step_report import Blocks

from egraff_lmp.fileio import write_text

QUANTITIES = {"ms_a_frame": "ms a frame", "peak_mb": "peak MB above the start"}
BEGIN, END = "<!-- begin of the table -->\n", "<!-- end of the table -->\n"


def summary(blocks: Blocks, n_frames: int) -> dict[str, dict[str, Any]]:
    """Of each side: ms a step (median, smallest) and frame, frames a second, peak in MB."""
    found = {}
    for side, parts in blocks.items():
        seconds = np.concatenate([part["seconds"] for part in parts])
        median = float(np.median(seconds))
        found[side] = {
            "ms_a_step": 1e3 * median,
            "smallest_ms_a_step": 1e3 * float(seconds.min()),
            "ms_a_frame": 1e3 * median / n_frames,
            "frames_per_second": n_frames / median,
            "steps": len(seconds),
            "peak_mb": max(part["peak_bytes"] for part in parts) / 1e6,
        }
    return found


def table(cases: list[dict[str, Any]]) -> str:
    """Markdown: a row a side of each case; a side that could not run has its reason."""
    lines = [
        "| force field | batch | side | ms a step | smallest | frames/s | peak MB "
        "| times eager | times package | eager's peak over this |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for case in cases:
        sides = case["sides"]
        for side, row in sides.items():
            ratios = [case["ratios"].get(f"{other}/{side}") for other in ("eager", "package")]
            peak = sides["eager"]["peak_mb"] / row["peak_mb"] if "eager" in sides else None
            lines.append(
                _line(
                    case["forcefield"],
                    case["system"],
                    side,
                    f"{row['ms_a_step']:.1f}",
                    f"{row['smallest_ms_a_step']:.1f}",
                    f"{row['frames_per_second']:.2f}",
                    f"{row['peak_mb']:.0f}",
                    *(f"{ratio['median']:.2f}" if ratio else "" for ratio in ratios),
                    f"{peak:.2f}" if peak is not None and side != "eager" else "",
                )
            )
        for side, reason in case["left_out"].items():
            blank = [""] * 7
            lines.append(_line(case["forcefield"], case["system"], f"{side}: {reason}", *blank))
    return "\n".join(lines) + "\n"


def into_readme(text: str, readme: Path) -> None:
    """Put a table in the place that the file has for it; a file without the place stays."""
    if not readme.is_file():
        return
    content = readme.read_text(encoding="utf-8")
    before, begin, rest = content.partition(BEGIN)
    _, end, after = rest.partition(END)
    if begin and end:
        write_text(readme, f"{before}{begin}\n{text}\n{end}{after}")


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
