"""From the config's data section to training, validation and test frames."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ase.data import atomic_numbers

from egraff_lmp.data import timeline
from egraff_lmp.data.collection import Collection
from egraff_lmp.data.finding import CONTINUOUS
from egraff_lmp.data.frames import Frames
from egraff_lmp.data.split import check_leakage
from egraff_lmp.data.table import DATA_SETS, collect_source
from egraff_lmp.errors import EgraffError
from egraff_lmp.train.config import DataConfig, TrainConfig
from egraff_lmp.train.labels import require_labels

logger = logging.getLogger(__name__)

SERIES_FRAMES = 200  # so many tell whether the frames follow each other


@dataclass(frozen=True)
class Parts:
    """Frames by use, one entry a source and composition.

    Attributes:
        train, validation, test: the frames.
        sources: their names, for provenance.
        isolated_ev: element to energy of isolated atoms (eV) in the training sources.
    """

    train: list[Frames]
    validation: list[Frames]
    test: list[Frames]
    sources: dict[str, list[str]]
    isolated_ev: Mapping[str, float] = field(default_factory=dict)

    def by_name(self) -> dict[str, list[Frames]]:
        """Part name to frames, without empty parts."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: frames for name, frames in parts.items() if frames}


def read_parts(config: TrainConfig, base: Path | None) -> Parts:
    """Read and split all sources; relative paths start from `base`.

    Raises:
        EgraffError: a source cannot be read, too few frames, no validation frames, labels that
            are missing or cannot be learnt from, or a frame in two parts.
    """
    data = config.data
    train: list[Frames] = []
    validation: list[Frames] = []
    test: list[Frames] = []
    isolated: dict[str, float] = {}
    collected = [collect_source(source, base, data.keys) for source in data.train]
    needed = _held_out_frames(data)
    may_stay_whole = any(len(found) > needed for found in collected)
    for found in collected:
        require_labels(found, config)
        _add_isolated(isolated, found)
        if data.split == "shuffled" and not (data.validation and (data.test or not data.n_test)):
            _warn_of_series(found)
        for part, target in zip(
            _split(found, data, config.seed, may_stay_whole), (train, validation, test), strict=True
        ):
            target += part
    validation += _held_out(data.validation, data.n_validation, config, base)
    test += _held_out(data.test, data.n_test, config, base)
    parts = Parts(
        train,
        validation,
        test,
        {
            "train": data.train,
            "validation": data.validation or data.train,
            "test": data.test or (data.train if test else []),
        },
        isolated,
    )
    check_leakage(parts.by_name(), policy=data.leakage)
    return parts


def species_order(parts: Parts, wanted: list[str] | None) -> tuple[str, ...]:
    """Type order: the config's, else alphabetical over all parts.

    Raises:
        EgraffError: an unknown element symbol, or one of no training frame.
    """
    present = {name for frames in parts.train for name in frames.species}
    if wanted is None:
        return tuple(sorted(present))
    unknown = [name for name in wanted if name not in atomic_numbers or name == "X"]
    if unknown:
        raise EgraffError(f"species: expected element symbols, got {', '.join(unknown)}.")
    untrained = [name for name in wanted if name not in present]
    if untrained:
        raise EgraffError(
            f"species: expected elements of the training frames ({' '.join(sorted(present))}), "
            f"got {' '.join(untrained)} too: a network would return untrained numbers for them."
        )
    return tuple(wanted)


def data_provenance(parts: Parts) -> dict[str, Any]:
    """Source, formula, counts and SHA-256 of each part, as plain values."""
    return {
        name: {
            "sources": parts.sources[name],
            "formulas": [frames.formula for frames in group],
            "n_frames": [len(frames) for frames in group],
            "n_atoms": [frames.n_atoms for frames in group],
            "sha256": _joint_hash(group),
        }
        for name, group in parts.by_name().items()
    }


def data_citations(sources: dict[str, list[str]]) -> list[str]:
    """Keys of the table's data sets among the sources."""
    keys = {source.partition(":")[0] for group in sources.values() for source in group}
    return [key for key in DATA_SETS if key in keys]


def _warn_of_series(found: Collection) -> None:
    """A shuffled split of a trajectory holds out frames that lie between two of the training."""
    for frames in found.groups:
        some = frames.select(slice(0, SERIES_FRAMES))
        if timeline.continuity(timeline.displacements(some)) > CONTINUOUS:
            logger.warning(
                "%s: its frames follow each other in time, so that each held-out frame of a "
                "shuffled split lies between two training frames: its error tells little of other "
                "configurations. `data: {split: contiguous, gap: 10}` holds out a stretch of time.",
                found.source,
            )
            return


def _add_isolated(isolated: dict[str, float], found: Collection) -> None:
    for element, energy in found.isolated_ev.items():
        if isolated.setdefault(element, energy) != energy:
            raise EgraffError(
                f"{found.source}: expected one energy of an isolated {element} atom, got "
                f"{energy:g} eV here and {isolated[element]:g} eV in another training source: "
                "keep one of them, or give `reference.isolated_atoms_ev`."
            )


def _held_out_frames(data: DataConfig) -> int:
    """Frames that each training source loses to validation, test and the gaps between them."""
    n_validation = 0 if data.validation else (data.n_validation or 0)
    n_test = 0 if data.test else (data.n_test or 0)
    gaps = data.gap * ((n_validation > 0) + (n_test > 0)) if data.split == "contiguous" else 0
    return n_validation + n_test + gaps


def _split(
    frames: Collection, data: DataConfig, seed: int, may_stay_whole: bool
) -> list[list[Frames]]:
    """Training, validation and test frames of a source.

    Counts are per source. One that is too small for them is trained on as a whole where others can
    give the frames that are held out.
    """
    n_validation = 0 if data.validation else data.n_validation
    n_test = 0 if data.test else (data.n_test or 0)
    if n_validation is None:
        raise EgraffError(
            "data: expected validation frames: give `data.validation` sources, or "
            "`data.n_validation` frames to be split off each train source."
        )
    used = n_validation + n_test
    n_train = data.n_train or len(frames) - _held_out_frames(data)
    if n_train < 1 and may_stay_whole:
        logger.warning(
            "%s: all of its %d frames are trained on, as %d of each source are asked for "
            "validation and test; its errors are measured on the frames of other sources.",
            frames.source,
            len(frames),
            used,
        )
        return [list(frames.groups), [], []]
    if n_train < 1:
        raise EgraffError(
            f"{frames.source}: expected frames to train on, but {used} of {len(frames)} are asked "
            "for validation and test: ask for fewer."
        )
    sizes = [n_train, n_validation, n_test]
    return frames.split(sizes, method=data.split, seed=seed, gap=data.gap)


def _held_out(
    sources: list[str], n: int | None, config: TrainConfig, base: Path | None
) -> list[Frames]:
    parts: list[Frames] = []
    for source in sources:
        found = collect_source(source, base, config.data.keys)
        require_labels(found, config)
        if n is None:
            parts += found.groups
        else:
            parts += found.split([n], method=config.data.split, seed=config.seed)[0]
    return parts


def _joint_hash(group: list[Frames]) -> str:
    if len(group) == 1:
        return group[0].sha256()
    return hashlib.sha256("".join(frames.sha256() for frames in group).encode()).hexdigest()
