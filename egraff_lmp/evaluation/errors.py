"""Errors of energy, forces and stress: of all frames, of each composition, of each element.

Energies are per atom of a frame, forces and stress per Cartesian component. Beside the errors stand
those of a model without forces or stress, and the energy error that is left when the mean error of
a composition is taken away: a wrong zero of the energies does not move an atom.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.collection import Collection
from egraff_lmp.data.frames import Frames
from egraff_lmp.data.vasp import where_labels_are
from egraff_lmp.deployed import DeployedModel
from egraff_lmp.errors import EgraffError

logger = logging.getLogger(__name__)

MEV = 1000.0
ALL, COMPOSITION, ELEMENT = "all", "composition", "element"


@dataclass(frozen=True)
class FrameResult:
    """Labels and predictions of one frame of N atoms; None where it has no label.

    Attributes:
        source: the file.
        frame: its place in the file.
        composition: elements with counts, Ge40Te160.
        species: (N,) elements.
        energy: reference and prediction in eV.
        forces: (2, N, 3), likewise, in eV/A.
        stress: (2, 3, 3), likewise, in eV/A^3.
    """

    source: str
    frame: int
    composition: str
    species: NDArray[np.str_]
    energy: tuple[float, float] | None
    forces: NDArray[np.float64] | None
    stress: NDArray[np.float64] | None

    @property
    def energy_error(self) -> float:
        """Prediction minus reference in eV/atom; NaN without a label."""
        if self.energy is None:
            return math.nan
        return (self.energy[1] - self.energy[0]) / len(self.species)


@dataclass(frozen=True)
class GroupErrors:
    """Errors of the frames, or atoms, of one group; NaN where there are no labels.

    Attributes:
        kind: `ALL`, `COMPOSITION` or `ELEMENT`; of an element's atoms only forces are known.
        name: of the composition or element.
        n_frames: frames of the group, or that hold the element.
        energy_mae_mev_per_atom: mean absolute error.
        energy_rmse_mev_per_atom: root mean square.
        energy_offset_free_mae_mev_per_atom: without the mean error of each composition.
        forces_mae_mev_per_angstrom: of components.
        forces_rmse_mev_per_angstrom: likewise.
        zero_forces_mae_mev_per_angstrom: of a model that says 0.
        largest_force_error_mev_per_angstrom: length of the difference, of the worst atom.
        stress_mae_mev_per_angstrom3: of components.
        zero_stress_mae_mev_per_angstrom3: of a model that says 0.
    """

    kind: str
    name: str
    n_frames: int
    energy_mae_mev_per_atom: float
    energy_rmse_mev_per_atom: float
    energy_offset_free_mae_mev_per_atom: float
    forces_mae_mev_per_angstrom: float
    forces_rmse_mev_per_angstrom: float
    zero_forces_mae_mev_per_angstrom: float
    largest_force_error_mev_per_angstrom: float
    stress_mae_mev_per_angstrom3: float
    zero_stress_mae_mev_per_angstrom3: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values; None for what is not known."""
        return {
            key: None if isinstance(value, float) and math.isnan(value) else value
            for key, value in asdict(self).items()
        }


def evaluate_frames(
    model: DeployedModel,
    sources: Sequence[Collection],
    progress: Callable[[int, int], None] | None = None,
) -> list[FrameResult]:
    """What `model` says of every frame beside its labels.

    Args:
        model: the deployed file.
        sources: labelled frames.
        progress: called with the frames done and the frames there are.

    Raises:
        EgraffError: an element that the model does not know, frames without any label, or a frame
            that cannot be evaluated, which is named.
    """
    total = sum(len(source) for source in sources)
    results: list[FrameResult] = []
    for source in sources:
        for frames, places in zip(source.groups, source.places, strict=True):
            _require(model, frames)
            for t, place in enumerate(places):
                results.append(_result(model, frames, t, int(place)))
                if progress is not None:
                    progress(len(results), total)
    _warn_of_predictions(results)
    return results


def group_errors(results: Sequence[FrameResult]) -> list[GroupErrors]:
    """The group of all frames, then each composition, then each element (more than one of them)."""
    compositions = sorted({each.composition for each in results})
    elements = sorted({str(name) for each in results for name in each.species})
    groups = [_errors(ALL, "all frames", results)]
    if len(compositions) > 1:
        for name in compositions:
            mine = [each for each in results if each.composition == name]
            groups.append(_errors(COMPOSITION, name, mine))
    if len(elements) > 1:
        groups += [_errors(ELEMENT, name, results, element=name) for name in elements]
    return groups


def frame_rows(results: Sequence[FrameResult]) -> Iterator[dict[str, Any]]:
    """One row a frame, for a table: where it stands, its energies and its errors."""
    for each in results:
        own = _errors(ALL, each.composition, [each]).as_dict()
        reference, predicted = (None, None) if each.energy is None else each.energy
        yield {
            "source": each.source,
            "frame": each.frame,
            "composition": each.composition,
            "n_atoms": len(each.species),
            "energy_reference_ev": reference,
            "energy_predicted_ev": predicted,
            "energy_error_mev_per_atom": None if reference is None else MEV * each.energy_error,
            **{key: own[key] for key in _OF_A_FRAME},
        }


_OF_A_FRAME = (
    "forces_mae_mev_per_angstrom",
    "forces_rmse_mev_per_angstrom",
    "largest_force_error_mev_per_angstrom",
    "stress_mae_mev_per_angstrom3",
)


def _require(model: DeployedModel, frames: Frames) -> None:
    if frames.energy is None and frames.forces is None and frames.stress is None:
        way_out = where_labels_are(frames.source) or (
            "name a labelled file, or the labels with --energy-key, --forces-key and --stress-key"
        )
        raise EgraffError(
            f"{frames.source}: expected frames with an energy, forces or a stress to compare with, "
            f"they have none: {way_out}."
        )
    try:
        model.check_species(frames.species)
    except EgraffError as error:
        raise EgraffError(f"{Path(frames.source).name}: {error}") from None


def _result(model: DeployedModel, frames: Frames, t: int, place: int) -> FrameResult:
    try:
        found = model.evaluate(frames.species, frames.positions[t], frames.cell[t], frames.pbc)
    except EgraffError as error:
        raise EgraffError(f"{frames.source}, frame {place}: {error}") from None
    forces = stress = energy = None
    if frames.energy is not None:
        energy = (float(frames.energy[t]), found.energy)
    if frames.forces is not None:
        forces = np.stack([frames.forces[t], found.forces])
    if frames.stress is not None and all(frames.pbc):
        volume = abs(float(np.linalg.det(frames.cell[t])))
        stress = np.stack([frames.stress[t], -found.virial / volume])
    return FrameResult(
        source=frames.source,
        frame=place,
        composition=frames.formula,
        species=np.array(frames.species),
        energy=energy,
        forces=forces,
        stress=stress,
    )


def _warn_of_predictions(results: Sequence[FrameResult]) -> None:
    """Name frames that the model fails at, which the errors leave out: they would look better."""
    bad = [each for each in results if not _is_finite(each)]
    if bad:
        logger.warning(
            "The model's energy, forces or stress are not finite in %d of %d frames (first: %s, "
            "frame %d): they are left out of the errors, which say nothing of these frames.",
            len(bad), len(results), bad[0].source, bad[0].frame,
        )  # fmt: skip


def _is_finite(result: FrameResult) -> bool:
    predicted = [
        pair[1] for pair in (result.energy, result.forces, result.stress) if pair is not None
    ]
    return all(bool(np.isfinite(value).all()) for value in predicted)


def _errors(
    kind: str, name: str, results: Sequence[FrameResult], element: str | None = None
) -> GroupErrors:
    energies = np.array([each.energy_error for each in results])
    compositions = np.array([each.composition for each in results])
    centred = energies.copy()
    for composition in np.unique(compositions):
        mine = compositions == composition
        known = mine & np.isfinite(energies)  # a rollout may lack the energy of some frames
        if known.any():
            centred[mine] -= energies[known].mean()
    if element is not None:
        energies = centred = np.empty(0)
    pairs = [
        each.forces if element is None else each.forces[:, each.species == element]
        for each in results
        if each.forces is not None
    ]
    reference, predicted = np.concatenate([*pairs, np.empty((2, 0, 3))], axis=1)
    wrong = predicted - reference
    stresses = [each.stress for each in results if each.stress is not None and element is None]
    stress = np.stack(stresses, axis=1) if stresses else np.empty((2, 0, 3, 3))
    return GroupErrors(
        kind=kind,
        name=name,
        n_frames=sum(element is None or element in each.species for each in results),
        energy_mae_mev_per_atom=_mean(np.abs(energies)),
        energy_rmse_mev_per_atom=_root_mean_square(energies),
        energy_offset_free_mae_mev_per_atom=_mean(np.abs(centred)),
        forces_mae_mev_per_angstrom=_mean(np.abs(wrong)),
        forces_rmse_mev_per_angstrom=_root_mean_square(wrong),
        zero_forces_mae_mev_per_angstrom=_mean(np.abs(reference)),
        largest_force_error_mev_per_angstrom=MEV
        * float(np.linalg.norm(wrong, axis=1).max(initial=math.nan if not wrong.size else 0.0)),
        stress_mae_mev_per_angstrom3=_mean(np.abs(stress[1] - stress[0])),
        zero_stress_mae_mev_per_angstrom3=_mean(np.abs(stress[0])),
    )


def _mean(values: NDArray[np.float64]) -> float:
    """In meV, of what is known; NaN of nothing."""
    known = values[np.isfinite(values)]
    return MEV * float(known.mean()) if known.size else math.nan


def _root_mean_square(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return MEV * float(np.sqrt(np.mean(known**2))) if known.size else math.nan
