"""A stage: work with known inputs whose result is a file, so that it is done once.

Each stage owns a folder. `inputs.json` is written first and names the hash of the inputs;
`result.json` is born atomically at the end. Repeating a stage whose inputs are unchanged and whose
files are intact returns the old result; a stage killed half-way finds its own partial work in the
folder; a stage with other inputs finds an empty folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import sha256_file, write_json, write_text

SCHEMA = 1
INPUTS = "inputs.json"
RESULT = "result.json"
DONE, FAILED, BLOCKED = "done", "failed", "blocked"
# Of a result in `bench.json`, beside its files.
_SUMMED_UP = (
    "name", "state", "fresh", "reason", "seconds", "attempts", "finished", "key", "value",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What the work of a stage hands back: numbers, and the files that later stages use."""

    value: Mapping[str, Any] = field(default_factory=dict)  # as JSON
    files: Mapping[str, Path] = field(default_factory=dict)  # inside the stage's folder


@dataclass(frozen=True)
class StageResult:
    """The result of a stage, as it stands in `result.json`, and in `bench.json`."""

    name: str
    state: str  # DONE, FAILED (reason says why) or BLOCKED (an earlier stage failed)
    key: str  # SHA-256 of the inputs
    value: Mapping[str, Any]
    files: Mapping[str, tuple[str, str]]  # path relative to the folder, and SHA-256
    reason: str  # why there is no result, for a reader
    seconds: float  # wall time of the attempt that finished
    attempts: int  # how often it was begun with these inputs
    finished: str  # UTC
    folder: Path
    fresh: bool = True  # whether it was done in this call

    @property
    def done(self) -> bool:
        """Whether there is a result."""
        return self.state == DONE

    def path(self, name: str) -> Path:
        """Path of one of the stage's files."""
        return self.folder / self.files[name][0]

    def sha256(self, name: str) -> str | None:
        """Hash of one of the stage's files, None where there is no result."""
        return self.files[name][1] if self.done else None

    def to_dict(self, out: Path) -> dict[str, Any]:
        """The result as it stands in the `bench.json` of the folder `out`."""
        files = {
            name: {"path": os.path.relpath(self.folder / path, out), "sha256": digest}
            for name, (path, digest) in self.files.items()
        }
        return {**{name: getattr(self, name) for name in _SUMMED_UP}, "files": files}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any], out: Path) -> StageResult:
        """The result that `to_dict` gave; paths of its files are relative to `out`."""
        known = {"fresh": True, **raw}
        files = {name: (one["path"], one["sha256"]) for name, one in raw["files"].items()}
        return cls(**{name: known[name] for name in _SUMMED_UP}, files=files, folder=out)


@dataclass(frozen=True)
class Stage:
    """Work to be done once, in a folder of its name."""

    name: str
    title: str  # for progress lines
    inputs: Mapping[str, Any]  # JSON that determines the result, with hashes of input files
    work: Callable[[Path], Outcome]  # in the given folder
    needs: Sequence[StageResult] = ()  # without these it cannot begin


def stage_key(name: str, inputs: Mapping[str, Any]) -> str:
    """SHA-256 of a stage's name and inputs."""
    text = json.dumps({"schema": SCHEMA, "stage": name, "inputs": inputs}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def run_stage(stage: Stage, out: Path) -> StageResult:
    """Result of `stage` with its folder below `out`: the old one if it still holds, else a new one.

    An error of the work is a result with state "failed"; it is tried again next time.
    """
    folder = out / stage.name
    key = stage_key(stage.name, stage.inputs)
    old = load_result(folder)
    if old is not None and old.done and old.key == key and _intact(old):
        return old
    result = StageResult(stage.name, FAILED, key, {}, {}, "", 0.0, 0, now(), folder)
    blocker = next((need for need in stage.needs if not need.done), None)
    if blocker is not None:
        return replace(result, state=BLOCKED, reason=f"{blocker.name} gave no result.")
    attempts = _begin(folder, key, stage.inputs)
    started = time.monotonic()
    try:
        outcome = stage.work(folder)
        files = {
            name: (str(path.resolve().relative_to(folder.resolve())), sha256_file(path))
            for name, path in outcome.files.items()
        }
        result = replace(result, state=DONE, value=outcome.value, files=files)
    except EgraffError as error:
        result = replace(result, reason=str(error))
    except Exception as error:  # a failed cell is a result: the other cells go on
        write_text(folder / "traceback.txt", traceback.format_exc())
        message = " ".join(str(error).split())
        reason = f"{type(error).__name__}: {message} (see {stage.name}/traceback.txt)"
        result = replace(result, reason=reason)
    seconds = time.monotonic() - started
    result = replace(result, seconds=seconds, attempts=attempts, finished=now())
    raw = {name: value for name, value in vars(result).items() if name not in ("folder", "fresh")}
    write_json(folder / RESULT, {"schema": SCHEMA, **raw})
    return result


def load_result(folder: Path) -> StageResult | None:
    """The result in a stage's folder, or None where there is none that can be read."""
    try:
        raw = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        if raw.pop("schema") != SCHEMA:
            return None
        raw["files"] = {name: (path, digest) for name, (path, digest) in raw["files"].items()}
        return StageResult(**raw, folder=folder, fresh=False)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _begin(folder: Path, key: str, inputs: Mapping[str, Any]) -> int:
    """Prepare the folder: partial work stays if it belongs to the same inputs, else it goes."""
    try:
        birth = json.loads((folder / INPUTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        birth = None
    ours = isinstance(birth, dict) and "key" in birth
    attempts = 1
    if ours and birth["key"] == key:
        attempts += int(birth.get("attempts", 0))
    elif folder.exists():
        if not ours and any(folder.iterdir()):
            raise EgraffError(
                f"{folder}: expected an empty folder or one that `egraff bench` made, got other "
                "files: choose another --out."
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RESULT).unlink(missing_ok=True)
    birth = {"schema": SCHEMA, "key": key, "attempts": attempts, "begun": now()}
    write_json(folder / INPUTS, {**birth, "inputs": inputs})
    return attempts


def _intact(result: StageResult) -> bool:
    """Whether every file is there with the content that was signed."""
    return all(
        (result.folder / path).is_file() and sha256_file(result.folder / path) == digest
        for path, digest in result.files.values()
    )


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
