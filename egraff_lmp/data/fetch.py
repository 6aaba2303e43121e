"""Downloads that can be cut off at any moment: a part file grows, is verified, then renamed.

The part file `.NAME.part` lies beside its goal. Where the SHA-256 is known a second try goes on
where the first stopped, because the result is verified; without one it starts again.
"""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from egraff_lmp.data.entry import DataSet, data_root
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import sha256_file
from egraff_lmp.locking import locked_file

SCHEMES = ("https", "http", "file")
TIMEOUT_S = 60.0
_BLOCK = 1 << 18
# What servers send in place of a file: a pointer to large-file storage, or a page to log in.
_NOT_THE_FILE = (b"version https://git-lfs", b"<!doctype html", b"<html")

Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Fetched:
    """A file that is where it belongs.

    Attributes:
        path: where.
        sha256: of its content.
        verified: whether that was known beforehand.
        fresh: whether this call brought it.
    """

    path: Path
    sha256: str
    verified: bool
    fresh: bool


def fetch_part(
    entry: DataSet,
    part: str,
    *,
    root: Path | None = None,
    mirror: str | None = None,
    progress: Progress | None = None,
) -> list[Fetched]:
    """Bring the files of a part of a data set.

    Args:
        entry: row of the table.
        part: its part.
        root: data folder; None takes `data_root()`.
        mirror: address of a folder with the layout of the data folder, in place of the recorded
            addresses.
        progress: called with the file name, the bytes so far and in all (None: unknown).

    Raises:
        EgraffError: no address is known, the server fails, or the content is not what was
            registered.
    """
    entry.path(part)  # an unknown part fails here
    files = entry.remote.get(part, ())
    if not files and part in entry.made:
        raise EgraffError(
            f"data set {entry.key}: expected a part that is published, got '{part}': "
            f"`{entry.how_to_get(part)}` makes it."
        )
    if not files:
        hint = entry.obtain or f"see {entry.homepage}."
        raise EgraffError(
            f"data set {entry.key}: no public address of its part '{part}' is known: {hint} It "
            f"belongs at {entry.files[part]} under the data folder."
        )
    root = data_root() if root is None else root
    found = []
    for file in files:
        url = file.url if mirror is None else f"{mirror.rstrip('/')}/{quote(file.path)}"
        found.append(download(url, root / file.path, sha256=file.sha256, progress=progress))
    return found


def download(
    url: str, goal: Path, *, sha256: str | None = None, progress: Progress | None = None
) -> Fetched:
    """Bring one file to `goal`, unless it is there.

    Raises:
        EgraffError: see `fetch_part`; what has arrived of an unfinished download is kept.
    """
    if urlsplit(url).scheme not in SCHEMES:
        raise EgraffError(f"expected an address with {' or '.join(SCHEMES)}, got {url}.")
    if goal.is_file():
        return _present(goal, sha256)
    part = goal.with_name(f".{goal.name}.part")
    try:
        goal.parent.mkdir(parents=True, exist_ok=True)
        with locked_file(part, f"{goal}: another process is fetching it"):
            if goal.is_file():  # another process was quicker
                part.unlink(missing_ok=True)
                return _present(goal, sha256)
            found = _complete(url, part, goal, sha256, progress)
            os.replace(part, goal)
    except OSError as error:
        raise EgraffError(
            f"{goal}: expected to write there, got {error}: choose another folder (--to)."
        ) from None
    return Fetched(goal, found, verified=sha256 is not None, fresh=True)


def _present(goal: Path, sha256: str | None) -> Fetched:
    found = sha256_file(goal)
    if sha256 is not None and found != sha256:
        raise EgraffError(
            f"{goal}: expected the registered file (SHA-256 {sha256[:16]}...), got another "
            f"({found[:16]}...): move it away and fetch again."
        )
    return Fetched(goal, found, verified=sha256 is not None, fresh=False)


def _complete(
    url: str, part: Path, goal: Path, sha256: str | None, progress: Progress | None
) -> str:
    """Fill the part file; its SHA-256, which is the expected one."""
    resumed = sha256 is not None and part.stat().st_size > 0
    for offset in (part.stat().st_size, 0) if resumed else (0,):
        _transfer(url, part, goal, offset, progress)
        found = sha256_file(part)
        if sha256 is None or found == sha256:
            return found
    part.unlink(missing_ok=True)
    raise EgraffError(
        f"{url}: expected content with SHA-256 {sha256}, got {found}: the file has changed at its "
        "source; what arrived was thrown away."
    )


def _transfer(url: str, part: Path, goal: Path, offset: int, progress: Progress | None) -> None:
    """Append to `part` from `offset`, or from 0 where the server cannot do that."""
    request = urllib.request.Request(url, headers={"User-Agent": "egraff_lmp"})
    if offset:
        request.add_header("Range", f"bytes={offset}-")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            # A file:// address and many servers ignore the range and send everything.
            done = offset if response.status == 206 else 0
            length = response.headers.get("Content-Length")
            total = None if length is None else done + int(length)
            with open(part, "r+b") as stream:
                stream.truncate(done)
                stream.seek(done)
                while block := response.read(_BLOCK):
                    if not done:
                        _refuse_page(url, part, block)
                    stream.write(block)
                    done += len(block)
                    if progress is not None:
                        progress(goal.name, done, total)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is left after the offset: the hash decides
            return
        raise EgraffError(
            f"{url}: expected a file, got {error.code} {error.reason}: it may have moved."
        ) from None
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as err:
        raise EgraffError(
            f"{url}: expected a file, got {err}: repeat the command to go on."
        ) from None
    if total is not None and done < total:
        raise EgraffError(
            f"{url}: expected {total} bytes, the connection ended after {done}: repeat the "
            "command to go on."
        )


def _refuse_page(url: str, part: Path, block: bytes) -> None:
    if block.lstrip().lower().startswith(_NOT_THE_FILE):
        part.unlink(missing_ok=True)
        raise EgraffError(
            f"{url}: expected the file itself, got a web page or a pointer to large-file storage: "
            "download it with a browser or git-lfs."
        )
