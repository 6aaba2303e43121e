"""A negative control of a chosen strength: a force field whose trained weights are made noisy.

Unlike `shuffle`, which leaves nothing of what was learned, noise leaves as much as it is asked to.
The same network, cutoff, units and energy zero, still smooth, invariant and conservative: a score
that cannot tell 10 % of noise from none cannot tell two trained models that differ by less.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from egraff_lmp.train.shuffle import generator_of, weights_of


@dataclass(frozen=True)
class WeightNoise:
    """Gaussian noise of every weight tensor.

    Attributes:
        relative: standard deviation, in units of the root mean square of the tensor's entries.
        seed: of the noise.
    """

    relative: float
    seed: int


def add_noise(model: torch.nn.Module, noise: WeightNoise) -> tuple[str, ...]:
    """Add noise to every weight tensor of `model` in place; none where `noise.relative` is 0.

    w_i -> w_i + relative * sqrt(mean_j w_j^2) * z_i with z_i from a standard normal distribution.
    Seed and name of a tensor decide its z, so that noise of another strength is the same direction
    of the weights with another length, and controls of one seed form a ladder. Buffers (energy
    scale and shifts, neighbour norms) and the constants of the radial basis stay.

    Args:
        model: a network, or an `AtomicEnergyModel` around one.
        noise: how much, and its seed.

    Returns:
        Names of the tensors that were changed.
    """
    names = []
    with torch.no_grad():
        for name, weight in weights_of(model):
            flat = weight.detach().double().reshape(-1)
            z = torch.randn(
                flat.numel(), generator=generator_of(noise.seed, name), dtype=torch.float64
            )
            deviation = noise.relative * flat.square().mean().sqrt()
            weight.copy_((flat + deviation * z.to(flat.device)).reshape(weight.shape))
            names.append(name)
    return tuple(names)
