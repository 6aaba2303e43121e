"""A stage: work with known inputs whose result is a file, so that it is done once.

Each stage owns a folder. `inputs.json` is written first and names the hash of the inputs;
`result.json` is born atomically at the end. Repeating a stage whose inputs are unchanged and whose
files are intact returns the old result; a stage killed half-way finds its own partial work in the
folder; a stage with other inputs finds an empty folder.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import shutil
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import sha256_file, write_json, write_text

SCHEMA = 1
INPUTS = "inputs.json"
RESULT = "result.json"
DONE, FAILED, BLOCKED = "done", "failed", "blocked"


@dataclass(frozen=True)
class Outcome:
    """What the work of a stage hands back.

    Attributes:
        value: JSON value with the numbers.
        files: name to path (inside the stage's folder) of the files that later stages use.
    """

    value: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class StageResult:
    """The result of a stage, as it stands in `result.json`.

    Attributes:
        name: of the stage.
        state: "done", "failed" (reason says why) or "blocked" (an earlier stage failed).
        key: SHA-256 of the inputs.
        value: numbers, as JSON.
        files: name to (path relative to the stage's folder, SHA-256).
        reason: why there is no result, for a reader.
        seconds: wall time of the attempt that finished.
        attempts: how often the stage was begun with these inputs.
        finished: time of the end, UTC.
        folder: of the stage.
        fresh: whether it was computed in this call.
    """

    name: str
    state: str
    key: str
    value: Mapping[str, Any]
    files: Mapping[str, tuple[str, str]]
    reason: str
    seconds: float
    attempts: int
    finished: str
    folder: Path
    fresh: bool = True

    @property
    def done(self) -> bool:
        """Whether there is a result."""
        return self.state == DONE

    def path(self, name: str) -> Path:
        """Path of one of the stage's files."""
        return self.folder / self.files[name][0]

    def sha256(self, name: str) -> str:
        """Hash of one of the stage's files."""
        return self.files[name][1]


@dataclass(frozen=True)
class Stage:
    """Work to be done once.

    Attributes:
        name: folder name, unique in a run.
        title: for progress lines.
        inputs: JSON value that determines the result; part of it the hashes of input files.
        work: does it, in the given folder.
        needs: results without which it cannot begin.
    """

    name: str
    title: str
    inputs: Mapping[str, Any]
    work: Callable[[Path], Outcome]
    needs: Sequence[StageResult] = ()


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
    blocker = next((need for need in stage.needs if not need.done), None)
    if blocker is not None:
        return _without(stage, folder, key, BLOCKED, f"{blocker.name} gave no result.")
    attempts = _begin(folder, key, stage.inputs)
    started = time.monotonic()
    try:
        outcome = stage.work(folder)
        files = {name: _signed(folder, path) for name, path in outcome.files.items()}
        state, reason = DONE, ""
    except EgraffError as error:
        outcome, files, state, reason = Outcome(), {}, FAILED, str(error)
    except Exception as error:  # a failed cell is a result: the other cells go on
        write_text(folder / "traceback.txt", traceback.format_exc())
        message = " ".join(str(error).split())
        reason = f"{type(error).__name__}: {message} (see {stage.name}/traceback.txt)"
        outcome, files, state = Outcome(), {}, FAILED
    result = StageResult(
        name=stage.name,
        state=state,
        key=key,
        value=outcome.value,
        files=files,
        reason=reason,
        seconds=time.monotonic() - started,
        attempts=attempts,
        finished=_now(),
        folder=folder,
    )
    _write(result)
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
    attempts = 0
    if folder.exists():
        birth = _birth(folder)
        if birth is None and any(folder.iterdir()):
            raise EgraffError(
                f"{folder}: expected an empty folder or one that `egraff bench` made, got other "
                "files: choose another --out."
            )
        if birth is not None and birth.get("key") == key:
            attempts = int(birth.get("attempts", 0))
        else:
            shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RESULT).unlink(missing_ok=True)
    birth = {"schema": SCHEMA, "key": key, "attempts": attempts + 1, "begun": _now()}
    write_json(folder / INPUTS, {**birth, "inputs": inputs})
    return attempts + 1


def _birth(folder: Path) -> dict[str, Any] | None:
    try:
        raw = json.loads((folder / INPUTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return raw if isinstance(raw, dict) and "key" in raw else None


def _intact(result: StageResult) -> bool:
    """Whether every file is there with the content that was signed."""
    return all(
        (result.folder / path).is_file() and sha256_file(result.folder / path) == digest
        for path, digest in result.files.values()
    )


def _signed(folder: Path, path: Path) -> tuple[str, str]:
    return str(path.resolve().relative_to(folder.resolve())), sha256_file(path)


def _without(stage: Stage, folder: Path, key: str, state: str, reason: str) -> StageResult:
    return StageResult(stage.name, state, key, {}, {}, reason, 0.0, 0, _now(), folder)


def _write(result: StageResult) -> None:
    raw = asdict(result)
    del raw["folder"], raw["fresh"]
    write_json(result.folder / RESULT, {"schema": SCHEMA, **raw})


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
