"""Arrays from .npy and .npz files: nothing is unpickled, and no header is believed.

numpy allocates what the header of an array says before it reads a byte, so that a file of a few
hundred bytes can ask for any amount of memory. Here the header is compared with the file first.
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.untrusted import open_archive


def npy_header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of the array at the place of a stream, which is left behind the header.

    Raises:
        ValueError: no header of a version up to 2.
    """
    version = np.lib.format.read_magic(stream)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise ValueError(f"npy version {version}")
    shape, _, dtype = read(stream)
    return shape, dtype


def npz_names(path: Path) -> frozenset[str]:
    """Names of the arrays in an archive; none where it is no archive."""
    try:
        with open_archive(path, path) as archive:
            return frozenset(name.removesuffix(".npy") for name in archive.namelist())
    except Exception:  # whoever reads it says what is wrong with it
        return frozenset()


def load_npz(path: Path, names: tuple[str, ...] | None = None) -> dict[str, NDArray]:
    """Arrays of an archive by name; those called `names`, or all.

    Raises:
        EgraffError: the archive would become too large.
        zipfile.BadZipFile, EOFError, OSError, KeyError, ValueError: damaged, a name that is not
            there, pickled objects, or headers that do not fit their content.
    """
    found: dict[str, NDArray] = {}
    with open_archive(path, path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        for name in members if names is None else names:
            try:
                with archive.open(members[name]) as stream:
                    _check_header(stream, members[name].file_size, name)
                with archive.open(members[name]) as stream:
                    found[name] = np.lib.format.read_array(stream, allow_pickle=False)
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
                raise
            except Exception as error:  # zlib, lzma, a password: each raises its own
                raise zipfile.BadZipFile(f"{name}: {error}") from None
    return found


def load_first(path: Path, name: str) -> NDArray:
    """The first row of an array of an archive, without reading the others.

    Raises:
        EgraffError: the archive would become too large.
        zipfile.BadZipFile, EOFError, OSError, KeyError, ValueError: as of `load_npz`, or no row.
    """
    with open_archive(path, path) as archive:
        info = archive.getinfo(f"{name}.npy")
        with archive.open(info) as stream:
            _check_header(stream, info.file_size, name)
        with archive.open(info) as stream:
            shape, dtype = npy_header(stream)
            if not shape or not shape[0]:
                raise ValueError(f"{name} has no row")
            row = stream.read(math.prod(shape[1:]) * dtype.itemsize)
    return np.frombuffer(row, dtype=dtype).reshape(shape[1:])


def load_npy(path: Path) -> NDArray:
    """The array of an .npy file.

    Raises:
        EOFError, OSError, ValueError: damaged, pickled objects, or a header that does not fit.
    """
    with open(path, "rb") as stream:
        _check_header(stream, path.stat().st_size, path.name)
    return np.asarray(np.load(path, allow_pickle=False))


def _check_header(stream: IO[bytes], size: int, name: str) -> None:
    shape, dtype = npy_header(stream)
    numbers = math.prod(shape)
    if dtype.hasobject:
        raise ValueError(f"{name} holds pickled objects")
    # At least a byte a number, although a type may have none.
    if min(shape, default=0) < 0 or numbers * max(dtype.itemsize, 1) > size:
        raise ValueError(
            f"{name} says that it is {shape} of {dtype}, which its {size} bytes are not"
        )
