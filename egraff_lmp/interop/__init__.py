"""Model files of other programs, and how they become deployed files: the table of formats.

To add a format, write `interop/NAME.py` with TITLE, RUNS_CODE, `detect`, `needs_trust` and `read`,
and add it here. Energies are taken to be in eV and lengths in A, as the packages' own calculators
do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from egraff_lmp.contract import Contract, EnergyReference
from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import sha256_file
from egraff_lmp.forcefields import NetworkContext
from egraff_lmp.forcefields.export import export_model
from egraff_lmp.interop import mace, nequip_checkpoint, nequip_package
from egraff_lmp.interop.foreign import Foreign, check_same, made_frame
from egraff_lmp.interop.recognise import Content, look
from egraff_lmp.train.deploy import deploy


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


def deploy_file(
    path: str | Path,
    out: str | Path,
    *,
    dtype: str | None = None,
    trust: bool = False,
    frame: Frames | None = None,
    kernels: bool = True,
) -> Contract:
    """Write the deployed file of a checkpoint of `egraff train` or of a foreign model file.

    Args:
        path: best.ckpt of `egraff train`, a NequIP or Allegro `.ckpt` or `.nequip.zip`, or a MACE
            `.model`; what it is is found out from its content.
        out: file to write, NAME.pt.
        dtype: "float32" or "float64"; None keeps the file's own precision.
        trust: open files that run code when they are opened.
        frame: whose first frame is stored with its energies and forces; None takes the validation
            frame of the checkpoint, or makes one for a foreign file.
        kernels: False keeps the reference network where there are kernels for it.

    Returns:
        The contract that was written.

    Raises:
        EgraffError: an unknown or unsupported file, one that runs code without `trust`, an
            unknown dtype or element, or an `out` that is a folder or a checkpoint.
    """
    path = Path(path)
    if path.is_file():
        content = look(path)
        for row in FORMATS:
            if row.detect(content):
                return _deploy_foreign(row, path, Path(out), dtype, trust, frame, kernels)
        _explain_others(path, content)
    return deploy(path, out, dtype=dtype, self_test_frame=frame, kernels=kernels)


def _explain_others(path: Path, content: Content) -> None:
    """Refuse what is neither ours nor known, where that can be told."""
    known = "; ".join(row.title for row in FORMATS)
    expected = f"{path}: expected a checkpoint of `egraff train` or one of these: {known}; got"
    if any(name.startswith("code/") for name in content.members):
        if not any(name.startswith("extra/egraff_contract") for name in content.members):
            raise EgraffError(
                f"{expected} a TorchScript export of another program: deploy the file that it was "
                "made from."
            )
    elif content.has_name("interactions.0."):
        raise EgraffError(
            f"{expected} a training checkpoint of MACE, which holds weights without the network: "
            "deploy the .model file that the training wrote."
        )


def _deploy_foreign(
    row: Format,
    path: Path,
    out: Path,
    dtype: str | None,
    trust: bool,
    frame: Frames | None,
    kernels: bool,
) -> Contract:
    dtypes = {"float32": torch.float32, "float64": torch.float64}
    if dtype is not None and dtype not in dtypes:
        raise EgraffError(f"expected a dtype out of {', '.join(dtypes)}, got '{dtype}'.")
    if out.is_dir() or out.suffix in (".ckpt", ".model", ".zip"):
        raise EgraffError(f"{out}: expected the name of a model file to write, such as model.pt.")
    if not trust and row.needs_trust(path):
        raise EgraffError(
            f"{path}: expected a file that can be opened without running code from it, got "
            f"{row.title}: {row.runs_code}. If you trust where it came from, say "
            "`egraff deploy FILE OUT --trust`."
        )
    digest = sha256_file(path)  # before anything from the file runs
    foreign = row.read(path)
    if frame is not None:
        _check_elements(frame, foreign.species, path)
    made = made_frame(foreign.species, foreign.r_max)
    own = foreign.build(foreign.dtype)
    for compared in [made] if frame is None else [made, frame]:
        check_same(foreign, own, compared, path)
    precision = foreign.dtype if dtype is None else dtypes[dtype]
    provenance: dict[str, Any] = {
        "imported": {
            "format": row.key,
            "file": path.name,
            "sha256": digest,
            "avg_num_neighbors": foreign.avg_num_neighbors,
            "dtype": str(foreign.dtype).removeprefix("torch."),
            **foreign.provenance,
        },
        "deployed": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    return export_model(
        own if precision == foreign.dtype else foreign.build(precision),
        foreign.force_field,
        NetworkContext(
            foreign.species, foreign.r_max, foreign.avg_num_neighbors, precision, seed=0
        ),
        EnergyReference("imported", dict(zip(foreign.species, foreign.shift, strict=True))),
        made if frame is None else frame,
        provenance,
        out,
        kernels=kernels,
    )


def _check_elements(frame: Frames, species: tuple[str, ...], path: Path) -> None:
    unknown = sorted(set(frame.species) - set(species))
    if unknown:
        raise EgraffError(
            f"{frame.source}: expected elements out of {' '.join(species)}, which {path.name} "
            f"knows, got {' '.join(unknown)}: give a frame of the model's elements."
        )


__all__ = ["FORMATS", "Format", "deploy_file"]
