"""The benchmark runs, and what it times upstream is the same network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TIMEOUT_SECONDS = 600


@pytest.mark.mpi
@pytest.mark.slow
def test_one_force_field(root: Path, tmp_path: Path):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("two ranks need two cores")
    out = tmp_path / "numbers.json"
    words = ["--only", "nequip", "--steps", "1", "--repeats", "2", "--json", str(out)]
    # It compares energies with nequip's own calculator and fails if they differ.
    ended = subprocess.run(
        [sys.executable, root / "benchmarks" / "engine.py", *words],
        env=os.environ | {"EGRAFF_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "efficiency t1/(2 t2)" in ended.stdout
    numbers = json.loads(out.read_text())
    assert numbers["structure"] == "random packing"
    for block in numbers["nequip"]["blocks"]["1x1"]:
        assert 0.0 < block["network"] < block["step"]
    assert 0.0 < numbers["nequip"]["outside_200_on_1"] < 1.0
    assert numbers["nequip"]["upstream_over_this"] > 0.0
