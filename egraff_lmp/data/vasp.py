"""VASP's vasprun.xml, OUTCAR and XDATCAR, as ASE reads them, and what goes wrong with them.

A calculation that runs on, or was killed, leaves files that end anywhere: the ionic steps that are
whole are read, and a warning says that there is no more of them.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from egraff_lmp.data.ase_io import collection_from_images, format_of, frames_from_images, images_of
from egraff_lmp.data.collection import Collection
from egraff_lmp.data.frames import Frames
from egraff_lmp.data.label_names import LabelKeys
from egraff_lmp.errors import EgraffError

logger = logging.getLogger(__name__)

# ASE's names of the formats.
XML, OUTCAR, XDATCAR = "vasp-xml", "vasp-out", "vasp-xdatcar"
# What the last lines of a calculation that has ended hold; an XDATCAR has no such line.
_ENDS = {XML: "</modeling>", OUTCAR: "General timing and accounting"}
_WAIT = "let the calculation finish, or run it again, and read the file then"


def is_vasp(path: Path) -> bool:
    """Whether ASE takes `path` for a vasprun.xml, an OUTCAR or an XDATCAR, by its name."""
    return format_of(path) in (XML, OUTCAR, XDATCAR)


def read_vasp(path: Path) -> Frames:
    """Frames of one composition."""
    return frames_from_images(_images(path), str(path))


def collect_vasp(path: Path, keys: LabelKeys) -> Collection:
    """All frames, as those of other files that ASE reads."""
    return collection_from_images(_images(path), str(path), keys)


def where_labels_are(source: str) -> str | None:
    """What to do where a file of VASP lacks labels by its nature; None for other files."""
    if format_of(Path(source)) != XDATCAR:
        return None
    return "an XDATCAR holds positions alone: name the vasprun.xml or OUTCAR of the same run"


def _images(path: Path) -> list[Any]:
    kind = format_of(path)
    if kind not in (XML, OUTCAR, XDATCAR):  # `--format vasp`, for a file of another name
        kind = XML if _has(path, "<modeling>") else OUTCAR
    try:
        images = images_of(path, kind)
    except EgraffError as error:
        reason = _reason(path, kind)
        raise error if reason is None else EgraffError(f"{path}: {reason}.") from None
    labelled = sum(atoms.calc is not None for atoms in images)
    if kind in _ENDS and not _has(path, _ENDS[kind]):
        if not images:
            raise EgraffError(
                f"{path}: expected an ionic step that VASP has finished, the file ends within the "
                f"first one: {_WAIT}."
            )
        logger.warning(
            "%s: the calculation has not finished, as the file ends before its last line: %s.",
            path, f"the ionic steps that are whole, {labelled}, are read" if labelled
            else "no ionic step is whole, and the structure that it started from is read",
        )  # fmt: skip
    return images


def _reason(path: Path, kind: str) -> str | None:
    """Why ASE cannot read the file, and what to do; None where nothing that is known is wrong."""
    if kind == XDATCAR:
        if not _ends_within_frame(path):
            return None
        return (
            "expected whole frames, the last one is cut off: remove its lines, from the last "
            f"`Direct configuration` on, or {_WAIT}"
        )
    if kind == OUTCAR and _has(path, "Iteration"):
        if _has(path, "POTCAR:"):
            return None
        return (
            "expected the lines `POTCAR:` of an OUTCAR, which name the elements, got none: read "
            "the vasprun.xml of the same run, or put these lines back"
        )
    if kind == XML and _has(path, _ENDS[XML]):
        return None
    return f"expected an ionic step that VASP has finished, the file ends before the first: {_WAIT}"


def _lines(path: Path) -> Any:
    """The lines of a file that may be packed."""
    from ase.io.formats import open_with_compression

    return open_with_compression(str(path), "rt")


def _has(path: Path, words: str) -> bool:
    with _lines(path) as stream:
        return any(words in line for line in stream)


def _ends_within_frame(path: Path) -> bool:
    """Whether the last frame of an XDATCAR has fewer lines than the first."""
    sizes: list[int] = []
    with _lines(path) as stream:
        for line in stream:
            if line.startswith("Direct configuration"):
                sizes.append(0)
            elif sizes and len(line.split()) == 3:
                sizes[-1] += 1
    return len(sizes) > 1 and sizes[-1] < sizes[0]
