"""A negative control: a force field whose trained weights are permuted among themselves.

It stands between a trained model and noise: the same network, cutoff, units, energy zero and
spread of weights, still smooth, invariant and conservative, but nothing that was learned. A score
that cannot tell it from the model that it was made of says nothing about either.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import torch

# Trainable constants of the radial bases (frequencies, centres, widths): no weights, but what
# makes the distance a distance. Their order is their meaning.
RADIAL_BASIS = ("bessel_roots", "bessel_weights", "means", "betas")


def weights_of(model: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Parameter]]:
    """Name and tensor of all weights: trainable, not empty, no constant of the radial basis."""
    for name, weight in model.named_parameters():
        if name.rsplit(".", 1)[-1] not in RADIAL_BASIS and weight.numel():
            yield name, weight


def generator_of(seed: int, name: str) -> torch.Generator:
    """What is random of one tensor; it does not depend on which others there are."""
    return torch.Generator().manual_seed(zlib.crc32(f"{seed} {name}".encode()))


def shuffle_weights(model: torch.nn.Module, seed: int) -> tuple[str, ...]:
    """Permute the entries of every weight tensor of `model` in place, each within itself.

    Buffers (energy scale and shifts, neighbour norms) and the constants of the radial basis stay.

    Args:
        model: a network, or an `AtomicEnergyModel` around one.
        seed: of the permutations; with the name of a tensor it decides its permutation, so that
            it does not depend on the other tensors.

    Returns:
        Names of the tensors that were permuted.
    """
    names = []
    with torch.no_grad():
        for name, weight in weights_of(model):
            if weight.numel() < 2:
                continue
            order = torch.randperm(weight.numel(), generator=generator_of(seed, name))
            flat = weight.detach().reshape(-1)
            weight.copy_(flat[order.to(flat.device)].reshape(weight.shape))
            names.append(name)
    return tuple(names)
