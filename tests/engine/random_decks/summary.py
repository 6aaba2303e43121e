"""A table of what was drawn and how far LAMMPS was from Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from random_decks.campaign import Entry
from random_decks.compare import QUANTITIES

COUNTED = ("system", "interactions", "models", "comm", "newton", "omp", "halo", "units")


def table(entries: Sequence[Entry], seconds: float) -> str:
    """Draws by verdict, rank count and kind, and the largest differences by precision."""
    lines = [f"{len(entries)} random decks in {seconds:.0f} s"]
    lines.append("verdicts: " + _counts(Counter(entry.verdict.state for entry in entries)))
    lines.append("ranks: " + _counts(Counter(str(entry.ranks) for entry in entries)))
    for name in COUNTED:
        lines.append(f"{name}: {_counts(Counter(entry.words.get(name, '-') for entry in entries))}")
    histories = Counter(
        word for entry in entries for key, word in entry.words.items() if key.startswith("history ")
    )
    lines.append("histories: " + _counts(histories))
    for single, name in ((False, "float64"), (True, "float32")):
        some = [e.verdict for e in entries if e.single == single and e.verdict.state == "agrees"]
        worst = {
            key: max((verdict.worst[key] for verdict in some), default=0.0) for key in QUANTITIES
        }
        words = ", ".join(f"{key} {value:.1e}" for key, value in worst.items())
        lines.append(f"largest relative difference of {len(some)} decks in {name}: {words}")
    return "\n".join(lines)


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{key} {count}" for key, count in sorted(counter.items()))
