"""The record of a rollout: back as it was written, refused where it is not one."""

import json

import pytest

from egraff_lmp.errors import EgraffError
from egraff_lmp.runs.machine import hardware, versions
from egraff_lmp.runs.record import RECORD, Record, Segment, read_record


def test_back_as_written(tmp_path):
    segment = Segment(0, 0, 2, "auto", "cpu", 0.0, "2026-01-01T00:00:00+00:00", "log.0", ("lmp",))
    record = Record("running", "", 100, {"a": "b"}, {}, versions(), hardware(), (segment,))
    record = record.looked_at(40, 1.5)
    record.write(tmp_path)
    assert read_record(tmp_path) == record
    assert record.last_step == 40
    assert json.loads((tmp_path / RECORD).read_text())["wall_seconds"] == 1.5
    assert read_record(tmp_path / "missing") is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"kind": "x"}', '{"kind": "egraff rollout", "schema": 99}']
)
def test_something_else_is_refused(tmp_path, text):
    (tmp_path / RECORD).write_text(text)
    with pytest.raises(EgraffError, match=r"rollout\.json"):
        read_record(tmp_path)
