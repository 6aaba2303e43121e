"""Training checkpoints: what they say of the model, how they are read, and the model inside.

A checkpoint is Lightning's own, plus a record (`RECORD_KEY`) with all that is needed to rebuild the
network without config or data. It holds plain values and tensors only, and is read with
`weights_only=True`: reading a checkpoint never runs code from it.
"""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from egraff_lmp.contract import TrainingRange
from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.forcefields import AtomicEnergyModel, NetworkContext, force_field
from egraff_lmp.train.module import STATE_KEY
from egraff_lmp.untrusted import open_archive

RECORD_KEY = "egraff_record"
SCHEMA = 2  # 2: with training_range
_NESTED = ("settings", "provenance", "self_test", "training_range")
DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True)
class Record:
    """What is fixed when a training starts.

    Attributes:
        forcefield: key in `FORCE_FIELDS`.
        settings: of the network, preset and overrides merged.
        species: elements in type order.
        r_max: cutoff in A.
        avg_num_neighbors: mean edges per atom of the training set.
        dtype: of the network.
        seed: of the run.
        scale: eV, see `AtomicEnergyModel`.
        reference_method: how `reference_ev` was found.
        reference_ev: reference energy of each species in eV.
        config: the training config as JSON text.
        provenance: data, hashes, versions, hardware, as plain values.
        self_test: species, positions, cell, pbc of one validation frame.
        training_range: of the training frames; None in checkpoints of schema 1.
    """

    forcefield: str
    settings: Mapping[str, Any]
    species: tuple[str, ...]
    r_max: float
    avg_num_neighbors: float
    dtype: str
    seed: int
    scale: float
    reference_method: str
    reference_ev: tuple[float, ...]
    config: str
    provenance: Mapping[str, Any]
    self_test: Mapping[str, Any]
    training_range: TrainingRange | None = None

    def to_plain(self) -> dict[str, Any]:
        """Plain values, with the schema number; JSON text where values nest."""
        plain = asdict(self)
        for key in _NESTED:
            plain[key] = json.dumps(plain[key])
        return {"schema": SCHEMA, **plain}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Record:
        """Inverse of `to_plain`."""
        values = {key: value for key, value in plain.items() if key != "schema"}
        for key in _NESTED:
            values[key] = json.loads(values.get(key, "null"))
        values["species"] = tuple(values["species"])
        values["reference_ev"] = tuple(values["reference_ev"])
        values["training_range"] = TrainingRange.from_plain(values["training_range"])
        return cls(**values)

    def context(self, dtype: str | None = None) -> NetworkContext:
        """What the network is built with, in `dtype` or its own precision."""
        return NetworkContext(
            species=self.species,
            r_max=self.r_max,
            avg_num_neighbors=self.avg_num_neighbors,
            dtype=DTYPES[dtype or self.dtype],
            seed=self.seed,
        )

    def build(self, dtype: str | None = None) -> AtomicEnergyModel:
        """The model with freshly initialised weights, in `dtype` or its own precision.

        Raises:
            EgraffError: the force field does not know a setting.
        """
        try:
            network = force_field(self.forcefield).build(self.settings, self.context(dtype))
        except EgraffError:
            raise
        except Exception as error:  # each package raises what it likes on a wrong setting
            raise EgraffError(
                f"{self.forcefield} cannot be built from its settings ({error}): check "
                f"`overrides`; the preset sets {', '.join(self.settings)}."
            ) from error
        return AtomicEnergyModel(
            network, self.scale, torch.tensor(self.reference_ev, dtype=torch.float64)
        )

    def self_test_frame(self) -> Frames:
        """The stored validation frame, without labels."""
        return frame_from_plain(self.self_test)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint in memory: its record, Lightning's weights, and the training state."""

    record: Record
    weights: Mapping[str, torch.Tensor]
    state: Mapping[str, Any]
    path: Path

    def build(self, dtype: str | None = None) -> AtomicEnergyModel:
        """The trained model in evaluation mode, with averaged weights where there are any.

        In another precision than it was trained in, only the weights are converted: constants
        (Clebsch-Gordan coefficients and the like) are computed anew, in that precision.
        """
        model = self.record.build(dtype)
        weights = {
            name.removeprefix("model."): value
            for name, value in self.weights.items()
            if name.startswith("model.")
        }
        if self.state["average"] is not None:
            weights = {**weights, **self.state["average"]["average"]}
        trained = {name for name, _ in model.named_parameters()}
        same = dtype is None or dtype == self.record.dtype
        chosen = {name: value for name, value in weights.items() if same or name in trained}
        missing = [name for name in trained if name not in chosen]
        shapes = dict(model.state_dict())
        wrong = [n for n, v in chosen.items() if n not in shapes or shapes[n].shape != v.shape]
        if missing or wrong:
            raise EgraffError(
                f"{self.path}: its weights do not fit the {self.record.forcefield} network of "
                f"this version ({', '.join(sorted(missing + wrong)[:3])}): deploy it with the "
                f"versions it was trained with, {self.record.provenance.get('versions', {})}."
            )
        model.load_state_dict(chosen, strict=False)
        return model.eval()


def frame_to_plain(frames: Frames, index: int) -> dict[str, Any]:
    """Species, positions, cell and pbc of one frame as plain values."""
    return {
        "species": list(frames.species),
        "positions": frames.positions[index].tolist(),
        "cell": frames.cell[index].tolist(),
        "pbc": list(frames.pbc),
    }


def frame_from_plain(plain: Mapping[str, Any]) -> Frames:
    """One frame without labels; inverse of `frame_to_plain`."""
    return Frames(
        species=tuple(plain["species"]),
        positions=np.array(plain["positions"], dtype=np.float64)[None],
        cell=np.array(plain["cell"], dtype=np.float64)[None],
        pbc=(bool(plain["pbc"][0]), bool(plain["pbc"][1]), bool(plain["pbc"][2])),
        energy=None,
        forces=None,
        timestep_fs=None,
        source="self-test frame",
    )


def load_checkpoint(path: str | Path) -> Checkpoint:
    """A checkpoint of `egraff train`.

    Raises:
        EgraffError: missing, a folder, damaged, of another program, or of a newer schema.
    """
    path = Path(path)
    expected = f"{path}: expected a checkpoint written by `egraff train`"
    if path.is_dir():
        raise EgraffError(f"{expected}, got a folder: name best.ckpt or last.ckpt inside it.")
    if not path.is_file():
        raise EgraffError(f"{expected}, but there is no such file: check the path.")
    _refuse_other_archives(path, expected)
    try:
        raw = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError):
        raise EgraffError(
            f"{expected}, got a file of another kind: a pickle that would run code, or a "
            "checkpoint of another program. Train the model with `egraff train CONFIG.yaml`."
        ) from None
    if not isinstance(raw, dict) or RECORD_KEY not in raw:
        raise EgraffError(
            f"{expected}, got a checkpoint of another program without its record: train the model "
            "with `egraff train CONFIG.yaml`."
        )
    schema = raw[RECORD_KEY].get("schema")
    if not isinstance(schema, int) or schema > SCHEMA:
        raise EgraffError(
            f"{expected} of schema {SCHEMA} or older, got {schema}: update egraff_lmp."
        )
    return Checkpoint(Record.from_plain(raw[RECORD_KEY]), raw["state_dict"], raw[STATE_KEY], path)


def _refuse_other_archives(path: Path, expected: str) -> None:
    try:
        with open_archive(path, path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        with open(path, "rb") as stream:
            head = stream.read(2)
        what = {
            b"": "an empty file: copy it again.",
            b"PK": "a truncated file (the end of the archive is missing): copy it again.",
        }.get(head, "a file of another kind: train with `egraff train CONFIG.yaml`.")
        raise EgraffError(f"{expected}, got {what}") from None
    if any("/code/" in name for name in names):
        raise EgraffError(
            f"{expected}, got a TorchScript model, which is deployed already: look at it with "
            "`egraff inspect`."
        )
