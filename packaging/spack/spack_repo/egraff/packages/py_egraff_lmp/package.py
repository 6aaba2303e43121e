"""egraff_lmp on the LAMMPS, MPI and torch that Spack builds or that a site has.

Spack 1.0 or later, with package repositories that know py-torch 2.13.0. In the root of a checkout:

    make wheel                                      # also writes the sdist that gets built here
    spack repo add packaging/spack/spack_repo/egraff
    cd dist && spack install --no-checksum py-egraff-lmp
    spack load py-egraff-lmp
    srun lmp -in in.deck -var model model.pt

Any MPI will do: `py-egraff-lmp ^cray-mpich`, `^openmpi`, or an external one of the site. Without
CUDA: `py-egraff-lmp ^py-torch~cuda`. This is what a simulation needs; the extras (training, scores,
...) come by pip into an environment of one's own that is made with --system-site-packages.
"""

import os

from spack_repo.builtin.build_systems.python import PythonPackage

from spack.package import *


class PyEgraffLmp(PythonPackage):
    """Equivariant graph-neural-network force fields in LAMMPS, exact on any number of MPI ranks."""

    # The sdist of `make wheel`, in the folder where spack is called.
    manual_download = True
    url = f"file://{os.getcwd()}/egraff_lmp-0.1.0.tar.gz"

    license("MIT")

    version("0.1.0")

    with default_args(type="build"):
        depends_on("cxx")
        depends_on("cmake@3.24:")
        depends_on("ninja")
        depends_on("py-scikit-build-core@0.10:")

    with default_args(type=("build", "link", "run")):
        depends_on("lammps@20250722 +lib+mpi+plugin+python")
        depends_on("mpi")
        depends_on("py-torch@2.13.0")

    with default_args(type=("build", "run")):
        depends_on("python@3.10:3.13")
        depends_on("py-numpy@1.26:2")
        depends_on("py-ase@3.23:3")
        depends_on("py-typer@0.12:0")
        depends_on("py-rich@13:15")
        depends_on("py-platformdirs@4")
        depends_on("py-packaging@22:27")

    def config_settings(self, spec, prefix):
        """Against LAMMPS' installed headers, with the folders of what is linked in the RPATH."""
        bigbig = spec["lammps"].satisfies("lammps_sizes=bigbig")
        return {
            "cmake.define.LAMMPS_SOURCE_DIR": join_path(spec["lammps"].prefix, "include", "lammps"),
            "cmake.define.LAMMPS_BIGBIG": "ON" if bigbig else "OFF",
            "cmake.define.CMAKE_INSTALL_RPATH_USE_LINK_PATH": "ON",
        }

    def setup_run_environment(self, env):
        """LAMMPS finds the plugin, so decks need no `plugin load`."""
        platlib = self.spec["python"].package.platlib
        env.prepend_path("LAMMPS_PLUGIN_PATH", join_path(self.prefix, platlib, "egraff_lmp", "lib"))
