"""MACE `.model` files: a pickle of the whole network.

The network is built anew with the installed `mace-torch` and e3nn from the settings that the
unpickled one shows, and its weights are copied: the pickle holds compiled parts of the e3nn that
wrote it (0.4.4 for every release of mace-torch so far), which other versions cannot script.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols
from e3nn import o3
from e3nn.util.codegen import CodeGenMixin
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.forcefields import FORCE_FIELDS, AtomicEnergyModel
from egraff_lmp.forcefields.building import quiet
from egraff_lmp.forcefields.mace import GATES, RESIDUAL, MACENetwork
from egraff_lmp.graph import find_edges
from egraff_lmp.interop.foreign import Foreign, one_line
from egraff_lmp.interop.recognise import Content

TITLE = "a MACE model (.model)"
# Why it is opened only on request.
RUNS_CODE = "it is a pickle of Python objects, which runs whatever code its author put in"

_CLASSES = ("MACE", "ScaleShiftMACE")
_RADIAL = {"BesselBasis": "bessel", "GaussianBasis": "gaussian", "ChebychevBasis": "chebyshev"}
_OF_CONTEXT = ("r_max", "num_elements", "atomic_energies", "avg_num_neighbors", "atomic_numbers")
_TRANSFORMS = {"AgnesiTransform": "Agnesi", "SoftTransform": "Soft"}


def detect(content: Content) -> bool:
    """Whether the first object of the pickle is a class of `mace`."""
    return content.has_name("mace.modules.")


def needs_trust(path: Path) -> bool:
    """Always: there is no other way to read it."""
    return True


def read(path: Path) -> Foreign:
    """The model in `path`; runs the pickle.

    Raises:
        EgraffError: `mace-torch` is missing, the file cannot be unpickled, or the model has parts
            that are not supported; the message names them.
    """
    original = _load(path)
    _refuse(original, path)
    species = tuple(chemical_symbols[int(z)] for z in original.atomic_numbers)
    dtype = next(original.parameters()).dtype
    settings = _settings(original)
    state = {name: value.detach() for name, value in original.state_dict().items()}
    scale, shift = _zero(original, len(species))
    plain = _plain(settings)

    def build(precision: torch.dtype) -> AtomicEnergyModel:
        network = MACENetwork(_rebuild(type(original).__name__, settings, state, precision, path))
        return AtomicEnergyModel(network, scale, torch.tensor(shift, dtype=torch.float64)).eval()

    return Foreign(
        force_field=FORCE_FIELDS["mace"],
        species=species,
        r_max=float(original.r_max),
        avg_num_neighbors=float(original.interactions[0].avg_num_neighbors),
        dtype=dtype,
        shift=shift,
        build=build,
        evaluate=lambda frame: _evaluate(original.double(), species, frame),
        settings=plain,
        fixed="" if plain["gate"] in GATES else f"the nonlinearity {plain['gate']}",
        comparable=_in_double,
        provenance={
            "class": type(original).__name__,
            "interactions": [type(block).__name__ for block in original.interactions],
            "hidden_irreps": str(original.products[0].linear.irreps_out),
            "head": getattr(original, "heads", ["Default"])[0],
        },
    )


@contextlib.contextmanager
def _older_e3nn() -> Iterator[None]:
    """Let pickles of e3nn before 0.5 be read: they state compiled parts as bytes without a kind."""
    current = CodeGenMixin.__setstate__

    def from_either(self: Any, state: dict[str, Any]) -> None:
        compiled = state.get("__codegen__")
        if compiled:
            kinds = {
                name: value if isinstance(value, tuple) else ("torchscript", value)
                for name, value in compiled.items()
            }
            state = {**state, "__codegen__": kinds}
        current(self, state)

    CodeGenMixin.__setstate__ = from_either
    try:
        yield
    finally:
        CodeGenMixin.__setstate__ = current


def _load(path: Path) -> Any:
    with quiet():
        try:
            import mace.modules  # noqa: F401 (the classes must exist before they are unpickled)
        except ImportError:
            raise EgraffError(
                f"{path}: expected the package mace-torch to be installed, which this file needs: "
                "pip install --no-deps mace-torch==0.3.16"
            ) from None
        try:
            with _older_e3nn():
                model = torch.load(path, map_location="cpu", weights_only=False)
        except Exception as error:  # unpickling runs code from the file
            raise EgraffError(
                f"{path}: expected {TITLE}, it could not be unpickled ({type(error).__name__}: "
                f"{one_line(error)}): copy it again, or install the packages that wrote it."
            ) from error
    if not isinstance(model, torch.nn.Module):
        raise EgraffError(
            f"{path}: expected {TITLE}, got a pickled {type(model).__name__}: give the .model "
            "file that the training wrote."
        )
    _complete(model)
    return model.eval()


def _complete(model: Any) -> None:
    """Give modules that e3nn before 0.5 pickled what today's code expects of them.

    They are the same functions, whose attributes had other names. Without this the unpickled
    network could not be run for comparison.
    """
    for module in list(model.modules()):
        for name, child in module.named_children():
            kind = type(child).__name__
            if kind == "SphericalHarmonics" and not hasattr(child, "sph_func"):
                fresh = o3.SphericalHarmonics(
                    child.irreps_out, child.normalize, child.normalization
                )
                setattr(module, name, fresh)
            elif kind == "Activation" and not hasattr(child, "paths"):
                child.paths = [
                    (mul, (irrep.l, irrep.p), act)
                    for (mul, irrep), act in zip(child.irreps_in, child.acts, strict=True)
                ]


def _refuse(model: Any, path: Path) -> None:
    """Name the first part that cannot be taken over."""

    def refuse(what: str, advice: str) -> None:
        raise EgraffError(f"{path}: expected a MACE with what is supported, got {what}: {advice}")

    name = type(model).__name__
    if name not in _CLASSES:
        refuse(f"the class {name}", f"only {' and '.join(_CLASSES)} are supported.")
    heads = getattr(model, "heads", None) or ["Default"]
    if len(heads) > 1:
        refuse(
            f"{len(heads)} heads ({', '.join(map(str, heads))})",
            "write a file of one of them with `mace_select_head` first.",
        )
    if hasattr(model, "joint_embedding"):
        refuse("an embedding of further inputs (charge, spin)", "they are not known in LAMMPS.")
    for block in model.interactions:
        kind = type(block).__name__
        if kind not in RESIDUAL:
            refuse(f"the interaction {kind}", f"supported are {', '.join(RESIDUAL)}.")
        for config in (getattr(block, "cueq_config", None), getattr(block, "oeq_config", None)):
            if config is not None and getattr(config, "enabled", True):
                refuse(
                    "layers of cuEquivariance or OpenEquivariance",
                    "convert it with `mace_cueq_to_e3nn` first.",
                )
    for readout in model.readouts:
        if type(readout).__name__ not in ("LinearReadoutBlock", "NonLinearReadoutBlock"):
            refuse(
                f"the readout {type(readout).__name__}",
                "supported are LinearReadoutBlock and NonLinearReadoutBlock.",
            )
    radial = type(model.radial_embedding.bessel_fn).__name__
    if radial not in _RADIAL:
        refuse(f"the radial basis {radial}", f"supported are {', '.join(_RADIAL)}.")
    transform = getattr(model.radial_embedding, "distance_transform", None)
    if transform is not None and type(transform).__name__ not in _TRANSFORMS:
        refuse(
            f"the distance transform {type(transform).__name__}",
            f"supported are {', '.join(_TRANSFORMS)}.",
        )


def _zero(model: Any, n_species: int) -> tuple[float, tuple[float, ...]]:
    """Scale, and shift of each species in eV: E0 + the shift of the interaction energy."""
    reference = model.atomic_energies_fn.atomic_energies.detach().double().reshape(-1)
    scale, shift = 1.0, 0.0
    if hasattr(model, "scale_shift"):
        scale = float(model.scale_shift.scale.detach().double().reshape(-1)[0])
        shift = float(model.scale_shift.shift.detach().double().reshape(-1)[0])
    return scale, tuple((reference[:n_species] + shift).tolist())


def _settings(model: Any) -> dict[str, Any]:
    """Arguments of the class that build such a network, from what the network shows."""
    n_layers = len(model.interactions)
    first, last = model.interactions[0], model.interactions[-1]
    hidden = o3.Irreps(str(model.products[0].linear.irreps_out))
    read = model.readouts[-1]
    basis = model.radial_embedding.bessel_fn
    sizes = {"BesselBasis": "bessel_weights", "GaussianBasis": "gaussian_weights"}
    size = sizes.get(type(basis).__name__)
    transform = getattr(model.radial_embedding, "distance_transform", None)
    edge_irreps = getattr(model, "edge_irreps", None)
    gate, mlp = torch.nn.functional.silu, o3.Irreps("16x0e")
    if hasattr(read, "hidden_irreps"):
        mlp = o3.Irreps(str(read.hidden_irreps))
        gate = getattr(read.non_linearity.acts[0], "f", read.non_linearity.acts[0])
    return {
        "r_max": float(model.r_max),
        "num_bessel": len(getattr(basis, size)) if size else int(basis.num_basis),
        "num_polynomial_cutoff": float(model.radial_embedding.cutoff_fn.p),
        "max_ell": int(model.spherical_harmonics._lmax),
        "interaction_cls": type(last).__name__,
        "interaction_cls_first": type(first).__name__,
        "num_interactions": n_layers,
        "num_elements": len(model.atomic_numbers),
        "hidden_irreps": hidden,
        "MLP_irreps": mlp,
        "atomic_energies": np.zeros(len(model.atomic_numbers)),
        "avg_num_neighbors": float(first.avg_num_neighbors),
        "atomic_numbers": [int(z) for z in model.atomic_numbers],
        "correlation": [_correlation(product) for product in model.products],
        "gate": gate,
        "pair_repulsion": hasattr(model, "pair_repulsion_fn"),
        "apply_cutoff": bool(getattr(model.radial_embedding, "apply_cutoff", True)),
        "use_reduced_cg": bool(getattr(model, "use_reduced_cg", False)),
        "use_so3": bool(getattr(model, "use_so3", False)),
        "use_agnostic_product": bool(getattr(model, "use_agnostic_product", False)),
        "use_last_readout_only": n_layers > len(model.readouts),
        "distance_transform": _TRANSFORMS.get(type(transform).__name__, "None"),
        "edge_irreps": None if edge_irreps is None else o3.Irreps(str(edge_irreps)),
        "use_edge_irreps_first": bool(getattr(model, "use_edge_irreps_first", False)),
        "radial_MLP": [int(width) for width in first.conv_tp_weights.hs[1:-1]],
        "radial_type": _RADIAL[type(basis).__name__],
        "keep_last_layer_irreps": n_layers > 1
        and str(model.products[-1].linear.irreps_out) != str(o3.Irreps(str(hidden[0]))),
    }


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """`_settings` as those of `forcefields.mace`: plain, and without what the context says."""
    plain = {name: value for name, value in settings.items() if name not in _OF_CONTEXT}
    for name in ("hidden_irreps", "MLP_irreps", "edge_irreps"):
        plain[name] = None if plain[name] is None else str(plain[name])
    names = [name for name, function in GATES.items() if function is plain["gate"]]
    plain["gate"] = next(iter(names), getattr(plain["gate"], "__name__", str(plain["gate"])))
    orders = plain["correlation"]
    plain["correlation"] = orders[0] if len(set(orders)) == 1 else orders
    return plain


def _in_double(model: AtomicEnergyModel) -> AtomicEnergyModel:
    """A copy with the same weights and constants that calculates in float64.

    The package takes edge vectors from positions in its own precision: in float32 their rounding
    would hide differences of weights.
    """
    twin: Any = copy.deepcopy(model).double()
    twin.network.dtype = torch.float64
    return twin


def _correlation(product: Any) -> int:
    return len(product.symmetric_contractions.contractions[0].weights) + 1


def _rebuild(
    name: str,
    settings: dict[str, Any],
    state: dict[str, torch.Tensor],
    dtype: torch.dtype,
    path: Path,
) -> Any:
    """The network of the installed package in `dtype`, with the weights in `state`.

    Constants of e3nn are computed anew in that precision; all else comes from the file.
    """
    previous = torch.get_default_dtype()
    with quiet(), torch.random.fork_rng(devices=[]):
        from mace.modules import MACE, blocks

        arguments = {
            **settings,
            "interaction_cls": getattr(blocks, settings["interaction_cls"]),
            "interaction_cls_first": getattr(blocks, settings["interaction_cls_first"]),
        }
        torch.set_default_dtype(dtype)
        try:
            model = MACE(**arguments)
        except Exception as error:
            raise EgraffError(
                f"{path}: expected a {name} that the installed mace-torch builds, got "
                f"{type(error).__name__}: {one_line(error)}: install the version it was made with."
            ) from error
        finally:
            torch.set_default_dtype(previous)
    _copy_contractions(model, state)
    parameters = {name for name, _ in model.named_parameters()}
    wanted = {
        name: value
        for name, value in model.state_dict().items()
        if name in parameters or name.startswith(("radial_embedding.", "pair_repulsion_fn."))
    }
    wrong = [n for n, value in wanted.items() if n not in state or state[n].shape != value.shape]
    left = [n for n in state if n.endswith(("weight", "bias")) and state[n].numel()]
    wrong += [n for n in left if n not in model.state_dict()]
    if wrong:
        raise EgraffError(
            f"{path}: its weights do not fit the {name} of the installed mace-torch "
            f"({', '.join(sorted(wrong)[:3])}): install the version it was made with."
        )
    model.load_state_dict({n: state[n] for n in wanted}, strict=False)
    return model.eval()


def _copy_contractions(model: Any, state: dict[str, torch.Tensor]) -> None:
    """Take the symmetric contractions' bases from the file where they are others.

    A basis of generalised Clebsch-Gordan coefficients is not unique: with cuequivariance installed
    the package computes a smaller one, and the weights refer to it.
    """
    for prefix, module in model.named_modules():
        if type(module).__name__ != "Contraction":
            continue
        for order in range(1, module.correlation + 1):
            kept = state.get(f"{prefix}.U_matrix_{order}")
            fresh = getattr(module, f"U_matrix_{order}")
            if kept is None:
                continue
            # Compared in the coarser precision: the fresh one is kept where it is the same.
            same = kept.shape == fresh.shape and torch.allclose(
                kept.double(), fresh.double(), atol=1e-5
            )
            if not same:
                setattr(module, f"U_matrix_{order}", kept.to(fresh.dtype))
        fresh_weights = [("weights_max", module.weights_max)]
        fresh_weights += [(f"weights.{index}", value) for index, value in enumerate(module.weights)]
        for key, value in fresh_weights:
            kept = state.get(f"{prefix}.{key}")
            if kept is not None and kept.shape != value.shape:
                value.data = kept.to(value.dtype)


def _evaluate(
    model: Any, species: tuple[str, ...], frame: Frames
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Energies of the atoms and forces of the first frame, by the unpickled model itself."""
    dtype = next(model.parameters()).dtype
    positions, cell = frame.positions[0], frame.cell[0]
    edges = find_edges(positions, cell, frame.pbc, float(model.r_max))
    types = torch.tensor([species.index(element) for element in frame.species])
    graph = {
        "positions": torch.tensor(positions, dtype=dtype),
        "cell": torch.tensor(cell, dtype=dtype),
        # (sender, receiver), and vectors from sender to receiver.
        "edge_index": torch.tensor(edges.index[::-1].copy()),
        "unit_shifts": torch.tensor(-edges.shifts, dtype=dtype),
        "shifts": torch.tensor(-edges.shifts @ cell, dtype=dtype),
        "node_attrs": torch.nn.functional.one_hot(types, len(species)).to(dtype),
        "batch": torch.zeros(frame.n_atoms, dtype=torch.int64),
        "ptr": torch.tensor([0, frame.n_atoms]),
        "head": torch.zeros(1, dtype=torch.int64),
    }
    result = model(graph, compute_force=True)
    return (
        result["node_energy"].detach().double().numpy().reshape(-1),
        result["forces"].detach().double().numpy(),
    )
