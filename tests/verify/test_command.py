"""`egraff verify` as it is typed: every check of the table, on one and on two ranks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import toys

from egraff_lmp.fileio import sha256_file
from egraff_lmp.verify import CHECKS
from egraff_lmp.verify.certificate import default_path, read_verdict, record_path

TIME_LIMIT_SECONDS = 900
RANKS = (1, 2)


@pytest.mark.study
@pytest.mark.mpi
def test_the_whole_of_a_right_model(tmp_path: Path) -> None:
    model = toys.save(toys.Pairs(toys.R_MAX), tmp_path / "pairs.pt")
    words = ["verify", model, "--ranks", ",".join(map(str, RANKS)), "--json"]
    done = subprocess.run(
        [Path(sys.executable).parent / "egraff", *words],
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["passed"] is True
    assert found["ranks"] == list(RANKS)
    # Every check made its findings. The file has no radial tables: they alone do not apply.
    assert [c.name for c in CHECKS] == list(dict.fromkeys(f["check"] for f in found["findings"]))
    verdicts = {f["name"]: f["verdict"] for f in found["findings"]}
    cores = {name for name in verdicts if name == "threads: 2"}  # where a machine has one core
    silent = {name for name, verdict in verdicts.items() if verdict == "not applicable"}
    assert silent - cores == {"tables: error of the radial functions"}
    assert {verdict for name, verdict in verdicts.items() if name not in silent} == {"passed"}
    assert read_verdict(record_path(default_path(model))) == ("pairs.pt", sha256_file(model), True)
    assert "# Certificate of pairs.pt: passed" in default_path(model).read_text()
