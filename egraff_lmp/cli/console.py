"""The two consoles of the command line: results on stdout, everything else on stderr."""

from __future__ import annotations

from rich.console import Console

# No emoji: `:train` is a part of a data set, not a picture.
output = Console(emoji=False)
errors = Console(stderr=True, emoji=False)
