"""What drives a rollout, and what LAMMPS can be told of it."""

import shlex

import pytest

from egraff_lmp.errors import EgraffError
from egraff_lmp.rollout.potential import classical, deployed_model, shipped_potential


def test_shipped_potentials_are_found():
    potential = classical("sw", "CdTe.sw Cd Te")
    file, *elements = shlex.split(potential.variables["coeff"])
    assert file == str(shipped_potential("CdTe.sw"))
    assert elements == ["Cd", "Te"]
    assert len(potential.sha256) == 64


def test_own_file_comes_first_and_may_hold_a_space(tmp_path):
    (tmp_path / "my $pot.sw").write_text("x")
    potential = classical("sw", "'my $pot.sw' Cd Te", tmp_path)
    assert shlex.split(potential.variables["coeff"])[0] == str(tmp_path / "my $pot.sw")


def test_coefficients_without_a_file_stay():
    assert classical("lj/cut 8.0", "0.01 3.4").variables["coeff"] == "0.01 3.4"


def test_mistakes(tmp_path):
    with pytest.raises(EgraffError, match="there is no such file"):
        deployed_model(tmp_path / "missing.pt")
    with pytest.raises(EgraffError, match="No closing quotation"):
        classical("sw", "'CdTe.sw Cd")
    with pytest.raises(EgraffError, match="pair style"):
        classical(" ", "x")


def test_quotes_in_names_are_refused(tmp_path):
    file = tmp_path / 'a"b.sw'
    file.write_text("x")
    with pytest.raises(EgraffError, match="without quotes"):
        classical("sw", "'a\"b.sw' Cd Te", tmp_path)
