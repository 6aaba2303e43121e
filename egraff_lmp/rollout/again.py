"""What the run.sh of `egraff init` asks before it starts LAMMPS: begin, go on, or nothing to do.

A deck that is started again begins anew and overwrites its results. This looks at what lies in
their folder, and at the settings that were written down when they were begun.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from egraff_lmp.contract import read_contract, stress_warning
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import sha256_file, write_json
from egraff_lmp.rollout.box import require_cell_for_pressure
from egraff_lmp.rollout.knobs import Knobs, given_variables
from egraff_lmp.rollout.restart import (
    RESTARTS,
    THERMO,
    Restart,
    cut_outputs,
    last_step,
    newest_restart,
    restart_step,
)

FORCE = "--force"
RECORD = "run.json"
KIND = "egraff run of a deck"
SCHEMA = 1
MINIMISED = "minimised.data"
# Variables that do not decide what a run does, but where and for how long.
_FREE = frozenset(
    {
        "check", "device", "guard", "on_stop", "out", "restart", "restart_every", "restart_minutes",
        "rewrite_first", "sha256", "steps", "threads", "wall_minutes",
    }
)  # fmt: skip
_FILES = ("model", "data")


@dataclass(frozen=True)
class Request:
    """What the script is asked for.

    Attributes:
        command: launcher, `lmp` and all of its arguments.
        folder: where the results go.
        values: the deck's variables.
        settings: those that decide the results; files by their hashes.
        force: whether results of other settings may be overwritten.
    """

    command: tuple[str, ...]
    folder: Path
    values: Mapping[str, str]
    settings: Mapping[str, str]
    force: bool

    @property
    def is_minimisation(self) -> bool:
        """Whether the deck minimises: it writes no restart file."""
        return "relax_box" in self.values

    def number(self, name: str) -> int:
        """A variable that is a whole number."""
        value = self.values.get(name, "")
        if not value.isdigit():
            raise EgraffError(f"-var {name}: expected a whole number, got '{value}'.")
        return int(value)


@dataclass(frozen=True)
class Start:
    """What to do: `command` is empty where nothing is left, `restart` None at the beginning."""

    message: str
    command: tuple[str, ...] = ()
    restart: Restart | None = None
    record: Mapping[str, Any] = field(default_factory=dict)


def read_request(words: Sequence[str]) -> Request:
    """What a command line asks for: `MPIEXEC -n 2 LMP -in DECK -var NAME VALUE ... [--force]`.

    Raises:
        EgraffError: no deck, or variables that it does not know.
    """
    command = tuple(word for word in words if word != FORCE)
    place = command.index("-in") + 1 if "-in" in command else len(command)
    if place >= len(command) or not Path(command[place]).is_file():
        raise EgraffError(
            f"expected a deck, -in FILE, got {' '.join(command[place - 1 :]) or None}."
        )
    text = Path(command[place]).read_text(encoding="utf-8")
    knobs = Knobs.of_deck(text)
    values = knobs.values(given_variables(command[place + 1 :]))
    settings = {name: value for name, value in values.items() if name not in _FREE}
    for name in _FILES:
        if (path := Path(settings.get(name, ""))).is_file():
            settings[name] = sha256_file(path)
    settings["deck"] = hashlib.sha256(knobs.commands.encode()).hexdigest()
    return Request(
        command,
        Path(values.get("out", ".")).absolute(),
        values,
        settings,
        len(command) < len(words),
    )


def decide(request: Request) -> Start:
    """Begin, go on, or nothing to do; nothing is written.

    Raises:
        EgraffError: results of other settings, or of more steps; the message says what to do.
    """
    folder, steps = request.folder, request.number("steps")
    record = _read_record(folder)
    known = {"settings": dict(request.settings), "steps": steps}
    asked = request.values.get("restart")
    if not _has_results(folder) or (request.force and asked is None):
        return Start("", request.command, None, {**known, "starts": 1})
    if not request.force:
        _same_settings(folder, record, request.settings)
    if request.is_minimisation:
        return _minimisation(request, record, known)
    restart = _restart(request, asked)
    if restart is None:
        message = f"{folder}: the run that was stopped has left no restart file: it begins anew."
        return Start(message, request.command, None, {**known, "starts": 1})
    if restart.step > steps or (restart.step == steps and asked is not None):
        raise _fewer(folder, restart.step, steps)
    if restart.step == steps:
        return Start(_finished(folder, steps))
    starts = record.get("starts", 1) + 1
    command = list(request.command)
    command += [] if asked else ["-var", "restart", restart.path.name]
    command += ["-var", "rewrite_first", "yes"]  # `carry_out` cuts it off
    if not {"-log", "-l"} & set(command):
        command += ["-log", f"log.{starts - 1}.lammps"]
    message = f"{folder}: goes on from {restart.path.name}, step {restart.step} of {steps}."
    return Start(message, tuple(command), restart, {**known, "starts": starts})


def warning(request: Request) -> str:
    """One sentence where the cell follows a stress that the model never learnt, else "".

    Raises:
        EgraffError: a cell that is to change, and is not periodic; or no deployed model.
    """
    values = request.values
    if "coupling" not in values and values.get("relax_box", "no") == "no":
        return ""
    require_cell_for_pressure(values.get("boundary", "p p p"), str(request.folder))
    if "coeff" in values or not Path(values.get("model", "")).is_file():
        return ""
    what = "npt" if "coupling" in values else "relax_box"
    return stress_warning(read_contract(values["model"]), what)


def carry_out(request: Request, start: Start) -> None:
    """Leave the folder as the command of `start` expects it."""
    folder = request.folder
    if not start.command:
        return
    if start.restart is None:
        for name in (*RESTARTS, MINIMISED):  # a later start must not go on from an earlier run
            (folder / name).unlink(missing_ok=True)
    else:
        cut_outputs(folder, start.restart.step)
    write_json(folder / RECORD, {"kind": KIND, "schema": SCHEMA, **start.record})


def _minimisation(request: Request, record: Mapping[str, Any], known: dict[str, Any]) -> Start:
    """A minimisation that was stopped, or that may take more steps, begins anew."""
    done, steps = record.get("steps", known["steps"]), known["steps"]
    if not (request.folder / MINIMISED).is_file() or steps > done or request.force:
        return Start("", request.command, None, {**known, "starts": 1})
    if steps < done:
        raise _fewer(request.folder, done, steps)
    return Start(_finished(request.folder, steps))


def _restart(request: Request, asked: str | None) -> Restart | None:
    """The restart file that is asked for, else the newest one up to which the outputs are whole."""
    if asked is None:
        every = request.number("dump_every"), request.number("thermo_every")
        return newest_restart(request.folder, *every)
    path = request.folder / asked
    step = restart_step(path)
    if step is None:
        raise EgraffError(
            f"{path}: expected a whole restart file, got none: leave -var restart out, and the "
            "newest one is taken."
        )
    return Restart(path, step)


def _has_results(folder: Path) -> bool:
    names = (*RESTARTS, MINIMISED)
    return last_step(folder / THERMO) is not None or any((folder / n).exists() for n in names)


def _read_record(folder: Path) -> dict[str, Any]:
    """The record of the run whose results lie in `folder`; empty where there is none to read."""
    try:
        raw = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        whole = (
            raw["kind"] == KIND and raw["schema"] == SCHEMA and isinstance(raw["settings"], dict)
        )
        return dict(raw) if whole and isinstance(raw["steps"] + raw["starts"], int) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _same_settings(folder: Path, record: Mapping[str, Any], settings: Mapping[str, str]) -> None:
    if not record:
        raise EgraffError(
            f"{folder}: expected results of this script or none, got those of a run whose settings "
            f"are not known: add {FORCE} to overwrite them, or -var out FOLDER to keep them."
        )
    old = record["settings"]
    changed = [
        f"{name} ({str(old.get(name, 'none'))[:24]} -> {settings.get(name, 'none')[:24]})"
        for name in sorted({*old, *settings})
        if old.get(name) != settings.get(name)
    ]
    if changed:
        raise EgraffError(
            f"{folder}: holds the results of a run with another {', '.join(changed)}: add {FORCE} "
            "to overwrite them, or -var out FOLDER to keep them."
        )


def _fewer(folder: Path, done: int, steps: int) -> EgraffError:
    return EgraffError(
        f"{folder}: holds a run of {done} steps, expected more, got {steps}: add {FORCE} to run "
        "anew over it, or -var out FOLDER to keep it."
    )


def _finished(folder: Path, steps: int) -> str:
    return f"finished: nothing to do. {folder} holds all {steps} steps; -var steps N asks for more."
