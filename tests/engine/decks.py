"""Running whole decks on a number of MPI ranks, many in one mpiexec, and reading what came out."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from egraff_lmp.forcefields import FORCE_FIELDS
from egraff_lmp.paths import mpi_program

TIME_LIMIT_SECONDS = 900
# Rank counts of every test, and those of `make study`: eight ranks on two cores take long.
RANKS = (1, 2, 4, *(pytest.param(n, marks=pytest.mark.study) for n in (3, 8)))
# Half of the force fields take the whole of every test on all others' behalf: two that exchange and
# one that does not. `make study` runs the rest; exactness, which depends on the network, is tested
# for all in `make test` (test_exactness.py, test_derivatives.py).
EVERYDAY = ("nequip", "allegro", "mace")
LATER = tuple(key for key in FORCE_FIELDS if key not in EVERYDAY)
KEYS = tuple(
    pytest.param(key, marks=() if key in EVERYDAY else (pytest.mark.study,)) for key in FORCE_FIELDS
)
# What brings the forces of untrained networks to one order of magnitude.
STRENGTH = {"botnet": 20.0, "equiformer": 0.65}
# Where every deck runs for every force field, four ranks are left to the one that exchanges most.
KEYS_AND_RANKS = tuple(
    pytest.param(key, n, marks=(pytest.mark.study,) if study else ())
    for key in FORCE_FIELDS
    for n in (1, 2, 3, 4, 8)
    for study in [n in (3, 8) or (n == 4 and key != "nequip") or key not in EVERYDAY]
)


@dataclass(frozen=True)
class Deck:
    """One LAMMPS input.

    Attributes:
        commands: its lines.
        per_atom: columns to gather, name to width: "f", "x", "c_ID".
        vectors: global vectors of computes, ID to length.
        fixes: global vectors of fixes, ID to length.
        thermo: thermo keywords.
    """

    commands: tuple[str, ...]
    per_atom: Mapping[str, int] = field(default_factory=lambda: {"f": 3})
    vectors: Mapping[str, int] = field(default_factory=dict)
    thermo: tuple[str, ...] = ("pe",)
    fixes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a deck gave; per-atom columns are sorted by ID."""

    error: str
    log: str
    values: Mapping[str, NDArray[np.float64]]

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        assert not self.error, self.error
        return self.values[name]


WORKER = """
import json, os, sys, tempfile
import numpy as np
import egraff_lmp, lammps

def gather(lmp, name, width):
    kind = 0 if name in ("type", "id") else 1  # integers, doubles
    values = np.array(lmp.gather_concat(name, kind, width)).reshape(-1, width)
    order = np.argsort(np.array(lmp.gather_concat("id", 0, 1)))
    return values[order]

def run(deck, where):
    log = f"{where}.log"
    lmp = lammps.lammps(cmdargs=["-log", log, "-screen", "none"])
    values, error = {}, ""
    try:
        lmp.commands_list(deck["commands"])
        for name in deck["thermo"]:
            values[name] = np.array(lmp.get_thermo(name))
        for name, width in deck["vectors"].items():
            found = lmp.extract_compute(name, 0, 1)
            values[name] = np.array([found[k] for k in range(width)])
        for name, width in deck["fixes"].items():
            values[name] = np.array([lmp.extract_fix(name, 0, 1, k) for k in range(width)])
        for name, width in deck["per_atom"].items():
            values[name] = gather(lmp, name, width)
        values["ids"] = np.sort(np.array(lmp.gather_concat("id", 0, 1)))
    except Exception as exception:
        error = str(exception)
        if isinstance(exception, lammps.MPIAbortException):
            sys.stderr.write(error)
            os._exit(1)
    rank = lmp.extract_setting("world_rank")
    lmp.close()
    if rank == 0:
        np.savez(f"{where}.npz", error=np.array(error), **values)

for index, deck in enumerate(json.load(open(sys.argv[1]))):
    run(deck, f"{sys.argv[1]}.{index}")
"""


def run_decks(decks: Mapping[object, Deck], ranks: int) -> dict[object, Outcome]:
    """Run every deck, each in a LAMMPS instance of its own, inside one mpiexec."""
    with tempfile.TemporaryDirectory(prefix="egraff-decks-") as folder:
        job = Path(folder) / "job.json"
        job.write_text(
            json.dumps(
                [
                    {
                        "commands": list(deck.commands),
                        "per_atom": dict(deck.per_atom),
                        "vectors": dict(deck.vectors),
                        "thermo": list(deck.thermo),
                        "fixes": dict(deck.fixes),
                    }
                    for deck in decks.values()
                ]
            )
        )
        done = subprocess.run(
            [mpi_program("mpiexec"), "-n", str(ranks), sys.executable, "-c", WORKER, str(job)],
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT_SECONDS,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return {name: _read(f"{job}.{index}") for index, name in enumerate(decks)}


def _read(where: str) -> Outcome:
    with np.load(f"{where}.npz", allow_pickle=False) as raw:
        values = {name: raw[name] for name in raw.files if name != "error"}
        return Outcome(str(raw["error"]), Path(f"{where}.log").read_text(), values)


T = TypeVar("T")


class ByKey(dict[str, T]):
    """Force field to what is made for it, when first asked for."""

    def __init__(self, make: Callable[[str], T]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: str) -> T:
        self[key] = self._make(key)
        return self[key]


class Outcomes(Mapping[int, Mapping[object, Outcome]]):
    """Outcomes of the same decks by rank count, run when first asked for."""

    def __init__(self, decks: Mapping[object, Deck]) -> None:
        self._decks = decks
        self._found: dict[int, Mapping[object, Outcome]] = {}

    def __getitem__(self, ranks: int) -> Mapping[object, Outcome]:
        if ranks not in self._found:
            self._found[ranks] = run_decks(self._decks, ranks)
        return self._found[ranks]

    def __iter__(self) -> Iterator[int]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)
