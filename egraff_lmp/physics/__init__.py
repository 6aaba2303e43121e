"""What a deployed file says of physics that needs no reference trajectory: `egraff bench physics`.

Each check of `checks/` is one row of `table.py`; it gives findings, each with a verdict, and the
curves that they were read from.
"""

from egraff_lmp.physics.record import CheckResult, Line, Panel, Report, Settings
from egraff_lmp.physics.run import run_physics
from egraff_lmp.physics.table import CHECKS

__all__ = [
    "CHECKS",
    "CheckResult",
    "Line",
    "Panel",
    "Report",
    "Settings",
    "run_physics",
]
