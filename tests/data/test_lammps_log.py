"""LAMMPS logs: loop times, temperatures, lost atoms, errors."""

from __future__ import annotations

import pytest

from egraff_lmp.data.lammps_log import read_lammps_log
from egraff_lmp.errors import EgraffError

HEAD = """\
LAMMPS (22 Jul 2025)
  "print 'ERROR: expected a model'" &
Setting up Verlet run ...
  Unit style    : metal
  Current step  : 0
  Time step     : 0.002
egraff: model.pt
  Allegro float32, 2 layer(s), r_max 4.8 A, sha256 584d0639e71a
  2 rank(s) (2 on this node), device cpu, 3 thread(s) per rank
   Step          Time           Temp          PotEng
         0   0              300           -32.610243
"""
ROWS = """\
        10   0.02           299.5         -32.6
WARNING: a line between the rows
        20   0.04           298.5         -32.5
"""
TAIL = """\
Loop time of 0.5 on 2 procs for 20 steps with 64 atoms
98.0% CPU use with 2 MPI tasks x 1 OpenMP threads
"""


@pytest.fixture
def log(tmp_path):
    def write(*parts, name="log.lammps"):
        path = tmp_path / name
        path.write_text("".join(parts))
        return path

    return write


def test_a_run_that_ended(log):
    found = read_lammps_log(log(HEAD, ROWS, TAIL))
    assert (found.seconds, found.n_steps, found.n_atoms) == (0.5, 20, 64)
    assert (found.ranks, found.threads, found.device, found.precision) == (2, 3, "cpu", "float32")
    assert found.timestep_fs == 2.0
    assert found.step.tolist() == [0, 10, 20]
    assert found.temperature_kelvin.tolist() == [300, 299.5, 298.5]
    assert found.lost is None
    assert found.error == ""


def test_a_run_that_lost_atoms_keeps_its_rows(log):
    lost = "ERROR: Lost atoms: original 64 current 60 (src/thermo.cpp:494)\n"
    found = read_lammps_log(log(HEAD, ROWS, lost))
    assert found.lost == (64, 60)
    assert found.error == "Lost atoms: original 64 current 60"
    assert found.step.tolist() == [0, 10, 20]
    assert found.n_steps == 0


def test_lost_warnings_count_too(log):
    lost = "WARNING: Lost atoms: original 64 current 63 (src/thermo.cpp:498)\n"
    found = read_lammps_log(log(HEAD, ROWS, lost, TAIL))
    assert found.lost == (64, 63)
    assert found.error == ""


def test_starts_add_up_and_the_later_one_counts(log):
    lost = "ERROR on proc 0: Non-numeric pressure - simulation unstable (src/fix_nh.cpp:1056)\n"
    first = log(HEAD, ROWS, TAIL, lost, name="log.0.lammps")
    again = TAIL.replace("0.5 on 2", "0.25 on 1")
    found = read_lammps_log(first, log(HEAD, ROWS, again, name="log.1.lammps"))
    assert (found.seconds, found.n_steps, found.ranks) == (0.75, 40, 1)
    assert found.error == ""
    assert read_lammps_log(first).error == "Non-numeric pressure - simulation unstable"


def test_no_such_log(tmp_path):
    with pytest.raises(EgraffError, match="expected a LAMMPS log, there is no such file"):
        read_lammps_log(tmp_path / "log.lammps")
