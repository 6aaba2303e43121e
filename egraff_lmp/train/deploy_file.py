"""From a checkpoint of `egraff train`, or a file of another package, to a deployed file."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from egraff_lmp.contract import Contract, EnergyReference
from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.forcefields import NetworkContext
from egraff_lmp.forcefields.export import export_model
from egraff_lmp.interop import Format, explain_others, look, opened, recognised
from egraff_lmp.interop.foreign import check_same, made_frame
from egraff_lmp.train.deploy import deploy


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
        row = recognised(content)
        if row is not None:
            return _deploy_foreign(row, path, Path(out), dtype, trust, frame, kernels)
        explain_others(path, content)
    return deploy(path, out, dtype=dtype, self_test_frame=frame, kernels=kernels)


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
    foreign, digest = opened(row, path, trust=trust, saying="egraff deploy FILE OUT --trust")
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
