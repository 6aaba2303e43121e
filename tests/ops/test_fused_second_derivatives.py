"""Second derivatives of one operator against those composed of first ones.

Where the gradient with respect to the harmonics is not asked for, as in training, convolution and
attention compute the rest of the second backward pass in one go: `convolution_second` and
`et_attention_second`. Where it is asked for, they compose it of first derivatives, which
`test_second_derivatives` compares with finite differences. Both must give the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch

pytestmark = pytest.mark.usefixtures("one_thread")
OPS = torch.ops.egraff
# Relative to the largest number of each gradient: sums of some hundred products, of which the fused
# ones are added in another order.
ROUNDING = {torch.float32: 5e-6, torch.float64: 1e-13}
DTYPES = pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64], ids=["float32", "float64"]
)
# Of "twice" the second centre has no neighbour, and others have the same one several times over.
TWICE = [[2, 0, 0, 0, 2, 2, 2], [0, 3, 3, 1, 4, 4, 4]]
# Numbers of centres and of all atoms, and edges in any order, or how many at random.
GRAPHS: dict[str, tuple[int, int, list[list[int]] | int]] = {
    "mixed": (5, 8, 60),
    "twice": (3, 6, TWICE),
    "one atom": (1, 1, [[0, 0], [0, 0]]),
    "one edge": (2, 3, [[1], [2]]),
    "no edges": (3, 4, 0),
    "no atoms": (0, 2, 0),
    "many": (40, 50, 400),
}
SMALL = pytest.mark.parametrize("graph", [name for name in GRAPHS if name != "many"])


@dataclass
class Case:
    """An operator and its inputs, harmonics among them.

    Args:
        run: inputs to results.
        inputs: float64 numbers that float32 holds, too.
        harmonics: their place among the inputs.
        constants: places of inputs whose gradients are not taken.
    """

    run: Callable[..., tuple[torch.Tensor, ...]]
    inputs: list[torch.Tensor]
    harmonics: int
    constants: set[int] = field(default_factory=set)

    def second(self, dtype: torch.dtype, *, with_harmonics: bool) -> dict[str, torch.Tensor]:
        """Gradients of a fixed sum of all first gradients, by name.

        They are with respect to the cotangents of the results and to the inputs: to all of them,
        or to all but the harmonics.
        """
        generator = torch.Generator().manual_seed(3)

        def like(tensor: torch.Tensor) -> torch.Tensor:
            return random(generator, *tensor.shape).to(dtype)

        inputs = [
            x.to(dtype).requires_grad_(place not in self.constants)
            for place, x in enumerate(self.inputs)
        ]
        results = self.run(*inputs)
        cotangents = [like(result).requires_grad_(True) for result in results]
        trained = {k: x for k, x in enumerate(inputs) if x.requires_grad}
        first = torch.autograd.grad(results, list(trained.values()), cotangents, create_graph=True)
        wanted = {f"result {k}": x for k, x in enumerate(cotangents)}
        wanted |= {
            f"input {k}": x for k, x in trained.items() if with_harmonics or k != self.harmonics
        }
        along = [like(gradient) for gradient in first]
        # Where inputs are constants, or there are no vectors, some have no part in it.
        found = torch.autograd.grad(first, list(wanted.values()), along, materialize_grads=True)
        return dict(zip(wanted, found, strict=True))


def random(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64).float().double()


def graph_of(name: str, generator: torch.Generator) -> tuple[int, int, torch.Tensor]:
    n_centers, n_all, edges = GRAPHS[name]
    if not isinstance(edges, int):
        return n_centers, n_all, torch.tensor(edges)
    sizes = (max(1, n_centers), n_all)
    return (
        n_centers,
        n_all,
        torch.stack([torch.randint(0, size, (edges,), generator=generator) for size in sizes]),
    )


def convolution(graph: str, l_max: int, channels: int, constants: set[int] | None = None) -> Case:
    """All paths up to a degree."""
    generator = torch.Generator().manual_seed(1)
    n_centers, n_all, index = graph_of(graph, generator)
    paths: list[int] = []
    rows = 0
    for l1 in range(l_max + 1):
        for l2 in range(l_max + 1):
            for l3 in range(abs(l1 - l2), min(l1 + l2, l_max) + 1):
                paths += [l1, l2, l3, l1 * l1, 1, rows, 1]
                rows += 2 * l3 + 1
    width, n_edges = (l_max + 1) ** 2, index.size(1)
    inputs = [
        random(generator, n_all, width, channels),
        random(generator, n_edges, width),
        random(generator, n_edges, len(paths) // 7, channels),
    ]
    return Case(
        lambda x, y, w: (OPS.convolution(x, y, w, index, n_centers, paths),),
        inputs,
        1,
        constants or set(),
    )


def attention(graph: str, rows: int, channels: int, heads: int) -> Case:
    """Without an atom's edge to itself, of which the fused operator knows nothing."""
    generator = torch.Generator().manual_seed(1)
    n_centers, n_all, index = graph_of(graph, generator)
    own = min(4, rows)
    inputs = [
        random(generator, n_centers, channels),
        random(generator, n_all, rows, channels),
        random(generator, index.size(1), 4),
        random(generator, index.size(1), own, channels),
    ]

    def run(q: torch.Tensor, x: torch.Tensor, y: torch.Tensor, w: torch.Tensor) -> tuple:
        return OPS.et_attention(q, x, y, w, w.new_zeros(own, channels), index, heads)

    return Case(run, inputs, 2)


def require_close(
    got: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], tolerance: float
) -> None:
    """Each of the first within the tolerance of the largest number of its counterpart."""
    for name, value in got.items():
        other = expected[name]
        scale = float(other.detach().abs().max()) if other.numel() else 0.0
        torch.testing.assert_close(value.double(), other.double(), rtol=0, atol=tolerance * scale)


def require_fused_is_composed(case: Case, dtype: torch.dtype) -> None:
    """In one precision, and against float64; with something in them where there are edges."""
    composed = case.second(torch.float64, with_harmonics=True)
    if len(case.inputs[case.harmonics]) and not case.constants:
        assert all(value.any() for value in composed.values() if value.numel())
    require_close(case.second(dtype, with_harmonics=False), composed, ROUNDING[dtype])


# 10 and 3 channels fill no register, 16 and 40 some of all instruction sets.
@DTYPES
@pytest.mark.parametrize(("l_max", "channels"), [(3, 3), (2, 10), (1, 40), (0, 16)])
def test_convolution(instructions: str, dtype: torch.dtype, l_max: int, channels: int) -> None:
    require_fused_is_composed(convolution("mixed", l_max, channels), dtype)


@DTYPES
@SMALL
def test_graphs_of_the_convolution(instructions: str, dtype: torch.dtype, graph: str) -> None:
    require_fused_is_composed(convolution(graph, 2, 10), dtype)


@DTYPES
@pytest.mark.parametrize("constants", [{0}, {2}, {0, 2}], ids=str)
def test_constants_of_the_convolution(
    instructions: str, dtype: torch.dtype, constants: set[int]
) -> None:
    """Features, weights or both may need no gradient: there is none in the first pass, either."""
    require_fused_is_composed(convolution("mixed", 2, 10, constants), dtype)


@DTYPES
@pytest.mark.parametrize("rows", [4, 7, 2], ids=["first", "later", "last"])
@pytest.mark.parametrize(("channels", "heads"), [(16, 1), (32, 16), (12, 4), (20, 2)])
def test_attention(
    instructions: str, dtype: torch.dtype, rows: int, channels: int, heads: int
) -> None:
    """Registers with several copies of the heads and with one; 12 and 20 channels fill none."""
    case = attention("mixed", rows, channels, heads)
    composed = case.second(torch.float64, with_harmonics=True)
    if rows == 2:  # nothing depends on directions, nor on the cotangent of vectors
        assert not composed.pop("input 2").any()
    require_close(case.second(dtype, with_harmonics=False), composed, ROUNDING[dtype])


@DTYPES
@SMALL
def test_graphs_of_the_attention(instructions: str, dtype: torch.dtype, graph: str) -> None:
    require_fused_is_composed(attention(graph, 7, 12, 4), dtype)


@pytest.mark.parametrize("case", [convolution("many", 2, 10), attention("many", 7, 12, 4)])
def test_which_one_is_used(case: Case) -> None:
    """Without this, what is compared above might be the same thing twice."""
    for with_harmonics in (False, True):
        with torch.profiler.profile() as profile:
            case.second(torch.float64, with_harmonics=with_harmonics)
        names = {event.name for event in profile.events()}
        assert any(name.endswith("_backward") for name in names if "egraff::" in name)
        used = any(name.endswith("_second") for name in names if "egraff::" in name)
        assert used != with_harmonics


@DTYPES
@pytest.mark.parametrize(
    "case",
    [convolution("many", 2, 10), attention("many", 7, 12, 4)],
    ids=["convolution", "attention"],
)
def test_threads_change_no_bit(instructions: str, dtype: torch.dtype, case: Case) -> None:
    """One thread, two and three, and the same again."""
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 1, 2, 3):
            torch.set_num_threads(threads)
            found.append(case.second(dtype, with_harmonics=False))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        for name, value in other.items():
            assert torch.equal(value, found[0][name])


def one_set(graph: str, *, expanded: bool) -> Case:
    """A convolution with the same constant weights for all edges, or with a copy for each."""
    case = convolution(graph, 2, 10)
    plain, (x, y, w) = case.run, case.inputs
    shared = random(torch.Generator().manual_seed(7), 1, w.size(1), w.size(2))

    def run(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
        given = shared.to(x.dtype)
        return plain(x, y, given.expand(len(y), -1, -1) if expanded else given)

    return Case(run, [x, y], 1)


@DTYPES
@SMALL
def test_one_set_of_weights(instructions: str, dtype: torch.dtype, graph: str) -> None:
    """As with a copy for each edge: value, gradient, and second derivative, fused and composed."""
    shared, copies = (one_set(graph, expanded=expanded) for expanded in (False, True))
    generator = torch.Generator().manual_seed(2)
    inputs = [x.to(dtype).requires_grad_(True) for x in shared.inputs]
    results = [case.run(*inputs)[0] for case in (shared, copies)]
    cotangent = random(generator, *results[0].shape).to(dtype)
    first = [torch.autograd.grad(result, inputs, cotangent) for result in results]
    for got, expected in zip([results[0], *first[0]], [results[1], *first[1]], strict=True):
        require_close({"": got.detach()}, {"": expected.detach()}, ROUNDING[dtype])
    for with_harmonics in (False, True):
        require_close(
            shared.second(dtype, with_harmonics=with_harmonics),
            copies.second(torch.float64, with_harmonics=with_harmonics),
            ROUNDING[dtype],
        )


def test_one_set_of_weights_is_constant() -> None:
    """Its gradient would be a sum over all edges, which no kernel computes."""
    x, y, w = convolution("mixed", 1, 4).inputs
    index = graph_of("mixed", torch.Generator().manual_seed(1))[2]
    paths = [0, 0, 0, 0, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1]
    shared = w[:1, :2].clone().requires_grad_(True)
    with pytest.raises(RuntimeError, match="weights of each edge where they are trained"):
        OPS.convolution(x, y, shared, index, 5, paths)
    for wrong in (w[:2, :2], w[:1, :1], w[:1, :2, :3]):
        with pytest.raises(RuntimeError, match=r"expected weights \[60, 2, 4\]"):
            OPS.convolution(x, y, wrong, index, 5, paths)
    # One edge alone has weights of its own, which are trained.
    OPS.convolution(x, y[:1], shared, index[:, :1], 5, paths).sum().backward()
    assert shared.grad is not None
    assert shared.grad.any()
