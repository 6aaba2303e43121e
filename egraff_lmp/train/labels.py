"""Labels that a training cannot learn from are refused before its first step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.check import require_finite, unit_suspicion
from egraff_lmp.data.collection import Collection
from egraff_lmp.data.frames import Frames
from egraff_lmp.data.split import SAME_POSITION_A
from egraff_lmp.data.vasp import where_labels_are
from egraff_lmp.errors import EgraffError
from egraff_lmp.train.config import LossConfig, SecondStageConfig, TrainConfig


def require_labels(source: Collection, config: TrainConfig) -> None:
    """Refuse labels that the loss asks for and that are missing or no labels at all.

    Of a source with several compositions some may lack a stress, as clusters do: their errors do
    not count then.

    Raises:
        EgraffError: labels missing, not finite, all zero, repeated in different frames, or in
            other units.
    """
    for frames in source.groups:
        other_stress = any(each.stress is not None and all(each.pbc) for each in source.groups)
        _require(frames, config, stress=not other_stress or all(frames.pbc))


def _require(frames: Frames, config: TrainConfig, *, stress: bool) -> None:
    """`stress`: whether these frames must have one where the loss asks for it."""
    stages: list[LossConfig | SecondStageConfig] = [config.loss]
    if config.second_stage is not None:
        stages.append(config.second_stage)
    wanted = {"energy": frames.energy, "forces": frames.forces, "stress": frames.stress}
    require_finite(frames)
    for name, array in wanted.items():
        if not max(getattr(stage, name) for stage in stages) or (name == "stress" and not stress):
            continue
        if array is None:
            way_out = where_labels_are(frames.source) or (
                f"name a labelled source, or set `loss: {{{name}: 0}}` (and in `second_stage`)"
            )
            raise EgraffError(
                f"{frames.source}: expected {name} to train on, it has none: {way_out}."
            )
        _require_variety(frames, name, array)
    if stress and config.learns_stress and not all(frames.pbc):
        raise EgraffError(
            f"{frames.source}: expected a periodic system to train on stress, got pbc "
            f"{frames.pbc}: set `loss: {{stress: 0}}`."
        )
    suspicion = unit_suspicion(frames)
    if suspicion is not None and config.data.units == "error":
        raise EgraffError(f"{suspicion} If they are right, set `data: {{units: warn}}`.")


def _require_variety(frames: Frames, name: str, array: NDArray[np.float64]) -> None:
    """Placeholders: forces or stresses of zero, and one energy in frames that differ."""
    way_out = f"name a labelled source, or set `loss: {{{name}: 0}}` (and in `second_stage`)."
    if name != "energy":
        # A single atom in a cell has no forces.
        if frames.n_atoms > 1 and not array.any():
            raise EgraffError(
                f"{frames.source}: expected {name} to train on, all of them are 0, as "
                f"placeholders are: {way_out}"
            )
        return
    different = _first_of_equal(frames)
    if len(different) < 2:
        return
    values, counts = np.unique(array[different] + 0.0, return_counts=True)
    most = int(np.argmax(counts))
    if 2 * counts[most] > len(different):
        raise EgraffError(
            f"{frames.source}: expected energies to train on, but {values[most]:g} eV is that of "
            f"{counts[most]} of {len(different)} frames whose positions differ, as placeholders "
            f"and repeated lines of a file are: remove these frames, {way_out}"
        )


def _first_of_equal(frames: Frames) -> NDArray[np.int64]:
    """Indices of frames that differ from each other, the first of those that are equal."""
    whole = np.concatenate([frames.positions, frames.cell], axis=1).reshape(len(frames), -1)
    rounded = np.round(whole / SAME_POSITION_A).astype(np.int64)
    return np.unique(rounded, axis=0, return_index=True)[1]
