"""What is written is what was found, and reads as a table."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from egraff_lmp.errors import EgraffError
from egraff_lmp.verify import CHECKS, certificate
from egraff_lmp.verify.finding import at_least, at_most, failed, not_applicable
from egraff_lmp.verify.run import Certificate

GOOD = Certificate(
    "gete.pt", "ab" * 32, "NequIP", "float32", "the contract's frame", 200, (1, 2),
    "2026-01-01T00:00:00+00:00", {"torch": "2.13.0"},
    {
        "parity": (at_most("parity: forces", 1e-7, 5e-5, "eV/A", "1 rank(s)"),),
        "species": (at_least("species: told apart", 2.0, 1e-3, "eV/A"),),
        "tables": (not_applicable("tables: error", "the file has no radial tables"),),
    },
)  # fmt: skip
BAD = replace(GOOD, findings=GOOD.findings | {"newton": (failed("newton: off", "a|b"),)})


def test_verdict_and_hash_come_back(tmp_path) -> None:
    for found, passed in ((GOOD, True), (BAD, False)):
        certificate.write(found, tmp_path / "c.md")
        verdict = certificate.read_verdict(certificate.record_path(tmp_path / "c.md"))
        assert verdict == ("gete.pt", "ab" * 32, passed)


def test_another_text_is_refused(tmp_path) -> None:
    for words in ("# gete.pt\n", "[]", '{"schema": 99}'):
        (tmp_path / "c.json").write_text(words)
        with pytest.raises(EgraffError, match="expected a certificate of schema 1"):
            certificate.read_verdict(tmp_path / "c.json")


def test_rows_are_aligned_and_whole() -> None:
    lines = certificate.text(BAD).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 * 4 + 4
    assert all(line.count("|") == 7 for line in table)
    assert "- `newton: off` is failed: a|b." in lines
    assert "- `parity: forces`" not in certificate.text(BAD)
    assert "Of 4 measurements 2 passed, 1 failed, and 1 do not apply." in lines


def test_nan_fails() -> None:
    assert at_most("x", float("nan"), 1.0, "").verdict == "failed"
    assert at_least("x", float("nan"), 1.0, "").verdict == "failed"


def test_json_is_plain() -> None:
    value = json.loads(json.dumps(certificate.to_json(BAD)))
    assert value["passed"] is False
    assert [finding["check"] for finding in value["findings"]] == [
        "parity", "species", "tables", "newton"
    ]  # fmt: skip


def test_the_table_covers_openkim() -> None:
    """The list of OpenKIM's verification checks that concern an interatomic model."""
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    assert {kim for check in CHECKS for kim in check.openkim} == {
        "SpeciesSupportedAsStated", "PeriodicitySupport", "PermutationSymmetry",
        "ForcesNumerDeriv", "DimerContinuityC1", "Objectivity", "InversionSymmetry",
        "MemoryLeak", "ThreadSafety", "UnitConversion",
    }  # fmt: skip
