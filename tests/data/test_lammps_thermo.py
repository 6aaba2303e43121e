"""thermo.csv: reading, resumed and broken runs, refusals."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from egraff_lmp.data.lammps_thermo import COLUMNS, read_thermo
from egraff_lmp.errors import EgraffError

HEADER = ",".join(COLUMNS)


def write(tmp_path, *rows, header=HEADER, end="\n"):
    path = tmp_path / "thermo.csv"
    path.write_text("\n".join([header, *rows]) + end)
    return path


def test_columns_by_name_in_any_order(tmp_path):
    header = "volume_a3,extra," + ",".join(reversed(COLUMNS[:-1]))
    thermo = read_thermo(write(tmp_path, "8.0,9,1.5,-3.5,-4.5,300,20,10", header=header))
    assert thermo.step.tolist() == [10]
    assert (thermo.time_fs[0], thermo.temperature_kelvin[0]) == (20, 300)
    assert (thermo.potential_ev[0], thermo.total_ev[0]) == (-4.5, -3.5)
    assert (thermo.pressure_bar[0], thermo.volume_a3[0]) == (1.5, 8)


def test_a_resumed_run_overwrites_its_steps(tmp_path):
    path = write(
        tmp_path,
        "0,0,1,-1,0,0,1",
        "10,20,1,-2,0,0,1",
        HEADER,
        "10,20,1,-3,0,0,1",
        "20,40,1,-4,0,0,1",
    )
    thermo = read_thermo(path)
    assert thermo.step.tolist() == [0, 10, 20]
    assert thermo.potential_ev.tolist() == [-1, -3, -4]


def test_energies_by_step(tmp_path):
    thermo = read_thermo(write(tmp_path, "0,0,1,-1,0,0,1", "10,5,1,-2,0,0,1"))
    found = thermo.potential_at(np.array([10, 5, 0, 99]))
    np.testing.assert_array_equal(found, [-2, np.nan, -1, np.nan])


def test_time_step(tmp_path):
    assert read_thermo(write(tmp_path, "0,0,1,1,1,1,1", "10,12.09,1,1,1,1,1")).timestep_fs() == (
        pytest.approx(1.209)
    )
    one = read_thermo(write(tmp_path, "0,0,1,1,1,1,1"))
    assert one.timestep_fs() is None
    changing = write(tmp_path, "0,0,1,1,1,1,1", "10,10,1,1,1,1,1", "20,15,1,1,1,1,1")
    assert read_thermo(changing).timestep_fs() is None


def test_a_cut_last_line_is_dropped_with_a_warning(tmp_path, caplog):
    path = write(tmp_path, "0,0,1,-1,0,0,1", "10,5,1,-12.3", end="")
    with caplog.at_level(logging.WARNING):
        assert read_thermo(path).step.tolist() == [0]
    assert "the last line is cut short" in caplog.text


def test_numbers_of_a_broken_run_are_numbers(tmp_path):
    thermo = read_thermo(write(tmp_path, "0,0,inf,nan,-nan,1e300,1"))
    assert np.isnan(thermo.potential_ev[0])
    assert np.isinf(thermo.temperature_kelvin[0])


def test_only_a_header(tmp_path):
    assert len(read_thermo(write(tmp_path)).step) == 0


def test_refusals(tmp_path):
    with pytest.raises(EgraffError, match="expected a thermo file, there is none"):
        read_thermo(tmp_path / "none.csv")
    with pytest.raises(EgraffError, match=r"got step,time: time_fs, .* missing"):
        read_thermo(write(tmp_path, "0,0", header="step,time"))
    (tmp_path / "thermo.csv").write_text("")
    with pytest.raises(EgraffError, match="got an empty file"):
        read_thermo(tmp_path / "thermo.csv")
    with pytest.raises(EgraffError, match="got the line '0,0,1,x,1,1,1'"):
        read_thermo(write(tmp_path, "0,0,1,x,1,1,1"))
    with pytest.raises(EgraffError, match="expected 7 numbers"):
        read_thermo(write(tmp_path, "0,0,1,2"))
