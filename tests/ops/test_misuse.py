"""Operators of derivatives called by their names with what does not fit: an error, no crash."""

from __future__ import annotations

import pytest
import torch

ATOMS, EDGES, CHANNELS = 3, 5, 4


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


INDEX = torch.tensor([[0, 0, 1, 2, 2], [1, 2, 2, 0, 1]])
TYPES = torch.tensor([0, 1, 0])
ROWS = random(ATOMS, 2, CHANNELS)
PATHS = [0, 0, 0, 0, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1]
CONVOLVED = random(ATOMS, 4, CHANNELS), random(EDGES, 4), random(EDGES, 2, CHANNELS)
ATTENDED = (
    random(ATOMS, CHANNELS),
    random(ATOMS, 7, CHANNELS),
    random(EDGES, 4),
    random(EDGES, 4, CHANNELS),
)
GATE = [0, 0, 1, -1, 1, 1, 1, 0], [1.5, 0.7]
TERMS = [0, 0, -1, -1, 1, 0, 1, -1]
BLOCKS = [0, 1, 2, 0, 1, 0]
SQUARE = CHANNELS * CHANNELS
COEFFICIENTS = random(2, 2, CHANNELS)
TABULATED = (
    random(EDGES).abs() / 4,
    random(2, 8, CHANNELS),
    torch.tensor([0, 1, 1, 0, 1]),
)
# Arguments that fit, by the operator's name.
FITTING: dict[str, tuple] = {
    "convolution_backward": (ROWS, *CONVOLVED, INDEX, PATHS, True),
    "convolution_second": (ROWS, *CONVOLVED, *CONVOLVED, INDEX, PATHS, True),
    "et_attention_second": (
        random(ATOMS, CHANNELS),
        random(ATOMS, 3, CHANNELS),
        *ATTENDED,
        *ATTENDED,
        INDEX,
        2,
    ),
    "et_attention_backward": (
        random(ATOMS, CHANNELS),
        random(ATOMS, 3, CHANNELS),
        *ATTENDED,
        random(4, CHANNELS),
        INDEX,
        2,
    ),
    "gate_backward": (ROWS, ROWS, *GATE),
    "gate_second": (ROWS, ROWS, ROWS, *GATE),
    "scaled_silu_backward": (ROWS, ROWS, random(ATOMS, 2)),
    "scaled_silu_second": (ROWS, random(ATOMS, 2), ROWS, ROWS, random(ATOMS, 2)),
    "radial_table_backward": (random(EDGES, CHANNELS), *TABULATED, True, True),
    "radial_table_second": (random(EDGES), random(EDGES, CHANNELS), *TABULATED, True, True),
    "symmetric_contraction_backward": (ROWS, ROWS, COEFFICIENTS, TYPES, TERMS),
    "symmetric_contraction_coefficients": (ROWS, ROWS, TYPES, TERMS, 2),
    "symmetric_contraction_second": (ROWS, ROWS, ROWS, COEFFICIENTS, TYPES, TERMS),
    "node_linear_backward": (ROWS, random(2, SQUARE), TYPES, BLOCKS, 2, CHANNELS),
    "node_linear_weights": (ROWS, ROWS, TYPES, BLOCKS, 2, SQUARE),
    "edge_harmonics_backward": (random(EDGES, 9), random(EDGES), random(EDGES, 3), 2),
    "edge_harmonics_second": (
        random(EDGES, 3),
        random(EDGES, 9),
        random(EDGES),
        random(EDGES, 3),
        2,
    ),
    "convolution_map_backward": (
        random(ATOMS, 2, CHANNELS),
        *CONVOLVED,
        INDEX,
        PATHS,
        random(1, SQUARE),
        BLOCKS,
        2,
        True,
    ),
}
# What fits, too: more centres than those of the edges, more atoms, more types; tables of more kinds
# or fewer intervals; more weights than the blocks of fewer channels have; gradients of harmonics in
# the network's precision.
FITS_TOO = {
    ("convolution_backward", 0, "longer"),
    ("convolution_backward", 1, "longer"),
    ("convolution_second", 0, "longer"),
    ("convolution_map_backward", 0, "longer"),
    ("convolution_map_backward", 0, "narrower"),
    ("convolution_map_backward", 1, "longer"),
    ("et_attention_backward", 3, "longer"),
    ("radial_table_backward", 2, "longer"),
    ("radial_table_backward", 2, "of fewer rows"),
    ("radial_table_second", 3, "longer"),
    ("radial_table_second", 3, "of fewer rows"),
    ("symmetric_contraction_backward", 2, "longer"),
    ("symmetric_contraction_second", 3, "longer"),
    ("node_linear_backward", 0, "narrower"),
    ("node_linear_backward", 1, "longer"),
    ("node_linear_weights", 0, "narrower"),
    ("node_linear_weights", 1, "narrower"),
    ("edge_harmonics_backward", 0, "of another precision"),
    ("edge_harmonics_second", 1, "of another precision"),
}
PLACES = [
    (name, place)
    for name, arguments in FITTING.items()
    for place, given in enumerate(arguments)
    if isinstance(given, torch.Tensor)
]


def misfits(tensor: torch.Tensor) -> dict[str, torch.Tensor]:
    """What a tensor is not."""
    other = torch.float32 if tensor.is_floating_point() else torch.int32
    found = {
        "longer": torch.cat([tensor, tensor[:1]]),
        "empty": tensor[:0],
        "deeper": tensor.unsqueeze(-1),
        "flat": tensor.flatten()[:1].squeeze(),
        "of another precision": tensor.to(other),
    }
    if tensor.dim() > 1:
        found["narrower"] = tensor[..., :-1].contiguous()
    if tensor.dim() > 2:
        found["of fewer rows"] = tensor[:, :-1].contiguous()
    return found


@pytest.mark.parametrize("name", FITTING)
def test_what_fits(name: str) -> None:
    """The arguments that are spoiled below are good ones."""
    getattr(torch.ops.egraff, name)(*FITTING[name])


@pytest.mark.parametrize(("name", "place"), PLACES, ids=str)
def test_what_does_not_fit(name: str, place: int) -> None:
    """Each tensor with another shape or precision."""
    for what, spoiled in misfits(FITTING[name][place]).items():
        arguments = list(FITTING[name])
        arguments[place] = spoiled
        if (name, place, what) in FITS_TOO:
            getattr(torch.ops.egraff, name)(*arguments)
            continue
        with pytest.raises((RuntimeError, IndexError)) as caught:
            getattr(torch.ops.egraff, name)(*arguments)
        # Torch's own where a tensor does not even have the dimensions whose sizes are asked for.
        said = str(caught.value)
        assert ("egraff::" in said and "expected" in said) or "imension" in said, (what, said)
