"""Starting programs, and what is told when they stop."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from egraff_lmp.errors import EgraffError
from egraff_lmp.rollout.launch import Exit, lammps_command, launch, setup_error


def test_command_is_a_list_without_a_shell():
    command = lammps_command(Path("/a b/in.nvt"), {"data": "my $(x) file"}, 1, None)
    assert Path(command[0]).name == "lmp"
    assert command[1:3] == ["-in", "/a b/in.nvt"]
    assert command[-3:] == ["-var", "data", "my $(x) file"]


def test_launchers():
    deck = Path("in.nvt")
    default = lammps_command(deck, {}, 3, None)
    assert Path(default[0]).name == "mpiexec"
    assert default[1:3] == ["-n", "3"]
    slurm = lammps_command(deck, {}, 4, "srun --cpu-bind=cores -n {ranks}")
    assert slurm[:4] == ["srun", "--cpu-bind=cores", "-n", "4"]


def test_breakdowns_are_told_from_mistakes(tmp_path):
    log = tmp_path / "log"
    log.write_text("last words\n")
    assert "lost atoms" in Exit(1, "Lost atoms: original 2 current 1", log).physical_reason
    assert "not a number" in Exit(1, "Non-numeric atom coords - unstable", log).physical_reason
    assert Exit(1, "Unrecognized pair style 'x'", log).physical_reason == ""
    assert str(log) in str(setup_error(Exit(1, "Unrecognized pair style 'x'", log)))
    assert "last words" in str(setup_error(Exit(-9, "", log)))


def test_launcher_that_is_not_there(tmp_path):
    with pytest.raises(EgraffError, match=r"no-such-launcher.*launcher"):
        launch(["no-such-launcher", "-n", "2"], tmp_path / "log")


def test_output_and_status_are_kept(tmp_path):
    program = "import sys; print('out'); print('ERROR: bad', file=sys.stderr); sys.exit(3)"
    end = launch([sys.executable, "-c", program], tmp_path / "log")
    assert (end.code, end.error) == (3, "bad")
    assert "out" in (tmp_path / "log").read_text()


def test_interruption_ends_all_children(tmp_path):
    """Ctrl-C must not leave a LAMMPS that goes on writing."""
    pid_file = tmp_path / "pid"
    child = f"import os,time; open({str(pid_file)!r},'w').write(str(os.getpid())); time.sleep(60)"
    parent = f"import subprocess,sys; subprocess.call([sys.executable, '-c', {child!r}])"

    def interrupt():
        if pid_file.is_file() and pid_file.read_text():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch([sys.executable, "-c", parent], tmp_path / "log", interrupt)
    deadline = time.monotonic() + 10
    while _alive(int(pid_file.read_text())):
        assert time.monotonic() < deadline, "the grandchild outlived the interruption"
        time.sleep(0.05)


def test_notice_of_a_batch_system_ends_the_run(tmp_path):
    def notify():
        os.kill(os.getpid(), signal.SIGTERM)

    program = "import time; time.sleep(60)"
    with pytest.raises(SystemExit):
        launch([sys.executable, "-c", program], tmp_path / "log", notify)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
