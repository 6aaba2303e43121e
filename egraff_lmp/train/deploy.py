"""From a training checkpoint to a deployed file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from egraff_lmp.contract import Citation, Contract, EnergyReference
from egraff_lmp.data.frames import Frames
from egraff_lmp.data.table import DATA_SETS
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import sha256_file
from egraff_lmp.forcefields import force_field
from egraff_lmp.forcefields.export import export_model
from egraff_lmp.train.checkpoint import DTYPES, Checkpoint, Record, load_checkpoint
from egraff_lmp.train.graphs import type_indices
from egraff_lmp.train.noise import WeightNoise, add_noise
from egraff_lmp.train.shuffle import shuffle_weights


def deploy(
    checkpoint: str | Path,
    out: str | Path,
    *,
    dtype: str | None = None,
    self_test_frame: Frames | None = None,
    shuffle_seed: int | None = None,
    noise: WeightNoise | None = None,
    kernels: bool = True,
) -> Contract:
    """Write the deployed file of a checkpoint.

    Args:
        checkpoint: best.ckpt or last.ckpt of a training; the averaged weights are taken.
        out: file to write, NAME.pt.
        dtype: "float32" or "float64"; None keeps the precision of the training.
        self_test_frame: whose first frame is stored with its energies and forces; None takes the
            validation frame in the checkpoint.
        shuffle_seed: break the model on purpose, see `train.shuffle`; the file says so.
        noise: add noise to its weights, see `train.noise`; the file says so, too.
        kernels: False keeps the reference network where there are kernels for it.

    Returns:
        The contract that was written.

    Raises:
        EgraffError: no checkpoint of `egraff train`, an unknown dtype or element, or an `out`
            that is a folder or a checkpoint.
    """
    if dtype is not None and dtype not in DTYPES:
        raise EgraffError(f"expected a dtype out of {', '.join(DTYPES)}, got '{dtype}'.")
    out = Path(out)
    if out.is_dir() or out.suffix == ".ckpt":
        raise EgraffError(f"{out}: expected the name of a model file to write, such as model.pt.")
    loaded = load_checkpoint(checkpoint)
    record = loaded.record
    frame = self_test_frame or record.self_test_frame()
    type_indices(frame.species, record.species, frame.source)  # unknown elements fail here
    model, provenance = loaded.build(dtype), _provenance(loaded)
    broken = _break(model, shuffle_seed, noise)
    if broken:
        # The errors are those of the weights before they were changed.
        del provenance["validation_errors"]
        provenance["broken_on_purpose"] = broken
    return export_model(
        model,
        replace(
            force_field(record.forcefield),
            citations=(*force_field(record.forcefield).citations, *_data_citations(record)),
        ),
        record.context(dtype),
        EnergyReference(
            record.reference_method, dict(zip(record.species, record.reference_ev, strict=True))
        ),
        frame,
        provenance,
        out,
        kernels=kernels,
        training_range=record.training_range,
    )


def _break(
    model: torch.nn.Module, shuffle_seed: int | None, noise: WeightNoise | None
) -> dict[str, Any]:
    """Make a negative control of a model in place; what was done to it, nothing where nothing."""
    done: dict[str, Any] = {}
    if shuffle_seed is not None:
        done = {"weights_shuffled": len(shuffle_weights(model, shuffle_seed)), "seed": shuffle_seed}
    if noise is not None:
        names = add_noise(model, noise)
        done |= {"weights_noisy": len(names), "noise": noise.relative, "seed": noise.seed}
    return done


def _data_citations(record: Record) -> list[Citation]:
    keys = record.provenance.get("data_sets", [])
    found = [citation for key in keys if key in DATA_SETS for citation in DATA_SETS[key].citations]
    return list(dict.fromkeys(found))


def _provenance(loaded: Checkpoint) -> dict[str, Any]:
    progress: Mapping[str, Any] = loaded.state["progress"]
    return {
        **loaded.record.provenance,
        "config": json.loads(loaded.record.config),
        "training": {
            "epochs": progress["epoch"],
            "best_epoch": progress["best_epoch"],
            "wall_seconds": round(progress["wall_seconds"], 1),
            "resumes": progress["resumes"],
            "averaged_weights": loaded.state["average"] is not None,
            "scale_ev_per_angstrom": loaded.record.scale,
            "avg_num_neighbors": loaded.record.avg_num_neighbors,
        },
        "validation_errors": _errors(loaded),
        "checkpoint": loaded.path.name,
        "checkpoint_sha256": sha256_file(loaded.path),
        "deployed": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _errors(loaded: Checkpoint) -> dict[str, float]:
    """Validation errors of the epoch that this very checkpoint holds."""
    row = loaded.state["history"][-1]
    return {
        key.removeprefix("validation_"): value
        for key, value in row.items()
        if key.startswith("validation_") and key != "validation_loss"
    }
