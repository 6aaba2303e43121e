"""The two consoles of the command line: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import logging
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

# Characters that make a terminal do something, or show text in another order than it has: what
# comes out of a file (a contract, a message with a name in it) is shown, and does nothing.
_ACTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class PlainConsole(Console):
    """A console on which text is text: no markup, no emoji, no control characters in it."""

    def __init__(self, *, stderr: bool = False) -> None:
        # No emoji: `:train` is a part of a data set, not a picture.
        super().__init__(stderr=stderr, emoji=False, markup=False)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Segments of a renderable, with a question mark for every active character."""
        for segment in super().render(renderable, options):
            if segment.control or not _ACTIVE.search(segment.text):
                yield segment
            else:
                yield segment._replace(text=_ACTIVE.sub("?", segment.text))


output = PlainConsole()
errors = PlainConsole(stderr=True)


class Once(logging.Filter):
    """Lets each text through once: of data that are read twice."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the text is a new one."""
        text = record.getMessage()
        new = text not in self._seen
        self._seen.add(text)
        return new


def log_once() -> None:
    """What the library logs goes to stderr, each text once, where no other handler is set up."""
    # A filter on a handler of our own: on those of a program around us it would stay for good.
    handler = logging.StreamHandler()
    handler.addFilter(Once())
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[handler])


def print_json(value: Any) -> None:
    """Print a value as JSON on stdout: the one way in which commands do so.

    Mappings, lists, tuples, arrays, paths and plain values; what is not finite becomes null, since
    JSON has no word for it.
    """
    sys.stdout.write(json.dumps(_plain(value), indent=1, allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


@contextmanager
def counting(noun: str) -> Iterator[Callable[[int, int], None] | None]:
    """A bar of things done on a terminal; None in a log, for what takes seconds to minutes."""
    if not errors.is_terminal:
        yield None
        return
    from rich import progress as rich

    columns = (noun, rich.BarColumn(), rich.MofNCompleteColumn(), rich.TimeRemainingColumn())
    with rich.Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task(noun, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
