"""Sentences for people, made of facts: the one place where scoring puts numbers into words.

The command line and the pages call `say`; nothing reads a sentence back.
"""

from __future__ import annotations

from egraff_lmp.score.records import Fact

FLOOR = (
    "the same formula on the first half of the reference frames against the second half; for EV, "
    "FV and RMSD, frame by frame at equal index; for a stability, the second half against the "
    "criteria from the first"
)

# Code of a fact to its sentence, without a full stop; the values of the fact are put in.
SENTENCES: dict[str, str] = {
    # Windows.
    "distances": "rollout frames from {skip} on, r < {r_max:.4g} A in bins of {bin_width:g} A",
    # Why there is no value.
    "not-finite": "the value is not finite",
    "no-volume": "the reference states no cell, and the value scales with its volume",
    "no-finite-frame": "no frame of the rollouts is finite",
    "no-distances": "there are no {part} distances below r_max in reference or rollouts",
}


def say(fact: Fact) -> str:
    """The sentence of a fact, without a full stop.

    Raises:
        KeyError: a code without a sentence, or a value that the sentence needs is missing.
    """
    return SENTENCES[fact.code].format(**fact.values)
