"""What the pair style must refuse, since its result would be wrong without a word."""

from __future__ import annotations

from collections.abc import Mapping

from random_decks.chooser import Chooser
from random_decks.histories import CHECK, Scene

# Lines before the first run, and what the message must hold.
REFUSALS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "exclude type": (("neigh_modify exclude type 1 1",), r"expected no excluded pairs"),
    "exclude group": (
        ("group one type 1", "neigh_modify exclude group one one"),
        r"expected no excluded pairs",
    ),
    "respa": (("run_style respa 2 2 pair 1",), r"expected 'run_style verlet', got respa"),
    "include": (
        ("group one type 1", "atom_modify first one", "neigh_modify include one"),
        r"pair_style egraff: expected no 'neigh_modify include'",
    ),
    "communicated group": (
        ("group one type 1", "atom_modify first one", "comm_modify group one"),
        r"pair_style egraff: expected no 'atom_modify first'.*comm_modify group",
    ),
}


def draw_refusal(choose: Chooser, scene: Scene) -> tuple[str, tuple[str, ...]]:
    """The pattern of the message, and the deck that must give it."""
    lines, expects = REFUSALS[choose.pick("refused", tuple(REFUSALS))]
    return expects, (*scene.setup, *lines, "run 0 post no", CHECK)
