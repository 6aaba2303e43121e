"""The same deck without the pair style under test: who is to blame for an error.

Atoms of a draw fly as they were told, so that they lose themselves, empty boxes, or end a fix
whatever acts between them. Where LAMMPS gives the same message with lj/cut in the place of all pair
styles, the draw says nothing about `pair_style egraff`.
"""

from __future__ import annotations

from dataclasses import replace

from random_decks.draw import DEVIATION, Draw
from random_decks.histories import CHECK, SECOND
from random_decks.models import KINDS


def control_of(draw: Draw) -> Draw:
    """The draw with lj/cut, too weak to move anything, and without comparisons."""
    cutoff = max(KINDS[name].r_max for name in draw.interactions.members)
    styles = (f"pair_style lj/cut {cutoff}", "pair_coeff * * 1e-6 1.0")
    left_out = {*draw.interactions.lines, *DEVIATION, CHECK}
    lines: list[str] = []
    for line in draw.lines:
        prefix = SECOND if line.startswith(SECOND) else ""
        command = line.removeprefix(prefix)
        if command == draw.interactions.lines[0]:
            lines += [prefix + style for style in styles]
        elif command not in left_out:
            lines.append(line)
    return replace(draw, name=f"{draw.name}-control", lines=tuple(lines))
