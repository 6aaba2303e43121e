"""The benchmark of scoring runs, and its numbers are numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

TIMEOUT_SECONDS = 300


def test_quick(root: Path, tmp_path: Path):
    out = tmp_path / "numbers.json"
    ended = subprocess.run(
        [sys.executable, root / "benchmarks" / "scoring.py", "--quick", "--json", str(out)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    numbers = json.loads(out.read_text())
    # WF and JSD of four pairs, RDF errors of eight, two unrooted, three EV and two FV.
    assert numbers["small"]["values"] == numbers["large"]["values"] == 23
    assert numbers["small"]["ratio"] > 1
    assert numbers["large"]["cpu_seconds"] > 0
    assert numbers["large"]["peak_bytes"] > numbers["large"]["bytes_of_the_frames"]
