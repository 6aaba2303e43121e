"""The files of one run, which its process writes and the program that started it reads.

job.json               what to do
segment-00000.npz      frames, surface and visits at the end of the segment; written last
segment-00000.restart  what the next one begins from
ended.json             why the run ended before its time
"""

from __future__ import annotations

from pathlib import Path

JOB, ENDED = "job.json", "ended.json"
# Kinds of such ends: a result of the simulation, and a mistake that can be mended.
BROKEN, FAILED = "broken", "failed"


def segment_path(folder: Path, number: int) -> Path:
    """What a finished segment has found."""
    return folder / f"segment-{number:05d}.npz"


def restart_path(folder: Path, number: int) -> Path:
    """Where a finished segment has left its atoms and hills."""
    return folder / f"segment-{number:05d}.restart"
