"""What LAMMPS said when it stopped."""

import pytest

from egraff_lmp.runs.messages import (
    clean_message,
    error_message,
    physical_reason,
    stop_message,
)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ERROR: Lost atoms: original 64 current 63 (src/src/thermo.cpp:491)\n",
         "Lost atoms: original 64 current 63"),
        ("ERROR on proc 1: Non-numeric atom coords (src/domain.cpp:58)", "Non-numeric atom coords"),
        ("ERROR: expected a file, got x (see y)", "expected a file, got x (see y)"),
    ],
)  # fmt: skip
def test_messages_lose_their_source_position(tmp_path, line, message):
    assert clean_message(line) == message
    log = tmp_path / "log"
    log.write_text(f"LAMMPS\nno ERROR here\n{line}\nERROR: a later one\n")
    assert error_message(log) == message


def test_breakdowns_in_words():
    # The watch over the temperature ends in words that tell a reader nothing.
    halt = "Fix halt condition for fix-id stable met on step 930 with value 0"
    assert physical_reason(halt) == "the temperature exceeded its bound or is not a number"
    assert physical_reason("Lost atoms: original 2 current 1").endswith(": original 2 current 1")
    guard = "pair_style egraff: guard at step 7: expected 27 atoms, got 26"
    assert physical_reason(guard) == f"the simulation ran away: {guard}"
    finite = "pair_style egraff: expected a finite energy, got nan for atom 3 at step 12"
    assert "not a number" in physical_reason(finite)
    assert physical_reason("Unrecognized pair style 'x'") == ""


def test_a_clean_end_before_its_time(tmp_path):
    log = tmp_path / "log"
    log.write_text("Step Temp\negraff: stopped at step 40 of 100 by signal 15\n")
    assert stop_message(log) == "stopped at step 40 of 100 by signal 15"
    log.write_text("Step Temp\nLoop time of 1 on 1 procs for 100 steps with 8 atoms\n")
    assert stop_message(log) == ""
