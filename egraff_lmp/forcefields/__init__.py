"""The force fields: one file each, one row each in the table below.

To add one, write `forcefields/NAME.py` with a pydantic-free settings dataclass and a builder, and
add its `ForceField` here. Command line, documentation and tests iterate over this table.
"""

from __future__ import annotations

from egraff_lmp.errors import EgraffError
from egraff_lmp.forcefields.allegro import ALLEGRO
from egraff_lmp.forcefields.base import (
    AtomicEnergyModel,
    ForceField,
    Network,
    NetworkContext,
    carry_over,
    edge_forces,
)
from egraff_lmp.forcefields.botnet import BOTNET
from egraff_lmp.forcefields.equiformer import EQUIFORMER
from egraff_lmp.forcefields.mace import MACE
from egraff_lmp.forcefields.nequip import NEQUIP
from egraff_lmp.forcefields.torchmdnet import TORCHMDNET

FORCE_FIELDS: dict[str, ForceField] = {
    entry.key: entry for entry in (NEQUIP, ALLEGRO, BOTNET, MACE, EQUIFORMER, TORCHMDNET)
}


def force_field(key: str) -> ForceField:
    """The table's entry `key`, or an error that lists the keys."""
    try:
        return FORCE_FIELDS[key]
    except KeyError:
        raise EgraffError(
            f"expected a force field out of {', '.join(FORCE_FIELDS)}, got '{key}'."
        ) from None


__all__ = [
    "FORCE_FIELDS",
    "AtomicEnergyModel",
    "ForceField",
    "Network",
    "NetworkContext",
    "carry_over",
    "edge_forces",
    "force_field",
]
