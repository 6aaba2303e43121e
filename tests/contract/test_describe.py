"""What `egraff inspect` prints, at two widths."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from egraff_lmp.contract.describe import describe, sections

SHA = "0123456789abcdef" * 4


def printed(contract, width):
    stream = io.StringIO()
    Console(file=stream, width=width).print(describe(contract, "model.pt", SHA))
    return stream.getvalue()


@pytest.mark.parametrize("width", [80, 50])
def test_nothing_is_cut(contract, width):
    text = printed(contract, width)
    assert all(len(line) <= width for line in text.splitlines())
    assert "…" not in text
    packed = "".join(text.split())
    for wanted in (
        SHA,
        "NequIP",
        "64,128numbersanatom",
        "72.6300amu",
        "leastsquares",
        "float32network",
        "200xGe40Te160fromgete:test",
        "81.2meV/A(validation)",
        "doi:10.1/2",
        "torch2.13.0",
        "2atoms,14edges",
        "charge",
    ):
        assert wanted in packed, wanted


def test_strictly_local_models_say_so(contract):
    rows = dict(sections(replace(contract, exchange_widths=()), SHA)["Model"])
    assert rows["exchange"] == "none (strictly local)"


def test_species_are_numbered_as_lammps_counts(contract):
    labels = [label for label, _ in sections(contract, SHA)["Species (type order)"]]
    assert labels == ["1  Ge", "2  Te", "energy zero"]


def test_foreign_provenance_does_no_harm(contract):
    for provenance in ({}, {"data": "my own"}, {"data": {"train": "x"}, "training": None}):
        assert "NequIP" in printed(replace(contract, provenance=provenance), 80)


def test_stress_errors_have_their_unit(contract):
    errors = {"stress_mae_mev_per_angstrom3": 1.5, "zero_stress_mae_mev_per_angstrom3": 9.0}
    changed = replace(contract, provenance={**contract.provenance, "validation_errors": errors})
    rows = [row for group in sections(changed, SHA).values() for row in group]
    assert ("stress MAE", "1.5 meV/A^3 (validation; zero stress: 9)") in rows
