"""NequIP and Allegro training checkpoints (`.ckpt`, written by `nequip-train` through Lightning).

They hold plain values and tensors, and are read with `weights_only=True`: no code runs. One that
holds more (a custom callback's objects) is opened only on request.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from egraff_lmp.errors import EgraffError
from egraff_lmp.interop.foreign import Foreign, one_line
from egraff_lmp.interop.nequip_model import parameter_names, rebuilt
from egraff_lmp.interop.recognise import Content

TITLE = "a NequIP or Allegro checkpoint (.ckpt)"
RUNS_CODE = "it holds Python objects beside values and tensors, whose code would run"
_ONE = "model.sole_model."


def detect(content: Content) -> bool:
    """Whether it is a Lightning checkpoint with the first entry of a nequip training's state."""
    return content.has_name("pytorch-lightning_version") and content.has_name("run_stage")


def needs_trust(path: Path) -> bool:
    """Only where it holds more than plain values and tensors."""
    try:
        torch.load(path, map_location="meta", weights_only=True)
    except pickle.UnpicklingError:
        return True
    except Exception:  # damaged: `read` says so
        return False
    return False


def read(path: Path) -> Foreign:
    """The model in `path`, with averaged (EMA) weights where the training kept them.

    Raises:
        EgraffError: damaged, several models, or a model that is not supported.
    """
    try:
        # `needs_trust` was asked before.
        raw = torch.load(path, map_location="cpu", weights_only=not needs_trust(path))
    except Exception as error:
        raise EgraffError(
            f"{path}: expected {TITLE}, it could not be read ({type(error).__name__}: "
            f"{one_line(error)}): copy it again."
        ) from error
    try:
        parameters = raw["hyper_parameters"]
        config, state = parameters["model"], raw["state_dict"]
        info = parameters.get("info_dict") or {}
    except (KeyError, TypeError, AttributeError) as error:
        raise EgraffError(
            f"{path}: expected {TITLE} with `hyper_parameters` and `state_dict`, it lacks {error}: "
            "give the checkpoint that `nequip-train` wrote (nequip 0.7 or later)."
        ) from None
    models = sorted({name.split(".")[1] for name in state if name.startswith("model.")})
    weights = {n.removeprefix(_ONE): v for n, v in state.items() if n.startswith(_ONE)}
    if models != ["sole_model"]:
        raise EgraffError(
            f"{path}: expected a checkpoint of one model, got {', '.join(models) or 'none'}: "
            "train or package one model."
        )
    averaged = [name for name in state if name.startswith("ema.ema_weight_")]
    if averaged and not state["ema._extra_state"]["is_holding_ema_weights"]:
        raise EgraffError(
            f"{path}: expected averaged weights beside the raw ones, they were swapped when it was "
            "saved (in the middle of a validation): take another checkpoint of the training."
        )
    provenance: dict[str, Any] = {
        "versions": {str(k): str(v) for k, v in (info.get("versions") or {}).items()},
        "epoch": raw.get("epoch"),
        "averaged_weights": bool(averaged),
    }
    weights = _average(config, weights, state, len(averaged), path)
    return rebuilt(config, weights, path, provenance)


def _average(
    config: Any, weights: dict[str, Any], state: dict[str, Any], count: int, path: Path
) -> dict[str, Any]:
    """`weights` with parameters replaced by their averages, which are stored by number alone.

    The numbers are the order of the model's parameters, which only the model knows.
    """
    if not count:
        return weights
    names = parameter_names(config, path)
    if len(names) != count:
        raise EgraffError(
            f"{path}: expected {len(names)} averaged weights as the model has, got {count}: "
            "install the version of nequip it was made with."
        )
    return {**weights, **{name: state[f"ema.ema_weight_{i}"] for i, name in enumerate(names)}}
