"""The symmetric contraction against its definition and against MACE's own, and its laws."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch

CONTRACTION = torch.ops.egraff.symmetric_contraction
DTYPES = (torch.float32, torch.float64)
# Relative to the largest number: rounding of sums of about a hundred products.
ROUNDING = {torch.float32: 5e-6, torch.float64: 1e-13}
N_TYPES, ROWS_IN, ROWS_OUT = 3, 9, 5


def random_terms(n: int, seed: int = 1) -> list[int]:
    """Terms of one to three factors in the operator's order; the last row is named by none."""
    source = random.Random(seed)
    found: set[tuple[int, int, int, int]] = set()
    while len(found) < n:
        factors = sorted(source.randrange(ROWS_IN) for _ in range(source.choice((1, 2, 3, 3))))
        i, j, k = (*factors, -1, -1)[:3]
        found.add((i, j, k, source.randrange(ROWS_OUT - 1)))
    return [number for i, j, k, row in sorted(found) for number in (row, i, j, k)]


def naive(features, coefficients, types, terms: list[int]) -> torch.Tensor:
    """The definition, term by term."""
    out = [torch.zeros_like(features[:, 0]) for _ in range(ROWS_OUT)]
    for t in range(0, len(terms), 4):
        row, *factors = terms[t : t + 4]
        product = coefficients[types][:, t // 4]
        for factor in factors:
            if factor >= 0:
                product = product * features[:, factor]
        out[row] = out[row] + product
    return torch.stack(out, dim=1)


def inputs(n_atoms: int, channels: int, dtype: torch.dtype, n_terms: int = 90) -> tuple[Any, ...]:
    """Features that want a gradient, coefficients, types and terms."""
    generator = torch.Generator().manual_seed(5)
    features = torch.randn(n_atoms, ROWS_IN, channels, generator=generator, dtype=dtype)
    coefficients = torch.randn(N_TYPES, n_terms, channels, generator=generator, dtype=dtype)
    types = torch.randint(0, N_TYPES, (n_atoms,), generator=generator)
    return features.requires_grad_(True), coefficients, types, random_terms(n_terms)


def gradient(result: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """Of a fixed random sum of the result."""
    generator = torch.Generator().manual_seed(9)
    cotangent = torch.randn(result.shape, generator=generator, dtype=result.dtype)
    return torch.autograd.grad(result, features, cotangent)[0]


def assert_close(got: torch.Tensor, expected: torch.Tensor) -> None:
    scale = float(expected.abs().max()) if expected.numel() else 1.0
    torch.testing.assert_close(got, expected, rtol=0, atol=ROUNDING[got.dtype] * scale)


# 5 channels fill no register, 16 one of AVX-512 in float32; 7 atoms are a group of four and a rest.
@pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
@pytest.mark.parametrize(("n_atoms", "channels"), [(7, 16), (30, 5), (1, 40), (0, 16)])
def test_is_its_definition(instructions: str, dtype, n_atoms: int, channels: int) -> None:
    features, coefficients, types, terms = inputs(n_atoms, channels, dtype)
    got = CONTRACTION(features, coefficients, types, terms, ROWS_OUT)
    expected = naive(features, coefficients, types, terms)
    assert got.shape == (n_atoms, ROWS_OUT, channels)
    assert not got[:, -1].any()
    assert_close(got, expected)
    assert_close(gradient(got, features), gradient(expected, features))


def test_gradcheck(instructions: str) -> None:
    """The backward pass is the derivative by central differences."""
    features, coefficients, types, terms = inputs(3, 2, torch.float64, n_terms=40)
    assert torch.autograd.gradcheck(
        lambda x: CONTRACTION(x, coefficients, types, terms, ROWS_OUT), features
    )


def test_threads_change_no_bit(instructions: str) -> None:
    """One thread, two, and more threads than groups of atoms; and the same again."""
    features, coefficients, types, terms = inputs(61, 16, torch.float32)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 1, 2, 13):
            torch.set_num_threads(threads)
            result = CONTRACTION(features, coefficients, types, terms, ROWS_OUT)
            found.append((result, gradient(result, features)))
    finally:
        torch.set_num_threads(before)
    for result, slope in found[1:]:
        assert torch.equal(result, found[0][0])
        assert torch.equal(slope, found[0][1])


@pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
@pytest.mark.parametrize("correlation", [1, 2, 3])
def test_polynomial_is_mace(dtype, correlation: int) -> None:
    """Terms read off the package's dense tensors give what the package gives."""
    from e3nn import o3
    from mace.modules.symmetric_contraction import SymmetricContraction

    from egraff_lmp.forcefields.fast.contraction import polynomial

    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        torch.manual_seed(0)
        theirs = SymmetricContraction(
            o3.Irreps("4x0e + 4x1o + 4x2e"), o3.Irreps("4x0e + 4x1o"), correlation, num_elements=2
        )
    finally:
        torch.set_default_dtype(before)
    terms, coefficients, rows = polynomial(theirs)
    features = torch.randn(6, 9, 4, dtype=dtype)
    types = torch.tensor([0, 1, 1, 0, 1, 0])
    one_hot = torch.nn.functional.one_hot(types).to(dtype)
    expected = theirs(features.transpose(1, 2).contiguous(), one_hot).detach()
    got = CONTRACTION(features, coefficients().detach(), types, terms, rows)
    in_their_order = [got[:, 0], got[:, 1:4].transpose(1, 2).reshape(6, -1)]
    assert_close(torch.cat(in_their_order, dim=1), expected)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ([0, 1, 0, -1], "i <= j <= k"),
        ([9, 0, -1, -1], "row_out below"),
        ([0, 1, -1, -1, 0, 0, -1, -1], "sorted"),
        ([0, 0, -1, -1, 0, 0, -1, -1], "each once"),
        ([0, 0, -1], "four integers"),
        ([0, 11, -1, -1], "at least 12 rows"),
    ],
)
def test_refuses(terms: list[int], message: str) -> None:
    features, coefficients, types, _ = inputs(2, 4, torch.float32, n_terms=len(terms) // 4)
    with pytest.raises(RuntimeError, match=message):
        CONTRACTION(features, coefficients, types, terms, ROWS_OUT)


def test_refuses_types() -> None:
    features, coefficients, types, terms = inputs(4, 4, torch.float32)
    with pytest.raises(RuntimeError, match="types below 3, got 3"):
        CONTRACTION(features, coefficients, types + 3 - types, terms, ROWS_OUT)
