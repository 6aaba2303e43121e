"""Random decks: systems, settings and histories drawn by chance, each compared with Python.

A failing draw prints its deck and the line that repeats it. Environment variables:

    EGRAFF_RANDOM_DECK    SEED:INDEX of one draw to repeat (with -k repeat)
    EGRAFF_RANDOM_SIMPLIFY  set: look for a simpler deck that fails like it, a few minutes
    EGRAFF_RANDOM_DECKS   how many draws `make study` makes (5000)
    EGRAFF_RANDOM_SEED    of `make study` (20260)
    EGRAFF_RANDOM_FIRST   index of its first draw (0): parts of a study can run at different times
    EGRAFF_RANDOM_LOG     file to which its verdicts go; what stands in it is not run again, unless
                          another build of the plugin made the entry
    EGRAFF_RANDOM_ANY_PLUGIN  set: entries by other builds of the plugin count too
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from random_decks.campaign import Campaign, Entry, complaint
from random_decks.campaign import judge as judge_found
from random_decks.compare import QUANTITIES, UNFIT, compare
from random_decks.draw import Draw, make_draw, parse_name
from random_decks.histories import HISTORIES
from random_decks.interactions import SHARES
from random_decks.launch import run_batch
from random_decks.memcheck import Fault, complete_reports, errors, is_ours
from random_decks.models import KINDS
from random_decks.settings import RANKS
from random_decks.summary import table
from random_decks.systems import SHAPES

from egraff_lmp.paths import mpi_program

EVERYDAY_SEED, EVERYDAY_DRAWS = 11, 150
STUDY_SEED, STUDY_DRAWS = 20260, 5000
# The decks of this many failures are printed, the other failures by name.
SHOWN = 5
# Share of the draws that LAMMPS itself may refuse; they say nothing.
MOST_UNFIT = 0.03


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """Draws run here; progress goes to the terminal."""
    log = os.environ.get("EGRAFF_RANDOM_LOG")
    return Campaign(
        tmp_path_factory.mktemp("random decks"),
        Path(log).resolve() if log else None,
        lambda line: print(line, file=sys.__stderr__, flush=True),
    )


def judge(entries: Sequence[Entry], seconds: float) -> None:
    """Print the table; fail with the decks that are not as Python says."""
    print(table(entries, seconds))
    bad = [entry for entry in entries if not entry.ok]
    told = [complaint(parse_name(entry.name), entry.verdict) for entry in bad[:SHOWN]]
    others = " ".join(entry.name for entry in bad[SHOWN:])
    assert not bad, f"{len(bad)} of {len(entries)} decks:{''.join(told)}\nand {others}"
    unfit = [entry for entry in entries if entry.verdict.state == UNFIT]
    assert len(unfit) <= MOST_UNFIT * len(entries)


@pytest.mark.mpi
@pytest.mark.slow
def test_draws_of_every_day(campaign):
    start = time.monotonic()
    entries = campaign.run(EVERYDAY_SEED, 0, EVERYDAY_DRAWS)
    judge(entries, time.monotonic() - start)


@pytest.mark.mpi
@pytest.mark.study
def test_draws_of_a_study(campaign):
    start = time.monotonic()
    seed = int(os.environ.get("EGRAFF_RANDOM_SEED", STUDY_SEED))
    first = int(os.environ.get("EGRAFF_RANDOM_FIRST", 0))
    entries = campaign.run(seed, first, int(os.environ.get("EGRAFF_RANDOM_DECKS", STUDY_DRAWS)))
    judge(entries, time.monotonic() - start)


@pytest.mark.mpi
@pytest.mark.skipif("EGRAFF_RANDOM_DECK" not in os.environ, reason="EGRAFF_RANDOM_DECK names one")
def test_repeat_one_draw(campaign):
    draw = parse_name(os.environ["EGRAFF_RANDOM_DECK"])
    (entry,) = campaign.run_draws([draw])
    if not entry.ok and "EGRAFF_RANDOM_SIMPLIFY" in os.environ:
        draw = campaign.simplify(draw)
        (entry,) = campaign.run_draws([draw])
    assert entry.ok, complaint(draw, entry.verdict)


def test_a_name_gives_the_same_draw_again():
    for index in range(20):
        draw = make_draw(5, index)
        assert parse_name(draw.name).text() == draw.text()
        fixed = make_draw(5, index, {"ranks": 0, "histories": 0})
        assert fixed.settings.ranks == 1
        assert parse_name(fixed.name).text() == fixed.text()
        assert fixed.files == make_draw(5, index, {"ranks": 0}).files


def test_draws_of_every_day_hold_every_kind():
    draws = [make_draw(EVERYDAY_SEED, index) for index in range(EVERYDAY_DRAWS)]
    words: dict[str, Counter[str]] = {}
    for draw in draws:
        for name, word in draw.words.items():
            words.setdefault(name.split(" ")[0], Counter())[word] += 1
    wanted = {
        "system": SHAPES,
        "interactions": SHARES,
        "model": KINDS,
        "history": HISTORIES,
        "ranks": RANKS,
        "newton": ("newton on", "newton off"),
        "comm": ("brick", "tiled", "tiled rcb", "tiled fix"),
        "boundary": ("p", "f", "s", "m"),
        "units": ("metal", "real"),
        "omp": range(5),
    }
    for name, options in wanted.items():
        missing = {str(option) for option in options} - set(words[name])
        assert not missing, f"{name}: {missing}"


PLAIN = {"refusal": 0, "histories": 0, "interactions": 0, "omp": 0, "system": 0}


@pytest.fixture(scope="module")
def plain(campaign: Campaign) -> tuple[Draw, dict[str, np.ndarray]]:
    """A draw of two ranks with an ensemble of two, and what LAMMPS found."""
    draw = make_draw(3, 0, {**PLAIN, "ranks": 1, "models": 1, "model 0": 0, "model 1": 1})
    assert draw.interactions.members == ("nequip", "allegro")
    (found,) = run_batch([draw], 2, campaign.folder / "plain", campaign.models([draw]))
    assert not found.error
    return draw, found.values


@pytest.mark.mpi
@pytest.mark.parametrize("name", QUANTITIES)
def test_a_change_of_any_quantity_is_seen(campaign, plain, name):
    """By name, and nothing else is blamed."""
    draw, values = plain
    assert compare(draw, values, campaign.models([draw])).ok
    key = {
        "energy": "energy",
        "energies": "c_pe",
        "forces": "f",
        "virial": "pressure",
        "six": "c_s",
        "nine": "c_c",
        "deviation": "c_dev",
    }[name]
    wrong = {check: np.array(value, dtype=float) for check, value in values.items()}
    wrong[f"0.{key}"].reshape(-1)[-1] += 1e-4 * np.abs(wrong[f"0.{key}"]).max()
    verdict = compare(draw, wrong, campaign.models([draw]))
    assert verdict.state == "differs"
    assert [line.split(": ")[1] for line in verdict.text.splitlines()] == [name]


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("lines", "state"),
    [
        # LAMMPS has no style of this name, whatever else acts between the atoms.
        (("fix wrong all nosuchfix",), "not for LAMMPS"),
        # Refused by pair_style egraff alone: lj/cut leaves pairs out without a word.
        (("neigh_modify exclude type 1 1", "run 0 post no"), "error"),
    ],
)
def test_an_error_is_blamed_on_who_makes_it(campaign, lines, state):
    draw = make_draw(3, 0, {**PLAIN, "ranks": 1, "model 0": 0})
    (entry,) = campaign.run_draws([replace(draw, lines=(*draw.lines, *lines))])
    assert entry.verdict.state == state


@pytest.mark.mpi
def test_a_crash_and_a_hang_are_named_and_the_others_go_on(campaign, monkeypatch):
    # The first deck after a start of the ranks has START_SECONDS. The deck that hangs is the second
    # one, so that the limit of all later decks holds for it, which is made short here.
    monkeypatch.setattr("random_decks.launch.HANG_SECONDS", 5.0)
    draws = [make_draw(3, index, {**PLAIN, "ranks": 1, "model 0": 0}) for index in range(4)]
    for place, command in ((1, "shell sleep 60"), (2, "quit 3")):
        draws[place] = replace(draws[place], lines=(*draws[place].lines, command))
    models = campaign.models(draws)
    states = [
        judge_found(found, models).state
        for found in run_batch(draws, 2, campaign.folder / "ends", models)
    ]
    assert states == ["agrees", "hangs", "crashes", "agrees"]


REPORT = """<?xml version="1.0"?>
<valgrindoutput>
<status><state>RUNNING</state></status>
<error><kind>InvalidRead</kind><stack><frame><fn>f</fn><obj>/lib.so</obj></frame></stack></error>
<status><state>FINISHED</state></status>
</valgrindoutput>
"""
STATUS_FINISHED = "<status><state>FINISHED</state></status>\n"


def test_memcheck_wants_a_whole_report_of_every_rank(tmp_path):
    (tmp_path / "valgrind.1.xml").write_text(REPORT)
    (whole,) = complete_reports(tmp_path, 1)
    assert [fault.kind for fault in errors(whole)] == ["InvalidRead"]
    with pytest.raises(
        SystemExit, match=r"expected 2 complete reports .* got 1 complete ones of 1"
    ):
        complete_reports(tmp_path, 2)
    for cut in (REPORT[:-20], REPORT.replace(STATUS_FINISHED, ""), ""):
        (tmp_path / "valgrind.2.xml").write_text(cut)
        with pytest.raises(SystemExit, match="got 1 complete ones of 2"):
            complete_reports(tmp_path, 2)


MALLOC = "malloc in /usr/libexec/valgrind/vgpreload_memcheck-amd64-linux.so"
COPY = "memcpy in /usr/libexec/valgrind/vgpreload_memcheck-amd64-linux.so"
PLUGIN = "? in /venv/egraff_lmp/lib/egraffplugin.so"
TORCH = "at::add in /venv/torch/lib/libtorch_cpu.so"
LAMMPS = "LAMMPS_NS::CommBrick::forward_comm in /venv/lammps/liblammps.so.0"
BLAMED = {
    "read beyond what the plugin handed to torch": ("InvalidRead", (TORCH, PLUGIN, LAMMPS), ()),
    "copy by the plugin": ("InvalidWrite", (COPY, PLUGIN, LAMMPS), ()),
    "branch in the plugin": ("UninitCondition", (PLUGIN, LAMMPS), (MALLOC, LAMMPS)),
    "memory of the plugin in torch": ("UninitValue", (TORCH, PLUGIN), (MALLOC, PLUGIN, LAMMPS)),
}
NOT_BLAMED = {
    "torch's own option words": ("UninitCondition", (TORCH, PLUGIN, LAMMPS), ()),
    "memory of torch in torch": ("UninitValue", (TORCH, PLUGIN), (MALLOC, TORCH, PLUGIN)),
    "LAMMPS beside the plugin": ("InvalidRead", (COPY, LAMMPS, PLUGIN), ()),
    "MPI for LAMMPS": ("SyscallParam", ("writev in /libc.so.6", LAMMPS, PLUGIN), (MALLOC, LAMMPS)),
}


@pytest.mark.parametrize("name", [*BLAMED, *NOT_BLAMED])
def test_whom_memcheck_blames(name):
    fault = Fault(*{**BLAMED, **NOT_BLAMED}[name])
    assert is_ours(fault) == (name in BLAMED)


PATTERN = """
import ctypes
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
blocks = [libc.malloc(size) for size in (64, 5000, 300000)]
print(*(ctypes.string_at(block + 32, 8).hex() for block in blocks))
"""


@pytest.mark.mpi
def test_ranks_get_poisoned_memory():
    """Those of every test: conftest.py sets the variable."""
    poison = int(os.environ["MALLOC_PERTURB_"])
    done = subprocess.run(
        [mpi_program("mpiexec"), "-n", "2", sys.executable, "-c", PATTERN],
        capture_output=True,
        text=True,
        check=True,
    )
    # Fresh memory holds the complement, what was freed before the byte itself.
    found = bytes.fromhex("".join(done.stdout.split()))
    assert len(found) == 2 * 3 * 8
    assert set(found) <= {poison, poison ^ 0xFF}
