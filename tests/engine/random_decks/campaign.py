"""Many draws: run by rank count, compared with Python while the next ones run, and counted."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from egraff_lmp.paths import OPS_LIBRARY, PLUGIN_LIBRARY, native_dir
from random_decks.compare import QUANTITIES, UNFIT, Verdict, compare, tolerance
from random_decks.control import control_of
from random_decks.draw import Draw, make_draw
from random_decks.launch import Found, run_batch
from random_decks.models import make_model

# So many consecutive draws are run on all of their rank counts before the next ones are begun: a
# study that is stopped has seen every rank count.
CHUNK = 250
# Set: entries of the log count even if another build of the plugin made them.
ANY_PLUGIN = "EGRAFF_RANDOM_ANY_PLUGIN"
# LAMMPS itself refuses a draw with one of these messages, whatever its pair style is. Nothing is
# learnt from such a draw; test_random_decks.py limits how many there may be.
LAMMPS_REFUSES: tuple[str, ...] = (
    r"Cannot use neighbor bins - box size << cutoff",
    r"Communication cutoff for comm_style tiled cannot exceed periodic box length",
)
REPEAT = "EGRAFF_RANDOM_DECK='{name}' python -m pytest tests/engine/test_random_decks.py -k repeat"


@dataclass(frozen=True)
class Entry:
    """A draw and what became of it, as it is kept.

    Attributes:
        single: whether any of its models is of float32.
        words, replaced: choices, as in `Draw`.
        deck: `Draw.digest`.
        libraries: `libraries_digest` of the plugin that it ran with.
    """

    name: str
    ranks: int
    single: bool
    words: Mapping[str, str]
    replaced: Mapping[str, str]
    deck: str
    libraries: Mapping[str, str]
    verdict: Verdict

    @property
    def ok(self) -> bool:
        """Whether the draw did what it must."""
        return self.verdict.ok


def libraries_digest() -> dict[str, str]:
    """First 12 digits of the SHA-256 of the plugin, and of the library of its operators."""
    return {
        name: hashlib.sha256((native_dir() / name).read_bytes()).hexdigest()[:12]
        for name in (PLUGIN_LIBRARY, OPS_LIBRARY)
    }


def judge(found: Found, models: dict[str, Path]) -> Verdict:
    """The verdict on a draw that has run."""
    draw, nothing = found.draw, dict.fromkeys(QUANTITIES, 0.0)
    if found.state != "ended":
        return Verdict(found.state, found.error, nothing)
    if draw.expects:
        if re.search(draw.expects, found.error):
            return Verdict("refused", "", nothing)
        told = found.error or "no error"
        return Verdict("differs", f"expected the refusal '{draw.expects}', got {told}", nothing)
    if any(re.search(pattern, found.error) for pattern in LAMMPS_REFUSES):
        return Verdict(UNFIT, found.error, nothing)
    if found.error:
        return Verdict("error", found.error, nothing)
    return compare(draw, found.values, models)


class Campaign:
    """Runs draws, keeps their verdicts, and makes a failing draw simpler.

    Args:
        folder: where decks and models are written.
        log: verdicts are appended to this file, a line each. Draws whose verdict by this build of
            the plugin stands in it are not run again.
        tell: called with a line of progress now and then.
    """

    def __init__(
        self, folder: Path, log: Path | None = None, tell: Callable[[str], None] | None = None
    ) -> None:
        self.folder, self.log, self.tell = folder, log, tell or (lambda line: None)
        self._models: dict[str, Path] = {}
        self._batches = 0
        self._libraries = libraries_digest()

    def models(self, draws: Iterable[Draw]) -> dict[str, Path]:
        """Files of the kinds that these draws and earlier ones need, each made once."""
        where = self.folder / "models"
        where.mkdir(parents=True, exist_ok=True)
        for name in {name for draw in draws for name in draw.interactions.members}:
            if name not in self._models:
                self._models[name] = make_model(name, where)
        return self._models

    def run(self, seed: int, first: int, count: int) -> list[Entry]:
        """The verdicts on the draws first .. first + count - 1 of a seed."""
        entries = self.known()
        draws = [make_draw(seed, index) for index in range(first, first + count)]
        wanted = {draw.name for draw in draws}
        digests = {draw.name: draw.digest for draw in draws}
        entries = {n: e for n, e in entries.items() if e.deck == digests.get(n)}
        draws = [draw for draw in draws if draw.name not in entries]
        start = time.monotonic()
        for done, entry in enumerate(self.run_draws(draws), 1):
            entries[entry.name] = entry
            if not entry.ok or done % 50 == 0:
                line = f"{done} of {len(draws)} draws, {time.monotonic() - start:.0f} s"
                self.tell(f"{line}: {entry.name} {entry.verdict.state}")
        return [entry for name, entry in entries.items() if name in wanted]

    def run_draws(self, draws: Sequence[Draw]) -> Iterator[Entry]:
        """Each as it comes: chunk by chunk, those of a chunk in the order of their rank counts."""
        models = self.models(draws)
        for at in range(0, len(draws), CHUNK):
            chunk = draws[at : at + CHUNK]
            for ranks in sorted({draw.settings.ranks for draw in chunk}):
                mine = [draw for draw in chunk if draw.settings.ranks == ranks]
                self._batches += 1
                where = self.folder / f"batch-{self._batches}"
                for found in run_batch(mine, ranks, where, models):
                    verdict = judge(found, models)
                    if verdict.state == "error" and self._fails_alike(found, models):
                        verdict = replace(verdict, state=UNFIT)
                    yield self._entry(found.draw, verdict)
                shutil.rmtree(where)

    def _fails_alike(self, found: Found, models: dict[str, Path]) -> bool:
        """Whether the deck ends with the same message without the pair style under test."""
        control, where = control_of(found.draw), self.folder / "control"
        (other,) = run_batch([control], control.settings.ranks, where, models)
        shutil.rmtree(where)
        return other.state == "ended" and other.error == found.error

    def simplify(self, draw: Draw) -> Draw:
        """A draw with as many choices as possible at their plainest that still is not ok.

        Each round tries every choice alone, then all of those together that did not matter.
        """
        seed, index = (int(word) for word in draw.name.split(":")[:2])
        fixed: dict[str, int] = {}
        while True:
            current = make_draw(seed, index, fixed)
            names = [key for key, place in current.made.items() if place and key != "refusal"]
            tries = {key: make_draw(seed, index, {**fixed, key: 0}) for key in names}
            bad = {entry.name for entry in self.run_draws(list(tries.values())) if not entry.ok}
            idle = [key for key, one in tries.items() if one.name in bad]
            if not idle:
                return current
            together = {**fixed, **dict.fromkeys(idle, 0)}
            (entry,) = self.run_draws([make_draw(seed, index, together)])
            fixed = {**fixed, idle[0]: 0} if entry.ok else together
            self.tell(f"simpler: {make_draw(seed, index, fixed).name}")

    def _entry(self, draw: Draw, verdict: Verdict) -> Entry:
        entry = Entry(
            draw.name,
            draw.settings.ranks,
            draw.interactions.single,
            draw.words,
            draw.replaced,
            draw.digest,
            self._libraries,
            verdict,
        )
        if self.log:
            with open(self.log, "a") as stream:
                stream.write(json.dumps(asdict(entry)) + "\n")
        return entry

    def known(self) -> dict[str, Entry]:
        """Verdicts of earlier runs, by name: those by this build of the plugin, or by any.

        Entries that an earlier version of this module has written do not name their build; a line
        that was cut off when a study was killed counts as none.
        """
        if self.log is None or not self.log.exists():
            return {}
        found = {}
        for line in self.log.read_text().splitlines():
            with suppress(json.JSONDecodeError):
                raw = {"libraries": {}, "replaced": {}, "deck": ""} | json.loads(line)
                entry = Entry(**{**raw, "verdict": Verdict(**raw["verdict"])})
                if ANY_PLUGIN in os.environ or entry.libraries == self._libraries:
                    found[entry.name] = entry
        return found


def complaint(draw: Draw, verdict: Verdict) -> str:
    """What is wrong with a draw, its deck, and how to repeat it."""
    head = f"==== deck {draw.name}: {verdict.state} (tolerance {tolerance(draw):g})"
    return f"\n{head}\n{verdict.text}\n{draw.text()}to repeat it: {REPEAT.format(name=draw.name)}\n"
