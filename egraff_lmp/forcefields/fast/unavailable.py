"""The one exception of this room."""

from __future__ import annotations


class KernelsUnavailable(Exception):
    """A network that the kernels do not cover; the message says what they expect and what it has.

    It never reaches a user as an error: the file is then exported with the reference network, and
    `egraff deploy` prints the message.
    """
