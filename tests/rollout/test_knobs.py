"""What a deck declares, and what a command line says of it."""

import pytest

from egraff_lmp.errors import EgraffError
from egraff_lmp.paths import decks_dir
from egraff_lmp.rollout.deck import DECKS
from egraff_lmp.rollout.knobs import Knobs, given_variables

DECK = """variable model index "/a b # 1/m.pt"
variable steps index 20 # in front, so that it counts

variable steps  index 1000    # in all
variable seed   index 12345
# --- potential ----
variable q index '"'
if "$(is_defined(variable,restart))" then "read_restart x"
"""


@pytest.mark.parametrize("name", DECKS.values())
def test_the_knobs_of_the_decks(name):
    knobs = Knobs.of_deck((decks_dir() / name).read_text())
    assert {"out", "threads", "model", "data", "elements", "pair", "coeff"} <= knobs.names
    assert not {"q", "s", "columns", "title"} & knobs.names
    assert ("restart" in knobs.names) == (name in ("in.nve", "in.nvt", "in.npt"))
    assert knobs.defaults["out"] == "."


def test_the_first_value_counts():
    knobs = Knobs.of_deck(DECK)
    assert knobs.defaults == {"model": "/a b # 1/m.pt", "steps": "20", "seed": "12345"}
    assert knobs.values({"steps": "7"})["steps"] == "7"
    assert knobs.commands == Knobs.of_deck(DECK.replace("20 #", "30 #")).commands
    assert knobs.commands != Knobs.of_deck(DECK + "run 1\n").commands


def test_variables_of_a_command_line():
    words = ["-log", "a", "-var", "elements", "Ge", "Te", "-v", "steps", "20"]
    words += ["-var", "steps", "30", "-echo", "none", "-var", "x"]
    assert given_variables(words) == {"elements": "Ge Te", "steps": "20"}


@pytest.mark.parametrize(
    ("name", "message"),
    [("stpes", "got -var stpes: did you mean steps"), ("zzz", "it knows model, restart, seed")],
)
def test_names_that_the_deck_does_not_know(name, message):
    with pytest.raises(EgraffError, match=message):
        Knobs.of_deck(DECK).values({name: "20"})
