"""What is said of a folder before anything is written into it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import require_writable


def test_folders_that_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path, tmp_path / "a" / "b", ".", "c", Path("d") / "e"):
        require_writable(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "a" / "b"):
        with pytest.raises(EgraffError, match=rf"^{folder}: .*got a file at {tmp_path / 'file'}: "):
            require_writable(folder)


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the nearest folder that exists."""
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(
        EgraffError, match=f"got 'no permission to write' in {tmp_path}: choose another"
    ):
        require_writable(tmp_path / "a" / "b")
    (tmp_path / "a").mkdir()
    require_writable(tmp_path / "a" / "b")


def test_permission_and_yet_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that is read-only, full, or somebody else's."""

    def full(dir: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("egraff_lmp.fileio.tempfile.TemporaryFile", full)
    with pytest.raises(EgraffError, match="got 'No space left on device' in"):
        require_writable(tmp_path / "a")
