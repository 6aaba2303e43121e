"""From config and data to the record of a training: species, references, scale, provenance."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.forcefields import ForceField, force_field
from egraff_lmp.runs.machine import hardware, versions
from egraff_lmp.train.checkpoint import Record, frame_to_plain
from egraff_lmp.train.config import TrainConfig
from egraff_lmp.train.data import Parts, data_citations, data_provenance, species_order
from egraff_lmp.train.graphs import Graph, mean_neighbours
from egraff_lmp.train.reference import chosen_method, force_rms, reference_energies
from egraff_lmp.train.training_range import training_range

logger = logging.getLogger(__name__)

VERSIONED = ("egraff_lmp", "torch", "lightning", "numpy")
SELF_TEST_ATOMS = 200  # the self-test frame is stored as text in every deployed file


def make_record(
    config: TrainConfig, parts: Parts, graphs: Sequence[Graph], base: Path | None
) -> Record:
    """The record of a training that starts now; `graphs` are those of the training part.

    Raises:
        EgraffError: unknown force field or preset, unfit reference energies.
    """
    entry = force_field(config.forcefield)
    species = species_order(parts, config.species)
    isolated = {**parts.isolated_ev, **isolated_atoms(config, base)}
    method = chosen_method(config.reference.method, species, isolated)
    if method == "isolated_atoms" and parts.isolated_ev:
        each = ", ".join(f"{name} {isolated[name]:.6g} eV" for name in species)
        logger.info("The reference energies are those of isolated atoms: %s.", each)
    reference = reference_energies(parts.train, species, method, isolated)
    return Record(
        forcefield=entry.key,
        settings={**_preset(entry, config.preset), **config.overrides},
        species=species,
        r_max=config.r_max,
        avg_num_neighbors=mean_neighbours(graphs),
        dtype=config.dtype,
        seed=config.seed,
        scale=force_rms(parts.train),
        reference_method=method,
        reference_ev=tuple(reference.tolist()),
        config=config.model_dump_json(),
        provenance=_provenance(config, parts, entry),
        self_test=frame_to_plain(*self_test_frame(parts.validation)),
        training_range=training_range(graphs, species),
    )


def self_test_frame(parts: Sequence[Frames]) -> tuple[Frames, int]:
    """Frames and index of the validation frame that a deployed file carries.

    Of the systems of at most `SELF_TEST_ATOMS` atoms the one with most elements (or else the
    smallest system), its first frame.
    """
    small = [frames for frames in parts if frames.n_atoms <= SELF_TEST_ATOMS]
    if small:
        return max(small, key=lambda frames: len(set(frames.species))), 0
    return min(parts, key=lambda frames: frames.n_atoms), 0


def isolated_atoms(config: TrainConfig, base: Path | None) -> dict[str, float]:
    """Isolated-atom energies of the config: given there, or read from a file of single atoms."""
    energies = dict(config.reference.isolated_atoms_ev)
    if config.reference.isolated_atoms is None:
        return energies
    path = Path(config.reference.isolated_atoms).expanduser()
    return {**read_isolated_atoms(path if base is None else base / path), **energies}


def read_isolated_atoms(path: Path) -> dict[str, float]:
    """Element to energy (eV) of a file whose frames are single atoms, in any format of ASE.

    Raises:
        EgraffError: no such file, a frame of several atoms, an energy missing or given twice.
    """
    from ase.io import read

    if not path.is_file():
        raise EgraffError(f"{path}: expected a file of isolated atoms, there is none.")
    energies: dict[str, float] = {}
    for atoms in read(path, index=":"):
        symbols = atoms.get_chemical_symbols()
        energy = None if atoms.calc is None else atoms.calc.results.get("energy")
        if len(symbols) != 1 or energy is None or not np.isfinite(energy):
            raise EgraffError(
                f"{path}: expected frames of one atom with an energy, got "
                f"{atoms.get_chemical_formula()} with {energy}."
            )
        if symbols[0] in energies:
            raise EgraffError(f"{path}: expected each atom once, got {symbols[0]} twice.")
        energies[symbols[0]] = float(energy)
    return energies


def _preset(entry: ForceField, name: str) -> dict[str, Any]:
    if name not in entry.presets:
        raise EgraffError(
            f"preset: expected one of {', '.join(entry.presets)} for {entry.key}, got '{name}'."
        )
    return dict(entry.presets[name])


def _provenance(config: TrainConfig, parts: Parts, entry: ForceField) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        "config_sha256": config.sha256(),
        "data": data_provenance(parts),
        "data_sets": data_citations(parts.sources),
        "labels": ["energy", "forces", *(["stress"] if config.learns_stress else [])],
        "seed": config.seed,
        "started": now.isoformat(timespec="seconds"),
        "versions": versions(VERSIONED + entry.packages),
        "hardware": {
            **hardware(),
            "threads": torch.get_num_threads(),
            "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        },
    }
