"""Run the code of the pages of this documentation, and compare what it prints with the pages.

    python docs/run_pages.py                       # every page that has code
    python docs/run_pages.py docs/tutorials/bulk.md
    python docs/run_pages.py --update PAGE ...     # write output and pictures into the pages

A page is run in a temporary folder and in one bash:

- a ```bash block is run, a ```sh block is not: it is for a machine that is not here;
- a ```python block is a script, a block with a `:caption: FILE` is written to FILE and not run;
- an ```output block behind one of them is what it prints. Digits, paths and spaces may differ;
- a picture `STEM/PATH`, STEM being the page's name, is the file PATH that the page makes.

Comments in front of a block say more: `% status 3` in front of code is the exit status of one
command in it, `% last 5` and `% first 5` shorten the output block that they precede.
`files: [PATH]` in the head of a page copies files of the repository into the folder.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
FENCE = re.compile(
    r"(?P<marks>(?:^%[^\n]*\n)*)^(?P<fence>`{3,})"
    r"(?P<language>bash|python|output|\{code-block\} \w+)\n"
    r"(?P<body>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
CAPTION = re.compile(r"\A:caption: ([^\n]+)\n(?::[^\n]*\n)*\n?")
MARK = re.compile(r"^% (status|last|first) (\d+)$", re.MULTILINE)
NUMBER = re.compile(r"(?<![A-Za-z_])[-+]?\d[\d.,:]*(?:[eE][-+]?\d+)?")
HASH = re.compile(r"\b(?=[0-9]*[a-f])[0-9a-f]{12,64}\b")
FOLDER = "/path/to"  # stands for the temporary folder


class Failed(Exception):
    """A page does not do what it says; the text tells how."""


@dataclass
class Page:
    """A page, and the text that an update gives it."""

    path: Path
    text: str
    edits: list[tuple[int, int, str]] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    made: dict[Path, bytes] = field(default_factory=dict)

    @property
    def pictures(self) -> list[str]:
        """Files that the page makes and shows."""
        return re.findall(rf"\]\({re.escape(self.path.stem)}/([^)\s]+\.png)\)", self.text)

    @property
    def files(self) -> list[str]:
        """Files of the repository that it needs."""
        head = re.match(r"---\n(.*?)---\n", self.text, re.DOTALL)
        listed = re.search(r"^files: \[(.*)\]$", head[1] if head else "", re.MULTILINE)
        return [one.strip() for one in listed[1].split(",")] if listed else []


class Shell:
    """One bash, in which blocks are sourced one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"], cwd=folder, env=_environment(folder), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, code: str) -> tuple[str, list[int]]:
        """What the code prints, and every exit status of its commands that is not 0."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        block = self.folder / ".block"
        block.write_text(f"{code}\n:\n")  # of success, so that no status is told twice
        self.process.stdin.write(
            f"set -o pipefail; trap 'echo {self.mark} $?' ERR; source {block} < /dev/null; "
            f"trap - ERR; echo {self.mark} end\n"
        )
        self.process.stdin.flush()
        lines, statuses = [], []
        for line in self.process.stdout:
            if line.startswith(self.mark):
                word = line.split()[1]
                if word == "end":
                    break
                statuses.append(int(word))
            else:
                lines.append(line)
        else:
            statuses.append(self.process.wait())
        return "".join(lines), statuses

    def close(self) -> None:
        """End the bash."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)


def _environment(folder: Path) -> dict[str, str]:
    """That of this Python, without what a user has set for this package.

    Threads that wait for each other suffer most from other work on the cores: torch has one.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("EGRAFF_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return own | {"PATH": path, "COLUMNS": "80", "MPLBACKEND": "Agg", "TERM": "dumb",
                  "PYTHONWARNINGS": "ignore", "XDG_DATA_HOME": str(folder / ".data"),
                  "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}  # fmt: skip


def run_page(path: Path) -> Page:
    """Run all blocks of a page.

    Raises:
        Failed: a command ended with another exit status than the page says, or a picture that it
            shows was not made.
    """
    page = Page(path, path.read_text())
    with tempfile.TemporaryDirectory(prefix="egraff-page-") as name:
        folder = Path(name).resolve()
        for file in page.files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, folder / file)
        shell = Shell(folder)
        try:
            _run_blocks(page, shell)
        finally:
            shell.close()
        for picture in page.pictures:
            if not (folder / picture).is_file():
                raise Failed(f"{path}: the picture {picture} was not made")
            target = path.parent / path.stem / picture
            page.made[target] = (folder / picture).read_bytes()
    return page


def _run_blocks(page: Page, shell: Shell) -> None:
    printed: str | None = None
    for block in FENCE.finditer(page.text):
        language, body = block["language"], block["body"]
        marks = {word: int(number) for word, number in MARK.findall(block["marks"])}
        caption = CAPTION.match(body)
        if language == "output":
            if printed is None:
                raise Failed(f"{page.path}: output without a command before it:\n{body}")
            _compare(page, block, _shortened(printed, marks))
            printed = None
        elif caption:
            file = shell.folder / caption[1].strip()
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(body[caption.end() :])
        elif language in ("bash", "python"):
            if language == "python":
                (shell.folder / ".script.py").write_text(body)
            code = body if language == "bash" else f"python {shell.folder}/.script.py\n"
            out, statuses = shell.run(code)
            out = _shown(out, shell.folder)
            expected = [marks["status"]] if "status" in marks else []
            if statuses != expected:
                what = f"exit statuses {statuses}, not {expected}"
                raise Failed(f"{page.path}: {what}, of\n{body}\n{out}")
            printed = out


def _shown(out: str, folder: Path) -> str:
    """As it stands in a page: no path of this machine, no colours, no spaces at line ends."""
    out = re.sub(r"\x1b\[[0-9;]*m", "", out)
    out = re.sub(r"[^\n]*\r(?!\n)", "", out)  # what a progress bar has overwritten
    out = out.replace(str(folder), FOLDER).replace(str(ROOT), FOLDER)
    packages = [Path(place).parents[2] for place in sys.path if place.endswith("site-packages")]
    for place in (Path(sys.prefix), *packages):
        out = out.replace(str(place), "/path/to/.venv")
    return "\n".join(line.rstrip() for line in out.strip("\n").splitlines()) + "\n"


def _shortened(out: str, marks: dict[str, int]) -> str:
    lines = out.splitlines()
    if len(lines) > marks.get("first", len(lines)):
        lines = [*lines[: marks["first"]], "..."]
    if len(lines) > marks.get("last", len(lines)):
        lines = ["...", *lines[-marks["last"] :]]
    return "\n".join(lines) + "\n"


def words(text: str) -> list[str]:
    """What must be the same again: no numbers, hashes, rules of tables or line breaks."""
    text = NUMBER.sub("#", HASH.sub("#", text)).replace("#..#", "#")
    return re.sub(r"[─━│┃╇╈╋═-]{2,}", " ", text).split()


def _compare(page: Page, block: re.Match[str], printed: str) -> None:
    if words(printed) != words(block["body"]):
        page.differences.append(f"the page says\n{block['body']}\nand it is\n{printed}")
    page.edits.append((block.start("body"), block.end("body"), printed))


def update(page: Page) -> None:
    """Write output and pictures into the page and its folder."""
    text = page.text
    for start, end, printed in reversed(page.edits):
        text = text[:start] + printed + text[end:]
    page.path.write_text(text)
    for target, content in page.made.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def pages() -> list[Path]:
    """Those with code that is run."""
    found = (path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
    return sorted(p for p in found if re.search(r"^```(bash|python)$", p.read_text(), re.MULTILINE))


def main() -> int:
    """Run the pages of the command line; 1 if one of them fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("pages", nargs="*", type=Path, help="all that have code, by default")
    parser.add_argument("--update", action="store_true", help="rewrite output and pictures")
    options = parser.parse_args()
    failed = False
    for path in options.pages or pages():
        start = time.monotonic()
        try:
            page = run_page(path.resolve())
            if options.update:
                update(page)
            elif page.differences:
                raise Failed(f"{path}: {'; '.join(page.differences)}")
        except Failed as error:
            failed = True
            print(error, file=sys.stderr)
        print(f"{path}: {time.monotonic() - start:.0f} s", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
