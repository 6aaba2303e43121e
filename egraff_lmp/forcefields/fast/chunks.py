"""Edges in pieces that stay in the caches, each with all edges of its centres.

What a network computes of an edge alone, or of all edges of a centre, it may do piece by piece. The
tensors of a piece are small enough to be used again by the next one: large ones are fetched from
the operating system, page by page, at every operation.
"""

from __future__ import annotations

import torch


def sorted_by_center(edge_index: torch.Tensor) -> torch.Tensor:
    """The places of edges in the order of their centres, (E,); empty where they have it."""
    centers = edge_index[0]
    if bool((centers[1:] >= centers[:-1]).all()):
        return torch.zeros(0, dtype=torch.int64, device=centers.device)
    return torch.argsort(centers, stable=True)


def center_chunks(centers: torch.Tensor, n_local: int, edges: int) -> tuple[list[int], list[int]]:
    """The numbers of centres, and of edges, of each piece; at least one piece.

    Args:
        centers: in ascending order, (E,).
        n_local: number of centres.
        edges: of a piece, about.
    """
    a_piece = max(1, (edges * n_local) // max(1, centers.size(0)))
    of_centers: list[int] = []
    left = n_local
    while left > a_piece:
        of_centers.append(a_piece)
        left -= a_piece
    of_centers.append(left)
    ends = torch.cumsum(torch.tensor(of_centers, dtype=torch.int64), 0)
    before = torch.searchsorted(centers.cpu(), ends)
    of_edges: list[int] = []
    last = 0
    for place in range(len(of_centers)):
        end = int(before[place])
        of_edges.append(end - last)
        last = end
    return of_centers, of_edges
