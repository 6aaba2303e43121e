"""What a file holds, found out without running any code from it.

A pickle is a program, so it is not loaded here: its instructions are listed, and the names of
classes and keys among them tell which program wrote it.
"""

from __future__ import annotations

import io
import pickletools
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from egraff_lmp.untrusted import MAX_TEXT_BYTES, open_archive

# The keys of a checkpoint lie at its front; a large optimiser state need not be listed.
_MOST_INSTRUCTIONS = 50_000
_OLDEST_TORCH_PICKLES = 5  # magic number, protocol, system, object, storages


@dataclass(frozen=True)
class Content:
    """Names found in a file.

    Attributes:
        members: names in the zip archive, without its top folder; empty where it is none.
        names: "module class" and texts in the pickle, as far as they were listed.
    """

    members: frozenset[str]
    names: frozenset[str]

    def has_name(self, start: str) -> bool:
        """Whether a name begins with `start`."""
        return any(name.startswith(start) for name in self.names)


def look(path: Path) -> Content:
    """What is in the file `path`; nothing is loaded or run, and nothing is raised for garbage.

    Raises:
        EgraffError: an archive that would become too large.
    """
    try:
        with open_archive(path, path) as archive:
            members = frozenset(name.split("/", 1)[-1] for name in archive.namelist())
            pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            names: frozenset[str] = frozenset()
            if pickles and not any(name.startswith("code/") for name in members):
                with archive.open(pickles[0]) as stream:
                    head = stream.read(MAX_TEXT_BYTES)
                names = frozenset(_listed(io.BytesIO(head)))
            return Content(members, names)
    except (zipfile.BadZipFile, OSError, RuntimeError, zlib.error):
        pass
    with open(path, "rb") as stream:
        if stream.read(1) != b"\x80":
            return Content(frozenset(), frozenset())
        stream.seek(0)
        found: set[str] = set()
        for _ in range(_OLDEST_TORCH_PICKLES):
            before = stream.tell()
            found.update(_listed(stream))
            if stream.tell() == before:
                break
    return Content(frozenset(), frozenset(found))


def _listed(stream: IO[bytes]) -> Iterator[str]:
    try:
        for count, (code, argument, _) in enumerate(pickletools.genops(stream)):
            if isinstance(argument, str) and ("UNICODE" in code.name or code.name == "GLOBAL"):
                yield argument
            if count > _MOST_INSTRUCTIONS:
                return
    except Exception:  # pickletools raises what it likes on bytes that are no pickle
        return
