"""Stages: done once, resumed after a kill, redone when inputs change, failures kept as results."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from egraff_lmp.bench.stage import (
    BLOCKED,
    DONE,
    FAILED,
    INPUTS,
    RESULT,
    Outcome,
    Stage,
    load_result,
    run_stage,
    stage_key,
)
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import sha256_file


class Counter:
    """Work that counts its calls and writes one file."""

    def __init__(self, content: str = "numbers") -> None:
        self.calls = 0
        self.content = content

    def __call__(self, folder: Path) -> Outcome:
        self.calls += 1
        path = folder / "out.txt"
        path.write_text(self.content)
        return Outcome({"x": 1.5, "list": [1, 2]}, {"out": path})


def stage(work: object, **inputs: object) -> Stage:
    return Stage("one", "first stage", inputs, work)  # type: ignore[arg-type]


def test_a_finished_stage_is_not_run_again(tmp_path: Path) -> None:
    work = Counter()
    first = run_stage(stage(work, a=1), tmp_path)
    second = run_stage(stage(work, a=1), tmp_path)
    assert work.calls == 1
    assert first.state == second.state == DONE
    assert first.fresh
    assert not second.fresh
    assert second.value == {"x": 1.5, "list": [1, 2]}
    assert second.sha256("out") == sha256_file(second.path("out"))


def test_other_inputs_redo_it_in_an_empty_folder(tmp_path: Path) -> None:
    run_stage(stage(Counter(), a=1), tmp_path)
    (tmp_path / "one" / "half-done.tmp").write_text("of the old inputs")
    work = Counter()
    result = run_stage(stage(work, a=2), tmp_path)
    assert work.calls == 1
    assert result.key == stage_key("one", {"a": 2})
    assert sorted(p.name for p in result.folder.iterdir()) == [INPUTS, "out.txt", RESULT]


def test_the_order_of_keys_does_not_matter_but_every_value_does() -> None:
    assert stage_key("s", {"a": 1, "b": [2]}) == stage_key("s", {"b": [2], "a": 1})
    keys = {stage_key("s", v) for v in ({}, {"a": 1}, {"a": 2}, {"a": None}, {"b": 1})}
    assert len(keys | {stage_key("t", {})}) == 6


@pytest.mark.parametrize("damage", ["truncate", "remove", "result", "schema"])
def test_a_damaged_result_is_made_again(tmp_path: Path, damage: str) -> None:
    work = Counter()
    done = run_stage(stage(work), tmp_path)
    if damage == "truncate":
        done.path("out").write_text("numb")
    elif damage == "remove":
        done.path("out").unlink()
    elif damage == "result":
        text = (done.folder / RESULT).read_text()
        (done.folder / RESULT).write_text(text[: len(text) // 2])
    else:
        raw = json.loads((done.folder / RESULT).read_text())
        (done.folder / RESULT).write_text(json.dumps({**raw, "schema": 999}))
    assert run_stage(stage(work), tmp_path).path("out").read_text() == "numbers"
    assert work.calls == 2


def test_a_users_error_is_a_result_with_its_reason_and_is_tried_again(tmp_path: Path) -> None:
    def fail(folder: Path) -> Outcome:
        raise EgraffError("expected 64 atoms, got 63: lost one at step 17.")

    result = run_stage(stage(fail), tmp_path)
    assert result.state == FAILED
    assert result.reason == "expected 64 atoms, got 63: lost one at step 17."
    on_disk = load_result(result.folder)
    assert on_disk is not None
    assert on_disk.reason == result.reason
    work = Counter()
    again = run_stage(stage(work), tmp_path)
    assert again.done
    assert again.attempts == 2


def test_an_unexpected_error_is_a_result_and_leaves_its_traceback(tmp_path: Path) -> None:
    def fail(folder: Path) -> Outcome:
        raise ZeroDivisionError("of all things")

    result = run_stage(stage(fail), tmp_path)
    assert result.state == FAILED
    assert "ZeroDivisionError: of all things" in result.reason
    assert "in fail" in (result.folder / "traceback.txt").read_text()


def test_an_interrupt_is_not_swallowed(tmp_path: Path) -> None:
    def interrupt(folder: Path) -> Outcome:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_stage(stage(interrupt), tmp_path)
    assert load_result(tmp_path / "one") is None


def test_a_stage_whose_need_failed_does_not_begin(tmp_path: Path) -> None:
    def fail(folder: Path) -> Outcome:
        raise EgraffError("no.")

    failed = run_stage(stage(fail), tmp_path)
    work = Counter()
    result = run_stage(Stage("two", "second", {}, work, needs=(failed,)), tmp_path)
    assert work.calls == 0
    assert result.state == BLOCKED
    assert "one gave no result" in result.reason


def test_foreign_files_are_not_erased(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "thesis.tex").write_text("years of work")
    with pytest.raises(EgraffError, match="other files"):
        run_stage(stage(Counter()), tmp_path)
    assert (tmp_path / "one" / "thesis.tex").read_text() == "years of work"


def test_a_file_outside_the_folder_is_no_result(tmp_path: Path) -> None:
    def stray(folder: Path) -> Outcome:
        path = tmp_path / "elsewhere.txt"
        path.write_text("x")
        return Outcome({}, {"out": path})

    assert run_stage(stage(stray), tmp_path).state == FAILED


_KILLED = """
import sys, time
from pathlib import Path
from egraff_lmp.bench.stage import Outcome, Stage, run_stage

def work(folder):
    for k in range(3):
        part = folder / f"part{k}"
        if part.exists():
            continue
        part.write_text(str(k))
        if k == 1 and sys.argv[2] == "hang":
            print("half", flush=True)
            time.sleep(60)
    (folder / "all").write_text("".join((folder / f"part{k}").read_text() for k in range(3)))
    return Outcome({"parts": 3}, {"all": folder / "all"})

result = run_stage(Stage("slow", "slow", {"a": 1}, work), Path(sys.argv[1]))
print(result.state, result.attempts, result.fresh)
"""


def test_killed_half_way_it_goes_on_from_its_own_partial_work(tmp_path: Path) -> None:
    script = tmp_path / "work.py"
    script.write_text(_KILLED)
    out = tmp_path / "out"
    command = [sys.executable, str(script), str(out)]
    victim = subprocess.Popen([*command, "hang"], stdout=subprocess.PIPE, text=True)
    assert victim.stdout is not None
    assert victim.stdout.readline().strip() == "half"
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    assert load_result(out / "slow") is None
    born = (out / "slow" / "part0").stat().st_mtime_ns
    time.sleep(0.02)
    done = subprocess.run([*command, "go"], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["done", "2", "True"]
    assert (out / "slow" / "part0").stat().st_mtime_ns == born
    assert (out / "slow" / "all").read_text() == "012"
    repeated = subprocess.run([*command, "go"], capture_output=True, text=True, check=True)
    assert repeated.stdout.split() == ["done", "2", "False"]
