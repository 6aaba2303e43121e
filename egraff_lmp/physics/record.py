"""What the checks are told and what they say; the record that becomes `physics.json`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from egraff_lmp.calculator import EgraffCalculator
from egraff_lmp.contract import Contract
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import write_json
from egraff_lmp.rollout.datafile import Structure
from egraff_lmp.verify.finding import Finding, Verdict

SCHEMA = 1
KIND = "egraff physics"
NAME = "physics.json"
POINTS_AT_MOST = 300  # of a line: more are not told apart in a picture
DIGITS = 7  # of a number in a line

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Settings:
    """What the checks of a folder have in common; other settings are another folder.

    Attributes:
        seed: of the velocities.
        steps: of each run of molecular dynamics.
        atoms: that the cell of the NVE run has at least.
    """

    seed: int = 12345
    steps: int = 2000
    atoms: int = 1000


@dataclass(frozen=True)
class Launch:
    """How LAMMPS is started; it changes no result.

    Attributes:
        ranks: MPI ranks.
        threads: of a rank; "auto" divides the cores.
        launcher: template such as "srun -n {ranks}"; None is this environment's mpiexec.
    """

    ranks: int = 1
    threads: int | str = "auto"
    launcher: str | None = None


@dataclass(frozen=True)
class Subject:
    """The model and what it is tried on.

    Attributes:
        model: the deployed file, with `sha256` its hash and `contract` its contract.
        calculator: the same file for ASE.
        structure: what dynamics and compression start from.
        given: whether the user has given it; else it is the contract's frame.
        settings: see `Settings`.
        launch: see `Launch`.
        folder: of the results; rollouts get a folder of their own in it.
        progress: told of the steps of a rollout, (done, in all).
    """

    model: Path
    sha256: str
    contract: Contract
    calculator: EgraffCalculator
    structure: Structure
    given: bool
    settings: Settings
    launch: Launch
    folder: Path
    progress: Progress | None = None


@dataclass(frozen=True)
class Line:
    """One curve of a panel."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]

    @classmethod
    def of(cls, label: str, x: ArrayLike, y: ArrayLike) -> Line:
        """At most `POINTS_AT_MOST` evenly chosen points, those that are not finite left out."""
        xs, ys = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        kept = np.flatnonzero(np.isfinite(xs) & np.isfinite(ys))
        if len(kept) > POINTS_AT_MOST:
            kept = kept[np.linspace(0, len(kept) - 1, POINTS_AT_MOST).round().astype(int)]
        return cls(label, _short(xs[kept]), _short(ys[kept]))


@dataclass(frozen=True)
class Panel:
    """One pair of axes of a check's picture.

    Attributes:
        title: above it.
        x_label, y_label: with units.
        lines: curves.
        marks: positions on x with what they mean, drawn as vertical lines.
        y_range: what is shown of y; None shows all of it.
        points: whether the points of the lines are marked.
    """

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    marks: tuple[tuple[float, str], ...] = ()
    y_range: tuple[float, float] | None = None
    points: bool = False


@dataclass(frozen=True)
class CheckResult:
    """What one check found.

    Attributes:
        name: of its row in the table.
        findings: numbers with verdicts.
        panels: of its picture.
        seconds: wall time.
    """

    name: str
    findings: tuple[Finding, ...]
    panels: tuple[Panel, ...]
    seconds: float = 0.0

    @property
    def verdict(self) -> Verdict:
        """Failed if anything failed, not applicable if nothing applied, else passed."""
        verdicts = {finding.verdict for finding in self.findings}
        for verdict in ("failed", "passed"):
            if verdict in verdicts:
                return verdict  # type: ignore[return-value]
        return "not applicable"

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that failed."""
        return tuple(finding for finding in self.findings if finding.verdict == "failed")


@dataclass(frozen=True)
class Check:
    """One row of the table.

    Attributes:
        name: on the command line, and of the picture.
        title: what it asks, as a heading.
        doc: what it says of a model, in a sentence or two.
        judge: makes the check.
    """

    name: str
    title: str
    doc: str
    judge: Callable[[Subject], tuple[Sequence[Finding], Sequence[Panel]]]


@dataclass(frozen=True)
class Report:
    """All that is known of one model.

    Attributes:
        model: name of the file, with `sha256` its hash, `architecture`, `dtype`, `species` and
            `r_max_angstrom` from its contract.
        structure: where the start of dynamics came from, `structure_sha256` what it was, `n_atoms`
            its size.
        settings: see `Settings`.
        date: UTC, ISO 8601, of the last check.
        versions: of the packages.
        machine: that the last check was made on.
        results: name of a check to its result, in the order of the table.
    """

    model: str
    sha256: str
    architecture: str
    dtype: str
    species: tuple[str, ...]
    r_max_angstrom: float
    structure: str
    structure_sha256: str
    n_atoms: int
    settings: Settings
    date: str
    versions: Mapping[str, str]
    machine: str
    results: Mapping[str, CheckResult] = field(default_factory=dict)

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that failed."""
        return tuple(name for name, one in self.results.items() if one.verdict == "failed")

    def with_result(self, result: CheckResult, order: Sequence[str], date: str) -> Report:
        """The report with one more result."""
        found = {**self.results, result.name: result}
        ordered = {name: found[name] for name in order if name in found}
        return replace(self, results=ordered, date=date)

    def to_json(self) -> dict[str, Any]:
        """Plain values with kind and schema number first."""
        values = asdict(self)
        values["results"] = {
            name: {"verdict": result.verdict, **asdict(result)}
            for name, result in self.results.items()
        }
        return {"kind": KIND, "schema": SCHEMA, "failed": list(self.failed), **values}

    def write(self, folder: Path) -> None:
        """Write `physics.json`, whole or not at all."""
        write_json(folder / NAME, self.to_json())


def read_report(folder: Path) -> Report | None:
    """The record in a folder; None where there is none.

    Raises:
        EgraffError: a file of that name which is none, or of another schema.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["kind"] != KIND or raw["schema"] != SCHEMA:
            raise ValueError
        known = {name: raw[name] for name in Report.__dataclass_fields__}
        return Report(
            **known
            | {
                "species": tuple(raw["species"]),
                "settings": Settings(**raw["settings"]),
                "results": {name: _result(one) for name, one in raw["results"].items()},
            }
        )
    except (ValueError, KeyError, TypeError):
        raise EgraffError(
            f"{path}: expected results of `egraff bench physics` of schema {SCHEMA}, got something "
            "else: choose another --out, or remove that file."
        ) from None


def _result(raw: Mapping[str, Any]) -> CheckResult:
    panels = tuple(
        Panel(
            **one
            | {
                "lines": tuple(
                    Line(line["label"], tuple(line["x"]), tuple(line["y"])) for line in one["lines"]
                ),
                "marks": tuple((float(x), str(text)) for x, text in one["marks"]),
                "y_range": None if one["y_range"] is None else tuple(one["y_range"]),
            }
        )
        for one in raw["panels"]
    )
    findings = tuple(Finding(**one) for one in raw["findings"])
    return CheckResult(raw["name"], findings, panels, float(raw["seconds"]))


def _short(values: ArrayLike) -> tuple[float, ...]:
    return tuple(float(f"{value:.{DIGITS}g}") for value in np.asarray(values))
