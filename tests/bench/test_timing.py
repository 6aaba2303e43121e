"""Milliseconds per step out of LAMMPS' own words."""

from __future__ import annotations

from pathlib import Path

import pytest

from egraff_lmp.bench.timing import ms_per_step

LINE = "Loop time of {time} on 2 procs for {steps} steps with 64 atoms\n"


def test_all_segments_of_a_resumed_rollout_count(tmp_path: Path) -> None:
    (tmp_path / "log.0.lammps").write_text("noise\n" + LINE.format(time="3.0", steps=100))
    (tmp_path / "log.1.lammps").write_text(LINE.format(time="1.5", steps=200) + "more\n")
    assert ms_per_step(tmp_path) == pytest.approx(15.0)


@pytest.mark.parametrize("content", [None, "", "ERROR: Lost atoms\n"])
def test_a_run_that_did_not_end_has_no_time(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "log.0.lammps").write_text(content)
    assert ms_per_step(tmp_path) is None


def test_a_run_of_no_steps_has_no_time(tmp_path: Path) -> None:
    (tmp_path / "log.0.lammps").write_text(LINE.format(time="1e-6", steps=0))
    assert ms_per_step(tmp_path) is None
