"""The one on-disk form: an npz archive that says what it holds.

    positions (T, N, 3) A, cell (T, 3, 3) A, pbc (3,), species (N,),
    and where there are any: energy (T,) eV, forces (T, N, 3) eV/A, stress (T, 3, 3) eV/A^3,
    weights (T, 3) of the errors of these three in a training,
    header: JSON with format, version, units, time step, provenance and the SHA-256 of the content

All numbers are float64, nothing is pickled. The reader recomputes the hash, so what was converted
once is known to be what is read.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.arrays import load_npz, npz_names
from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import atomic_path

FORMAT, VERSION = "egraff-frames", 1
UNITS = {
    "positions": "A",
    "cell": "A",
    "energy": "eV",
    "forces": "eV/A",
    "stress": "eV/A^3",
    "timestep_fs": "fs",
}
_ARRAYS = ("positions", "cell", "energy", "forces", "stress", "weights")


def is_store(path: Path) -> bool:
    """Whether `path` is an archive with a header and positions of this form."""
    return path.is_file() and path.suffix == ".npz" and {"header", "positions"} <= npz_names(path)


def write_store(
    frames: Frames, path: str | Path, provenance: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Write `frames` to `path` (.npz), atomically; the header, as it was written.

    Args:
        frames: what to write.
        path: file that ends in .npz.
        provenance: anything JSON about where the frames come from.

    Raises:
        EgraffError: another suffix, or provenance that is no JSON.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise EgraffError(f"{path}: expected a file name that ends in .npz: rename the output.")
    arrays = _arrays(frames)
    header: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "units": {name: UNITS[name] for name in (*arrays, "timestep_fs") if name in UNITS},
        "n_frames": len(frames),
        "n_atoms": frames.n_atoms,
        "timestep_fs": frames.timestep_fs,
        "source": frames.source,
        "provenance": dict(provenance or {}),
    }
    try:
        header["sha256"] = _digest(header, arrays)
        text = json.dumps(header)
    except (TypeError, ValueError) as error:
        raise EgraffError(f"{path}: expected provenance that JSON can hold ({error}).") from None
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, header=np.array(text), **arrays)  # type: ignore[arg-type]
    return header


def read_header(path: Path) -> dict[str, Any]:
    """The header of a stored file; the arrays are not read.

    Raises:
        EgraffError: no such archive, or a version of another program.
    """
    return _load(path, headers_only=True)[0]


def read_store(path: Path) -> Frames:
    """Frames of a stored file, whose hash agrees.

    Raises:
        EgraffError: a damaged archive, a newer version, or content that is not what was written.
    """
    header, arrays = _load(path)
    missing = [name for name in ("positions", "cell", "pbc", "species") if name not in arrays]
    if missing:
        raise EgraffError(f"{path}: expected the arrays {', '.join(missing)}: convert it again.")
    found = _digest({k: v for k, v in header.items() if k != "sha256"}, arrays)
    if found != header.get("sha256"):
        raise EgraffError(
            f"{path}: expected content with SHA-256 {str(header.get('sha256'))[:16]}..., got "
            f"{found[:16]}...: it was changed after it was written, convert the source again."
        )
    pbc = arrays["pbc"]
    step = header.get("timestep_fs")
    return Frames(
        species=tuple(str(name) for name in arrays["species"]),
        positions=arrays["positions"],
        cell=arrays["cell"],
        pbc=(bool(pbc[0]), bool(pbc[1]), bool(pbc[2])),
        energy=arrays.get("energy"),
        forces=arrays.get("forces"),
        stress=arrays.get("stress"),
        timestep_fs=None if step is None else float(step),
        source=str(path),
        weights=arrays.get("weights"),
    )


def _arrays(frames: Frames) -> dict[str, NDArray]:
    found: dict[str, NDArray] = {
        "species": np.array(frames.species, dtype="U2"),
        "pbc": np.array(frames.pbc, dtype=bool),
    }
    for name in _ARRAYS:
        value = getattr(frames, name)
        if value is not None:
            found[name] = np.ascontiguousarray(value, dtype="<f8")
    return found


def _digest(header: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> str:
    """SHA-256 of the header without its hash and of every array: name, shape, numbers."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.shape} {array.dtype.str}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _load(
    path: Path, *, headers_only: bool = False
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    try:
        arrays = load_npz(path, ("header",) if headers_only else None)
        header = json.loads(str(arrays.pop("header")))
    except (
        zipfile.BadZipFile,
        EOFError,
        OSError,
        KeyError,
        ValueError,
        RecursionError,
    ) as error:
        raise EgraffError(
            f"{path}: expected a file of `egraff data convert`, got a damaged one ({error}): "
            "convert the source again."
        ) from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise EgraffError(f"{path}: expected the format {FORMAT}, got another header.")
    if header.get("version") != VERSION:
        raise EgraffError(
            f"{path}: expected version {VERSION} of {FORMAT}, got {header.get('version')}: "
            "convert the source again with this program."
        )
    return header, arrays
