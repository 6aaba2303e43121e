"""Decks that hang or crash cost no other deck, and are named."""

from __future__ import annotations

from pathlib import Path

import pytest
import toys

from egraff_lmp.contract import read_contract
from egraff_lmp.verify.deck import static
from egraff_lmp.verify.launch import run_decks
from egraff_lmp.verify.structures import self_test_frame

PATIENCE_SECONDS = 120.0  # a start of LAMMPS with torch on a busy machine
LONG_SECONDS = 600
# Kills the rank whose `shell` command runs it, with or without a shell between the two.
KILL = """
rank=$PPID
case $(cat /proc/$rank/comm) in sh|dash|bash) rank=$(cut -d' ' -f4 /proc/$rank/stat);; esac
kill -9 $rank
"""


@pytest.mark.mpi
@pytest.mark.parametrize("hangs", [False, pytest.param(True, marks=pytest.mark.study)])
def test_the_others_go_on(tmp_path: Path, hangs: bool) -> None:
    """A deck that hangs takes as long as patience lasts."""
    model = toys.save(toys.Pairs(toys.R_MAX), tmp_path / "model.pt")
    contract = read_contract(model)
    frame, ranks = self_test_frame(contract), (2,)
    (tmp_path / "kill.sh").write_text(KILL)
    decks = [
        static("first", frame, ranks),
        *([static("hangs", frame, ranks, after=(f"shell sleep {LONG_SECONDS}",))] if hangs else []),
        static("crashes", frame, ranks, after=(f"shell sh {tmp_path}/kill.sh",)),
        static("is wrong", frame, ranks, after=("neigh_modify exclude type 1 1",)),
        static("last", frame, ranks),
    ]
    ended: list[str] = []
    found = run_decks(
        decks, 2, model, contract, advance=ended.append, patience_seconds=PATIENCE_SECONDS
    )
    assert ended == [deck.name for deck in decks]
    assert not found["first"].error
    if hangs:
        assert f"no answer within {PATIENCE_SECONDS:g} s" in found["hangs"].error
    assert "the ranks ended with status" in found["crashes"].error
    assert "expected no excluded pairs" in found["is wrong"].error
    assert (found["last"]["f"] == found["first"]["f"]).all()
