"""Wall time of a step, from what LAMMPS prints at the end of a run."""

from __future__ import annotations

import re
from pathlib import Path

# "Loop time of 3.46552 on 2 procs for 100 steps with 64 atoms"
_LOOP = re.compile(r"^Loop time of (\S+) on \d+ procs for (\d+) steps", re.MULTILINE)


def ms_per_step(folder: Path) -> float | None:
    """Milliseconds per step over all logs of a rollout; None if no run in them ended.

    The loop time leaves out reading, set-up and the first evaluation.
    """
    seconds, steps = 0.0, 0
    for log in sorted(folder.glob("log.*.lammps")):
        for time, number in _LOOP.findall(log.read_text(encoding="utf-8", errors="replace")):
            seconds += float(time)
            steps += int(number)
    return 1000 * seconds / steps if steps else None
