"""A training that is over: what it was, and which frames its model has seen.

A checkpoint says so, and a deployed file that was made of one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from egraff_lmp.contract import read_contract
from egraff_lmp.data.split import frame_hashes
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import sha256_file
from egraff_lmp.train.checkpoint import load_checkpoint
from egraff_lmp.train.config import TrainConfig, parse_config
from egraff_lmp.train.data import data_provenance, read_parts
from egraff_lmp.train.saving import csv_text


@dataclass(frozen=True)
class Finished:
    """What a checkpoint says of its training.

    Attributes:
        forcefield: key in `FORCE_FIELDS`.
        dtype: of the network.
        best_epoch: epoch of the lowest validation loss, counted from 1.
        epochs: epochs done.
        validation: validation errors of the best epoch (names of `evaluate.Errors`).
        wall_seconds: training time over all resumes.
        history: one row an epoch, as in log.csv.
    """

    forcefield: str
    dtype: str
    best_epoch: int
    epochs: int
    validation: Mapping[str, float]
    wall_seconds: float
    history: Sequence[Mapping[str, float]]

    @property
    def log(self) -> str:
        """The text of log.csv."""
        return csv_text(self.history)


def read_finished(path: str | Path) -> Finished:
    """What is said by best.ckpt or last.ckpt of a training.

    Raises:
        EgraffError: it is no checkpoint of `egraff train`.
    """
    loaded = load_checkpoint(path)
    progress = loaded.state["progress"]
    return Finished(
        forcefield=loaded.record.forcefield,
        dtype=loaded.record.dtype,
        best_epoch=progress["best_epoch"],
        epochs=progress["epoch"],
        validation=progress["best_metrics"],
        wall_seconds=progress["wall_seconds"],
        history=loaded.state["history"],
    )


def seen_frames(path: str | Path) -> frozenset[str] | None:
    """Hashes (`frame_hashes`) of all frames that a model was trained on or chosen by.

    The checkpoint names its sources and how they were split, not the frames: they are read and
    split again. Those of the training that it began with (`start_from`) are among them; None where
    that was another package's, or its checkpoint is no longer there: what it saw is not known.

    Raises:
        EgraffError: the sources cannot be read here, or are no longer what they were.
    """
    record = load_checkpoint(path).record
    return _seen(path, json.loads(record.config), record.provenance)


def seen_by_deployed(path: str | Path) -> frozenset[str] | None:
    """The same of a deployed file; None also if it was made of something else than a checkpoint.

    Raises:
        EgraffError: as for a checkpoint, or it is no deployed file.
    """
    provenance = read_contract(path).provenance
    if "config" not in provenance or "data" not in provenance:
        return None
    return _seen(path, provenance["config"], provenance)


def _seen(
    path: str | Path, raw: Mapping[str, Any], provenance: Mapping[str, Any]
) -> frozenset[str] | None:
    config = parse_config(dict(raw), f"the config in {path}")
    earlier = _seen_by_start(config, provenance)
    if earlier is None:
        return None
    try:
        parts = read_parts(config, None)
    except EgraffError as error:
        raise EgraffError(
            f"{path}: expected the frames that it was trained on, so as to leave them out here, "
            f"got none: {error}"
        ) from error
    found, then = data_provenance(parts), provenance["data"]
    changed = [name for name in found if found[name]["sha256"] != then[name]["sha256"]]
    if changed:
        raise EgraffError(
            f"{path}: expected {', '.join(changed)} frames as they were when it was trained, got "
            "others from the same sources: train anew, or restore the data."
        )
    groups = [*parts.train, *parts.validation]
    return earlier | {value for frames in groups for value in frame_hashes(frames)}


def _seen_by_start(config: TrainConfig, provenance: Mapping[str, Any]) -> frozenset[str] | None:
    """What the weights had seen before this training; None where that is not known."""
    if config.start_from is None:
        return frozenset()
    start, path = provenance.get("start", {}), Path(config.start_from).expanduser()
    foreign = "format" in start
    if foreign or not path.is_file() or sha256_file(path) != start.get("sha256"):
        return None
    return seen_frames(path)
