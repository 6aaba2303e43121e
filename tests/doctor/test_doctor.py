"""Every way to break an installation that the doctor knows, done for real in a scratch one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from egraff_lmp.doctor import CHECKS, Context, Finding, diagnose
from egraff_lmp.doctor.mpi_flavour import check_flavour
from egraff_lmp.doctor.probe import Probe
from egraff_lmp.doctor.python import check_python
from egraff_lmp.doctor.versions import BuildRecord
from egraff_lmp.errors import EgraffError
from egraff_lmp.paths import OPS_LIBRARY, PLUGIN_LIBRARY

# An mpiexec that starts N unconnected copies, as one of another MPI does.
FOREIGN_MPIEXEC = """#!/bin/sh
shift; n=$1; shift
while [ $n -gt 0 ]; do "$@" & n=$((n-1)); done
wait
"""


def program(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_an_unbroken_installation_is_healthy(scratch):
    status, findings = scratch.doctor()
    assert {f["title"]: f["got"] for f in findings.values() if f["state"] == "failed"} == {}
    assert status == 0
    for title in (
        "Python",
        "torch",
        "LAMMPS",
        "MPI library",
        "pair_style egraff",
        "lmp",
        "mpiexec",
    ):
        assert findings[title]["state"] == "ok", findings[title]


def test_missing_plugin(scratch):
    (scratch.lib / PLUGIN_LIBRARY).unlink()
    status, findings = scratch.doctor("compiled", "lammps", "lmp")
    assert status == 1
    assert findings["compiled part"]["state"] == "failed"
    assert PLUGIN_LIBRARY in findings["compiled part"]["got"]
    assert "make setup" in findings["compiled part"]["advice"]
    for title in ("LAMMPS", "lmp"):
        assert findings[title]["state"] == "failed"
        assert "the compiled part of egraff_lmp was not found" in findings[title]["got"]
        assert "make setup" in findings[title]["advice"]


# A file too short for its first header the loader refuses; one cut later takes LAMMPS down.
@pytest.mark.parametrize(("size", "words"), [(10, "file too short"), (1000, "SIGBUS")])
def test_truncated_plugin(scratch, size, words):
    plugin = scratch.lib / PLUGIN_LIBRARY
    plugin.write_bytes(plugin.read_bytes()[:size])
    status, findings = scratch.doctor("lammps", "lmp")
    assert status == 1
    assert findings["LAMMPS"]["state"] == "ok"
    style = findings["pair_style egraff"]
    assert style["state"] == "failed"
    assert words in style["got"]
    assert "make setup" in style["advice"]
    assert findings["lmp"]["state"] == "failed"


def test_missing_operator_library(scratch):
    (scratch.lib / OPS_LIBRARY).unlink()
    status, findings = scratch.doctor("compiled", "torch", "lammps")
    assert status == 1
    assert OPS_LIBRARY in findings["compiled part"]["got"]
    assert findings["torch"]["state"] == "ok"
    assert findings["exchange operator"]["state"] == "failed"
    assert OPS_LIBRARY in findings["exchange operator"]["got"]
    # the plugin needs it as well, and the loader says so
    assert OPS_LIBRARY in findings["pair_style egraff"]["got"]


def test_library_that_is_no_library(scratch):
    (scratch.lib / OPS_LIBRARY).write_text("not a library")
    status, findings = scratch.doctor("torch")
    assert status == 1
    assert findings["exchange operator"]["state"] == "failed"


@pytest.mark.parametrize(
    ("built", "state", "status"), [("2.12.1", "failed", 1), ("2.13.9", "warning", 0)]
)
def test_built_for_another_torch(scratch, built, state, status):
    scratch.set_built(torch=built)
    got_status, findings = scratch.doctor("torch")
    assert got_status == status
    torch = findings["torch"]
    assert torch["state"] == state
    assert f"torch {built}" in torch["expected"]
    assert "2.13.0" in torch["got"]
    assert f"pip install torch=={built}" in torch["advice"]


@pytest.mark.parametrize(
    ("built", "state", "status"),
    [
        ("2024.8.29.4.0", "failed", 1),
        ("29 Aug 2024 - Update 1", "failed", 1),
        ("2025.7.22.3.0", "warning", 0),
        ("22 Jul 2025 - Update 4", "ok", 0),
    ],
)
def test_built_for_another_lammps(scratch, built, state, status):
    scratch.set_built(lammps=built)
    got_status, findings = scratch.doctor("lammps")
    assert got_status == status
    assert findings["LAMMPS"]["state"] == state
    if state != "ok":
        assert built in findings["LAMMPS"]["expected"]


def test_built_for_another_mpi(scratch):
    scratch.set_built(mpi="Open MPI v4.1.4, package: Debian")
    status, findings = scratch.doctor("lammps")
    assert status == 1
    mpi = findings["MPI library"]
    assert mpi["state"] == "failed"
    assert "Open MPI v4.1.4" in mpi["expected"]
    assert "MPICH" in mpi["got"]


def test_built_for_an_mpi_that_did_not_say_its_name():
    """As builds against a site's MPI may be. It can't be compared, and is no reason to fail."""
    loaded = {"mpi": True, "libmpi": [], "libmpi_version": "MPICH Version: 5.0.2"}
    probe = Probe((loaded,), "", "")
    for flavour, state in (("", "ok"), ("MVAPICH 3.0", "ok"), ("Open MPI v4.1.4", "failed")):
        record = BuildRecord("0.1.0", "2.13.0", "2025.7.22", flavour)
        assert check_flavour(probe, record).state == state


def test_compiled_part_of_another_release(scratch):
    scratch.set_built(egraff_lmp="0.0.1")
    status, findings = scratch.doctor("compiled")
    assert status == 1
    assert "0.0.1" in findings["compiled part"]["got"]


@pytest.mark.parametrize("text", [None, "{", "[]", '{"torch": "2.13.0"}'])
def test_unreadable_build_record_is_a_warning(scratch, text):
    path = scratch.lib / "build_info.json"
    path.unlink()
    if text is not None:
        path.write_text(text)
    status, findings = scratch.doctor("compiled")
    assert status == 0
    assert findings["compiled part"]["state"] == "warning"
    assert "build_info.json" in findings["compiled part"]["got"]


@pytest.mark.parametrize(
    ("package", "check", "title"),
    [("torch", "torch", "torch"), ("lammps", "lammps", "LAMMPS")],
)
def test_missing_runtime_package(scratch, package, check, title):
    scratch.remove(package)
    status, findings = scratch.doctor(check, "packages")
    assert status == 1
    assert findings[title]["state"] == "failed"
    assert f"pip install {package}==" in findings[title]["advice"]
    assert package in findings["runtime packages"]["got"]


def test_missing_mpi(scratch):
    scratch.remove("mpich")
    for path in [*(scratch.root / "lib").glob("libmpi*"), *(scratch.root / "bin").glob("mpi*")]:
        path.unlink()
    status, findings = scratch.doctor("lammps", "mpiexec", PATH=str(scratch.root / "empty"))
    assert status == 1
    assert "libmpi.so.12" in findings["LAMMPS"]["got"]
    assert "mpich" in findings["LAMMPS"]["advice"]
    assert findings["mpiexec"]["state"] == "failed"
    assert "pip install mpich" in findings["mpiexec"]["advice"]


def test_damaged_mpi_library(scratch):
    library = scratch.root / "lib" / "libmpi.so.12"
    library.unlink()
    library.write_bytes(b"\x7fELF and then nothing")
    status, findings = scratch.doctor("lammps")
    assert status == 1
    assert findings["LAMMPS"]["state"] == "failed"
    assert "libmpi" in findings["LAMMPS"]["got"]


def test_foreign_mpiexec_that_starts_single_ranks(scratch):
    foreign = program(scratch.root / "site", "mpiexec", FOREIGN_MPIEXEC)
    status, findings = scratch.doctor("mpiexec", PATH=f"{foreign.parent}:/usr/bin:/bin")
    assert status == 1
    assert findings["mpiexec"]["state"] == "ok"
    found = findings["mpiexec on the PATH"]
    assert found["state"] == "failed"
    assert str(foreign) in found["got"]
    assert "2 times a LAMMPS of 1 rank" in found["got"]
    assert "export PATH=" in found["advice"]


def test_foreign_mpiexec_that_only_wraps_the_own_one(scratch):
    own = scratch.root / "bin" / "mpiexec"
    wrapper = program(scratch.root / "site", "mpiexec", f'#!/bin/sh\nexec "{own}" "$@"\n')
    status, findings = scratch.doctor("mpiexec", PATH=f"{wrapper.parent}:/usr/bin:/bin")
    assert status == 0
    assert findings["mpiexec on the PATH"]["state"] == "ok"


def test_foreign_mpiexec_that_refuses(scratch):
    refusing = program(scratch.root / "site", "mpirun", "#!/bin/sh\necho no allocation; exit 7\n")
    status, findings = scratch.doctor("mpiexec", PATH=f"{refusing.parent}:/usr/bin:/bin")
    assert status == 0
    found = findings["mpirun on the PATH"]
    assert found["state"] == "warning"
    assert "no allocation" in found["got"]
    assert "status 7" in found["got"]


def test_own_mpiexec_that_hangs_is_ended(scratch):
    own = scratch.root / "bin" / "mpiexec"
    own.unlink()
    program(own.parent, "mpiexec", "#!/bin/sh\nsleep 600\n")
    script = (
        "from egraff_lmp.doctor import Context, diagnose;"
        "print(diagnose(Context(timeout_seconds=1.0), ['mpiexec'])[0])"
    )
    ended = subprocess.run(
        [scratch.python, "-c", script], capture_output=True, text=True, timeout=30, check=True
    )
    assert "state='failed'" in ended.stdout
    assert "no answer within 1 s" in ended.stdout


def test_crash_of_a_library_is_a_finding(scratch):
    for name in ("torch", "lammps"):
        (scratch.site / name).unlink()
        module = scratch.site / name
        module.mkdir()
        (module / "__init__.py").write_text("import os; os.kill(os.getpid(), 11)\n")
    status, findings = scratch.doctor("torch", "lammps")
    assert status == 1
    assert "SIGSEGV" in findings["torch"]["got"]
    assert "SIGSEGV" in findings["LAMMPS"]["got"]


def test_lmp_of_another_installation(scratch):
    foreign = program(
        scratch.root / "site", "lmp", "#!/bin/sh\necho 'ERROR: Unrecognized pair style'; exit 1\n"
    )
    status, findings = scratch.doctor("lmp", PATH=f"{foreign.parent}:/usr/bin:/bin")
    assert status == 0
    assert findings["lmp"]["state"] == "ok"
    found = findings["lmp on the PATH"]
    assert found["state"] == "warning"
    assert "Unrecognized pair style" in found["got"]


def test_lmp_without_the_entry_point(scratch):
    (entry_points,) = scratch.site.glob("egraff_lmp-*.dist-info/entry_points.txt")
    entry_points.unlink()
    status, findings = scratch.doctor("lmp", "lammps")
    assert status == 1
    assert findings["lmp"]["state"] == "failed"
    assert findings["pair_style egraff"]["state"] == "ok"


def test_packages_of_an_extra(scratch):
    scratch.remove("lightning")
    scratch.remove("mace_torch")
    scratch.set_version("scipy", "0.9")
    status, findings = scratch.doctor("packages")
    assert status == 0
    assert "lightning" in findings["packages: train"]["got"]
    assert "egraff_lmp[train]" in findings["packages: train"]["advice"]
    assert "--no-deps mace-torch" in findings["packages: forcefields"]["advice"]
    assert findings["packages: score"]["state"] == "warning"
    assert "scipy 0.9, not" in findings["packages: score"]["got"]
    # mace-torch's pin of another e3nn is not taken for a fault
    assert findings["packages: forcefields"]["state"] == "ok"


def test_another_plugin_in_the_plugin_path(scratch):
    other = scratch.root / "other plugins"
    other.mkdir()
    (other / PLUGIN_LIBRARY).write_bytes(b"")
    status, findings = scratch.doctor("variables", LAMMPS_PLUGIN_PATH=f"{other}:{scratch.lib}")
    assert status == 0
    assert findings["LAMMPS_PLUGIN_PATH"]["state"] == "warning"
    assert str(other) in findings["LAMMPS_PLUGIN_PATH"]["got"]
    assert str(scratch.lib) not in findings["LAMMPS_PLUGIN_PATH"]["got"]


def test_own_plugin_path_is_no_conflict(scratch):
    _, findings = scratch.doctor("variables", LAMMPS_PLUGIN_PATH=str(scratch.lib))
    assert findings["environment variables"]["state"] == "ok"


def test_second_libraries_in_the_library_path(scratch):
    second = scratch.second_mpi()
    _, findings = scratch.doctor(
        "variables",
        LD_LIBRARY_PATH=f"{second.parent}:{scratch.root / 'lib'}",
        LD_PRELOAD=str(second),
    )
    assert findings["LD_LIBRARY_PATH"]["state"] == "warning"
    assert findings["LD_LIBRARY_PATH"]["got"] == str(second)
    assert findings["LD_PRELOAD"]["state"] == "warning"


def test_two_mpi_libraries_in_one_process(scratch):
    second = scratch.second_mpi()
    status, findings = scratch.doctor("lammps", LD_PRELOAD=str(second))
    assert status == 1
    assert findings["MPI library"]["state"] == "failed"
    assert str(second) in findings["MPI library"]["got"]


@pytest.mark.parametrize("version", [(3, 9, 20), (3, 14, 0)])
def test_python_out_of_range(version):
    (finding,) = check_python(Context(), version)
    assert finding.state == "failed"
    assert ".".join(map(str, version)) in finding.got
    assert "3.10 to 3.13" in finding.expected


def test_a_check_that_breaks_is_a_finding(monkeypatch):
    def broken(context: Context) -> list[Finding]:
        raise ZeroDivisionError("unexpected")

    check = type(CHECKS[0])("python", broken)
    monkeypatch.setattr("egraff_lmp.doctor.CHECKS", (check,))
    (finding,) = diagnose()
    assert finding.state == "failed"
    assert "ZeroDivisionError: unexpected" in finding.got


def test_unknown_check():
    with pytest.raises(EgraffError, match=r"expected checks out of python, .*, got mpi, toorch"):
        diagnose(only=["toorch", "mpi", "lammps"])
