"""A LAMMPS whose atom IDs are of another size than those the plugin was built for is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from decks import TIME_LIMIT_SECONDS

from egraff_lmp.paths import mpi_program

# What LAMMPS' C interface answers when it was built with -DLAMMPS_SIZES=bigbig.
BIGBIG = """
#include <cstring>
extern "C" int lammps_extract_setting(void *, const char *name)
{
  return std::strstr("bigint tagint imageint", name) ? 8 : -1;
}
"""
DECK = """
units metal
region b block 0 9 0 9 0 9
create_box 1 b
create_atoms 1 single 1 1 1
mass 1 127.6
{command}
"""
COMMANDS = {
    "pair": "pair_style egraff",
    "foreign": "pair_style mace",
    "compute": "compute q all egraff/atom features",
    "fix": "fix c all egraff/checkpoint 10 a b",
}


@pytest.fixture(scope="module")
def bigbig(tmp_path_factory) -> Path:
    """A library that answers in LAMMPS' place."""
    folder = tmp_path_factory.mktemp("bigbig")
    (folder / "bigbig.cpp").write_text(BIGBIG)
    compiler = os.environ.get("CXX") or shutil.which("c++") or "g++"
    library = folder / "bigbig.so"
    subprocess.run(
        [*compiler.split(), "-shared", "-fPIC", "-o", library, folder / "bigbig.cpp"], check=True
    )
    return library


@pytest.mark.mpi
@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("ranks", [1, 2])
def test_other_integers_are_refused(bigbig, tmp_path, name, ranks):
    (tmp_path / "in.deck").write_text(DECK.format(command=COMMANDS[name]))
    lmp = Path(sys.executable).parent / "lmp"
    done = subprocess.run(
        [mpi_program("mpiexec"), "-n", str(ranks), str(lmp), "-in", "in.deck", "-log", "none"],
        env={**os.environ, "LD_PRELOAD": str(bigbig)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_SECONDS,
    )
    assert done.returncode != 0
    told = done.stdout + done.stderr
    assert (
        "expected a LAMMPS with 4 bytes per tagint, for which the plugin was built, got 8" in told
    )
    assert "build egraff_lmp against this LAMMPS, with the same -DLAMMPS_SIZES" in told
