"""Advice on ranks and threads."""

from __future__ import annotations

import os

import pytest

from egraff_lmp.doctor import Context
from egraff_lmp.doctor.cores import check_cores, cpu_quota, usable_cores


@pytest.fixture
def one_core():
    """This process on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


def test_the_affinity_mask_counts(one_core):
    assert usable_cores() == 1
    finding = check_cores(Context({}))[0]
    assert finding.got == "1 core(s), OMP_NUM_THREADS not set"
    assert finding.advice.endswith("at most 1: 1 x 1")


@pytest.mark.parametrize(
    ("setting", "state"), [("1", "ok"), ("2", "warning"), ("0", "warning"), ("4,2", "warning")]
)
def test_threads_against_cores(one_core, setting, state):
    finding = check_cores(Context({"OMP_NUM_THREADS": setting}))[0]
    assert finding.state == state
    assert f"OMP_NUM_THREADS={setting}" in finding.got


@pytest.mark.parametrize(
    ("text", "quota"),
    [("max 100000", None), ("150000 100000", 1.5), ("", None), ("nonsense", None)],
)
def test_quota_of_a_control_group(tmp_path, text, quota):
    path = tmp_path / "cpu.max"
    path.write_text(text)
    assert cpu_quota(path) == quota


def test_quota_below_the_visible_cores_is_a_warning(monkeypatch):
    monkeypatch.setattr("egraff_lmp.doctor.cores.cpu_quota", lambda: 0.5)
    finding = check_cores(Context({}))[-1]
    assert finding.state == "warning"
    assert finding.got.startswith("0.5 cores' worth")
    assert "OMP_NUM_THREADS=1" in finding.advice
