"""What is wrong with a data set, found before it costs a week.

Every part is read and goes through the table of checks; what concerns several parts (frames in
common) is looked for at the end. Nothing is raised for bad data: that is the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from egraff_lmp.data import timeline
from egraff_lmp.data.check import units_are_judged
from egraff_lmp.data.entry import ORDERED, SERIES, DataSet, data_root
from egraff_lmp.data.finding import (
    ERROR,
    NOTE,
    WARNING,
    CheckResult,
    Finding,
    Measured,
    PartInput,
)
from egraff_lmp.data.frames import Frames
from egraff_lmp.data.part_checks import CHECKS
from egraff_lmp.data.read import read_frames
from egraff_lmp.data.split import find_leaks
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import sha256_file


def check_set(
    entry: DataSet, parts: Sequence[str] | None = None, *, r_max: float | None = None
) -> CheckResult:
    """Check parts of a registered data set, all of them by default.

    Args:
        entry: row of the table.
        parts: names of parts; None takes all, and reports those whose files are absent.
        r_max: cutoff in A; None takes the row's.

    Raises:
        EgraffError: an unknown part.
    """
    inputs: list[PartInput] = []
    findings: list[Finding] = []
    for name in parts or tuple(entry.files):
        if not entry.exists(name):
            findings.append(
                Finding(
                    "files",
                    WARNING if entry.in_split(name) or len(entry.files) == 1 else NOTE,
                    name,
                    f"no file at {entry.files[name]}: see `egraff data fetch {entry.key}:{name}`.",
                )
            )
            continue
        findings += _file_findings(entry, name)
        order = entry.order_of(name)
        frames = _read(name, partial(entry.read, name), findings)
        if frames is None:
            continue
        inputs.append(
            PartInput(
                name,
                frames,
                order,
                entry.frame_stride_fs.get(name) if order == SERIES else entry.step_fs,
                entry.gaps() if order == ORDERED else None,
                entry.temperature_of(name),
                entry.r_max if r_max is None else r_max,
                entry.n_frames.get(name),
            )
        )
    return _checked(entry.title, inputs, findings, without=entry.whole)


def check_paths(
    paths: Sequence[Path],
    *,
    timestep_fs: float | None = None,
    temperature_kelvin: float | None = None,
    r_max: float = 5.0,
    format: str | None = None,
) -> CheckResult:
    """Check files or folders, each a part of its own; see `check_set`."""
    inputs: list[PartInput] = []
    findings: list[Finding] = []
    for path in paths:
        frames = _read(str(path), partial(read_frames, path, format=format), findings)
        if frames is None:
            continue
        step = timestep_fs if timestep_fs is not None else frames.timestep_fs
        order = SERIES if step is not None else None
        inputs.append(
            PartInput(str(path), frames, order, step, None, temperature_kelvin, r_max, None)
        )
    return _checked(", ".join(map(str, paths)), inputs, findings)


def check_part(part: PartInput) -> tuple[list[Finding], dict[str, Any]]:
    """Findings of every row of `CHECKS` on one part, and its measured numbers."""
    measured = Measured(part)
    found = [finding for row in CHECKS for finding in row.run(measured)]
    facts: dict[str, Any] = {
        "n_frames": len(part.frames),
        "n_atoms": part.frames.n_atoms,
        "order": part.order,
        "continuity": _rounded(measured.continuity),
        "consecutive_over_random": _rounded(measured.ratio),
        "smallest_height_angstrom": _rounded(timeline.smallest_height(part.frames)),
    }
    if part.frames.forces is not None:
        facts["force_rms_ev_per_a"] = _rounded(float(np.sqrt(np.mean(part.frames.forces**2))))
    for finding in found:
        facts |= finding.values
    return found, {name: value for name, value in facts.items() if value is not None}


def _checked(
    name: str, inputs: list[PartInput], findings: list[Finding], without: Iterable[str] = ()
) -> CheckResult:
    facts = {}
    for part in inputs:
        found, facts[part.name] = check_part(part)
        findings += found
    split = {part.name: part.frames for part in inputs if part.name not in set(without)}
    return CheckResult(name, facts, (*findings, *shared_frames(split)))


def shared_frames(parts: Mapping[str, Frames]) -> list[Finding]:
    """Frames that two parts have in common, by hash of elements and positions."""
    found = []
    for leak in find_leaks({name: [frames] for name, frames in parts.items()}):
        shared = len({second for _, second in leak.frames})
        sizes = len(parts[leak.first]), len(parts[leak.second])
        same = shared == sizes[0] == sizes[1]
        message = (
            f"{leak.first} and {leak.second} are the same {shared} frames: an error on one is no "
            "test of a choice made on the other."
            if same
            else f"{shared} of the {sizes[1]} frames of {leak.second} are also in {leak.first} "
            f"(first: {leak.frames[0][1]}): leave them out of one of the two."
        )
        found.append(
            Finding(
                "shared", WARNING, f"{leak.first}, {leak.second}", message, {"n_shared": shared}
            )
        )
    return found


def _read(name: str, read: Callable[[], Frames], findings: list[Finding]) -> Frames | None:
    """The frames, or None and a finding; the reader's unit warning comes as a finding of ours."""
    try:
        with units_are_judged():
            return read()
    except EgraffError as error:
        message = str(error).removeprefix(f"{name}: ")
        findings.append(Finding("files", ERROR, name, message))
        return None


def _file_findings(entry: DataSet, part: str) -> list[Finding]:
    """Files that are missing from a folder, or differ from those that were registered."""
    found = []
    known = entry.checksums(part)
    for path in dict.fromkeys([file.path for file in entry.remote.get(part, ())] + list(known)):
        file, expected = data_root() / path, known.get(path)
        # Everything but virials is needed to train on energies and forces.
        level = WARNING if file.stem == "virial" else ERROR
        if not file.is_file():
            found.append(Finding("files", level, part, f"{path} is missing: fetch it again."))
        elif not file.stat().st_size:
            found.append(Finding("files", level, part, f"{path} is empty: fetch it again."))
        elif expected is not None and sha256_file(file) != expected:
            message = f"{path} is not the file that was registered (its SHA-256 differs)."
            found.append(Finding("files", WARNING, part, message))
    return found


def _rounded(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None
