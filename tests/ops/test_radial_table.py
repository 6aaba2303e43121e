"""Tables by kind of pair against the formula of their splines."""

from __future__ import annotations

import pytest
import torch

from egraff_lmp.forcefields.fast.table import make_table, read_table

TABLE = torch.ops.egraff.radial_table
DTYPES = pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64], ids=["float32", "float64"]
)
# Of the largest number; slopes of 24 intervals are sums of larger terms.
ROUNDING = {torch.float32: 5e-6, torch.float64: 1e-13}


def table_of(columns: int, dtype: torch.dtype) -> torch.Tensor:
    """Three kinds of waves, (3, 27, columns)."""
    phases = torch.linspace(0, 6, 3 * columns, dtype=torch.float64).view(1, 3, columns)
    made = make_table(lambda x: torch.cos(5 * x.view(-1, 1, 1) + phases), 24).coefficients
    return made.transpose(0, 1).to(dtype).contiguous()


@DTYPES
@pytest.mark.parametrize("columns", [1, 5, 16, 67])
def test_is_its_definition(instructions: str, columns: int, dtype: torch.dtype) -> None:
    """Values and the derivative by the distance; columns that fill no register, and many."""
    generator = torch.Generator().manual_seed(1)
    table = table_of(columns, dtype)
    x = torch.rand(50, generator=generator, dtype=dtype)
    x[:3] = torch.tensor([0.0, 0.5, 1.0 - 1e-6])
    x.requires_grad_(True)
    kinds = torch.randint(0, 3, (50,), generator=generator)
    got = TABLE(x, table, kinds)
    expected = torch.stack([read_table(t.unsqueeze(1), x)[:, 0] for t in table])
    expected = expected[kinds, torch.arange(50)]
    assert float((got - expected).detach().abs().max()) < ROUNDING[dtype]
    cotangent = torch.randn(expected.shape, generator=generator, dtype=dtype)
    (a,) = torch.autograd.grad(got, x, cotangent)
    (b,) = torch.autograd.grad(expected, x, cotangent)
    assert float((a - b).abs().max()) < 10 * ROUNDING[dtype] * float(b.abs().max())


def test_ends_at_one(instructions: str) -> None:
    """At and beyond the cutoff, and where the distance is no number, all is zero."""
    x = torch.tensor([1.0, 1.5, float("nan"), -0.1], requires_grad=True)
    got = TABLE(x, torch.ones(2, 8, 20), torch.tensor([0, 1, 1, 0]))
    assert not got.any()
    (slope,) = torch.autograd.grad(got.sum(), x)
    assert not slope.any()


def test_nothing_to_do(instructions: str) -> None:
    """No edges."""
    x = torch.zeros(0, requires_grad=True)
    got = TABLE(x, torch.ones(1, 4, 3), torch.zeros(0, dtype=torch.int64))
    assert got.shape == (0, 3)
    assert torch.autograd.grad(got.sum(), x)[0].shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.ones(2), torch.ones(1, 3, 4), torch.zeros(2, dtype=torch.int64)), "a table"),
        ((torch.ones(2), torch.ones(1, 4, 4), torch.zeros(3, dtype=torch.int64)), "kinds"),
        ((torch.ones(2), torch.ones(1, 4, 4), torch.zeros(2)), "int64"),
        ((torch.ones(2), torch.ones(1, 4, 4), torch.tensor([0, 1])), "kinds below 1, got 1"),
        ((torch.ones(2), torch.ones(1, 4, 4), torch.tensor([0, -1])), "kinds below 1, got -1"),
        (
            (torch.ones(2), torch.ones(1, 4, 4).double(), torch.zeros(2, dtype=torch.int64)),
            "one precision",
        ),
    ],
)
def test_refuses(arguments: tuple[torch.Tensor, ...], message: str) -> None:
    """What would read beyond the table is an error that says so."""
    with pytest.raises(RuntimeError, match=message):
        TABLE(*arguments)


@DTYPES
def test_second_derivative(instructions: str, dtype: torch.dtype) -> None:
    """That of the splines' formula."""
    generator = torch.Generator().manual_seed(1)
    table = table_of(5, dtype)
    x = torch.rand(50, generator=generator, dtype=dtype).requires_grad_(True)
    kinds = torch.randint(0, 3, (50,), generator=generator)
    cotangent, along = (torch.randn(n, generator=generator, dtype=dtype) for n in ((50, 5), (50,)))
    found = []
    for values in (
        TABLE(x, table, kinds),
        torch.stack([read_table(t.unsqueeze(1), x)[:, 0] for t in table])[kinds, torch.arange(50)],
    ):
        (slope,) = torch.autograd.grad(values, x, cotangent, create_graph=True)
        found.append(torch.autograd.grad(slope, x, along)[0])
    got, expected = found
    assert expected.any()
    # Curvatures of 24 intervals: 24 times the slopes' rounding.
    assert float((got - expected).abs().max()) < 240 * ROUNDING[dtype] * float(expected.abs().max())
