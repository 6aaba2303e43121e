"""Torsions by name and by numbers, and settings that are refused."""

from __future__ import annotations

import re

import pytest

from egraff_lmp.errors import EgraffError
from egraff_lmp.metadynamics import Settings, Torsion, torsion_of
from egraff_lmp.references.alanine import SPECIES, geometry

PHI, PSI = Torsion("phi", (2, 7, 8, 9)), Torsion("psi", (7, 8, 9, 17))


def test_phi_and_psi_of_the_peptide():
    assert torsion_of("phi", SPECIES, geometry()) == PHI
    assert torsion_of("psi", SPECIES, geometry()) == PSI
    assert torsion_of("2,7,8,9", SPECIES, geometry()) == Torsion("2-7-8-9", (2, 7, 8, 9))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("2,7,8,23", "four different atoms from 1 to 22 for a torsion, got 2,7,8,23"),
        ("0,7,8,9", "four different atoms from 1 to 22 for a torsion, got 0,7,8,9"),
        ("2,7,8,7", "four different atoms from 1 to 22 for a torsion, got 2,7,8,7"),
        ("2,7,8", "phi, psi or the numbers of four atoms such as 2,7,8,9, got '2,7,8'"),
        ("omega", "phi, psi or the numbers of four atoms such as 2,7,8,9, got 'omega'"),
    ],
)
def test_wrong_torsions(words, message):
    with pytest.raises(EgraffError, match=re.escape(message)):
        torsion_of(words, SPECIES, geometry())


def test_phi_of_what_has_no_backbone():
    with pytest.raises(EgraffError, match="give the numbers of its four atoms"):
        torsion_of("phi", SPECIES[:6], geometry()[:6])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bias_factor": 1.0}, "a bias factor above 1, got 1"),
        ({"temperature_kelvin": 0.0}, "the temperature above zero, got 0"),
        ({"height_ev": float("nan")}, "the height of a hill above zero"),
        ({"steps": 1500}, "a multiple of 1000, the steps between hills, and at least 2000"),
        ({"steps": 1000}, "at least 2000, got 1000"),
        ({"bins": 12}, "hills of at least 45 degrees on bins of 30"),
        ({"bins": 10**6}, "2 to 720 bins"),
        ({"torsions": (PHI, Torsion("again", PHI.atoms[::-1]))}, "two different torsions"),
    ],
)
def test_wrong_settings(changes, message):
    with pytest.raises(EgraffError, match=re.escape(message)):
        Settings(**{"torsions": (PHI, PSI), **changes})


@pytest.mark.parametrize("hills", [2, 3, 499, 501, 5000])
def test_segments_are_the_whole_run_and_its_middle_is_half_time(hills):
    settings = Settings((PHI, PSI), hill_every=10, steps=10 * hills)
    segments = settings.segments
    assert sum(segments) == settings.steps
    assert len(segments) % 2 == 0
    assert min(segments) > 0
    assert max(segments) <= 250 * settings.hill_every
    half = sum(segments[: len(segments) // 2])
    assert abs(half - settings.steps / 2) <= settings.hill_every / 2


def test_every_segment_of_every_run_has_a_seed_of_its_own():
    settings = Settings((PHI, PSI))
    seeds = {settings.seed_of(run, segment) for run in range(6) for segment in range(20)}
    assert len(seeds) == 120
    assert min(seeds) > 0
    assert Settings.from_dict(settings.to_dict()) == settings
