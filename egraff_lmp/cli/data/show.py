"""`egraff data show`: everything that is known of a data set."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from egraff_lmp.cli.console import output, print_json
from egraff_lmp.cli.task import Json

if TYPE_CHECKING:
    from egraff_lmp.data.entry import DataSet


def command(
    data_set: Annotated[str, typer.Argument(help="Key of a data set, such as gete.")],
    as_json: Json = False,
) -> None:
    """Show source, licence, split, conditions, parts, checksums and citations of a data set."""
    from egraff_lmp.data.table import data_set as find

    entry = find(data_set)
    facts = _facts(entry)
    if as_json:
        print_json(facts)
        return
    for line in _lines(entry, facts):
        output.print(line, highlight=False, markup=False, soft_wrap=True)


def _facts(entry: DataSet) -> dict[str, Any]:
    return {
        "key": entry.key,
        "title": entry.title,
        "species": list(entry.species),
        "conditions": [asdict(condition) for condition in entry.conditions],
        "r_max_angstrom": entry.r_max,
        "homepage": entry.homepage,
        "licence": entry.licence,
        "split": entry.split,
        "groups": {name: list(parts) for name, parts in entry.groups.items()},
        "obtain": entry.obtain,
        "parts": {part: _part(entry, part) for part in entry.files},
        "citations": [asdict(citation) for citation in entry.citations],
    }


def _part(entry: DataSet, part: str) -> dict[str, Any]:
    return {
        "path": entry.files[part],
        "present": entry.exists(part),
        "n_frames": entry.n_frames.get(part),
        "order": entry.order_of(part),
        "frame_stride_fs": entry.frame_stride_fs.get(part),
        "sha256": entry.checksums(part),
        "urls": [file.url for file in entry.remote.get(part, ())],
        "made": part in entry.made,
    }


def _lines(entry: DataSet, facts: dict[str, Any]) -> list[str]:
    conditions = ", ".join(
        f"{c.temperature_kelvin:g} K at {c.timestep_fs:g} fs" for c in entry.conditions
    )
    lines = [
        f"{entry.title} ({entry.key}): {' '.join(entry.species)}",
        f"rollouts: {conditions}, cutoff {entry.r_max:g} A",
        f"source:   {entry.homepage}",
        f"licence:  {entry.licence}",
        f"split:    {entry.split}",
    ]
    if entry.obtain:
        lines.append(f"get it:   {entry.obtain}")
    for name, parts in entry.groups.items():
        lines.append(f"{name + ':':<9} {', '.join(parts)}")
    lines.append("parts:")
    width = max(12, *map(len, facts["parts"]))
    for name, part in facts["parts"].items():
        stride = part["frame_stride_fs"]
        known = len(part["sha256"])
        words = [
            "here" if part["present"] else "not here",
            f"{part['n_frames']} frames" if part["n_frames"] else "",
            _order(part["order"], stride),
            f"{known} checksum{'s' if known > 1 else ''}" if known else "no checksum",
            "made by egraff data make" if part["made"] else "",
            "" if part["urls"] or part["made"] else "no address",
        ]
        lines.append(f"  {name:<{width}} {', '.join(word for word in words if word)}")
        lines.append(f"  {'':<{width}} {part['path']}")
    lines.append("cite:")
    for citation in facts["citations"]:
        lines.append(f"  {citation['text']}, doi:{citation['doi']}")
    return lines


def _order(order: str, stride_fs: float | None) -> str:
    from egraff_lmp.data.entry import SCAN

    if stride_fs:
        return f"series, every {stride_fs:g} fs"
    return "frames of a scan" if order == SCAN else f"{order} frames"
