"""One writer at a time: who waits, who is refused, who goes on holding."""

from __future__ import annotations

import errno
import fcntl
import subprocess
import threading
import time

import pytest

from egraff_lmp.errors import EgraffError
from egraff_lmp.locking import LOCK, locked, locked_file

HELD_SECONDS = 0.5


def test_a_second_holder_is_refused_at_once(tmp_path):
    with (
        locked(tmp_path),
        pytest.raises(EgraffError, match="another run is writing into it"),
        locked(tmp_path),
    ):
        pass
    with locked(tmp_path):
        pass


def test_waiting_has_a_limit(tmp_path):
    with locked(tmp_path):
        began = time.monotonic()
        with pytest.raises(EgraffError), locked(tmp_path, 0.3):
            pass
        assert time.monotonic() - began >= 0.3


def test_who_waits_gets_it(tmp_path):
    taken = threading.Event()

    def hold():
        with locked(tmp_path):
            taken.set()
            time.sleep(HELD_SECONDS)

    other = threading.Thread(target=hold)
    other.start()
    taken.wait()
    with locked(tmp_path, float("inf")):
        pass
    other.join()


def test_a_program_that_inherited_it_goes_on_holding_and_is_named(tmp_path):
    with locked(tmp_path) as descriptor:
        child = subprocess.Popen(["sleep", "600"], pass_fds=(descriptor,))
    try:
        with pytest.raises(EgraffError, match=rf"sleep \({child.pid}\).*`kill {child.pid}`"):
            locked(tmp_path).__enter__()
    finally:
        child.kill()
        child.wait()
    with locked(tmp_path):
        pass


def test_a_holder_that_is_not_seen_is_named_by_its_note(tmp_path):
    """Of another machine, or of another user, only what it wrote is known."""
    (tmp_path / LOCK).write_text('{"host": "node7", "process": 12, "since": "today"}')
    with open(tmp_path / LOCK) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(EgraffError, match="process 12 on node7 began at today"):
            locked(tmp_path).__enter__()


def test_the_content_of_a_file_is_left_alone(tmp_path):
    path = tmp_path / "part"
    path.write_text("so far")
    with locked_file(path, "busy"), pytest.raises(EgraffError, match="busy: "):
        locked_file(path, "busy").__enter__()
    assert path.read_text() == "so far"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_hinders_nobody(tmp_path, monkeypatch, number):
    def refuse(descriptor, operation):
        raise OSError(number, "no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(tmp_path), locked(tmp_path):
        pass
