"""The certificates of `deployed_models/` belong to the files beside them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from egraff_lmp.fileio import sha256_file
from egraff_lmp.forcefields import FORCE_FIELDS
from egraff_lmp.verify.certificate import default_path, read_verdict, record_path

RANKS = [1, 2, 3, 4, 8]
MODELS = sorted((Path(__file__).resolve().parent.parent.parent / "deployed_models").glob("*.pt"))


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_the_certificate_is_of_this_file_and_passed(model: Path) -> None:
    path = record_path(default_path(model))
    assert path.is_file(), f"{model.name} has no certificate: run `make certificates`"
    assert default_path(model).is_file()
    assert read_verdict(path) == (model.name, sha256_file(model), True)
    assert json.loads(path.read_text())["ranks"] == RANKS


def test_there_are_models_to_certify() -> None:
    """All six force fields for both materials of the bulk simulations, whatever else there is."""
    wanted = {f"{material}-{key}" for material in ("gete", "lips20") for key in FORCE_FIELDS}
    assert wanted <= {path.stem for path in MODELS}
