"""The two consoles of the command line: results on stdout, everything else on stderr."""

from __future__ import annotations

from rich.console import Console

output = Console()
errors = Console(stderr=True)
