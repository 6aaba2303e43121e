"""How many ranks and threads fit on this machine?"""

from __future__ import annotations

import math
import os
from pathlib import Path

from egraff_lmp.doctor.finding import Context, Finding

_CGROUP = Path("/sys/fs/cgroup/cpu.max")


def check_cores(context: Context) -> list[Finding]:
    """Cores this process may use, against OMP_NUM_THREADS and a container's quota."""
    cores = usable_cores()
    quota = cpu_quota()
    findings = [_thread_finding(cores, context.environment.get("OMP_NUM_THREADS", ""))]
    if quota is not None and quota < cores:
        findings.append(
            Finding(
                "CPU quota",
                "warning",
                f"{quota:g} cores' worth of time on {cores} visible cores",
                expected="as many visible cores as may be used, on which `threads auto` relies",
                advice=f"`export OMP_NUM_THREADS={max(1, math.floor(quota))}` on one rank, 1 on "
                "more, or pin the container to cores (cpuset)",
            )
        )
    return findings


def usable_cores() -> int:
    """Cores in this process' affinity mask; a batch system narrows it."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_quota(path: Path = _CGROUP) -> float | None:
    """Cores' worth of CPU time that the control group allows, or None without a limit."""
    try:
        limit, period = path.read_text(encoding="utf-8").split()[:2]
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _thread_finding(cores: int, setting: str) -> Finding:
    title = "cores and threads"
    advice = f"ranks x threads at most {cores}: {_splits(cores)}"
    if not setting:
        return Finding(title, "ok", f"{cores} core(s), OMP_NUM_THREADS not set", advice=advice)
    threads = int(setting) if setting.isdigit() else 0
    got = f"{cores} core(s), OMP_NUM_THREADS={setting}"
    if threads < 1:
        return Finding(title, "warning", got, "a whole number from 1", "`unset OMP_NUM_THREADS`")
    if threads > cores:
        expected = f"at most {cores} thread(s), or training is slowed down"
        return Finding(title, "warning", got, expected, "`unset OMP_NUM_THREADS`")
    ranks = cores // threads
    if ranks > 1:
        advice = f"{ranks} ranks of {threads} thread(s) fill the cores; {advice}"
    return Finding(title, "ok", got, advice=advice)


def _splits(cores: int) -> str:
    """The even ways to fill the cores, as "1 x 4, 2 x 2, 4 x 1"; the ends and middle of many."""
    ranks = [n for n in range(1, cores + 1) if cores % n == 0]
    if len(ranks) > 4:
        middle = len(ranks) // 2
        ranks = [ranks[0], *ranks[middle - 1 : middle + 1], ranks[-1]]
    return ", ".join(f"{n} x {cores // n}" for n in ranks)
