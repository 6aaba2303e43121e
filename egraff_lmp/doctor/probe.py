"""Trying something in a process of its own, so that a crash or a hang is a finding."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

# Marks a line of results in what a probe prints, among whatever else the libraries print.
MARK = "egraff-probe "
_LONGEST = 300


@dataclass(frozen=True)
class Probe:
    """What came back from a process.

    Attributes:
        results: every result that it wrote before its end, in order.
        failure: one line that says how it ended if not well, else "".
        output: everything else that it printed.
    """

    results: tuple[dict[str, Any], ...]
    failure: str
    output: str

    def get(self, key: str) -> Any:
        """The first result with this key, or None."""
        return next((result[key] for result in self.results if key in result), None)


def python_probe(
    name: str,
    timeout_seconds: float,
    environment: Mapping[str, str],
    launcher: Sequence[str] = (),
) -> Probe:
    """Run an entry of `egraff_lmp.doctor.probes` in this Python.

    Args:
        name: key of its table.
        timeout_seconds: after which it is ended.
        environment: its variables.
        launcher: words before the command, such as mpiexec -n 2.
    """
    command = [*launcher, sys.executable, "-m", "egraff_lmp.doctor.probes", name]
    return run_probe(command, timeout_seconds, environment)


def run_probe(
    command: Sequence[str], timeout_seconds: float, environment: Mapping[str, str]
) -> Probe:
    """Run a command in an empty folder and collect the results that it writes."""
    with tempfile.TemporaryDirectory(prefix="egraff-doctor-") as folder:
        try:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=folder,  # `python -m` looks for modules here first: nothing must shadow them
                start_new_session=True,
            )
        except OSError as error:
            return Probe((), f"{command[0]} cannot be started: {error.strerror}", "")
        try:
            printed, _ = process.communicate(timeout=timeout_seconds)
            failure = _ending(process.returncode)
        except subprocess.TimeoutExpired:
            printed = _end(process)
            failure = f"no answer within {timeout_seconds:g} s"
    results, output = _split(printed.decode(errors="replace"))
    if failure and output.strip():
        failure += f": {_telling_line(output)}"
    return Probe(results, failure, output)


def emit(**result: Any) -> None:
    """Write a result; called by a probe. At once, so that it outlives a later crash."""
    # One call to write: ranks share the pipe.
    os.write(1, f"\n{MARK}{json.dumps(result)}\n".encode())


def _end(process: subprocess.Popen[bytes]) -> bytes:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    try:
        # A process that left the session may still hold the pipe.
        return process.communicate(timeout=5.0)[0]
    except subprocess.TimeoutExpired as late:
        return late.output or b""


def _ending(status: int) -> str:
    if status == 0:
        return ""
    if status < 0:
        with suppress(ValueError):
            return f"crashed ({signal.Signals(-status).name})"
    return f"ended with status {status}"


def _split(printed: str) -> tuple[tuple[dict[str, Any], ...], str]:
    results, rest = [], []
    for line in printed.splitlines():
        _, mark, text = line.partition(MARK)
        if mark:
            with suppress(json.JSONDecodeError):
                results.append(json.loads(text))
                continue
        rest.append(line)
    return tuple(results), "\n".join(rest)


def _telling_line(output: str) -> str:
    """The line that says most: LAMMPS' error, else the last one (Python's error)."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    line = next((line for line in lines if line.startswith("ERROR")), lines[-1])
    line = line.removeprefix("egraff_lmp.errors.")
    return line if len(line) <= _LONGEST else line[:_LONGEST] + " ..."
