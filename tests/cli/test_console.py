"""What goes to the consoles of the command line, and what is left alone."""

from __future__ import annotations

import logging
import subprocess
import sys

from egraff_lmp.cli.console import log_once


def test_the_handlers_of_a_program_around_are_left_alone(caplog):
    """A filter on them would swallow the texts of everything that comes later."""
    log_once()
    logger = logging.getLogger("egraff_lmp.tests")
    for _ in range(2):
        logger.warning("the same text")
    assert [record.message for record in caplog.records] == ["the same text"] * 2


def test_a_text_is_told_once():
    program = (
        "import logging; from egraff_lmp.cli.console import log_once; log_once()\n"
        "for text in 'aba': logging.getLogger('egraff_lmp').info(text)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "a\nb\n")
