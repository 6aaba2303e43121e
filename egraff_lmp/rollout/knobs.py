"""What a deck declares as its knobs, and what a command line sets them to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from egraff_lmp.errors import EgraffError

_KNOB = re.compile(r"^variable (\w+) +index +(.*)$", flags=re.M)
_ASKED_FOR = re.compile(r"is_defined\(variable,(\w+)\)")
_END_OF_KNOBS = "# --- potential"  # what follows are the deck's own variables


@dataclass(frozen=True)
class Knobs:
    """The knobs of a deck.

    Attributes:
        defaults: value of each knob that the deck gives one; the first one counts, as in LAMMPS.
        names: all variables that `-var` may set.
        commands: the deck without the knobs' values.
    """

    defaults: Mapping[str, str]
    names: frozenset[str]
    commands: str

    @classmethod
    def of_deck(cls, text: str) -> Knobs:
        """The knobs in the text of a deck: `variable NAME index DEFAULT` in its upper part."""
        head, mark, rest = text.partition(_END_OF_KNOBS)
        defaults: dict[str, str] = {}
        for name, value in _KNOB.findall(head):
            defaults.setdefault(name, _plain(value))
        names = {*defaults, *_ASKED_FOR.findall(text)}
        if "variable pair index" in rest:
            names.add("pair")
        return cls(defaults, frozenset(names), _KNOB.sub("", head) + mark + rest)

    def values(self, given: Mapping[str, str]) -> dict[str, str]:
        """What the deck runs with: its defaults, and what the command line sets.

        Raises:
            EgraffError: a name that the deck does not know.
        """
        for name in given:
            if name not in self.names:
                known = sorted(self.names)
                near = get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]}?" if near else f"it knows {', '.join(known)}."
                raise EgraffError(f"expected a variable of the deck, got -var {name}: {hint}")
        return {**self.defaults, **given}


def given_variables(words: Sequence[str]) -> dict[str, str]:
    """Names and values of `-var NAME VALUE ...` among arguments of LAMMPS; the first one counts."""
    found: dict[str, str] = {}
    position = 0
    while position < len(words):
        position += 1
        if words[position - 1] not in ("-var", "-v") or position + 1 >= len(words):
            continue
        name, end = words[position], position + 2
        while end < len(words) and not words[end].startswith("-"):
            end += 1
        found.setdefault(name, " ".join(words[position + 1 : end]))
        position = end
    return found


def _plain(value: str) -> str:
    """A value without its quotes and the comment behind it."""
    if value[:1] in ("'", '"') and (end := value.find(value[0], 1)) > 0:
        return value[1:end]
    return re.sub(r"(^|\s+)#.*", "", value).strip()
