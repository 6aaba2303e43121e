"""Are the compiled libraries there?"""

from __future__ import annotations

import egraff_lmp
from egraff_lmp.doctor.finding import Context, Finding, reinstall_advice
from egraff_lmp.doctor.versions import read_build_record
from egraff_lmp.errors import EgraffError
from egraff_lmp.paths import OPS_LIBRARY, PLUGIN_LIBRARY, native_dir


def check_compiled(context: Context) -> list[Finding]:
    """The plugin, the operator library and the record of what they were built against."""
    title = "compiled part"
    try:
        folder = native_dir()
    except EgraffError:
        return [
            Finding(
                title,
                "failed",
                f"no {PLUGIN_LIBRARY} in this installation",
                expected=f"{PLUGIN_LIBRARY} and {OPS_LIBRARY} in the package's folder lib",
                advice=reinstall_advice(),
            )
        ]
    if not (folder / OPS_LIBRARY).is_file():
        return [
            Finding(
                title,
                "failed",
                f"no {OPS_LIBRARY} in {folder}",
                expected=f"{OPS_LIBRARY} beside {PLUGIN_LIBRARY}",
                advice=reinstall_advice(),
            )
        ]
    record = read_build_record(folder)
    if record is None:
        return [
            Finding(
                title,
                "warning",
                f"{folder}, without a readable build_info.json",
                expected="build_info.json beside the libraries, to compare versions with",
                advice=reinstall_advice(),
            )
        ]
    if record.egraff_lmp != egraff_lmp.__version__:
        return [
            Finding(
                title,
                "failed",
                f"libraries of egraff_lmp {record.egraff_lmp} in {folder}",
                expected=f"libraries of egraff_lmp {egraff_lmp.__version__}, as the Python part",
                advice=reinstall_advice(),
            )
        ]
    return [Finding(title, "ok", str(folder))]
