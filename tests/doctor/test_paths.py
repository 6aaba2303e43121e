"""Finding the installed pieces."""

from __future__ import annotations

import pytest

from egraff_lmp import paths
from egraff_lmp.errors import EgraffError


def test_a_missing_plugin_warns_and_leaves_lmp_usable(monkeypatch):
    def missing():
        raise EgraffError("the compiled part of egraff_lmp was not found")

    monkeypatch.setattr(paths, "native_dir", missing)
    with pytest.warns(UserWarning, match="pair_style egraff is not available: the compiled part"):
        folder = paths.plugin_dir()
    assert folder.endswith("lib")
