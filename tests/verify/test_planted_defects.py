"""Defects planted in the pair style: `egraff verify` names each of them.

Each is one line of the sources, changed and compiled beside the real build (`mutants.py`); the
deployed file is right, so that whatever fails is the engine's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ase import Atoms
from ase.io import write
from mutants import Mutant, build
from toys import R_MAX, Pairs, frame, save

# Of a busy machine: nothing here is judged by time.
TIME_LIMIT_SECONDS = 900
COMPUTE = "lammps/pair_egraff_compute.cpp"
EXCHANGE = "lammps/row_exchange.cpp"

# The defect, the checks that are made on how many ranks, and the findings that must fail.
PLANTED = {
    "wrong sign of the virial": (
        Mutant(COMPUTE, "virial[k] += v[k];", "virial[k] += k == 0 ? -v[k] : v[k];"),
        ("derivatives", "parity"),
        "1",
        {"derivatives: virial, LAMMPS", "parity: virial"},
    ),
    "dropped ghost contribution": (
        # On one rank every ghost is an image of an own atom, and no node of its own.
        Mutant(
            COMPUTE,
            "return f[atoms.atom_of_node[node]];",
            "static double dropped[3];\n"
            "const int on = atoms.atom_of_node[node];\n"
            "return on < atom->nlocal ? f[on] : dropped;",
        ),
        ("ranks",),
        "1,2",
        {"ranks"},
    ),
    "swapped elements": (
        Mutant(
            "lammps/member.cpp",
            "    types[node] = ",
            "    types[node] = static_cast<int64_t>(contract().species.size()) - 1 - ",
        ),
        ("parity",),
        "1",
        {"parity: energy", "parity: forces", "parity: per-atom energies"},
    ),
    "energies summed in float32": (
        Mutant(
            COMPUTE,
            "if (eflag_global) eng_vdwl += energy;",
            "if (eflag_global) eng_vdwl = static_cast<float>(eng_vdwl + energy);",
        ),
        ("sums",),
        "1",
        {"sums: energies"},
    ),
    "one exchange skipped": (
        Mutant(
            EXCHANGE,
            "void RowExchange::to_ghosts(T *rows, int width)\n{\n",
            "void RowExchange::to_ghosts(T *rows, int width)\n{\n"
            "  static int calls = 0;\n  if (++calls % 2 == 0) return;\n",
        ),
        ("ranks",),
        "1,2",
        {"ranks"},
    ),
    "unzeroed ghost rows": (
        Mutant(
            COMPUTE,
            "if (!force->newton_pair) zero_ghost_tallies();",
            "",
        ),
        ("newton",),
        "1,2",
        {"newton: off"},
    ),
}


# The others run in `make study`: each compiles a file and starts two processes with torch.
EVERYDAY = ("wrong sign of the virial", "energies summed in float32", "unzeroed ghost rows")


@pytest.fixture(scope="module")
def structure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small frame, so that a mutant is caught in seconds."""
    species, positions, cell = frame()
    path = tmp_path_factory.mktemp("frame") / "frame.extxyz"
    write(path, Atoms(species, positions, cell=cell, pbc=True))
    return path


@pytest.fixture(scope="module")
def models(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """A right model by whether it exchanges; one that does not is enough for most, and quick."""
    quick = save(Pairs(R_MAX), tmp_path_factory.mktemp("model") / "pairs.pt")
    return {True: root / "deployed_models" / "gete-nequip.pt", False: quick}


def verify(model: Path, structure: Path, checks, ranks: str, library: Path | None = None):
    """Exit status and what `egraff verify --json` printed."""
    words = ["--structure", structure, "--ranks", ranks, "--json"]
    for check in checks:
        words += ["--only", check]
    environment = dict(os.environ)
    if library is not None:
        environment["EGRAFF_LIBRARY_DIR"] = str(library)
    done = subprocess.run(
        [Path(sys.executable).parent / "egraff", "verify", model, *words],
        capture_output=True, text=True, env=environment, timeout=TIME_LIMIT_SECONDS, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.mpi
@pytest.mark.parametrize(
    "defect",
    [pytest.param(name, marks=() if name in EVERYDAY else pytest.mark.study) for name in PLANTED],
)
def test_a_planted_defect_is_named(models, structure, tmp_path, defect) -> None:
    mutant, checks, ranks, expected = PLANTED[defect]
    model = models[mutant.file == EXCHANGE]
    status, found = verify(model, structure, checks, ranks, build(mutant, tmp_path))
    failed = {f["name"]: f for f in found["findings"] if f["verdict"] == "failed"}
    assert status == 1
    assert expected <= set(failed)
    # A number above its threshold: a crash of the mutant would not be the defect's detection.
    for name in expected:
        assert failed[name]["value"] > failed[name]["threshold"], failed[name]
    assert found["passed"] is False


@pytest.mark.mpi
@pytest.mark.parametrize("exchanges", [False, pytest.param(True, marks=pytest.mark.study)])
def test_the_real_build_passes_the_same_checks(models, structure, exchanges) -> None:
    """Otherwise the mutants would prove nothing."""
    checks = {c for mutant, checks, _, _ in PLANTED.values() for c in checks
              if exchanges == (mutant.file == EXCHANGE)}  # fmt: skip
    status, found = verify(models[exchanges], structure, sorted(checks), "1,2")
    assert [f for f in found["findings"] if f["verdict"] == "failed"] == []
    assert status == 0
