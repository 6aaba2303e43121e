"""Linear maps and gates of atoms, and harmonics of edges, against torch and e3nn."""

from __future__ import annotations

import pytest
import torch
from e3nn import o3

DTYPES = (torch.float32, torch.float64)
ROUNDING = {torch.float32: 2e-6, torch.float64: 1e-13}


@pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
@pytest.mark.parametrize(("c_in", "c_out"), [(32, 32), (16, 48), (5, 3)])
@pytest.mark.parametrize("n_types", [1, 3])
def test_linear(instructions: str, dtype: torch.dtype, c_in: int, c_out: int, n_types: int) -> None:
    """Two blocks, one of which joins rows and adds to the other's; 37 atoms, mixed types."""
    torch.manual_seed(0)
    x = torch.randn(37, 7, c_in, dtype=dtype, requires_grad=True)
    types = torch.randint(0, n_types, (37,)) if n_types > 1 else None
    # Rows 0-5 as three times two; row 6 alone, into rows 1-2.
    first, second = 2 * c_in * c_out, c_in * 2 * c_out
    weights = torch.randn(n_types, first + second, dtype=dtype, requires_grad=True)
    blocks = [0, 2, 3, 0, 1, 0, 6, 1, 1, 1, 2, first]
    got = torch.ops.egraff.node_linear(x, weights, types, blocks, 4, c_out)
    w = weights[types] if types is not None else weights.expand(37, -1)
    expected = torch.zeros(37, 4, c_out, dtype=dtype)
    a = torch.einsum(
        "nmk,nkc->nmc",
        x[:, :6].reshape(37, 3, 2 * c_in),
        w[:, :first].view(37, 2 * c_in, c_out),
    )
    b = torch.einsum("nk,nkc->nc", x[:, 6], w[:, first:].view(37, c_in, 2 * c_out))
    expected = torch.cat([a[:, :1], a[:, 1:] + b.view(37, 2, c_out)], dim=1)
    torch.testing.assert_close(got[:, :3], expected, rtol=0, atol=100 * ROUNDING[dtype])
    assert not got[:, 3].any()
    cotangent = torch.randn_like(expected)
    gradients = torch.autograd.grad(got[:, :3], [x, weights], cotangent)
    expected_ones = torch.autograd.grad(expected, [x, weights], cotangent)
    for one, other in zip(gradients, expected_ones, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=100 * ROUNDING[dtype])


def test_linear_with_bias(instructions: str) -> None:
    """It is added to every atom, those of a group's rest included, and has no part in gradients."""
    torch.manual_seed(0)
    x = torch.randn(11, 2, 8, dtype=torch.float64, requires_grad=True)
    weights, bias = torch.randn(1, 64).double(), torch.randn(2, 8).double()
    arguments = (x, weights, None, [0, 1, 2, 0, 1, 0], 2, 8)
    plain = torch.ops.egraff.node_linear(*arguments)
    got = torch.ops.egraff.node_linear(*arguments, None, bias)
    torch.testing.assert_close(got, plain + bias, rtol=0, atol=1e-13)
    (a,) = torch.autograd.grad(got.sum(), x)
    (b,) = torch.autograd.grad(plain.sum(), x)
    assert torch.equal(a, b)
    with pytest.raises(RuntimeError, match=r"expected a bias \[2, 8\]"):
        torch.ops.egraff.node_linear(*arguments, None, bias[:1])


@pytest.mark.parametrize("atoms", [1, 7, 33, 300])
def test_linear_of_many_rows(instructions: str, atoms: int) -> None:
    """More rows than are worked on at a time, and columns beyond whole registers."""
    torch.manual_seed(0)
    x = torch.randn(atoms, 7, 9, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(1, 9 * 3 * 13, dtype=torch.float64)
    blocks = [0, 1, 7, 0, 3, 0]
    got = torch.ops.egraff.node_linear(x, weights, None, blocks, 21, 13)
    expected = (x @ weights.view(9, 39)).reshape(atoms, 21, 13)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-12)
    cotangent = torch.randn_like(expected)
    (a,) = torch.autograd.grad(got, x, cotangent)
    (b,) = torch.autograd.grad(expected, x, cotangent)
    torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_linear_without_atoms(instructions: str) -> None:
    """No atoms give no rows."""
    x = torch.zeros(0, 2, 4)
    assert torch.ops.egraff.node_linear(
        x, torch.ones(1, 16), None, [0, 1, 1, 0, 1, 0], 1, 4
    ).shape == (0, 1, 4)


@pytest.mark.parametrize("n_types", [1, 3])
@pytest.mark.parametrize("with_bias", [False, True], ids=["plain", "bias"])
def test_transposed_weights_that_are_trained(
    instructions: str, n_types: int, with_bias: bool
) -> None:
    """A transposed copy changes no gradient: of features, weights, bias, and of their gradients."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        found = torch.randn(shape, generator=generator, dtype=torch.float64)
        return found.requires_grad_(True)

    x, weights = random(11, 4, 5), random(n_types, 2 * 5 * 3 + 5 * 3)
    types = torch.randint(0, n_types, (11,), generator=generator) if n_types > 1 else None
    # Two rows joined, and one alone, to rows of three channels.
    blocks = [0, 2, 1, 0, 1, 0, 2, 1, 2, 1, 1, 30]
    with torch.no_grad():
        parts = [part.transpose(1, 2) for part in (weights[:, :30].view(-1, 10, 3),)]
        parts.append(weights[:, 30:].view(-1, 5, 3).transpose(1, 2))
        turned = torch.cat([part.reshape(n_types, -1) for part in parts], dim=1)
    bias = random(3, 3) if with_bias else None
    inputs = [x, weights, *([bias] if with_bias else [])]
    cotangent, along = random(11, 3, 3), [random(*each.shape).detach() for each in inputs]
    found = []
    for copy in (None, turned):
        got = torch.ops.egraff.node_linear(x, weights, types, blocks, 3, 3, copy, bias)
        first = torch.autograd.grad(got, inputs, cotangent, create_graph=True)
        second = torch.autograd.grad(first, [cotangent, x, weights], along)
        found.append([got, *first, *second])
    for plain, with_copy in zip(*found, strict=True):
        assert plain.any()
        assert_rounding(with_copy, plain, torch.float64)
    # The gradient of the features is made of the copy: a wrong one shows there alone.
    wrong = torch.ops.egraff.node_linear(x, weights, types, blocks, 3, 3, 2 * turned, bias)
    dx, dw = torch.autograd.grad(wrong, [x, weights], cotangent)
    torch.testing.assert_close(dx, 2 * found[0][1], rtol=0, atol=1e-12)
    torch.testing.assert_close(dw, found[0][2], rtol=0, atol=1e-12)


def assert_rounding(got: torch.Tensor, expected: torch.Tensor, dtype: torch.dtype) -> None:
    """Equal within the rounding of the largest value."""
    scale = float(expected.detach().abs().max())
    torch.testing.assert_close(got, expected, rtol=0, atol=ROUNDING[dtype] * scale)


@pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
@pytest.mark.parametrize("channels", [32, 7])
def test_gate(instructions: str, dtype: torch.dtype, channels: int) -> None:
    """silu, tanh and the logistic function of rows, and rows times them, saturated ones too."""
    torch.manual_seed(0)
    x = (30 * torch.randn(9, 8, channels, dtype=dtype)).requires_grad_(True)
    parts = [0, 0, 2, -1, 1, 2, 1, -1, 0, 5, 3, 3, 1, 2, 1, 4, 2, 2, 1, -1, 2, 2, 1, 4]
    scales = [1.5, 0.7, 2.0, 1.1, 0.9, 1.2]
    got = torch.ops.egraff.gate(x, parts, scales)
    expected = torch.cat(
        [
            1.5 * torch.nn.functional.silu(x[:, 0:2]),
            0.7 * torch.tanh(x[:, 2:3]),
            2.0 * torch.nn.functional.silu(x[:, 3:4]) * x[:, 5:8],
            1.1 * torch.tanh(x[:, 4:5]) * x[:, 2:3],
            0.9 * torch.sigmoid(x[:, 2:3]),
            1.2 * torch.sigmoid(x[:, 4:5]) * x[:, 2:3],
        ],
        dim=1,
    )
    # Each part by its own size: products of gates and rows are a thousand times larger than tanh.
    for rows in (slice(0, 2), slice(2, 3), slice(3, 6), slice(6, 7), slice(7, 8), slice(8, 9)):
        assert_rounding(got[:, rows], expected[:, rows], dtype)
    cotangent = torch.randn_like(expected)
    (dx,) = torch.autograd.grad(got, x, cotangent)
    (dx_expected,) = torch.autograd.grad(expected, x, cotangent)
    # Scalars, the row that is a scalar and is gated too, the two gates, and the gated rows.
    for rows in (slice(0, 2), slice(2, 3), slice(3, 4), slice(4, 5), slice(5, 8)):
        assert_rounding(dx[:, rows], dx_expected[:, rows], dtype)


def maps_and_gates() -> list[torch.Tensor]:
    """Sums of many products and exponentials, whose last digits depend on the instruction set."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(37, 7, 32, generator=generator)
    weights = torch.randn(1, 7 * 32 * 32, generator=generator)
    mapped = torch.ops.egraff.node_linear(x, weights, None, [0, 7, 1, 0, 1, 0], 1, 32)
    return [mapped, torch.ops.egraff.gate(x, [0, 0, 7, -1], [1.0])]


def test_the_variable_names_the_instruction_set(
    available: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read at every call: fused sums round otherwise than portable ones, nonsense is refused.

    AVX2 and AVX-512 give the same digits here, so that these two are not told apart.
    """
    results = {}
    for name, is_there in available.items():
        monkeypatch.setenv("EGRAFF_INSTRUCTIONS", name)
        if is_there:
            results[name] = maps_and_gates()
        else:
            with pytest.raises(RuntimeError, match=f"a processor that has it, got '{name}'"):
                maps_and_gates()
    fused = [found for name, found in results.items() if name != "portable"]
    for found in fused:
        for mine, other in zip(found, results["portable"], strict=True):
            assert not torch.equal(mine, other)
    monkeypatch.delenv("EGRAFF_INSTRUCTIONS")
    fastest = list(results.values())[-1]
    for mine, other in zip(maps_and_gates(), fastest, strict=True):
        assert torch.equal(mine, other)
    for nonsense in ("sse9", "AVX2", " portable"):
        monkeypatch.setenv("EGRAFF_INSTRUCTIONS", nonsense)
        with pytest.raises(RuntimeError, match="EGRAFF_INSTRUCTIONS: expected portable, avx2 or"):
            maps_and_gates()


@pytest.mark.parametrize("l_max", [0, 1, 2, 3])
def test_harmonics(l_max: int) -> None:
    """e3nn's values and derivatives, and the lengths."""
    torch.manual_seed(0)
    vectors = (3 * torch.randn(50, 3, dtype=torch.float64)).requires_grad_(True)
    harmonics, lengths = torch.ops.egraff.edge_harmonics(vectors, l_max, torch.float64)
    expected = o3.spherical_harmonics(
        list(range(l_max + 1)), vectors, normalize=True, normalization="component"
    )
    torch.testing.assert_close(harmonics, expected, rtol=0, atol=1e-13)
    torch.testing.assert_close(lengths, vectors.norm(dim=1), rtol=0, atol=1e-13)
    a, b = torch.randn_like(expected), torch.randn_like(lengths)
    (got,) = torch.autograd.grad((harmonics * a).sum() + (lengths * b).sum(), vectors)
    (wanted,) = torch.autograd.grad((expected * a).sum() + (vectors.norm(dim=1) * b).sum(), vectors)
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-12)
