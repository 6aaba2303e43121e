"""Limits for files that come from elsewhere: how large they may become, what names they may give.

Nothing is unpacked, allocated or pasted into an input before it has passed here. The limits of
archives are those of the pair style (`csrc/model/archive_limits.h`).
"""

from __future__ import annotations

import gzip
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from egraff_lmp.errors import EgraffError

MAX_TEXT_BYTES = 64 << 20  # of a contract and other texts in an archive
MAX_ARCHIVE_BYTES = 16 << 30  # of a file, and of all its members unpacked
MAX_RATIO = 1000  # unpacked over the size of the file
# Deflate cannot do better than this, so that a smaller gzip file need not be walked through.
_DEFLATE_RATIO = 1032
_ELEMENT = re.compile(r"[A-Z][a-z]?")
_BLOCK = 1 << 20


@contextmanager
def open_archive(source: Path | IO[bytes], where: str | Path) -> Iterator[zipfile.ZipFile]:
    """A zip archive whose members, unpacked, are within the limits; nothing is unpacked here.

    Args:
        source: a path, or a stream at its start.
        where: names the file in messages.

    Raises:
        EgraffError: it would become too large.
        zipfile.BadZipFile: it is no zip archive, or uses features that cannot be read here.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            _check_sizes(archive, source, where)
            yield archive
    except (NotImplementedError, UnicodeDecodeError) as error:
        raise zipfile.BadZipFile(str(error)) from None


def read_text_member(archive: zipfile.ZipFile, name: str, where: str | Path) -> bytes:
    """A member of an open archive that holds text.

    Raises:
        EgraffError: it is larger than `MAX_TEXT_BYTES`.
        zipfile.BadZipFile: it is damaged or encrypted.
    """
    size = archive.getinfo(name).file_size
    if size > MAX_TEXT_BYTES:
        raise EgraffError(
            f"{where}: expected at most {_words(MAX_TEXT_BYTES)} in its member {name}, got "
            f"{_words(size)}: the file is not what it seems; do not open it."
        )
    try:
        return archive.read(name)
    except zipfile.BadZipFile:
        raise
    except Exception as error:  # zlib, lzma, a password: each raises its own
        raise zipfile.BadZipFile(str(error)) from None


def check_packed_text(path: Path) -> None:
    """Refuse a .gz, .bz2 or .xz file that would become too large.

    Raises:
        EgraffError: it would, or it is damaged.
    """
    # Some builds of Python lack these two, and need them for nothing else here.
    import bz2
    import lzma

    openers: dict[str, Any] = {
        ".gz": gzip.open,
        ".bz2": bz2.open,
        ".xz": lzma.open,
    }
    if path.suffix not in openers or not path.is_file():
        return
    size = path.stat().st_size
    if path.suffix == ".gz" and size * _DEFLATE_RATIO <= MAX_ARCHIVE_BYTES:
        return
    most, found = _allowed(size), 0
    try:
        with openers[path.suffix](path, "rb") as stream:
            while block := stream.read(_BLOCK):
                found += len(block)
                if found > most:
                    raise EgraffError(_too_large(path, f"more than {_words(most)}", size))
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise EgraffError(
            f"{path}: expected a packed file, got a damaged one ({error}): copy it again."
        ) from None


def check_element(name: str, where: str | Path) -> None:
    """Refuse what is no chemical symbol: elements go into LAMMPS inputs as they are.

    Raises:
        EgraffError: `name` is not one letter, or two of which the second is small.
    """
    if not isinstance(name, str) or not _ELEMENT.fullmatch(name):
        raise EgraffError(f"{where}: expected a chemical element such as Ge, got {name!r}.")


def unprintable(text: str) -> str:
    """The characters of a text that are no print: control characters and changes of direction."""
    return "".join(sorted({mark for mark in text if not mark.isprintable()}))


def _check_sizes(archive: zipfile.ZipFile, source: Path | IO[bytes], where: str | Path) -> None:
    if isinstance(source, Path):
        size = source.stat().st_size
    else:
        place = source.tell()
        size = source.seek(0, 2)
        source.seek(place)
    unpacked = sum(info.file_size for info in archive.infolist())
    if unpacked > _allowed(size):
        raise EgraffError(_too_large(where, _words(unpacked), size))


def _allowed(size: int) -> int:
    return min(MAX_ARCHIVE_BYTES, MAX_RATIO * size)


def _too_large(where: str | Path, found: str, size: int) -> str:
    return (
        f"{where}: expected a file that unpacks to at most {_words(MAX_ARCHIVE_BYTES)} and "
        f"{MAX_RATIO} times its size ({_words(size)}), got {found}: it would fill the memory; do "
        "not open it."
    )


def _words(size: int) -> str:
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor:
            return f"{size / factor:.4g} {unit}"
    return f"{size} bytes"
