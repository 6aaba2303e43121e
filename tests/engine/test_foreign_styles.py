"""A site's own `pair_style nequip` is not taken over without a word; the choice is the user's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from egraff_lmp.paths import mpi_program

TIME_LIMIT_SECONDS = 120

# A plugin of its own, as LAMMPS' documentation describes them. Its style says who it is and ends.
PLUGIN = r"""
#include <cstdio>
#include <unistd.h>

struct Registration {
  const char *version, *style, *name, *info, *author;
  void *creator, *handle;
};

static void *create(void *)
{
  std::puts("this is the site's own nequip");
  std::fflush(stdout);
  _exit(0);
}

extern "C" void lammpsplugin_init(void *lmp, void *handle, void *add)
{
  Registration plugin = {"22 Jul 2025 - Update 4", "pair", "nequip", "the site's", "the site",
                         reinterpret_cast<void *>(&create), handle};
  reinterpret_cast<void (*)(Registration *, void *)>(add)(&plugin, lmp);
}
"""
BOX = "region b block 0 1 0 1 0 1\ncreate_box 1 b\n"
OURS = "pair_style nequip: expected a keyword out of"
THEIRS = "this is the site's own nequip"
LEFT = "egraff: LAMMPS has pair_style nequip already, which stays as it is"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder with that plugin, which the site's users have in LAMMPS_PLUGIN_PATH."""
    compiler = os.environ.get("CXX") or shutil.which("c++")
    if compiler is None:
        pytest.skip("needs a C++ compiler")
    folder = tmp_path_factory.mktemp("site")
    (folder / "site.cpp").write_text(PLUGIN)
    library = folder / "siteplugin.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", str(folder / "site.cpp"), "-o", str(library)], check=True
    )
    return folder


def lmp(folder: Path, text: str, path: Path | None, ranks: int = 1, **variables: str) -> str:
    (folder / "in.it").write_text(text)
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("LAMMPS_PLUGIN_PATH", "EGRAFF_PAIR_STYLES")
    } | variables
    if path is not None:
        environment["LAMMPS_PLUGIN_PATH"] = str(path)
    launcher = [mpi_program("mpiexec"), "-n", str(ranks)] if ranks > 1 else []
    done = subprocess.run(
        [*launcher, str(Path(sys.executable).parent / "lmp"), "-in", "in.it", "-log", "none"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_SECONDS,
    )
    return done.stdout + done.stderr


ASK = BOX + "pair_style nequip devise cpu\n"


def test_the_sites_own_style_stays(site, tmp_path):
    text = lmp(tmp_path, ASK, site)
    assert THEIRS in text
    assert text.count(LEFT) == 1
    assert "set the environment variable EGRAFF_PAIR_STYLES=nequip,allegro,mace" in text
    # The others are there, and egraff is.
    for style in ("egraff", "allegro", "mace"):
        text = lmp(tmp_path, BOX + f"pair_style {style} devise cpu\n", site)
        assert f"pair_style {style}: expected a keyword out of" in text


def test_it_stays_after_clear(site, tmp_path):
    assert THEIRS in lmp(tmp_path, "clear\n" + ASK, site)
    assert OURS in lmp(tmp_path, "clear\n" + ASK, None)


@pytest.mark.mpi
def test_one_rank_says_it(site, tmp_path):
    assert lmp(tmp_path, BOX, site, ranks=2).count(LEFT) == 1


@pytest.mark.parametrize("before", ["", "clear\n"])
def test_the_user_may_have_ours(site, tmp_path, before):
    text = lmp(tmp_path, before + ASK, site, EGRAFF_PAIR_STYLES="nequip,mace")
    assert OURS in text
    assert LEFT not in text
    text = lmp(tmp_path, BOX + "pair_style allegro\n", site, EGRAFF_PAIR_STYLES="nequip,mace")
    assert "pair style 'allegro'" in text  # LAMMPS: unrecognized


def test_the_user_may_have_none(site, tmp_path):
    for value in ("none", "egraff"):
        assert THEIRS in lmp(tmp_path, ASK, site, EGRAFF_PAIR_STYLES=value)
        text = lmp(tmp_path, ASK, None, EGRAFF_PAIR_STYLES=value)
        assert "pair style 'nequip'" in text
        text = lmp(tmp_path, BOX + "pair_style egraff devise cpu\n", None, EGRAFF_PAIR_STYLES=value)
        assert "pair_style egraff: expected a keyword out of" in text


def test_an_empty_variable_is_none(site, tmp_path):
    text = lmp(tmp_path, ASK, site, EGRAFF_PAIR_STYLES="")
    assert THEIRS in text
    assert text.count(LEFT) == 1
    assert OURS in lmp(tmp_path, ASK, None, EGRAFF_PAIR_STYLES="")


def test_without_another_one_nothing_is_said(tmp_path):
    text = lmp(tmp_path, ASK, None)
    assert OURS in text
    assert "stays as it is" not in text


def test_a_misspelt_choice_is_told(tmp_path):
    text = lmp(tmp_path, BOX, None, EGRAFF_PAIR_STYLES="nequipp")
    assert "ERROR: EGRAFF_PAIR_STYLES: expected names out of egraff, nequip, allegro, mace" in text
    assert "got 'nequipp'" in text
