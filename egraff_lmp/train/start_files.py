"""The networks that a training can begin with: own checkpoints, and files of other packages."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from egraff_lmp.contract import TrainingRange
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import sha256_file
from egraff_lmp.forcefields import FORCE_FIELDS, AtomicEnergyModel, carry_over, force_field
from egraff_lmp.interop import explain_others, look, opened, recognised
from egraff_lmp.interop.foreign import Foreign, check_same, made_frame
from egraff_lmp.train.checkpoint import DTYPES, Record, load_checkpoint


@dataclass(frozen=True)
class Start:
    """What a training begins with.

    Attributes:
        record: of the network, with the species that it is to have.
        build: the model in a precision, with its weights; not to be changed.
        path: the file.
        sha256: of that file.
        about: what the record of the training says of the file, as plain values.
        foreign: the model of another package that it was made of, if it was.
    """

    record: Record
    build: Callable[[str], AtomicEnergyModel]
    path: Path
    sha256: str
    about: Mapping[str, Any]
    foreign: Foreign | None = None


def own_start(path: Path) -> Start:
    """That of a checkpoint of `egraff train`.

    Raises:
        EgraffError: it is none.
    """
    found = load_checkpoint(path)
    about = {"data": found.record.provenance.get("data")}
    return Start(found.record, found.build, path, sha256_file(path), about)


def foreign_start(path: Path, *, trust: bool) -> Start | None:
    """That of another package's file; None where `path` is of no format of `interop`.

    Args:
        path: an existing file.
        trust: open it even if that runs code from it; `egraff train` and `egraff bench` have an
            option of that name.

    Raises:
        EgraffError: it is not trusted, or it has what a training cannot begin with.
    """
    content = look(path)
    row = recognised(content)
    if row is None:
        explain_others(path, content)
        return None
    foreign, digest = opened(row, path, trust=trust, saying="--trust")
    if foreign.fixed:
        raise EgraffError(
            f"{path}: expected a network that a training can begin with, got {foreign.fixed}: it "
            "can be deployed as it is (`egraff deploy`), not trained here."
        )
    about = {"format": row.key, "file": path.name, **foreign.provenance}
    # A large network is built in many seconds, and asked for several times.
    foreign = replace(foreign, build=functools.cache(foreign.build))
    record = _record(foreign)

    @functools.cache
    def build(dtype: str) -> AtomicEnergyModel:
        source, target = foreign.build(DTYPES[dtype]), record.build(dtype)
        _carry(record.forcefield, source, target, range(len(record.species)))
        return target.eval()

    return Start(record, build, path, digest, about, foreign)


def _record(foreign: Foreign) -> Record:
    """That of the whole network; of a training that there was it knows nothing."""
    scale = foreign.build(foreign.dtype).get_buffer("scale")
    return Record(
        forcefield=foreign.force_field.key,
        settings=foreign.settings,
        species=foreign.species,
        r_max=foreign.r_max,
        avg_num_neighbors=foreign.avg_num_neighbors,
        dtype=str(foreign.dtype).removeprefix("torch."),
        seed=0,
        scale=float(scale.reshape(-1)[0]),
        reference_method="imported",
        reference_ev=foreign.shift,
        config="{}",
        provenance={},
        self_test={},
    )


def prove(start: Start) -> None:
    """Compare the network that training begins with, and the package's own result.

    Raises:
        EgraffError: energies or forces of a frame of all its elements differ, see `check_same`.
    """
    if start.foreign is not None:
        species = start.record.species
        check_same(
            replace(start.foreign, species=species),
            start.build(start.record.dtype),
            made_frame(species, start.record.r_max),
            start.path,
        )


def without_elements(start: Start, wanted: Collection[str]) -> Start:
    """The same start for some of its elements.

    Raises:
        EgraffError: elements cannot be left out of such a network.
    """
    whole = start.record
    if force_field(whole.forcefield).of_species is None:
        can = ", ".join(key for key, row in FORCE_FIELDS.items() if row.of_species is not None)
        raise EgraffError(
            f"start_elements: expected a force field that elements can be left out of ({can}), got "
            f"{whole.forcefield}: set `start_elements: keep`."
        )
    kept = [index for index, name in enumerate(whole.species) if name in wanted]
    record = replace(
        whole,
        settings=_of_elements(whole.settings, set(whole.species) - set(wanted)),
        species=tuple(whole.species[index] for index in kept),
        reference_ev=tuple(whole.reference_ev[index] for index in kept),
        training_range=_range_of(whole.training_range, wanted),
    )

    @functools.cache
    def build(dtype: str) -> AtomicEnergyModel:
        source, target = start.build(dtype), record.build(dtype)
        _carry(whole.forcefield, source, target, kept)
        return target.eval()

    return replace(start, record=record, build=build)


def _of_elements(settings: Any, dropped: Collection[str]) -> Any:
    """Settings without what they say of elements that are left out."""
    if not isinstance(settings, Mapping):
        return settings
    return {
        name: _of_elements(value, dropped)
        for name, value in settings.items()
        if name not in dropped
    }


def _range_of(known: TrainingRange | None, wanted: Collection[str]) -> TrainingRange | None:
    if known is None:
        return None
    pairs = tuple(pair for pair in known.shortest_distances if set(pair.elements) <= set(wanted))
    return replace(known, shortest_distances=pairs)


def _carry(
    key: str, source: AtomicEnergyModel, target: AtomicEnergyModel, kept: Sequence[int]
) -> None:
    of_species = force_field(key).of_species
    weights = {} if of_species is None else of_species(source.network, target.network, kept)
    carry_over(source.network, target.network, weights)
