"""Packaged NequIP and Allegro models (`.nequip.zip`, written by `nequip-package build`).

The archive carries its own copy of the packages' code. The config in it is plain text; the weights
are read by unpickling the stored model, which runs that code.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path
from typing import Any

import torch
import torch.package

from egraff_lmp.errors import EgraffError
from egraff_lmp.forcefields.nequip_package import nequip_state
from egraff_lmp.interop.foreign import Foreign, one_line
from egraff_lmp.interop.nequip_model import rebuilt
from egraff_lmp.interop.recognise import Content

TITLE = "a packaged NequIP or Allegro model (.nequip.zip)"
RUNS_CODE = "it is a torch.package archive, which brings code of its own and runs it when opened"


def detect(content: Content) -> bool:
    """Whether it is a torch.package archive with nequip's description of the model."""
    return "model/package_metadata.txt" in content.members or (
        "model/eager_model.pkl" in content.members
    )


def needs_trust(path: Path) -> bool:
    """Always: its pickles refer to the code inside."""
    return True


def read(path: Path) -> Foreign:
    """The model in `path`; runs the code in the archive.

    Raises:
        EgraffError: damaged, several models, or a model that is not supported.
    """
    import yaml

    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), nequip_state():
            warnings.simplefilter("ignore")
            archive = torch.package.PackageImporter(str(path))
            info = yaml.safe_load(archive.load_text("model", "config.yaml"))
            described = yaml.safe_load(archive.load_text("model", "package_metadata.txt"))
            stored: Any = archive.load_pickle("model", "eager_model.pkl", map_location="cpu")
        config = info["training_module"]["model"]
        models = list(stored.keys())
    except Exception as error:  # runs code from the file
        raise EgraffError(
            f"{path}: expected {TITLE}, it could not be opened ({type(error).__name__}: "
            f"{one_line(error)}): package it again with this version of nequip."
        ) from error
    if models != ["sole_model"]:
        raise EgraffError(
            f"{path}: expected a package of one model, got {', '.join(models)}: package one model."
        )
    original = stored["sole_model"]
    versions = {str(k): str(v) for k, v in (described.get("versions") or {}).items()}
    return rebuilt(
        config,
        {name: value.detach() for name, value in original.state_dict().items()},
        path,
        {"versions": versions},
        original,
    )
