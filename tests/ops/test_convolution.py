"""The convolution against the same sums written with e3nn's symbols, and its laws."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from e3nn import o3

from egraff_lmp.forcefields.fast.table import make_table, read_table

DTYPES = (torch.float32, torch.float64)
# Relative to the largest number: rounding of sums of about a hundred products.
ROUNDING = {torch.float32: 5e-6, torch.float64: 1e-13}
CONVOLUTION = torch.ops.egraff.convolution
TABULATED = torch.ops.egraff.tabulated_convolution


@dataclass
class Case:
    """Random inputs for all paths of all degrees up to l_max."""

    l_max: int
    channels: int
    dtype: torch.dtype
    n_centers: int = 5
    n_all: int = 8
    n_edges: int = 60
    paths: list[int] = field(default_factory=list)
    rows_out: int = 0

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(3)
        degrees = range(self.l_max + 1)
        for l1 in degrees:
            for l2 in degrees:
                for l3 in range(abs(l1 - l2), min(l1 + l2, self.l_max) + 1):
                    self.paths += [l1, l2, l3, l1 * l1, 1, self.rows_out, 1]
                    self.rows_out += 2 * l3 + 1
        n_paths = len(self.paths) // 7

        def random(*shape: int) -> torch.Tensor:
            return torch.randn(shape, generator=generator, dtype=self.dtype).requires_grad_(True)

        self.features = random(self.n_all, (self.l_max + 1) ** 2, self.channels)
        self.harmonics = random(self.n_edges, (self.l_max + 1) ** 2)
        self.weights = random(self.n_edges, n_paths, self.channels)
        self.edge_index = torch.stack(
            [
                torch.randint(0, max(1, count), (self.n_edges,), generator=generator)
                for count in (self.n_centers, self.n_all)
            ]
        )

    @property
    def inputs(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.features, self.harmonics, self.weights

    def run(self, *inputs: torch.Tensor) -> torch.Tensor:
        """The operator."""
        return CONVOLUTION(*(inputs or self.inputs), self.edge_index, self.n_centers, self.paths)

    def naive(self, features, harmonics, weights) -> torch.Tensor:
        """The definition, path by path."""
        out = []
        for p in range(0, len(self.paths), 7):
            l1, l2, l3, row, _, _, _ = self.paths[p : p + 7]
            symbols = o3.wigner_3j(l1, l2, l3, dtype=torch.float64) * (2 * l3 + 1) ** 0.5
            messages = torch.einsum(
                "abc,eau,eb,eu->ecu",
                symbols.to(features.dtype),
                features[self.edge_index[1], row : row + 2 * l1 + 1],
                harmonics[:, l2 * l2 : (l2 + 1) ** 2],
                weights[:, p // 7],
            )
            zero = features.new_zeros(self.n_centers, 2 * l3 + 1, self.channels)
            out.append(zero.index_add(0, self.edge_index[0], messages))
        return torch.cat(out, dim=1)


def gradients(result: torch.Tensor, inputs: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
    """Of a fixed random sum of the result."""
    generator = torch.Generator().manual_seed(9)
    cotangent = torch.randn(result.shape, generator=generator, dtype=result.dtype)
    return list(torch.autograd.grad(result, inputs, cotangent))


def assert_close(got: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    scale = float(expected.detach().abs().max()) if expected.numel() else 1.0
    torch.testing.assert_close(got, expected, rtol=0, atol=tolerance * scale)


# 10 channels fill no register; 16 one of AVX-512 in float32; 32 two.
@pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
@pytest.mark.parametrize(("l_max", "channels"), [(3, 16), (2, 32), (1, 10)])
def test_is_its_definition(
    instructions: str, dtype: torch.dtype, l_max: int, channels: int
) -> None:
    """Values and all three gradients; edges in any order."""
    case = Case(l_max, channels, dtype)
    got, expected = case.run(), case.naive(*case.inputs)
    assert_close(got, expected, ROUNDING[dtype])
    for a, b in zip(gradients(got, case.inputs), gradients(expected, case.inputs), strict=True):
        assert_close(a, b, ROUNDING[dtype])


def test_rows_apart(instructions: str) -> None:
    """Components of an irrep need not follow each other, neither going in nor coming out."""
    case = Case(2, 16, torch.float64)
    spread = list(case.paths)
    for p in range(0, len(spread), 7):
        spread[p + 3], spread[p + 4] = 2 * spread[p + 3], 2
        spread[p + 5], spread[p + 6] = 3 * spread[p + 5], 3
    wide = case.features.new_zeros(case.n_all, 18, 16).detach()
    wide[:, ::2] = case.features.detach()
    wide.requires_grad_(True)
    got = CONVOLUTION(wide, case.harmonics, case.weights, case.edge_index, case.n_centers, spread)
    expected = case.run()
    assert_close(got[:, ::3], expected, ROUNDING[torch.float64])
    assert not got[:, 1::3].any()
    (a,) = torch.autograd.grad(got[:, ::3].sum(), wide)
    (b,) = torch.autograd.grad(expected.sum(), case.features)
    assert_close(a[:, ::2], b, ROUNDING[torch.float64])
    assert not a[:, 1::2].any()


def test_gradcheck(instructions: str) -> None:
    """The backward pass is the derivative by central differences."""
    case = Case(1, 3, torch.float64, n_edges=6)
    assert torch.autograd.gradcheck(case.run, case.inputs)


@pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
def test_table_is_its_weights(instructions: str, dtype: torch.dtype) -> None:
    """Weights read from a table, and the derivative with respect to the distance."""
    case = Case(2, 16, dtype)
    n_paths = len(case.paths) // 7
    phases = torch.linspace(0, 6, n_paths * 16, dtype=torch.float64).view(1, n_paths, 16)
    table = make_table(lambda x: torch.cos(3 * x.view(-1, 1, 1) + phases), 32).coefficients
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(case.n_edges, generator=generator, dtype=dtype)
    x[:3] = torch.tensor([0.0, 0.5, 1.0 - 1e-6])
    x.requires_grad_(True)
    weights = read_table(table.to(dtype), x)
    expected = case.naive(case.features, case.harmonics, weights)
    got = TABULATED(
        case.features, case.harmonics, x, table.to(dtype), case.edge_index, 5, case.paths
    )
    assert_close(got, expected, ROUNDING[dtype])
    inputs = (case.features, case.harmonics, x)
    for a, b in zip(gradients(got, inputs), gradients(expected, inputs), strict=True):
        assert_close(a, b, 4 * ROUNDING[dtype])  # slopes of 32 intervals: larger terms


def test_table_ends_at_one(instructions: str) -> None:
    """At and beyond the cutoff, and where the distance is no number, weights are zero."""
    case = Case(0, 16, torch.float32, n_edges=4)
    x = torch.tensor([1.0, 1.5, float("nan"), -0.1], requires_grad=True)
    table = torch.ones(8, 1, 16)
    harmonics = torch.ones(4, 1)
    got = TABULATED(case.features, harmonics, x, table, case.edge_index, 5, case.paths)
    assert not got.any()
    (slope,) = torch.autograd.grad(got.sum(), x)
    assert not slope.any()


@pytest.mark.parametrize("sizes", [(0, 0, 0), (0, 4, 0), (3, 3, 0), (1, 1, 2)], ids=str)
def test_nothing_to_do(instructions: str, sizes: tuple[int, int, int]) -> None:
    """No atoms, an empty rank with ghosts, no edges, one atom that is its own neighbour."""
    n_centers, n_all, n_edges = sizes
    case = Case(1, 16, torch.float32, n_centers, n_all, n_edges)
    got = case.run()
    assert got.shape == (n_centers, case.rows_out, 16)
    for a, b in zip(
        gradients(got, case.inputs),
        gradients(case.naive(*case.inputs), case.inputs),
        strict=True,
    ):
        assert_close(a, b, ROUNDING[torch.float32])


def test_threads_change_no_bit(instructions: str) -> None:
    """One thread, two, and more threads than atoms; and the same again."""
    case = Case(2, 16, torch.float32, n_edges=200)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 1, 2, 13):
            torch.set_num_threads(threads)
            result = case.run()
            found.append([result, *gradients(result, case.inputs)])
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"paths": [1, 1, 0, 0, 1, 0, 1]}, "rows of features"),
        ({"paths": [0, 4, 4, 0, 1, 0, 1]}, "degrees"),
        ({"paths": [0, 0, 1, 0, 1, 0, 1]}, "degrees"),
        ({"n_centers": 2}, "centre below 2"),
    ],
    ids=["rows", "degree", "no product", "centre"],
)
def test_refuses(change: dict[str, object], message: str) -> None:
    """What would read or write beyond the tensors is an error that says so."""
    case = Case(0, 4, torch.float32)
    case.harmonics = torch.ones(case.n_edges, 4)
    for name, value in change.items():
        setattr(case, name, value)
    with pytest.raises(RuntimeError, match=message):
        case.run()


@pytest.mark.parametrize("rows", [-1, 0], ids=["too few rows", "another width"])
def test_backward_refuses(rows: int) -> None:
    """Called by its name, with a gradient that is not one of its result."""
    case = Case(1, 4, torch.float32)
    shape = (case.n_centers, case.rows_out + rows, 4 if rows else 5)
    inputs = (each.detach() for each in case.inputs)
    with pytest.raises(RuntimeError, match=r"egraff::convolution.*expected.*grad"):
        torch.ops.egraff.convolution_backward(
            torch.ones(shape), *inputs, case.edge_index, case.paths, True
        )


def test_negative_degrees_are_refused() -> None:
    case = Case(0, 4, torch.float32)
    case.paths = [-1, 0, 0, 0, 1, 0, 1]
    with pytest.raises(RuntimeError, match="degrees"):
        case.run()


def test_operators_use_threads() -> None:
    """Compiled without OpenMP torch's parallel_for is a loop, and tests of threads show nothing."""
    from egraff_lmp.paths import OPS_LIBRARY, native_dir

    library = (native_dir() / OPS_LIBRARY).read_bytes()
    if b"clang version" in library:
        pytest.skip("Clang's OpenMP is not torch's: CMakeLists.txt leaves it out")
    assert b"GOMP_parallel" in library
