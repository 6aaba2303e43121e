"""Model files of other programs: the table of formats.

To add a format, write `interop/NAME.py` with TITLE, RUNS_CODE, `detect`, `needs_trust` and `read`,
and add it here. Energies are taken to be in eV and lengths in A, as the packages' own calculators
do. `train/deploy_file.py` makes deployed files of them, `train/foreign_start.py` begins trainings
with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import sha256_file
from egraff_lmp.interop import mace, nequip_checkpoint, nequip_package
from egraff_lmp.interop.foreign import Foreign
from egraff_lmp.interop.recognise import Content, look


@dataclass(frozen=True)
class Format:
    """One row of the table.

    Attributes:
        key: its name in provenance.
        title: what it is, for messages.
        runs_code: why it is opened only on request.
        detect: whether a file's content is of this format.
        needs_trust: whether opening it runs code from it.
        read: the reader; raises EgraffError.
    """

    key: str
    title: str
    runs_code: str
    detect: Callable[[Content], bool]
    needs_trust: Callable[[Path], bool]
    read: Callable[[Path], Foreign]


FORMATS = tuple(
    Format(key, m.TITLE, m.RUNS_CODE, m.detect, m.needs_trust, m.read)  # type: ignore[attr-defined]
    for key, m in (
        ("mace-model", mace),
        ("nequip-checkpoint", nequip_checkpoint),
        ("nequip-package", nequip_package),
    )
)


def recognised(content: Content) -> Format | None:
    """The format of a file with this content; None where it is none of the table's."""
    return next((row for row in FORMATS if row.detect(content)), None)


def opened(row: Format, path: Path, *, trust: bool, saying: str) -> tuple[Foreign, str]:
    """The model in `path`, and the SHA-256 of the file before anything from it ran.

    Args:
        row: the file's format.
        path: the file.
        trust: open files that run code when they are opened.
        saying: what a user says to trust the file, for the message.

    Raises:
        EgraffError: it runs code and is not trusted, or it is not supported.
    """
    if not trust and row.needs_trust(path):
        raise EgraffError(
            f"{path}: expected a file that can be opened without running code from it, got "
            f"{row.title}: {row.runs_code}. If you trust where it came from, say `{saying}`."
        )
    digest = sha256_file(path)
    return row.read(path), digest


def explain_others(path: Path, content: Content) -> None:
    """Refuse what is neither ours nor known, where that can be told."""
    known = "; ".join(row.title for row in FORMATS)
    expected = f"{path}: expected a checkpoint of `egraff train` or one of these: {known}; got"
    if any(name.startswith("code/") for name in content.members):
        if not any(name.startswith("extra/egraff_contract") for name in content.members):
            raise EgraffError(
                f"{expected} a TorchScript export of another program: give the file that it was "
                "made from."
            )
    elif content.has_name("interactions.0."):
        raise EgraffError(
            f"{expected} a training checkpoint of MACE, which holds weights without the network: "
            "give the .model file that the training wrote."
        )


__all__ = ["FORMATS", "Format", "explain_others", "look", "opened", "recognised"]
