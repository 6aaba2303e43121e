"""Edges in pieces: each edge once, with all of its centre's."""

from __future__ import annotations

import pytest
import torch

from egraff_lmp.forcefields.fast.chunks import center_chunks, sorted_by_center


@pytest.mark.parametrize("edges", [1, 7, 40, 1000])
@pytest.mark.parametrize(("n_local", "n_edges"), [(0, 0), (1, 0), (5, 0), (1, 9), (30, 100)])
def test_pieces_hold_whole_centres(n_local: int, n_edges: int, edges: int) -> None:
    """Centres without edges among them, and fewer edges than centres."""
    generator = torch.Generator().manual_seed(2)
    centers = torch.randint(0, max(1, n_local), (n_edges,), generator=generator).sort().values
    of_centers, of_edges = center_chunks(centers, n_local, edges)
    assert sum(of_centers) == n_local
    assert sum(of_edges) == n_edges
    assert len(of_centers) == len(of_edges) >= 1
    first = 0
    for count, mine in zip(of_centers, centers.split(of_edges), strict=True):
        assert bool(((mine >= first) & (mine < first + count)).all())
        first += count
    largest = int(torch.bincount(centers, minlength=1).max())
    assert max(of_edges) <= max(3 * edges, largest)


def test_order_of_edges() -> None:
    """None where there is nothing to sort; else one that keeps the edges of a centre in order."""
    assert sorted_by_center(torch.tensor([[0, 0, 2], [5, 1, 3]])).numel() == 0
    assert sorted_by_center(torch.zeros(2, 0, dtype=torch.int64)).numel() == 0
    order = sorted_by_center(torch.tensor([[2, 0, 2, 1], [5, 1, 3, 0]]))
    assert order.tolist() == [1, 3, 0, 2]
