"""Rollouts of the shipped matrices run at the temperature that their held-out frames have."""

from __future__ import annotations

import numpy as np
import pytest

from egraff_lmp.bench import load_matrix
from egraff_lmp.data import timeline
from egraff_lmp.data.table import DATA_SETS

# Sixteen pairs of steps of 32 to 125 atoms, whose temperature also wanders slowly: the first and
# the second half of the held-out frames differ by up to 9 %.
TOLERANCE = 0.1


def test_lips20(ab_initio_data):
    entry = DATA_SETS["lips20"]
    steps = entry.gaps()
    if steps is None:
        pytest.skip("no list of steps between the frames of LiPS20")
    checked = 0
    for cell in load_matrix("full")[1]:
        config = cell.config
        key, _, part = config.reference.sources[0].partition(":")
        if key != entry.key or not entry.exists(part):
            continue
        frames = entry.read(part)
        one = steps == 1
        kelvin = timeline.kinetic_temperatures(
            frames, timeline.displacements(frames), entry.step_fs, one
        )
        middle = np.flatnonzero(one[1:] & one[:-1]) + 1
        held_out = config.split.held_out
        mine = (middle >= held_out.first) & (middle < held_out.last)
        assert config.temperature_kelvin == pytest.approx(kelvin[mine].mean(), rel=TOLERANCE), part
        checked += 1
    assert checked >= 12
