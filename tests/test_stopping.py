"""Notices that end a command, wherever they find it."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from egraff_lmp.stopping import STOPPED, Stopped, check_notices, stoppable


class Last:
    """Gets a notice while Python puts it away, where exceptions are ignored."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGUSR1)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_notice_is_not_lost_where_exceptions_are() -> None:
    with stoppable():
        last = Last()
        del last
        with pytest.raises(Stopped, match="stopped by SIGUSR1"):
            check_notices()
    check_notices()  # it is over


def test_a_notice_ends_the_work_at_once() -> None:
    with pytest.raises(Stopped, match="stopped by SIGTERM"), stoppable():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    with stoppable():
        check_notices()


WAITING = """
import subprocess, sys
from egraff_lmp.stopping import pass_on_notices
pass_on_notices()
child = "import signal, sys\\nfor n in (2, 10, 15): signal.signal(n, lambda n, f: sys.exit(n))\\n"
sys.exit(subprocess.call([sys.executable, "-c", child + "print(flush=True); signal.pause()"]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the children of a process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGUSR1, signal.SIGTERM])
def test_a_waiting_script_hands_notices_on(number: signal.Signals) -> None:
    """And ends as the program does that it has started."""
    script = subprocess.Popen([sys.executable, "-c", WAITING], stdout=subprocess.PIPE)
    assert script.stdout is not None
    script.stdout.readline()
    script.send_signal(number)
    assert script.wait(60) == number
    script.stdout.close()


def test_a_script_that_has_started_nothing_is_meant_itself() -> None:
    program = "import signal; from egraff_lmp.stopping import pass_on_notices as hand_on; "
    program += "hand_on(); signal.raise_signal(signal.SIGUSR1)"
    assert subprocess.call([sys.executable, "-c", program]) == -signal.SIGUSR1


def test_a_notice_after_the_end_of_the_program_leaves_its_status() -> None:
    """The terminal tells both, and the program was faster."""
    program = "import signal, subprocess, sys; from egraff_lmp.stopping import pass_on_notices; "
    program += "pass_on_notices(); status = subprocess.call([sys.executable, '-c', 'exit(75)']); "
    program += "signal.raise_signal(signal.SIGINT); sys.exit(status)"
    assert subprocess.call([sys.executable, "-c", program]) == STOPPED
