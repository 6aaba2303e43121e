"""Notices that end a command, wherever they find it."""

from __future__ import annotations

import signal

import pytest

from egraff_lmp.stopping import Stopped, check_notices, stoppable


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
