"""Is this a Python that everything here runs on?"""

from __future__ import annotations

import sys

from egraff_lmp.doctor.finding import Context, Finding

OLDEST, FIRST_NOT = (3, 10), (3, 14)


def check_python(
    context: Context, version: tuple[int, int, int] = sys.version_info[:3]
) -> list[Finding]:
    """Python 3.10 to 3.13; TorchScript, which models are deployed as, stops before 3.14."""
    got = f"{'.'.join(map(str, version))} ({sys.executable})"
    if OLDEST <= version[:2] < FIRST_NOT:
        return [Finding("Python", "ok", got)]
    return [
        Finding(
            "Python",
            "failed",
            got,
            expected="3.10 to 3.13 (torch cannot script models on 3.14)",
            advice="make an environment with such a Python: `make setup PYTHON=python3.12`",
        )
    ]
