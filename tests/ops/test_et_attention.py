"""ET's attention against the same sums written with plain tensors, and its laws."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from egraff_lmp.forcefields.fast.table import make_table, read_table

DTYPES = (torch.float32, torch.float64)
# Relative to the largest number: rounding of sums of about a hundred products.
ROUNDING = {torch.float32: 5e-6, torch.float64: 1e-13}
ATTENTION = torch.ops.egraff.et_attention
TABULATED = torch.ops.egraff.tabulated_et_attention


def rows(found: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Scalars and vectors as (n, 1 or 4, channels)."""
    scalars, vectors = found
    one = scalars.unsqueeze(1)
    if vectors.size(0) != scalars.size(0):
        assert vectors.shape == (0, 3, scalars.size(1))
        return one
    return torch.cat([one, vectors], dim=1)


@dataclass
class Case:
    """Random inputs."""

    channels: int
    heads: int
    rows: int
    dtype: torch.dtype
    n_centers: int = 5
    n_all: int = 8
    n_edges: int = 60

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(3)

        def random(*shape: int) -> torch.Tensor:
            return torch.randn(shape, generator=generator, dtype=self.dtype).requires_grad_(True)

        self.query = random(self.n_centers, self.channels)
        self.features = random(self.n_all, self.rows, self.channels)
        self.harmonics = random(self.n_edges, 4)
        self.weights = random(self.n_edges, min(4, self.rows), self.channels)
        self.own = random(min(4, self.rows), self.channels).detach()
        self.edge_index = torch.stack(
            [
                torch.randint(0, max(1, count), (self.n_edges,), generator=generator)
                for count in (self.n_centers, self.n_all)
            ]
        )

    @property
    def inputs(self) -> tuple[torch.Tensor, ...]:
        return self.query, self.features, self.harmonics, self.weights

    def run(self, *inputs: torch.Tensor) -> torch.Tensor:
        """The operator: scalars, and vectors if there are any, as rows."""
        given = inputs or self.inputs
        return rows(ATTENTION(*given, self.own, self.edge_index, self.heads))

    def naive(self, query, features, harmonics, weights) -> torch.Tensor:
        """The definition, with an atom's edge to itself as one more edge."""
        n = self.n_centers
        atoms = torch.arange(n)
        centers = torch.cat([self.edge_index[0], atoms])
        neighbors = torch.cat([self.edge_index[1], atoms])
        weights = torch.cat([weights, self.own.expand(n, -1, -1)])
        directions = torch.cat([harmonics[:, 1:], harmonics.new_zeros(n, 3)])
        x = features[neighbors]
        products = query[centers] * x[:, 0] * weights[:, 0]
        within = products.view(len(centers), self.channels // self.heads, self.heads).sum(dim=1)
        attention = torch.nn.functional.silu(within).repeat(1, self.channels // self.heads)
        scalar = attention * x[:, 1] * weights[:, 1]
        if self.rows == 2:
            zero = features.new_zeros(n, 1, self.channels)
            return zero.index_add(0, centers, scalar.unsqueeze(1))
        vector = directions.unsqueeze(2) * (x[:, 3] * weights[:, 3]).unsqueeze(1)
        if self.rows == 7:
            vector = vector + x[:, 4:] * (x[:, 2] * weights[:, 2]).unsqueeze(1)
        messages = torch.cat([scalar.unsqueeze(1), vector], dim=1)
        return features.new_zeros(n, 4, self.channels).index_add(0, centers, messages)


def gradients(result: torch.Tensor, inputs: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
    """Of a fixed random sum of the result."""
    generator = torch.Generator().manual_seed(9)
    cotangent = torch.randn(result.shape, generator=generator, dtype=result.dtype)
    found = torch.autograd.grad(result, inputs, cotangent, allow_unused=True)
    return [
        torch.zeros_like(given) if gradient is None else gradient
        for gradient, given in zip(found, inputs, strict=True)
    ]


def assert_close(got: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    scale = float(expected.detach().abs().max()) if expected.numel() else 1.0
    torch.testing.assert_close(got, expected, rtol=0, atol=tolerance * scale)


def assert_alike(got, expected, inputs, tolerance: float) -> None:
    """Results and gradients."""
    assert_close(got, expected, tolerance)
    for a, b in zip(gradients(got, inputs), gradients(expected, inputs), strict=True):
        assert_close(a, b, tolerance)


# Registers with several copies of the heads, with one, and heads in several registers; 12 and 20
# channels fill no register.
SHAPES = [(16, 1), (32, 8), (48, 4), (32, 16), (12, 4), (20, 2), (128, 8)]


@pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
@pytest.mark.parametrize("n_rows", [4, 7, 2], ids=["first", "later", "last"])
@pytest.mark.parametrize(("channels", "heads"), SHAPES)
def test_is_its_definition(
    instructions: str, dtype: torch.dtype, n_rows: int, channels: int, heads: int
) -> None:
    """Values and all four gradients; edges in any order."""
    case = Case(channels, heads, n_rows, dtype)
    expected = case.naive(*case.inputs)
    assert_alike(case.run(), expected, case.inputs, ROUNDING[dtype])


@pytest.mark.parametrize("n_rows", [4, 7, 2], ids=["first", "later", "last"])
def test_gradcheck(instructions: str, n_rows: int) -> None:
    """The backward pass is the derivative by central differences."""
    case = Case(4, 2, n_rows, torch.float64, n_edges=6)
    assert torch.autograd.gradcheck(case.run, case.inputs)


@pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
def test_table_is_its_weights(instructions: str, dtype: torch.dtype) -> None:
    """Weights read from a table, and the derivative with respect to the distance."""
    case = Case(24, 4, 7, dtype)
    phases = torch.linspace(0, 6, 4 * 24, dtype=torch.float64).view(1, 4, 24)
    table = make_table(lambda x: torch.cos(3 * x.view(-1, 1, 1) + phases), 32).coefficients
    table = table.to(dtype)
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(case.n_edges, generator=generator, dtype=dtype)
    x[:3] = torch.tensor([0.0, 0.5, 1.0 - 1e-6])
    x.requires_grad_(True)
    expected = case.naive(*case.inputs[:3], read_table(table, x))
    got = rows(TABULATED(*case.inputs[:3], x, table, case.own, case.edge_index, case.heads))
    inputs = (*case.inputs[:3], x)
    # Slopes of 32 intervals are larger terms than what they sum to.
    assert_alike(got, expected, inputs, 4 * ROUNDING[dtype])


def test_table_ends_at_one(instructions: str) -> None:
    """At and beyond the cutoff, and where the distance is no number, an edge adds nothing."""
    case = Case(16, 4, 7, torch.float32, n_edges=4)
    x = torch.tensor([1.0, 1.5, float("nan"), -0.1], requires_grad=True)
    table = torch.ones(8, 4, 16)
    got = rows(TABULATED(*case.inputs[:3], x, table, case.own, case.edge_index, case.heads))
    assert torch.equal(got, case.run(*case.inputs[:3], torch.zeros(4, 4, 16)))
    (slope,) = torch.autograd.grad(got.sum(), x)
    assert not slope.any()


@pytest.mark.parametrize("sizes", [(0, 0, 0), (0, 4, 0), (3, 3, 0), (1, 1, 2)], ids=str)
def test_nothing_to_do(instructions: str, sizes: tuple[int, int, int]) -> None:
    """No atoms, an empty rank with ghosts, no edges, one atom that is its own neighbour."""
    case = Case(16, 4, 7, torch.float32, *sizes)
    expected = case.naive(*case.inputs)
    assert_alike(case.run(), expected, case.inputs, ROUNDING[torch.float32])


@pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
def test_threads_change_no_bit(instructions: str, dtype: torch.dtype) -> None:
    """One thread, two, and more threads than atoms; and the same again; tables and weights."""
    case = Case(32, 4, 7, dtype, n_edges=200)
    x = torch.linspace(0, 1, case.n_edges, dtype=dtype).requires_grad_(True)
    table = torch.randn(9, 4, 32, generator=torch.Generator().manual_seed(2), dtype=dtype)
    arguments = (case.own, case.edge_index, case.heads)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 1, 2, 13):
            torch.set_num_threads(threads)
            result = case.run()
            read = rows(TABULATED(*case.inputs[:3], x, table, *arguments))
            inputs = (*case.inputs[:3], x)
            found.append([result, *gradients(result, case.inputs), read, *gradients(read, inputs)])
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads": 3}, "power of two"),
        ({"heads": 32}, "power of two"),
        ({"heads": 16, "query": torch.ones(5, 8)}, "a multiple of 16"),
        ({"query": torch.ones(9, 16)}, "at least 9"),
        ({"features": torch.ones(8, 5, 16)}, "2, 4 or 7"),
        ({"harmonics": torch.ones(60, 9)}, "harmonics"),
        ({"own": torch.ones(3, 16)}, "own weights"),
        ({"weights": torch.ones(60, 3, 16)}, "weights"),
        ({"harmonics": torch.ones(60, 4, dtype=torch.float64)}, "one precision"),
        ({"edge_index": torch.full((2, 60), 6)}, "centre below 5"),
        ({"edge_index": torch.zeros(3, 60, dtype=torch.int64)}, "edge index"),
    ],
    ids=str,
)
def test_refuses(change: dict[str, object], message: str) -> None:
    """What would read or write beyond the tensors is an error that says so."""
    case = Case(16, 4, 4, torch.float32)
    for name, value in change.items():
        setattr(case, name, value)
    with pytest.raises(RuntimeError, match=message):
        case.run()


def test_gradient_of_own_weights() -> None:
    """The kernels have none: it comes from plain operators, and the others with it."""
    case = Case(16, 4, 7, torch.float64)
    case.own.requires_grad_(True)
    inputs = (*case.inputs, case.own)
    assert_alike(case.run(), case.naive(*case.inputs), inputs, ROUNDING[torch.float64])
    with_own = gradients(case.run(), inputs)
    case.own.requires_grad_(False)
    for got, expected in zip(with_own, gradients(case.run(), case.inputs), strict=False):
        assert_close(got, expected, ROUNDING[torch.float64])


@pytest.mark.parametrize("trained", ["table", "own"])
def test_tables_are_not_trained(trained: str) -> None:
    """What stands for weights that want a gradient is refused rather than left without one."""
    case = Case(16, 4, 7, torch.float32)
    given = {"table": torch.ones(8, 4, 16), "own": case.own}
    given[trained].requires_grad_(True)
    x = torch.zeros(case.n_edges)
    with pytest.raises(RuntimeError, match="expected a constant table"):
        TABULATED(*case.inputs[:3], x, given["table"], given["own"], case.edge_index, case.heads)
