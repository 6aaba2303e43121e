"""Random decks: systems, settings and histories drawn by chance, each compared with Python.

A failing draw prints its deck and the line that repeats it. Environment variables:

    EGRAFF_RANDOM_DECK    SEED:INDEX of one draw to repeat (with -k repeat)
    EGRAFF_RANDOM_DECKS   how many draws `make study` makes (5000)
    EGRAFF_RANDOM_SEED    of `make study` (20260)
    EGRAFF_RANDOM_FIRST   index of its first draw (0): parts of a study can run at different times
    EGRAFF_RANDOM_LOG     file to which its verdicts go; what stands in it is not run again
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from random_decks.campaign import Campaign, Entry, complaint
from random_decks.draw import make_draw, parse_name
from random_decks.summary import table

EVERYDAY_SEED, EVERYDAY_DRAWS = 11, 150
STUDY_SEED, STUDY_DRAWS = 20260, 5000
# The decks of this many failures are printed, the other failures by name.
SHOWN = 5


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
    assert entry.ok, complaint(draw, entry.verdict)


def test_a_name_gives_the_same_draw_again():
    for index in range(20):
        draw = make_draw(5, index)
        assert parse_name(draw.name).text() == draw.text()
