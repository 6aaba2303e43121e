"""The memory of a process over lengths that users run: thousands of steps, dozens of reloads."""

from __future__ import annotations

from pathlib import Path

import pytest

from egraff_lmp.forcefields import FORCE_FIELDS
from egraff_lmp.verify import verify
from egraff_lmp.verify.checks import histories

STEPS, RELOADS = 5000, 50
# Of the steps, each of which is given a time limit; the first part, in which buffers find their
# size, is not counted. The check leaves out the first quarter of the reloads, too.
PARTS = 50
MODELS = Path(__file__).parents[2] / "deployed_models"


@pytest.mark.mpi
@pytest.mark.study
@pytest.mark.parametrize(
    ("key", "ranks"), [*((key, 1) for key in FORCE_FIELDS), ("nequip", 2), ("allegro", 2)]
)
def test_memory_of_long_runs(monkeypatch, key, ranks):
    monkeypatch.setattr(histories, "MEMORY_PARTS", PARTS + 1)
    monkeypatch.setattr(histories, "MEMORY_STEPS", STEPS // PARTS * (PARTS + 1))
    monkeypatch.setattr(histories, "RELOADS", RELOADS * 4 // 3 + 2)
    certificate = verify(MODELS / f"gete-{key}.pt", ranks=(ranks,), only=("memory",))
    for finding in certificate.all_findings:
        print(f"{key}, {ranks} rank(s): {finding.name} {finding.value:.3g} {finding.unit}")
    assert {finding.verdict for finding in certificate.all_findings} == {"passed"}
