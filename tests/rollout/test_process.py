"""How a program is ended that was asked to stop, and takes its time."""

import os
import sys

import pytest

from egraff_lmp.rollout import process

# Ends a second after the stop file appears, with what it has done in another one.
SLOW = """
import pathlib, sys, time
while not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.01)
time.sleep(1)
pathlib.Path(sys.argv[2]).write_text("done")
"""


@pytest.mark.parametrize(
    ("stop", "saved"), [(KeyboardInterrupt, True), (SystemExit, False), (ValueError, False)]
)
def test_only_a_person_waits_for_as_long_as_it_takes(tmp_path, monkeypatch, caplog, stop, saved):
    """A batch system kills soon after its notice; Ctrl-C can be pressed again."""
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.1)
    monkeypatch.setattr(process, "TELL_SECONDS", 0.1)
    with pytest.raises(stop):
        run(tmp_path, raising(stop))
    assert (tmp_path / "saved").exists() == saved
    assert ("Ctrl-C again ends it at once" in caplog.text) == saved


def test_a_second_ctrl_c_does_not_wait(tmp_path, monkeypatch):
    monkeypatch.setattr(process.subprocess.Popen, "wait", interrupted_once(tmp_path / "stop"))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, raising(KeyboardInterrupt))
    assert not (tmp_path / "saved").exists()


def run(folder, poll):
    words = [sys.executable, "-c", SLOW, str(folder / "stop"), str(folder / "saved")]
    with open(os.devnull, "wb") as stream:
        process.run_process(words, stream, os.environ, poll, stop_file=folder / "stop")


def raising(kind):
    def poll():
        raise kind

    return poll


def interrupted_once(stop_file):
    """`Popen.wait` that meets a Ctrl-C at its first call after the program was asked to stop."""
    wait, met = process.subprocess.Popen.wait, []

    def replacement(self, timeout=None):
        if stop_file.exists() and not met:
            met.append(True)
            raise KeyboardInterrupt
        return wait(self, timeout)

    return replacement
