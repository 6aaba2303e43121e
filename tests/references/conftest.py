"""A small plan of a made set, and a stop in its midst."""

from __future__ import annotations

import pytest


class StopHere(Exception):
    """What a test stops a making with."""


@pytest.fixture
def make_plan():
    """A function from changes to a plan of a few frames."""
    from egraff_lmp.references.plan import Plan

    def make(**changes):
        values = {
            "frames": 8, "stride_fs": 2.0, "timestep_fs": 1.0, "temperature_kelvin": 300.0,
            "equilibration_ps": 0.02, "sizes": (3, 1, 2), "method": "shuffled", "seed": 5,
        }  # fmt: skip
        return Plan(**{**values, **changes})

    return make


@pytest.fixture
def stopped_and_resumed(monkeypatch):
    """A function that makes a set, is stopped before its second segment, and makes it again."""
    from egraff_lmp.references import plan as plans
    from egraff_lmp.references.make import make_set

    def make(maker, plan, folder, segment_frames):
        monkeypatch.setattr(plans, "SEGMENT_FRAMES", segment_frames)

        def stop(done, total):
            assert total > 1
            if done == 1:
                raise StopHere

        with pytest.raises(StopHere):
            make_set(maker, plan, folder, stop)
        assert not (folder / "metadata.json").exists()
        return make_set(maker, plan, folder)

    return make
