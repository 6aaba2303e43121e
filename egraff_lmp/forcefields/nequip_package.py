"""Using the builders of the `nequip` package without its process-wide side effects.

`nequip` insists on a global state: it sets torch's default dtype, reseeds every generator and
changes e3nn's code generation. A library that builds several architectures, inside a user's
process, must leave these as it found them.
"""

from __future__ import annotations

import logging
import random
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import e3nn
import numpy as np
import torch


@contextmanager
def nequip_state() -> Iterator[None]:
    """nequip's global state inside the block, the caller's own state after it."""
    from nequip.utils.global_state import set_global_state

    dtype = torch.get_default_dtype()
    e3nn_defaults = e3nn.get_optimization_defaults()
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    lightning_log = logging.getLogger("lightning.fabric.utilities.seed")
    level = lightning_log.level
    lightning_log.setLevel(logging.ERROR)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            set_global_state()
            # That sets the default precision only when it is called for the first time.
            torch.set_default_dtype(torch.float64)
            yield
        finally:
            torch.set_default_dtype(dtype)
            e3nn.set_optimization_defaults(**e3nn_defaults)
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002
            lightning_log.setLevel(level)


def refuse_calls(settings: Any) -> None:
    """ValueError where settings name something to call.

    nequip's builders call what a `_target_` names. Settings come from configs and checkpoints,
    which are read on the promise that nothing in them runs.
    """
    if isinstance(settings, Mapping):
        if "_target_" in settings:
            raise ValueError(f"settings call nothing, got _target_: {settings['_target_']}")
        settings = settings.values()
    elif not isinstance(settings, (list, tuple)):
        return
    for value in settings:
        refuse_calls(value)


def unwrap(model: Any, marker: str) -> Any:
    """The sequential energy model inside nequip's wrappers: the first that has `marker`."""
    while not hasattr(model, marker):
        model = model.model if hasattr(model, "model") else model.func
    return model
