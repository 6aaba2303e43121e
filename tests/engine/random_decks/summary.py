"""A table of what was drawn and how far LAMMPS was from Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from random_decks.campaign import Entry
from random_decks.compare import QUANTITIES, UNFIT

COUNTED = ("system", "interactions", "models", "comm", "newton", "omp", "halo", "units")
AGREES, REFUSED = "agrees", "refused"


def table(entries: Sequence[Entry], seconds: float) -> str:
    """Draws by verdict, rank count and kind, and the largest differences by precision."""
    states = Counter(entry.verdict.state for entry in entries)
    refusals = [entry for entry in entries if "refused" in entry.words]
    lines = [
        f"{len(entries)} random decks in {seconds:.0f} s",
        f"decks whose every check agrees with Python: {states[AGREES]}",
        f"decks that the pair style must refuse: {len(refusals)}, of which {states[REFUSED]} were",
        f"decks refused by LAMMPS itself, which say nothing: {states[UNFIT]}",
    ]
    bad = {key: count for key, count in states.items() if key not in (AGREES, REFUSED, UNFIT)}
    lines.append("failures: " + (_counts(bad) or "none"))
    lines.append("refusals: " + _count(entry.words["refused"] for entry in refusals))
    fallen = [entry for entry in entries if entry.replaced]
    changes = _count(
        f"{_kind(name)} {words}" for entry in fallen for name, words in entry.replaced.items()
    )
    lines.append(f"decks in which a choice was impossible and another stands for it: {len(fallen)}")
    lines.append("of these choices: " + changes)
    # What follows is of those decks that were compared with Python.
    some = [entry for entry in entries if entry.verdict.state == AGREES]
    lines.append("ranks: " + _count(str(entry.ranks) for entry in some))
    lines.append("model kinds: " + _count(kind for entry in some for kind in _models(entry)))
    lines += [f"{name}: {_count(entry.words.get(name, '-') for entry in some)}" for name in COUNTED]
    histories = _count(
        word for entry in some for key, word in entry.words.items() if _is_place(key, "history")
    )
    lines.append("histories: " + histories)
    for single, name in ((False, "float64"), (True, "float32")):
        mine = [entry.verdict for entry in some if entry.single == single]
        worst = {
            key: max((verdict.worst[key] for verdict in mine), default=0.0) for key in QUANTITIES
        }
        words = ", ".join(f"{key} {value:.1e}" for key, value in worst.items())
        lines.append(f"largest relative difference of {len(mine)} decks in {name}: {words}")
    return "\n".join(lines)


def _is_place(key: str, kind: str) -> bool:
    """Whether a choice is number so and so of a kind: "history 0" is, "history" is not."""
    return key.startswith(f"{kind} ") and key.removeprefix(f"{kind} ").isdigit()


def _kind(name: str) -> str:
    """The name of a choice without the numbers in it."""
    return " ".join(word for word in name.split(" ") if not word.isdigit())


def _models(entry: Entry) -> list[str]:
    kinds = [word for key, word in entry.words.items() if _is_place(key, "model")]
    if entry.words["interactions"] in ("two of them", "scaled"):
        kinds += [word for key, word in entry.words.items() if _is_place(key, "other model")]
    return kinds


def _count(words: Iterable[str]) -> str:
    return _counts(Counter(words))


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{key} {count}" for key, count in sorted(counts.items()))
