"""The library of operators (`csrc/ops`) in a Python process."""

from __future__ import annotations

import torch

from egraff_lmp.paths import OPS_LIBRARY, native_dir


def load_operators() -> None:
    """Make `torch.ops.egraff` known to this process, before anything is scripted or loaded.

    It also makes the first call of torch's vector functions on one thread: made by several at once
    it may give numbers of low accuracy (`csrc/ops/vector_functions.h`).
    """
    torch.ops.load_library(str(native_dir() / OPS_LIBRARY))
    torch.ops.egraff.settle_vector_functions()
