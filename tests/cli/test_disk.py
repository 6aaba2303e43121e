"""What the disk refuses is one line for the user, and no traceback."""

from __future__ import annotations

import errno
import os

import pytest

from egraff_lmp import cli


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.ENOTDIR])
def test_one_line(monkeypatch, capsys, number):
    def fails():
        raise OSError(number, os.strerror(number), "runs/x")

    monkeypatch.setattr(cli, "build_app", lambda: fails)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith(
        f'egraff: runs/x: expected to read or write it, got "{os.strerror(number)}"'
    )
    assert len(said.splitlines()) == 1


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch):
    def fails():
        raise OSError(errno.EBADF, "bad descriptor")

    monkeypatch.setattr(cli, "build_app", lambda: fails)
    with pytest.raises(OSError, match="bad descriptor"):
        cli.main()
