"""A training that begins with the weights of another: fine-tuning."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from egraff_lmp.contract import ShortestDistance, TrainingRange
from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import sha256_file
from egraff_lmp.forcefields import AtomicEnergyModel
from egraff_lmp.train.checkpoint import Checkpoint, Record, load_checkpoint
from egraff_lmp.train.config import TrainConfig
from egraff_lmp.train.evaluate import predict
from egraff_lmp.train.graphs import build_graphs, collate
from egraff_lmp.train.reference import composition_counts

MOST_FRAMES = 50  # of each composition, for the zero of the energies
BATCH = 5


def read_start(config: TrainConfig, base: Path | None) -> Checkpoint | None:
    """The checkpoint that the config's `start_from` names; None without one.

    Raises:
        EgraffError: no checkpoint of `egraff train`, or one of another force field or cutoff.
    """
    if config.start_from is None:
        return None
    path = Path(config.start_from).expanduser()
    found = load_checkpoint(path if base is None else base / path)
    record = found.record
    for name, wanted, there in (
        ("forcefield", config.forcefield, record.forcefield),
        ("r_max", config.r_max, record.r_max),
    ):
        if wanted != there:
            raise EgraffError(
                f"start_from: expected a checkpoint with {name} {wanted}, as the config has it, "
                f"got {there} in {found.path}: set `{name}: {there}`."
            )
    return found


def begun_from(
    start: Checkpoint, record: Record, parts: Sequence[Frames], config: TrainConfig
) -> Record:
    """The record of a training that begins with the weights in `start`.

    Elements, scale and mean number of neighbours stay what they were, and the training range is
    that of both. The zero of the energies moves by what labels and start differ by on
    average (least squares over compositions), unless the config chooses another: labels of another
    code or functional have another zero.

    Args:
        start: what the training begins with.
        record: of the same data and species without it.
        parts: training frames, one entry a composition.
        config: of the training.

    Raises:
        EgraffError: another network than the config's.
    """
    earlier = start.record
    _require_same(earlier.settings, record.settings, start.path)
    if config.reference.method == "auto":
        moved = np.array(earlier.reference_ev) + _moved(start, parts, record.dtype)
        record = replace(record, reference_method="start", reference_ev=tuple(moved.tolist()))
    return replace(
        record,
        scale=earlier.scale,
        avg_num_neighbors=earlier.avg_num_neighbors,
        training_range=_joined(earlier.training_range, record.training_range),
        provenance={
            **record.provenance,
            "start": {"sha256": sha256_file(start.path), "data": earlier.provenance.get("data")},
        },
    )


def begin_with(model: AtomicEnergyModel, start: Checkpoint, dtype: str) -> None:
    """Give `model` the network's weights in `start`; its scale and zero stay its own."""
    prefix = "network."
    weights = {
        name: value
        for name, value in start.build(dtype).state_dict().items()
        if name.startswith(prefix)
    }
    model.load_state_dict({**model.state_dict(), **weights})


def require_known(start: Checkpoint, parts: Sequence[Frames]) -> None:
    """Refuse elements that the start does not know.

    Raises:
        EgraffError: there is one.
    """
    present = {name for frames in parts for name in frames.species}
    unknown = sorted(present - set(start.record.species))
    if unknown:
        raise EgraffError(
            f"start_from: expected frames of the elements {' '.join(start.record.species)}, which "
            f"{start.path} knows, got {' '.join(unknown)} too: a network cannot be given elements "
            "afterwards; start from one that knows them, or train anew."
        )


def _require_same(earlier: Any, now: Any, path: Path) -> None:
    names = sorted(name for name in {*earlier, *now} if earlier.get(name) != now.get(name))
    if names:
        each = ", ".join(
            f"{name}: {earlier.get(name)!r} (config: {now.get(name)!r})" for name in names
        )
        raise EgraffError(
            f"start_from: expected the network of {path}, got other settings in the config: "
            f"{each}. Give the same preset and overrides."
        )


def _joined(one: TrainingRange | None, other: TrainingRange | None) -> TrainingRange | None:
    """What spans both ranges."""
    if one is None or other is None:
        return one or other
    shortest: dict[tuple[str, str], float] = {}
    for pair in (*one.shortest_distances, *other.shortest_distances):
        before = shortest.get(pair.elements, math.inf)
        shortest[pair.elements] = min(before, pair.angstrom)
    largest = [force for force in (one.largest_force, other.largest_force) if force is not None]
    pairs = tuple(ShortestDistance(elements, value) for elements, value in shortest.items())
    return TrainingRange(pairs, max(largest, default=None))


def _moved(start: Checkpoint, parts: Sequence[Frames], dtype: str) -> NDArray[np.float64]:
    """What each species' reference energy moves by, (n_species,) in eV; see `begun_from`."""
    record = start.record
    model = start.build(dtype)
    counts, offsets, weights = [], [], []
    for frames in parts:
        if frames.energy is None:
            continue
        stride = -(-len(frames) // MOST_FRAMES)
        some = frames.select(slice(None, None, stride))
        graphs = build_graphs(some, record.species, record.r_max)
        said = torch.cat(
            [
                predict(model, collate(graphs[first : first + BATCH])).energy
                for first in range(0, len(graphs), BATCH)
            ]
        )
        counts.append(composition_counts(frames.species, record.species))
        offsets.append(float(np.mean(np.asarray(some.energy) - said.numpy())))
        weights.append(float(len(frames)))
    if not counts:
        return np.zeros(len(record.species))
    root = np.sqrt(np.array(weights))
    solution, *_ = np.linalg.lstsq(
        np.array(counts) * root[:, None], np.array(offsets) * root, rcond=1e-10
    )
    return np.asarray(solution, dtype=np.float64)
