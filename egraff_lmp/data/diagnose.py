"""What is wrong with a data set, found before it costs a week: the checks, and the table of them.

Each check looks at one part and returns findings; what concerns several parts (frames in common)
is checked at the end. Nothing is raised for bad data: that is the result.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data import timeline
from egraff_lmp.data.check import logger as label_logger
from egraff_lmp.data.check import unit_suspicion
from egraff_lmp.data.entry import INDEPENDENT, ORDERED, SERIES, DataSet, data_root
from egraff_lmp.data.frames import Frames
from egraff_lmp.data.read import read_frames
from egraff_lmp.data.split import find_leaks, frame_hashes
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import sha256_file

ERROR, WARNING, NOTE = "error", "warning", "note"
# Statistics of consecutive frames are taken over so many frames at most, which bounds memory.
MAX_FRAMES = 5000
# Cosines between consecutive displacements: -0.5 for independent frames, above 0.5 where velocities
# carry on; in between the frames are related but too far apart to difference.
CONTINUOUS, UNRELATED = 0.5, -0.25
# Correlation of dE with -F.dx: 0.99 and more in the clean sets, 0.80 and 0.92 in GeTe.
CLEAN_CORRELATION = 0.98
# Slope of dE over -F.dx outside 1 +- this is no noise: other units, or another sign.
SLOPE_TOLERANCE = 0.25
# A time step or stride that is off by 12 % makes a quarter in temperature.
TEMPERATURE_TOLERANCE = 0.25
DRIFT_SIGMAS = 2.0
# d / (r_i + r_j) of nearest neighbours is 0.9 to 1.3 in molecules, metals and salts.
BOND_SCALE = (0.5, 1.7)
# What one number is of the other when labels are in different units.
_FACTORS = {
    "energies in kcal/mol and forces in eV/A": 23.0605,
    "energies in eV and forces in kcal/mol/A": 1 / 23.0605,
    "energies in kJ/mol and forces in eV/A": 96.4853,
    "energies in eV and forces in kJ/mol/A": 1 / 96.4853,
    "energies in hartree and forces in eV/A": 1 / 27.2114,
    "energies in eV and forces in hartree/bohr": 51.4221,
    "energies in eV and forces in hartree/A": 27.2114,
    "energies in hartree and forces in hartree/bohr": 1.88973,
    "gradients in place of forces": -1.0,
}
_SAME_FACTOR = 0.15  # |log| of the ratio


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Attributes:
        check: key of the check.
        level: "error" (unusable), "warning" (usable if you know), "note" (good to know).
        part: the part or parts it is about.
        message: a sentence with the numbers.
        values: the numbers themselves.
    """

    check: str
    level: str
    part: str
    message: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PartInput:
    """A part and what is known of it beforehand.

    Attributes:
        name: display name.
        frames: the frames.
        order: SERIES, ORDERED, INDEPENDENT, or None where nobody says.
        timestep_fs: between frames of a series, or of the simulation behind an ordered part.
        gaps: (T - 1,) simulation steps between frames, or None.
        temperature_kelvin: the stated temperature, or None.
        r_max: cutoff in A that cells are compared with.
        n_frames: how many frames it should have, or None.
    """

    name: str
    frames: Frames
    order: str | None = None
    timestep_fs: float | None = None
    gaps: NDArray[np.int64] | None = None
    temperature_kelvin: float | None = None
    r_max: float = 5.0
    n_frames: int | None = None


@dataclass(frozen=True)
class CheckResult:
    """All findings of a set, and the measured numbers of each part."""

    name: str
    parts: Mapping[str, Mapping[str, Any]]
    findings: tuple[Finding, ...]

    def count(self, level: str) -> int:
        """Findings of a level."""
        return sum(finding.level == level for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain dictionaries, for JSON."""
        return {
            "name": self.name,
            "parts": {name: dict(facts) for name, facts in self.parts.items()},
            "findings": [asdict(finding) for finding in self.findings],
        }


class _Measured:
    """Statistics of a part, taken once and shared by the checks."""

    def __init__(self, part: PartInput) -> None:
        self.part = part
        self.frames = part.frames.select(slice(0, MAX_FRAMES))
        usable = len(self.frames) > 1 and bool(np.isfinite(self.frames.positions).all())
        if any(self.frames.pbc):
            usable = usable and timeline.smallest_height(self.frames) > 0
        self.vectors = timeline.displacements(self.frames) if usable else np.zeros((0, 0, 3))
        self.continuity = timeline.continuity(self.vectors) if usable else float("nan")
        self.jumps = timeline.jumps(self.vectors) if usable else np.zeros(0, dtype=np.int64)
        self.ratio = timeline.against_random(self.frames, self.vectors) if usable else float("nan")
        gaps = part.gaps
        self.gaps = None if gaps is None or len(gaps) < len(self.vectors) else gaps
        self.one_step = np.ones(len(self.vectors), dtype=bool)
        if self.gaps is not None:
            self.one_step = np.asarray(self.gaps[: len(self.vectors)] == 1)
        elif usable:
            self.one_step[self.jumps] = False

    @property
    def resolved(self) -> bool:
        """Whether consecutive frames are close enough in time to be differenced."""
        if self.gaps is not None and self.part.order == ORDERED:
            return True
        return self.continuity > CONTINUOUS


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
                    NOTE if name in entry.whole and len(entry.files) > 1 else WARNING,
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
                entry.temperature_kelvin,
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
    measured = _Measured(part)
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
    level = label_logger.level
    label_logger.setLevel(logging.ERROR)
    try:
        return read()
    except EgraffError as error:
        message = str(error).removeprefix(f"{name}: ")
        findings.append(Finding("files", ERROR, name, message))
        return None
    finally:
        label_logger.setLevel(level)


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


def _arrays(measured: _Measured) -> list[Finding]:
    """Missing, empty or constant labels, and fewer frames than there should be."""
    part, frames = measured.part, measured.part.frames
    found = []
    for name, array in (("energies", frames.energy), ("forces", frames.forces)):
        if array is None:
            found.append(Finding("arrays", ERROR, part.name, f"there are no {name}."))
        elif len(frames) > 1 and not np.ptp(array):
            message = f"all {name} are {array.reshape(-1)[0]:g}: placeholders, no labels."
            found.append(Finding("arrays", ERROR, part.name, message))
    if part.n_frames is not None and len(frames) != part.n_frames:
        message = f"{len(frames)} frames, {part.n_frames} are published."
        found.append(Finding("arrays", WARNING, part.name, message))
    hashes = frame_hashes(frames)
    repeated = len(hashes) - len(set(hashes))
    if repeated:
        message = f"{repeated} of {len(frames)} frames repeat another frame of the part."
        found.append(Finding("arrays", WARNING, part.name, message, {"n_repeated": repeated}))
    return found


def _order(measured: _Measured) -> list[Finding]:
    """Shuffled frames where a time series is needed, and gaps within one."""
    part, value = measured.part, measured.continuity
    if np.isnan(value):
        return []
    numbers = (
        f"cosine of consecutive displacements {value:.2f}, their size {measured.ratio:.2g} of "
        "that of random pairs"
    )
    if value < UNRELATED:
        wanted = part.order in (SERIES, ORDERED)
        kind = "in random order" if measured.ratio > 0.9 else "not consecutive steps of a run"
        level = ERROR if wanted else NOTE if part.order == INDEPENDENT else WARNING
        message = f"the frames are {kind} ({numbers}): no dynamics can be had from them."
        return [Finding("order", level, part.name, message, {"shuffled": measured.ratio > 0.9})]
    if value < CONTINUOUS and part.gaps is None:
        message = (
            f"the frames are related but too far apart to be differenced ({numbers}): no "
            "velocities can be had from them."
        )
        level = WARNING if part.order == SERIES else NOTE
        return [Finding("order", level, part.name, message)]
    if part.order == SERIES and measured.jumps.size:
        sizes = timeline.rms(measured.vectors)
        worst = int(measured.jumps[np.argmax(sizes[measured.jumps])])
        times = float(sizes[worst] / np.median(sizes))
        gaps = "1 gap" if measured.jumps.size == 1 else f"{measured.jumps.size} gaps"
        message = (
            f"{gaps} in time: after frame {worst} the atoms move {times:.1f} times as far as in "
            "other steps."
        )
        values = {"n_jumps": int(measured.jumps.size), "jump_after": worst, "jump_steps": times}
        return [Finding("order", WARNING, part.name, message, values)]
    if part.order == ORDERED and measured.gaps is not None:
        steps = measured.gaps
        message = (
            f"in order of time with gaps of {steps.min()} to {steps.max()} steps: differences are "
            f"taken over the {int(np.sum(steps == 1))} pairs that are one step apart."
        )
        return [Finding("order", NOTE, part.name, message)]
    return []


def _work(measured: _Measured) -> list[Finding]:
    """Energy differences against work: noise, and units that differ between energies and forces."""
    part = measured.part
    if not measured.resolved:
        return []
    agreement = timeline.work_energy(measured.frames, measured.vectors, measured.one_step)
    if agreement is None:
        return []
    correlation, slope = agreement.correlation, agreement.slope
    values = {"work_correlation": round(correlation, 4), "work_slope": round(slope, 4)}
    across = ""
    if part.order == SERIES and measured.jumps.size:
        every = timeline.work_energy(
            measured.frames, measured.vectors, np.ones_like(measured.one_step)
        )
        if every is not None:
            values["work_correlation_with_gaps"] = round(every.correlation, 4)
            across = f" ({every.correlation:.4f} with those across gaps)"
    if abs(correlation) > CLEAN_CORRELATION and abs(slope - 1) > SLOPE_TOLERANCE:
        close = min(_FACTORS, key=lambda name: _distance(slope, _FACTORS[name]))
        guess = f": looks like {close}" if _distance(slope, _FACTORS[close]) < _SAME_FACTOR else ""
        message = f"dE is {slope:.3g} times -F.dx (correlation {correlation:.4f}){guess}."
        return [Finding("work", ERROR, part.name, message, values)]
    clean = correlation >= CLEAN_CORRELATION
    message = (
        f"dE and -F.dx have correlation {correlation:.4f} and slope {slope:.2f} over "
        f"{agreement.n_pairs} pairs{across}"
        + ("." if clean else ": energies and forces do not belong to one surface.")
    )
    return [Finding("work", NOTE if clean else WARNING, part.name, message, values)]


def _temperature(measured: _Measured) -> list[Finding]:
    """Temperature of central differences against the stated one."""
    part = measured.part
    if part.timestep_fs is None or not measured.resolved or len(measured.vectors) < 2:
        return []
    if part.order != SERIES and measured.gaps is None:
        return []  # nobody says how far apart the frames are
    found = timeline.kinetic_temperatures(
        measured.frames, measured.vectors, part.timestep_fs, measured.one_step
    )
    if not found.size:
        return []
    mean = float(found.mean())
    values = {"temperature_kelvin": round(mean, 1)}
    message = f"velocities by central differences are those of {mean:.0f} K"
    fifth = max(1, found.size // 5)
    start, end = float(found[:fifth].mean()), float(found[-fifth:].mean())
    values |= {"temperature_start_kelvin": round(start, 1), "temperature_end_kelvin": round(end, 1)}
    # As if each fifth were one independent sample, of relative variance 2 / degrees of freedom.
    noise = np.sqrt(2 * 2 / max(3 * part.frames.n_atoms - 3, 1))
    drifts = abs(end - start) > max(TEMPERATURE_TOLERANCE, DRIFT_SIGMAS * noise) * mean
    if drifts:
        message += f" (from {start:.0f} to {end:.0f} K: not in equilibrium)"
    stated = part.temperature_kelvin
    if stated is None or abs(mean / stated - 1) <= TEMPERATURE_TOLERANCE:
        message += "." if stated is None else f", stated are {stated:g} K."
        level = WARNING if drifts else NOTE
        return [Finding("temperature", level, part.name, message, values)]
    message += (
        f", stated are {stated:g} K: the frames are not of that temperature, or are "
        f"{part.timestep_fs * np.sqrt(mean / stated):.3g} fs apart, not {part.timestep_fs:g} fs."
    )
    return [Finding("temperature", WARNING, part.name, message, values)]


def _units(measured: _Measured) -> list[Finding]:
    """Forces in kcal/mol/A, lengths in bohr or nm."""
    part, frames = measured.part, measured.frames
    found = []
    suspicion = unit_suspicion(frames)
    if suspicion is not None:
        message = suspicion.removeprefix(f"{frames.source}: ")
        found.append(Finding("units", WARNING, part.name, message))
    if not np.isfinite(frames.positions).all():
        return found
    scale = timeline.bond_scale(frames)
    if scale < BOND_SCALE[0] or scale > BOND_SCALE[1]:
        unit = "bohr" if 1.6 < scale < 2.3 else "nm" if 0.07 < scale < 0.14 else "another unit"
        message = (
            f"nearest neighbours are {scale:.2f} times the sum of their covalent radii apart: "
            f"lengths may be in {unit}."
        )
        values = {"bond_scale": round(scale, 3)}
        found.append(Finding("units", WARNING, part.name, message, values))
    return found


def _cells(measured: _Measured) -> list[Finding]:
    """Cells that are missing, or have a height below twice the cutoff."""
    part = measured.part
    height = timeline.smallest_height(part.frames)
    if height == 0:
        message = "periodic frames without a cell, or with one of no volume."
        return [Finding("cells", ERROR, part.name, message)]
    if height >= 2 * part.r_max:
        return []
    message = (
        f"the smallest cell height is {height:.2f} A, below twice the cutoff of {part.r_max:g} A: "
        "an atom sees several images of another, which minimum-image code misses."
    )
    return [Finding("cells", WARNING, part.name, message, {"small_cell": True})]


@dataclass(frozen=True)
class Check:
    """One row of the table of checks."""

    key: str
    title: str
    run: Callable[[_Measured], list[Finding]]


CHECKS = (
    Check("arrays", "missing, empty or constant arrays", _arrays),
    Check("order", "shuffled frames, gaps in time", _order),
    Check("work", "dE against -F.dx", _work),
    Check("temperature", "temperature of consecutive frames", _temperature),
    Check("units", "unit mix-ups", _units),
    Check("cells", "cells below twice the cutoff", _cells),
)


def _distance(value: float, factor: float) -> float:
    """|log| of the ratio of two numbers of one sign, else infinity."""
    ratio = value / factor
    return float(abs(np.log(ratio))) if ratio > 0 else float("inf")


def _rounded(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None
