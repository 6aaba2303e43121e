"""Numbers of the benchmark of a step: ratios, shares, operation counts."""

from __future__ import annotations

import importlib
import json
import math
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def load(root: Path, monkeypatch: pytest.MonkeyPatch):
    """A module of benchmarks/, whose files import each other by name."""
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    before = set(sys.modules)

    def one(name: str) -> ModuleType:
        return importlib.import_module(name)

    yield one
    for name in set(sys.modules) - before:
        if name.startswith("_"):
            del sys.modules[name]


def blocks() -> dict:
    """Two repeats of two sides; the machine is twice as slow in the second."""
    return {
        "eager": [
            {"seconds": [0.8, 0.8, 0.8], "peak_bytes": 4000},
            {"seconds": [1.6, 1.6, 1.6], "peak_bytes": 8000},
        ],
        "lammps 2x1": [
            {
                "seconds": [0.1, 0.1, 0.4],
                "peak_bytes": 1000,
                "network_seconds": 0.15,
                "exchange_seconds": 0.02,
            },
            {
                "seconds": [0.2, 0.2, 0.8],
                "peak_bytes": 2000,
                "network_seconds": 0.3,
                "exchange_seconds": 0.04,
            },
        ],
    }


def test_a_ratio_is_taken_within_a_repeat(load) -> None:
    """A machine that slows down between repeats changes no ratio."""
    found = load("_step_report").ratios(blocks())
    assert found["eager/lammps 2x1"] == {"median": 8.0, "smallest": 8.0, "largest": 8.0}
    assert found["lammps 2x1/eager"]["median"] == pytest.approx(1 / 8)


def test_summary(load) -> None:
    found = load("_step_report").summary(blocks(), n_atoms=10)
    lammps = found["lammps 2x1"]
    assert lammps["ms_a_step"] == pytest.approx(200.0)
    assert lammps["us_an_atom"] == pytest.approx(20_000.0)
    assert lammps["p99_over_median"] > 3.5
    assert lammps["network_share"] == pytest.approx(0.75)
    assert lammps["outside_share"] == pytest.approx(0.25)
    assert lammps["peak_kb_an_atom"] == pytest.approx(0.2)
    assert "network_share" not in found["eager"]


def test_table_and_picture(load, tmp_path: Path) -> None:
    report = load("_step_report")
    case = {
        "forcefield": "mace",
        "system": "GeTe-200",
        "n_atoms": 200,
        "dtype": "float32",
        "sides": report.summary(blocks(), 10),
        "ratios": report.ratios(blocks()),
    }
    lines = report.table([case]).splitlines()
    assert len(lines) == 4
    assert len({line.count("|") for line in lines}) == 1
    assert "| 8.00 |" in lines[-1]
    report.picture([case], tmp_path / "step.png")
    assert (tmp_path / "step.png").read_bytes().startswith(b"\x89PNG")


def test_operations_of_a_linear_map_and_a_product(load) -> None:
    """Counted by hand: 8 x 4 channels in 1 + 3 components; one scalar path of 4 channels."""
    from e3nn import o3

    operations = load("_operations")
    linear = o3.Linear("8x0e + 8x1o", "4x0e + 4x1o")
    assert operations._linear(linear) == 2 * 2 * 8 * 4 * (1 + 3)
    product = o3.TensorProduct(
        "4x0e",
        "0e",
        "4x0e",
        [(0, 0, 0, "uvu", True)],
        shared_weights=False,
        internal_weights=False,
    )
    # Forward 2 + 2, backward 2 + 4 + 2 and the spline a channel, and 4 for the one coefficient.
    assert operations._convolution(product) == 4 * (4 + 8 + operations._SPLINE) + 4


def test_operations_of_a_contraction(load) -> None:
    """s, s s and the three v_m v_m: five terms of each channel, forward and twice backward."""
    from e3nn import o3
    from mace.modules.symmetric_contraction import SymmetricContraction

    operations = load("_operations")
    contraction = SymmetricContraction(
        o3.Irreps("4x0e + 4x1o"), o3.Irreps("4x0e"), 2, num_elements=2
    )
    assert operations._contraction(contraction) == 3 * 2 * 4 * 5


SIDES = {"own", "eager", "deployed", "lammps 1x1"}


@pytest.mark.slow
@pytest.mark.mpi
def test_step_runs_every_side_of_a_small_network(root: Path, tmp_path: Path) -> None:
    """The sides start, agree on the energy (step.py ends if not), and leave numbers of each."""
    words = "--forcefields nequip-small --systems GeTe-200 --layouts 1x1 --threads 1"
    options = "--sides own eager deployed lammps --steps 1 --repeats 1"
    done = subprocess.run(
        [
            *(sys.executable, str(root / "benchmarks" / "step.py"), *words.split()),
            *(*options.split(), "--out", str(tmp_path)),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads((tmp_path / "step.json").read_text())
    (case,) = content["cases"]
    assert set(case["sides"]) == SIDES, done.stdout
    assert (case["forcefield"], case["n_atoms"]) == ("nequip-small", 200)
    for side, row in case["sides"].items():
        numbers = {"ms_a_step", "us_an_atom", "p99_over_median", "peak_kb_an_atom", "gemm_share"}
        assert numbers <= set(row), side
        assert all(is_number(row[key]) for key in numbers - {"peak_kb_an_atom"}), (side, row)
        assert math.isfinite(row["peak_kb_an_atom"])
    shares = [case["sides"]["lammps 1x1"][key] for key in ("network_share", "outside_share")]
    assert all(0 < share < 1 for share in shares)
    pairs = {f"{one}/{other}" for one in SIDES for other in SIDES if one != other}
    assert set(case["ratios"]) == pairs
    assert all(is_number(value) for ratio in case["ratios"].values() for value in ratio.values())
    assert all((tmp_path / name).stat().st_size for name in ("step.md", "step.png"))


def is_number(value: float) -> bool:
    """Finite and positive."""
    return math.isfinite(value) and value > 0
