"""All checks of one model into a folder; what is finished there is not made again."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path

from egraff_lmp.calculator import EgraffCalculator
from egraff_lmp.contract import read_contract
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import require_writable, sha256_file
from egraff_lmp.locking import locked
from egraff_lmp.physics.page import check_installed, write_page, write_picture
from egraff_lmp.physics.record import (
    Check,
    CheckResult,
    Launch,
    Progress,
    Report,
    Settings,
    Subject,
    read_report,
)
from egraff_lmp.physics.table import CHECKS
from egraff_lmp.rollout.datafile import Structure, data_text, type_order
from egraff_lmp.rollout.deck import check_out_dir
from egraff_lmp.runs.machine import machine_words, versions
from egraff_lmp.verify.structures import self_test_frame

LOCK_SECONDS = 3.0

Begin = Callable[[Check], None]
End = Callable[[CheckResult, bool], None]  # whether it was made now


def run_physics(
    model: str | Path,
    folder: str | Path,
    structure: Structure | None = None,
    *,
    only: Collection[str] = (),
    settings: Settings | None = None,
    launch: Launch | None = None,
    begin: Begin = lambda check: None,
    end: End = lambda result, fresh: None,
    progress: Progress | None = None,
) -> Report:
    """Make the checks of the table that are not yet in the folder. The file is loaded and runs.

    Each result is written when it is there, and the page with it.

    Args:
        model: file written by `egraff deploy`.
        folder: of `physics.json`, the pictures, the page and the rollouts.
        structure: start of dynamics and compression; None is the contract's frame.
        only: names of the checks to make; empty for all.
        settings: of all checks in the folder.
        launch: how LAMMPS is started.
        begin: told of a check that begins.
        end: told of its result, and whether it was made now.
        progress: told of the steps of a rollout.

    Raises:
        EgraffError: not a deployed file, an unknown check or element, a folder with results of
            another model or other settings, a set-up that LAMMPS refuses.
        Stopped: a signal ended it; the same call goes on.
    """
    chosen = _chosen(only)
    check_installed()
    folder = Path(folder).absolute()
    require_writable(folder)
    check_out_dir(folder)
    subject = _subject(Path(model), folder, structure, settings, launch, progress)
    report = _continued(_new_report(subject), folder)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, LOCK_SECONDS):
        for check in chosen:
            begin(check)
            fresh = check.name not in report.results
            if fresh:
                report = _made(check, subject, report)
            end(report.results[check.name], fresh)
        write_page(report, folder)
    return report


def _made(check: Check, subject: Subject, report: Report) -> Report:
    """The report with the check's result, written."""
    began = time.monotonic()
    findings, panels = check.judge(subject)
    result = CheckResult(check.name, tuple(findings), tuple(panels), time.monotonic() - began)
    report = report.with_result(result, [one.name for one in CHECKS], _now())
    write_picture(result, subject.folder)
    report.write(subject.folder)
    write_page(report, subject.folder)
    return report


def _chosen(only: Collection[str]) -> list[Check]:
    names = [check.name for check in CHECKS]
    if unknown := sorted(set(only) - set(names)):
        raise EgraffError(f"expected checks out of {', '.join(names)}, got {', '.join(unknown)}.")
    return [check for check in CHECKS if not only or check.name in only]


def _subject(
    model: Path,
    folder: Path,
    structure: Structure | None,
    settings: Settings | None,
    launch: Launch | None,
    progress: Progress | None,
) -> Subject:
    contract = read_contract(model)
    sha256 = sha256_file(model)
    calculator = EgraffCalculator(model, sha256=sha256)
    start = self_test_frame(contract) if structure is None else structure
    calculator.model.check_species(start.species)
    return Subject(
        model,
        sha256,
        contract,
        calculator,
        start,
        structure is not None,
        settings or Settings(),
        launch or Launch(),
        folder,
        progress,
    )


def _new_report(subject: Subject) -> Report:
    contract, start = subject.contract, subject.structure
    order = type_order(start.species, contract.species, start.source)
    text = data_text(replace(start, source="start"), order)
    return Report(
        model=subject.model.name,
        sha256=subject.sha256,
        architecture=contract.architecture,
        dtype=contract.dtype,
        species=contract.species,
        r_max_angstrom=contract.r_max,
        structure=start.source,
        structure_sha256=hashlib.sha256(text.encode()).hexdigest(),
        n_atoms=len(start.species),
        settings=subject.settings,
        date=_now(),
        versions=versions(),
        machine=machine_words("cpu"),
    )


def _continued(new: Report, folder: Path) -> Report:
    """The new report with the results that the folder has.

    Raises:
        EgraffError: they are of another model, start or other settings.
    """
    old = read_report(folder)
    if old is None:
        return new
    shown = {"model": "sha256", "structure": "structure_sha256"}
    changed = [
        f"{name} ({getattr(old, field)[:12]} -> {getattr(new, field)[:12]})"
        for name, field in shown.items()
        if getattr(old, field) != getattr(new, field)
    ]
    before, after = asdict(old.settings), asdict(new.settings)
    changed += [
        f"{key} ({before[key]} -> {after[key]})" for key in after if before[key] != after[key]
    ]
    if changed:
        raise EgraffError(
            f"{folder}: holds checks with another {', '.join(changed)}: choose another --out, or "
            "remove that folder."
        )
    return replace(new, results=old.results)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
