"""A training that begins with the weights of another: fine-tuning."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from egraff_lmp.contract import ShortestDistance, TrainingRange
from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.forcefields import AtomicEnergyModel, force_field
from egraff_lmp.train.checkpoint import Record
from egraff_lmp.train.config import TrainConfig
from egraff_lmp.train.evaluate import predict
from egraff_lmp.train.graphs import build_graphs, collate
from egraff_lmp.train.reference import composition_counts
from egraff_lmp.train.start_files import Start, foreign_start, own_start, prove, without_elements

MOST_FRAMES = 50  # of each composition, for the zero of the energies
BATCH = 5


def read_start(
    config: TrainConfig, base: Path | None, parts: Sequence[Frames], *, trust: bool = False
) -> Start | None:
    """What the config's `start_from` names; None without one.

    Args:
        config: of the training.
        base: folder that relative paths start from.
        parts: all frames, which tell the elements that are needed.
        trust: open a file of another package that runs code when it is opened.

    Raises:
        EgraffError: the file cannot be the start, or the config or the frames contradict it.
    """
    if config.start_from is None:
        return None
    path = Path(config.start_from).expanduser()
    path = path if base is None else base / path
    start = foreign_start(path, trust=trust) if path.is_file() else None
    start = start or own_start(path)
    _require_config(start, config)
    present = {name for frames in parts for name in frames.species}
    _require_known(start, present)
    cut = config.start_elements == "cut"
    cut = cut or (config.start_elements == "auto" and start.foreign is not None)
    if cut and present != set(start.record.species):
        start = without_elements(start, present)
    prove(start)
    return start


def _require_config(start: Start, config: TrainConfig) -> None:
    """Refuse what the config says of the network and the file contradicts.

    Raises:
        EgraffError: another force field, cutoff or setting.
    """
    record = start.record
    cutoff = config.r_max if "r_max" in config.model_fields_set else record.r_max
    for name, wanted, there in (
        ("forcefield", config.forcefield, record.forcefield),
        ("r_max", cutoff, record.r_max),
    ):
        if wanted != there:
            raise EgraffError(
                f"start_from: expected a network with {name} {wanted}, as the config has it, "
                f"got {there} in {start.path}: set `{name}: {there}`."
            )
    given = dict(config.overrides)
    if "preset" in config.model_fields_set:
        presets = force_field(config.forcefield).presets
        given = {**presets.get(config.preset, {}), **given}
    _require_same(record.settings, given, start.path)


def settled(config: TrainConfig, start: Start) -> TrainConfig:
    """The config with the cutoff of the start, which it need not state."""
    return config.model_copy(update={"r_max": start.record.r_max})


def begun_from(
    start: Start, record: Record, parts: Sequence[Frames], config: TrainConfig
) -> Record:
    """The record of a training that begins with the weights in `start`.

    Network, elements, scale and mean number of neighbours stay what they were, and the training
    range is that of both. The zero of the energies moves by what labels and start differ by on
    average (least squares over compositions), unless the config chooses another: labels of another
    code or functional have another zero.

    Args:
        start: what the training begins with.
        record: of the same data and species without it.
        parts: training frames, one entry a composition.
        config: of the training.
    """
    earlier = start.record
    if config.reference.method == "unchanged":
        record = replace(record, reference_method="unchanged", reference_ev=earlier.reference_ev)
    elif config.reference.method == "auto":
        moved = np.array(earlier.reference_ev) + _moved(start, parts, record.dtype)
        record = replace(record, reference_method="start", reference_ev=tuple(moved.tolist()))
    return replace(
        record,
        settings=earlier.settings,
        scale=earlier.scale,
        avg_num_neighbors=earlier.avg_num_neighbors,
        training_range=_joined(earlier.training_range, record.training_range),
        provenance={**record.provenance, "start": {"sha256": start.sha256, **start.about}},
    )


def begin_with(model: AtomicEnergyModel, start: Start, dtype: str) -> None:
    """Give `model` the network's weights in `start`; its scale and zero stay its own."""
    prefix = "network."
    weights = {
        name: value
        for name, value in start.build(dtype).state_dict().items()
        if name.startswith(prefix)
    }
    model.load_state_dict({**model.state_dict(), **weights})


def _require_known(start: Start, present: Collection[str]) -> None:
    """Refuse elements that the start does not know.

    Raises:
        EgraffError: there is one.
    """
    unknown = sorted(set(present) - set(start.record.species))
    if unknown:
        raise EgraffError(
            f"start_from: expected frames of the elements {' '.join(start.record.species)}, which "
            f"{start.path} knows, got {' '.join(unknown)} too: a network cannot be given elements "
            "afterwards; start from one that knows them, or train anew."
        )


def _require_same(there: Mapping[str, Any], given: Mapping[str, Any], path: Path) -> None:
    names = sorted(
        name for name, value in given.items() if _plain(there.get(name)) != _plain(value)
    )
    if names:
        each = ", ".join(f"{name}: {there.get(name)!r} (config: {given[name]!r})" for name in names)
        raise EgraffError(
            f"start_from: expected the network of {path}, got other settings in the config: "
            f"{each}. Leave them out, and the file's are taken."
        )


def _plain(value: Any) -> Any:
    """A setting without what does not matter: blanks in irreps, and lists of one number."""
    if isinstance(value, str):
        return value.replace(" ", "")
    if isinstance(value, (list, tuple)):
        return value[0] if len(set(map(str, value))) == 1 else list(value)
    return value


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


def _moved(start: Start, parts: Sequence[Frames], dtype: str) -> NDArray[np.float64]:
    """What each species' reference energy moves by, (n_species,) in eV; see `begun_from`."""
    record = start.record
    model = start.build(dtype)
    counts, offsets, weights = [], [], []
    for frames in (part.weighed("energy") for part in parts):
        if frames.energy is None or not len(frames):
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
