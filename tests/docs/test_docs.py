"""The documentation: it builds without a warning, lists what there is, and does what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
sys.path.append(str(DOCS))  # it is no package

import run_pages  # noqa: E402

TUTORIALS = sorted(path.name for path in (DOCS / "tutorials").glob("*.md"))
OTHERS = [path for path in run_pages.pages() if path.parent.name != "tutorials"]


@pytest.mark.slow
def test_every_page_builds_without_a_warning(tmp_path):
    """Links within the site are among what warns (-n), as are pages that no other one names."""
    pytest.importorskip("sphinx")
    pytest.importorskip("myst_parser")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", DOCS, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "mathjax" in (tmp_path / "reference" / "metrics.html").read_text()
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:  # nothing is fetched when a page is opened
        for word in ('src="http', "src='http", 'rel="stylesheet" href="http', "@import"):
            assert word not in page.read_text(), f"{page}: {word}"


def test_every_command_has_a_page():
    from egraff_lmp.cli import COMMANDS

    for name in COMMANDS:
        page = DOCS / "commands" / f"{name}.md"
        assert page.is_file(), f"write {page}"
        assert f"```{{egraff-command}} {name}" in page.read_text()
        assert f"\n{name}\n" in (DOCS / "commands" / "index.md").read_text()


@pytest.mark.parametrize("name", ["train", "rollout", "bench", "matrix"])
def test_every_key_of_a_config_is_described(name):
    """The reference is made from the schemas: what stands in none of them is in no page."""
    from egraff_lmp.bench.config import BenchConfig
    from egraff_lmp.bench.matrix import Matrix
    from egraff_lmp.rollout.config import RolloutConfig
    from egraff_lmp.train.config import TrainConfig

    root = {"train": TrainConfig, "rollout": RolloutConfig, "bench": BenchConfig, "matrix": Matrix}
    waiting, silent = [root[name]], []
    while waiting:
        model = waiting.pop()
        for key, field in model.model_fields.items():
            below = _models_of(field.annotation)
            waiting += below
            if not field.description and not below and key != "base":
                silent.append(f"{model.__name__}.{key}")
    assert not silent, "give these fields a description"


def _models_of(annotation):
    from typing import get_args

    from pydantic import BaseModel

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [one for argument in get_args(annotation) for one in _models_of(argument)]


@pytest.mark.slow
@pytest.mark.mpi
@pytest.mark.parametrize("name", TUTORIALS)
def test_a_tutorial_does_what_it_says(name):
    run(DOCS / "tutorials" / name)


@pytest.mark.mpi
@pytest.mark.parametrize("page", OTHERS, ids=lambda page: str(page.relative_to(DOCS)))
def test_an_example_does_what_it_says(page):
    run(page)


def run(page):
    command = [sys.executable, DOCS / "run_pages.py", page]
    environment = os.environ | {"MALLOC_PERTURB_": "0"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, timeout=600
    )
    assert done.returncode == 0, done.stderr


class TestTheRunner:
    """`docs/run_pages.py` on pages that are right and wrong."""

    @pytest.fixture
    def page(self, tmp_path):
        def write(text):
            path = tmp_path / "page.md"
            path.write_text(text)
            return path

        return write

    def test_output_is_compared_without_digits_and_paths(self, page):
        path = page(
            "```bash\necho took 3.21 s in $PWD\n```\n\n```output\ntook 9 s in /path/to\n```\n"
        )
        assert not run_pages.run_page(path).differences

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("360,43.199999999999996,-39825.88119662,7e-05", "1,8.5,-3,0.25"),
            ("sha256 bddc18317c7f", "sha256 6f02ff42481b"),
            ("2.88e-05..7.35e-05", "9.1..15.2"),
        ],
    )
    def test_numbers_of_any_length_are_the_same(self, one, other):
        assert run_pages.words(one) == run_pages.words(other)

    def test_other_words_are_a_difference(self, page):
        path = page("```bash\necho eleven\n```\n\n```output\ntwelve\n```\n")
        assert run_pages.run_page(path).differences

    def test_every_command_of_a_block_must_succeed(self, page):
        with pytest.raises(run_pages.Failed, match=r"\[7\]"):
            run_pages.run_page(page("```bash\n(exit 7)\necho fine\n```\n"))

    def test_a_status_that_is_stated(self, page):
        path = page("% status 75\n```bash\n(exit 75)\n```\n")
        run_pages.run_page(path)
        with pytest.raises(run_pages.Failed):
            run_pages.run_page(page(path.read_text().replace("75\n```bash", "3\n```bash")))

    def test_blocks_share_a_shell_and_files(self, page):
        text = (
            "```{code-block} python\n:caption: a.py\nprint('from a file')\n```\n\n"
            "```bash\nexport WORD=kept\n```\n\n"
            "```bash\necho $WORD\npython a.py\n```\n\n```output\nkept\nfrom a file\n```\n"
        )
        assert not run_pages.run_page(page(text)).differences

    def test_an_update_writes_what_is_printed(self, page):
        path = page("```bash\nseq 5\n```\n\n% last 2\n```output\n```\n\nThe end.\n")
        run_pages.update(run_pages.run_page(path))
        assert "```output\n...\n4\n5\n```\n\nThe end.\n" in path.read_text()

    def test_a_picture_must_be_made(self, page):
        with pytest.raises(run_pages.Failed, match="figure"):
            run_pages.run_page(page("![x](page/figure.png)\n\n```bash\ntrue\n```\n"))
