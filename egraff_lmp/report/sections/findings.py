"""What the numbers of several systems mean, system by system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from egraff_lmp.report.base import Page
from egraff_lmp.report.findings import findings
from egraff_lmp.report.words import title_of
from egraff_lmp.results.record import DONE


def findings_of_systems(page: Page) -> Mapping[str, Any] | None:
    """The sentences of each system that has scores, of its ordinary models; None without any."""
    found = [
        (system, findings(system.ordinary, [title_of(one) for one in system.ordinary]))
        for system in page.results.systems
        if any(result.state == DONE for result in system.ordinary)
    ]
    return {"systems": found} if found else None
