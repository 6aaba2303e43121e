"""`egraff doctor` as it is typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TIMEOUT_SECONDS = 120


def doctor(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    egraff = Path(sys.executable).parent / "egraff"
    # As in an activated environment: another MPI of this machine is not what is tested.
    environment.setdefault("PATH", f"{egraff.parent}:{os.environ['PATH']}")
    return subprocess.run(
        [egraff, "doctor", *words],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def test_json_of_this_installation():
    ended = doctor("--json")
    report = json.loads(ended.stdout)
    failed = [finding for finding in report["findings"] if finding["state"] == "failed"]
    assert failed == []
    assert ended.returncode == 0
    assert report["healthy"] is True
    assert report["schema"] == 1
    titles = [finding["title"] for finding in report["findings"]]
    assert titles[0] == "Python"
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("columns", [80, 50])
def test_text_fits_the_width(columns):
    ended = doctor("--only", "cores", "--only", "packages", COLUMNS=str(columns))
    assert ended.returncode == 0
    lines = ended.stdout.splitlines()
    assert max(map(len, lines)) <= columns
    assert max(map(len, lines)) > columns - 15  # the width is used
    assert all(line == line.rstrip() for line in lines)
    assert "0 failed" in lines[-1]


@pytest.mark.parametrize("columns", [80, 50])
def test_failure_says_expected_and_next(tmp_path, columns):
    foreign = tmp_path / "mpiexec"
    foreign.write_text('#!/bin/sh\nshift 2\n"$@"; "$@"\n')
    foreign.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    ended = doctor("--only", "mpiexec", PATH=path, COLUMNS=str(columns))
    assert ended.returncode == 1
    assert ended.stderr == ""
    lines = ended.stdout.splitlines()
    assert max(map(len, lines)) <= columns
    text = " ".join(ended.stdout.split())
    assert "failed mpiexec on the PATH" in text
    assert "expected one LAMMPS of 2 ranks" in text
    assert "next: put this environment first" in text
    assert lines[-1].startswith("1 failed")


def test_unknown_check_is_one_sentence():
    ended = doctor("--only", "gpu")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "expected checks out of python, packages" in ended.stderr
    assert "got gpu" in ended.stderr
    assert "Traceback" not in ended.stderr
