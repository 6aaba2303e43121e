"""Running decks under mpiexec, many in one launch, past those that crash or hang."""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from egraff_lmp.contract import Contract
from egraff_lmp.paths import mpi_program
from egraff_lmp.rollout.datafile import write_data_file
from egraff_lmp.rollout.process import run_process
from egraff_lmp.runs.messages import clean_message
from egraff_lmp.stopping import stoppable
from egraff_lmp.verify.deck import PATIENCE_SECONDS, Deck, Outcome

ALIVE = "alive"  # touched by the worker before each step of a deck
# glibc fills what is allocated and freed with this byte, so that memory which nobody has set is not
# zero by chance: unzeroed rows become garbage at the first step.
POISON = {"MALLOC_PERTURB_": "165"}


def run_decks(
    decks: Sequence[Deck],
    ranks: int,
    model: Path,
    contract: Contract,
    launcher: str | None = None,
    advance: Callable[[str], None] = lambda name: None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> dict[str, Outcome]:
    """Run every deck on `ranks` ranks, each in a LAMMPS instance of its own.

    Args:
        decks: what to run.
        ranks: MPI ranks.
        model: the deployed file, with `contract` its contract.
        launcher: template such as "srun -n {ranks}"; None is this environment's mpiexec.
        advance: told the name of each deck when it has ended.
        patience_seconds: a deck whose step takes so long is ended and counts as hanging.

    Returns:
        Name of each deck to its outcome. A deck that crashed or hung has an error that says so.
    """
    words = shlex.split(launcher or f"{shlex.quote(mpi_program('mpiexec'))} -n {{ranks}}")
    command = [word.replace("{ranks}", str(ranks)) for word in words]
    outcomes: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory(prefix="egraff-verify-") as name:
        folder = Path(name)
        described = {
            deck.name: _describe(deck, folder / str(index), model, contract)
            for index, deck in enumerate(decks)
        }
        while waiting := [deck for name, deck in described.items() if name not in outcomes]:
            job = folder / "job.json"
            job.write_text(json.dumps(waiting))
            reason = _launch(
                [*command, sys.executable, "-m", "egraff_lmp.verify.worker", str(job)],
                [(str(deck["name"]), Path(str(deck["result"]))) for deck in waiting],
                folder / "printed",
                outcomes,
                advance,
                patience_seconds,
            )
            missing = [str(deck["name"]) for deck in waiting if deck["name"] not in outcomes]
            if missing:  # the first of them ended the launch; the next launch takes up the others
                outcomes[missing[0]] = Outcome(reason, ())
                advance(missing[0])
    # A certificate travels: it names the file, not a folder of this machine.
    here = f"{model.absolute().parent}/"
    return {
        name: replace(outcome, error=outcome.error.replace(here, ""))
        for name, outcome in outcomes.items()
    }


def _describe(deck: Deck, folder: Path, model: Path, contract: Contract) -> dict[str, object]:
    """The deck as JSON, its files written."""
    folder.mkdir()
    data = folder / "atoms.data"
    masses = dict(zip(contract.species, contract.masses_amu, strict=True))
    write_data_file(data, deck.structure, contract.species, masses_amu=masses)
    words = {
        "data": str(data),
        "model": str(model.absolute()),
        "elements": " ".join(contract.species),
        "folder": str(folder),
        "boundary": deck.structure.box().boundary,
    }
    return {
        "name": deck.name,
        "result": str(folder / "result.npz"),
        "alive": str(folder / ALIVE),
        "steps": [[_filled(line, words) for line in step] for step in deck.steps],
        "per_atom": dict(deck.per_atom),
        "vectors": dict(deck.vectors),
        "thermo": list(deck.thermo),
        "arguments": list(deck.arguments),
        "beside": deck.beside,
    }


def _filled(line: str, words: Mapping[str, str]) -> str:
    """The line with its {words} filled in; other braces are LAMMPS' own."""
    for word, value in words.items():
        line = line.replace("{" + word + "}", value)
    return line


def _launch(
    command: list[str],
    awaited: list[tuple[str, Path]],
    printed: Path,
    outcomes: dict[str, Outcome],
    advance: Callable[[str], None],
    patience_seconds: float,
) -> str:
    """Run one launch, reading results as they come; why it ended before the last one."""
    watch = _Watch(awaited, outcomes, advance, patience_seconds)
    # A thread of torch for each rank: more ranks than cores are slow enough.
    environment = {"OMP_NUM_THREADS": "1"} | dict(os.environ) | POISON
    try:
        with open(printed, "wb") as stream, stoppable():
            status = run_process(command, stream, environment, watch.look)
    except _Hangs:
        return f"no answer within {patience_seconds:g} s: the ranks wait for each other"
    watch.take()
    return _crash(printed, status) if watch.queue else ""


class _Hangs(Exception):
    """The ranks began no step and ended no deck for longer than patience lasts."""


class _Watch:
    """Takes the results of one launch as they come."""

    def __init__(
        self,
        awaited: list[tuple[str, Path]],
        outcomes: dict[str, Outcome],
        advance: Callable[[str], None],
        patience_seconds: float,
    ) -> None:
        self.queue = list(awaited)
        self._outcomes = outcomes
        self._advance = advance
        self._patience_seconds = patience_seconds
        self._alive, self._beat = time.monotonic(), 0.0

    def take(self) -> None:
        """Take every result that is there."""
        while self.queue and self.queue[0][1].is_file():
            name, path = self.queue.pop(0)
            self._outcomes[name] = _read(path)
            self._advance(name)
            self._alive = time.monotonic()

    def look(self) -> None:
        """Take results; `_Hangs` if nothing has moved for too long."""
        self.take()
        beat = _beat(self.queue[0][1]) if self.queue else self._beat
        if beat != self._beat:
            self._alive, self._beat = time.monotonic(), beat
        if time.monotonic() - self._alive > self._patience_seconds:
            raise _Hangs


def _beat(result: Path) -> float:
    """When the deck of this result last began a step."""
    try:
        return (result.parent / ALIVE).stat().st_mtime
    except OSError:
        return 0.0


def _crash(printed: Path, status: int) -> str:
    lines = printed.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    errors = [line for line in lines if line.startswith("ERROR")]
    said = clean_message(errors[0]) if errors else (lines[-1].strip()[:200] if lines else "nothing")
    return f"the ranks ended with status {status}; they printed: {said}"


def _read(path: Path) -> Outcome:
    with np.load(path, allow_pickle=False) as raw:
        steps: list[dict[str, np.ndarray]] = [{} for _ in range(int(raw["done"]))]
        for name in raw.files:
            index, slash, column = name.partition("/")
            if slash and int(index) < len(steps):
                steps[int(index)][column] = raw[name]
        return Outcome(clean_message(str(raw["error"])), tuple(steps))
