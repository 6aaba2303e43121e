"""Files that are born whole: written under a temporary name, then renamed."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from egraff_lmp.errors import EgraffError


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it onto `path` if the block succeeds.

    A reader sees the old file or the new one, never a part; a failed block leaves no trace.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        # mkstemp makes files private; give the result what `open` would have given.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def require_writable(folder: str | Path) -> None:
    """Say before the work, and not after it, that its results cannot be written into `folder`.

    Where it does not exist, the nearest folder above it that does decides. No file is left.

    Raises:
        EgraffError: a file in its place or above it, or no permission to write.
    """
    folder = Path(folder)
    found = folder.absolute()
    try:
        while not found.exists() and found != found.parent:
            found = found.parent
        is_folder, why = found.is_dir(), "a file"
    except PermissionError:
        is_folder, why = False, "a folder that may not be looked into"
    if not is_folder:
        raise EgraffError(
            f"{folder}: expected a folder to write results into, got {why} at {found}: choose "
            "another folder."
        )
    why = "no permission to write"
    if os.access(found, os.W_OK | os.X_OK):
        try:
            # Where the permissions allow it, the file system may not: read-only, full, another's.
            with tempfile.TemporaryFile(dir=found):
                return
        except OSError as error:
            why = str(error.strerror)
    raise EgraffError(
        f"{folder}: expected a folder to write results into, got '{why}' in {found}: choose "
        "another folder, or see to its permissions and space."
    )


PICTURES = ("png", "pdf", "svg")


def picture_format(path: Path) -> str:
    """The format that the name of a picture asks for.

    Raises:
        EgraffError: none of `PICTURES`.
    """
    kind = path.suffix.removeprefix(".").lower()
    if kind not in PICTURES:
        raise EgraffError(f"{path}: expected a name that ends in .{', .'.join(PICTURES)}.")
    return kind


def write_text(path: str | Path, text: str) -> None:
    """Write `text` (UTF-8) to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON to `path` atomically."""
    write_text(path, json.dumps(value, indent=2, sort_keys=False) + "\n")


def sha256_file(path: str | Path) -> str:
    """Hex SHA-256 of a file, the same as `sha256sum` prints."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
