"""The exceptions that a user is meant to read."""

from __future__ import annotations


class EgraffError(Exception):
    """A mistake that the user can mend.

    The message is one or two sentences: what was expected, what was got, what to do next. The
    command line prints it without a traceback and exits with status 1.
    """


class NotEqualError(EgraffError):
    """A network on the kernels that is not its reference network."""


def require(package: str, extra: str) -> EgraffError:
    """Error for a missing optional package, naming the extra of this project that brings it."""
    return EgraffError(
        f"this command needs the package '{package}', which is not installed: "
        f"run `pip install 'egraff_lmp[{extra}]'`."
    )
