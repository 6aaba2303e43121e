"""Weights from seeds, so that reference values need no file of weights."""

import numpy as np


def weights(position: int, shape: tuple[int, ...], scale: float) -> np.ndarray:
    """Normal numbers of spread `scale`, their own for every `position` in a list of parameters.

    NumPy keeps the stream of a seed from version to version (its policy for standard_normal is to
    change it in a major release only, and the reference values would then tell).
    """
    return scale * np.random.default_rng(1000 + position).standard_normal(shape)
