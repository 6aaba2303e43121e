"""What every builder of a network needs: checked settings, weights that only the seed decides."""

from __future__ import annotations

import contextlib
import io
import math
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from egraff_lmp.forcefields.base import NetworkContext


@contextmanager
def fresh_weights(context: NetworkContext) -> Iterator[None]:
    """The context's seed and precision inside the block, the caller's own after it."""
    previous = torch.get_default_dtype()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(context.seed)
        torch.set_default_dtype(context.dtype)
        try:
            yield
        finally:
            torch.set_default_dtype(previous)


def require_known(settings: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """ValueError if a setting is none of the `known` ones, KeyError if one of these is missing."""
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise ValueError(f"unknown setting {', '.join(unknown)}")
    missing = sorted(set(known) - set(settings))
    if missing:
        raise KeyError(", ".join(missing))


def require_counts(settings: Mapping[str, Any], *names: str) -> None:
    """ValueError if one of the settings is not a whole number above zero."""
    for name in names:
        value = settings[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name}: expected a whole number above 0, got {value!r}")


def require_choice(settings: Mapping[str, Any], name: str, known: Collection[str]) -> None:
    """ValueError if the setting is none of the `known` values."""
    if settings[name] not in known:
        raise ValueError(f"{name}: expected one of {', '.join(known)}, got {settings[name]!r}")


def require_positive(settings: Mapping[str, Any], name: str) -> None:
    """ValueError if the setting is not a finite number above zero."""
    value = settings[name]
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
        raise ValueError(f"{name}: expected a number above 0, got {value!r}")


@contextmanager
def quiet() -> Iterator[None]:
    """For packages that warn, and print on stdout, while they are imported or build a model."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
