"""From a nequip model config and weights to this project's NequIP or Allegro.

A config names Python functions to call (`_target_`). Only those listed here are called, so that
reading a checkpoint runs nothing but the installed packages' builders.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.forcefields import FORCE_FIELDS, AtomicEnergyModel
from egraff_lmp.forcefields.allegro import AllegroNetwork
from egraff_lmp.forcefields.nequip import NequIPNetwork
from egraff_lmp.forcefields.nequip_package import nequip_state, unwrap
from egraff_lmp.graph import find_edges
from egraff_lmp.interop.foreign import Foreign, elements_of, one_line

_BUILDERS = (
    "nequip.model.NequIPGNNModel",
    "nequip.model.FullNequIPGNNModel",
    "nequip.model.PresetNequIPGNNModel",
    "allegro.model.AllegroModel",
    "allegro.model.FullAllegroModel",
)
_MODIFY = "nequip.model.modify"
_TARGETS = (
    *_BUILDERS,
    _MODIFY,
    "allegro.nn.TwoBodyBesselScalarEmbed",
    "allegro.nn.TwoBodySplineScalarEmbed",
)
# What a config may name beside them, and what to do about it.
_ADVICE = {
    "nequip.model.ModelFromPackage": "the checkpoint refers to another file: package it "
    "(nequip-package) from a training that starts from a config.",
    "nequip.model.ModelFromCheckpoint": "the checkpoint refers to another file: deploy a training "
    "that starts from a config.",
}
_ENERGY_PARTS = ("per_type_energy_scale_shift", "total_energy_sum")
_NEQUIP_PARTS = ("type_embed", "spharm", "edge_norm", "bessel_encode", "factor")
_ALLEGRO_PARTS = (
    "edge_norm",
    "radial_chemical_embed",
    "scalar_embed_mlp",
    "tensor_embed",
    "allegro",
    "edge_readout",
    "edge_eng_sum",
)
_OF_CONTEXT = (
    "_target_",
    "seed",
    "model_dtype",
    "compile_mode",
    "type_names",
    "r_max",
    "per_type_energy_scales",
    "per_type_energy_shifts",
    "per_type_energy_scales_trainable",
    "per_type_energy_shifts_trainable",
    "do_derivatives",
)
_DTYPES = {"float32": torch.float32, "float64": torch.float64}


def rebuilt(
    config: Mapping[str, Any],
    weights: Mapping[str, torch.Tensor],
    path: Path,
    provenance: Mapping[str, Any],
    original: Any = None,
) -> Foreign:
    """A model from its config and weights.

    Args:
        config: of the model, as in a nequip config's `training_module.model`.
        weights: state of the package's `GraphModel`.
        path: of the file, for messages.
        provenance: what the file says of itself.
        original: the package's `GraphModel` as it was stored, where there is one; None evaluates
            the one that the installed package builds.

    Raises:
        EgraffError: a `_target_` that is not called, weights that do not fit, or a part that is
            not supported.
    """
    _check_targets(config, path)
    settings = _builder_settings(config)
    species = elements_of(tuple(settings["type_names"]), path)
    dtype = _DTYPES[settings["model_dtype"]]
    model = _load(config, weights, dtype, dtype, path)
    energy_model = _energy_model(model)
    key = _kind(energy_model, path)
    scale, shift = _zero(energy_model, len(species))
    one_scale = isinstance(scale, float) or bool((scale == scale[0]).all())
    native = model if original is None else original.eval()
    r_max = float(settings["r_max"])

    def build(precision: torch.dtype) -> AtomicEnergyModel:
        parts = _energy_model(_load(config, weights, dtype, precision, path))
        scale, zero = _zero(parts, len(species))
        network: NequIPNetwork | AllegroNetwork
        if key == "nequip":
            network = NequIPNetwork(parts, r_max)
        else:
            network = AllegroNetwork(parts, n_layers=int(parts.allegro.num_layers))
        return AtomicEnergyModel(network, scale, zero).eval()

    return Foreign(
        force_field=FORCE_FIELDS[key],
        species=species,
        r_max=r_max,
        avg_num_neighbors=_mean(settings.get("avg_num_neighbors")),
        dtype=dtype,
        shift=tuple(shift.tolist()),
        build=build,
        evaluate=lambda frame: _evaluate(native, species, r_max, frame),
        provenance={**provenance, "model": _plain(config)},
        settings=_own_settings(settings),
        fixed="" if one_scale else "a scale of the energy for each element",
    )


def _check_targets(value: Any, path: Path) -> None:
    if isinstance(value, Mapping):
        target = value.get("_target_")
        if target is not None and target not in _TARGETS:
            advice = _ADVICE.get(
                str(target), f"supported are {', '.join(_TARGETS)}, and nothing else is called."
            )
            raise EgraffError(
                f"{path}: expected a NequIP or Allegro with what is supported, got {target} in "
                f"its config: {advice}"
            )
        for part in value.values():
            _check_targets(part, path)
    elif isinstance(value, (list, tuple)):
        for part in value:
            _check_targets(part, path)


def _builder_settings(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Arguments of the builder inside a chain of `modify`."""
    while config["_target_"] == _MODIFY:
        config = config["model"]
    return config


def _own_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a builder as settings of `forcefields.nequip` or `forcefields.allegro`."""
    plain = {name: value for name, value in _plain(settings).items() if name not in _OF_CONTEXT}
    plain["builder"] = str(settings["_target_"]).rsplit(".", 1)[-1]
    if not isinstance(settings.get("avg_num_neighbors"), Mapping):
        plain.pop("avg_num_neighbors", None)  # the context's
    radial = plain.pop("radial_chemical_embed", None)
    if radial is not None:
        kind = str(radial["_target_"]).rsplit(".", 1)[-1]
        plain["radial"] = kind.removeprefix("TwoBody").removesuffix("ScalarEmbed")
        plain.update({name: value for name, value in radial.items() if name != "_target_"})
    return plain


def parameter_names(config: Mapping[str, Any], path: Path) -> list[str]:
    """Names of the parameters of a config's model, in the model's own order."""
    _check_targets(config, path)
    dtype = _DTYPES[_builder_settings(config)["model_dtype"]]
    return [name for name, _ in _built(config, dtype, path).named_parameters()]


def _load(
    config: Mapping[str, Any],
    weights: Mapping[str, torch.Tensor],
    own: torch.dtype,
    dtype: torch.dtype,
    path: Path,
) -> Any:
    """The package's model in `dtype`, with `weights`.

    In another precision than its own only weights, scales and shifts are taken: constants are
    computed anew in that precision.
    """
    model = _built(config, dtype, path)
    trained = {name for name, _ in model.named_parameters()}
    kept = {
        name: value
        for name, value in weights.items()
        if own == dtype or name in trained or ".per_type_energy_scale_shift." in name
    }
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    wrong = [n for n in shapes if (own == dtype or n in trained) and n not in kept]
    wrong += [n for n, value in kept.items() if shapes.get(n) != value.shape]
    if wrong:
        raise EgraffError(
            f"{path}: its weights do not fit the model that the installed nequip builds "
            f"({', '.join(sorted(wrong)[:3])}): install the version it was made with."
        )
    model.load_state_dict(kept, strict=False)
    return model.eval()


def _built(config: Mapping[str, Any], dtype: torch.dtype, path: Path) -> Any:
    """The package's model with fresh weights."""
    from hydra.utils import get_method
    from nequip.model.modify_utils import only_apply_persistent_modifiers

    plain: Any = copy.deepcopy(_plain(config))
    settings: Any = _builder_settings(plain)
    settings["model_dtype"] = str(dtype).removeprefix("torch.")
    settings.pop("compile_mode", None)
    try:
        # Accelerations are left out: they change how, not what.
        with nequip_state(), only_apply_persistent_modifiers(persistent_only=True):
            return get_method(plain.pop("_target_"))(**plain)
    except Exception as error:
        raise EgraffError(
            f"{path}: expected a config that the installed nequip builds, got "
            f"{type(error).__name__}: {one_line(error)}: install the version it was made with."
        ) from error


def _energy_model(model: Any) -> Any:
    return unwrap(model, "per_type_energy_scale_shift")


def _kind(energy_model: Any, path: Path) -> str:
    """ "nequip" or "allegro"; refuses parts that this project does not have."""
    names = [name for name, _ in energy_model.named_children()]
    known: tuple[str, ...]
    if "allegro" in names:
        known = (*_ALLEGRO_PARTS, *_ENERGY_PARTS)
        strange = [name for name in names if name not in known]
        key = "allegro"
    else:
        known = (*_NEQUIP_PARTS, "per_atom_energy_readout", *_ENERGY_PARTS)
        strange = [n for n in names if n not in known and not n.endswith("_convnet")]
        key = "nequip"
    children = dict(energy_model.named_children())
    if strange:
        what = ", ".join(f"{name} ({type(children[name]).__name__})" for name in strange)
        raise EgraffError(
            f"{path}: expected a NequIP or Allegro with what is supported, got the part {what}: "
            "train without it (a repulsion can be added in LAMMPS with pair_style hybrid/overlay)."
        )
    if getattr(children.get("type_embed"), "do_categorical_graph_field_embed", False):
        raise EgraffError(
            f"{path}: expected a NequIP with what is supported, got an embedding of graph fields "
            "(categorical_graph_field_embed): their values are not known in LAMMPS."
        )
    return key


def _zero(energy_model: Any, n_species: int) -> tuple[float | torch.Tensor, torch.Tensor]:
    """Scale (eV; one number, or one per species) and shift (eV, per species) in float64."""
    block = energy_model.per_type_energy_scale_shift
    scale: float | torch.Tensor = 1.0
    if block.has_scales:
        values = block.scales.detach().double().reshape(-1)
        scale = float(values[0]) if values.numel() == 1 else values
    shift = torch.zeros(n_species, dtype=torch.float64)
    if block.has_shifts:
        shift = block.shifts.detach().double().reshape(-1).expand(n_species).clone()
    return scale, shift


def _mean(value: Any) -> float:
    if isinstance(value, Mapping):
        return float(np.mean([float(part) for part in value.values()]))
    return float(value)


def _plain(value: Any) -> Any:
    """Dicts and lists of plain values, whatever mappings and sequences they were."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value


def _evaluate(
    model: Any, species: tuple[str, ...], r_max: float, frame: Frames
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Energies of the atoms and forces of the first frame, by the package's own model."""
    energy_model = _energy_model(model)
    edges = find_edges(frame.positions[0], frame.cell[0], frame.pbc, r_max)
    positions = torch.tensor(frame.positions[0], requires_grad=True)
    graph = {
        "pos": positions,
        "edge_index": torch.tensor(edges.index),
        "edge_cell_shift": torch.tensor(edges.shifts),
        "cell": torch.tensor(frame.cell[0]).reshape(1, 3, 3),
        "atom_types": torch.tensor([species.index(element) for element in frame.species]),
    }
    energies = energy_model(graph)["atomic_energy"].reshape(-1)
    (gradient,) = torch.autograd.grad(energies.sum(), positions)
    return energies.detach().double().numpy(), -gradient.double().numpy()
