"""One row of the table of data sets: what is known of it, where its files lie, how to get them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_data_path

from egraff_lmp.contract.schema import Citation
from egraff_lmp.data.arrays import load_npy
from egraff_lmp.data.frames import Frames
from egraff_lmp.data.read import read_frames
from egraff_lmp.errors import EgraffError

DATA_VARIABLE = "EGRAFF_DATA"
# How the frames of a part follow each other.
SERIES, ORDERED, INDEPENDENT, SCAN = "series", "ordered", "independent", "scan"


@dataclass(frozen=True)
class Condition:
    """One condition of the forward simulations, a row of Table 10."""

    temperature_kelvin: float
    timestep_fs: float


@dataclass(frozen=True)
class RemoteFile:
    """A file that can be downloaded.

    Attributes:
        url: its public address.
        path: where it belongs under the data folder, which is also its name in SHA256SUMS.
    """

    url: str
    path: str

    @property
    def sha256(self) -> str | None:
        """Its SHA-256 where somebody has seen the file, else None."""
        return known_checksums().get(self.path)


@dataclass(frozen=True)
class DataSet:
    """One row of the table of data sets.

    Attributes:
        key: its name in configs and on the command line.
        title: display name.
        species: elements in type order.
        conditions: conditions of the forward simulations, the training temperature first.
        files: name of a part (a split or a composition) to its path under the data folder.
        frame_stride_fs: time between frames for the parts that are time series.
        citations: what to cite when the data are used.
        r_max: cutoff in A.
        homepage: public address of the data or of the paper's repository.
        licence: what is known of the licence, in a sentence.
        obtain: how to get the data where no address of a part's files is known.
        split: how the parts were made, in a sentence.
        n_frames: frames that a complete part has, where that is known.
        order: of the parts that are no time series, `ORDERED` (in the order of time, with uneven
            gaps) or `INDEPENDENT`; a part with a stride is a `SERIES`.
        step_fs: time step of the simulation behind `ORDERED` parts.
        frame_gaps: path of a .npy file with the steps between the frames of `ORDERED` parts.
        groups: role in the paper's tasks (train, crystal, test) to parts, for compositions.
        whole: parts that hold the frames of other parts by construction.
        beside: published parts that are not of the split: other temperatures, scans. They are
            fetched, and missed, by name alone.
        scans: parts whose frames go along a path in order, by the part's name; no ensemble.
        remote: part to its downloadable files.
        part_temperatures: of parts that are not of the first condition, in K; None for those that
            are of several, or of none.
        made: parts that `egraff data make` makes with the reference force field.
    """

    key: str
    title: str
    species: tuple[str, ...]
    conditions: tuple[Condition, ...]
    files: Mapping[str, str]
    frame_stride_fs: Mapping[str, float]
    citations: tuple[Citation, ...]
    r_max: float = 5.0
    homepage: str = ""
    licence: str = "not stated with the data: ask the authors before passing them on"
    obtain: str = ""
    split: str = ""
    n_frames: Mapping[str, int] = field(default_factory=dict)
    order: str = INDEPENDENT
    step_fs: float | None = None
    frame_gaps: str | None = None
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    whole: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    scans: tuple[str, ...] = ()
    remote: Mapping[str, tuple[RemoteFile, ...]] = field(default_factory=dict)
    part_temperatures: Mapping[str, float | None] = field(default_factory=dict)
    made: tuple[str, ...] = ()

    @property
    def temperature_kelvin(self) -> float:
        """Temperature of the first condition."""
        return self.conditions[0].temperature_kelvin

    def in_split(self, part: str) -> bool:
        """Whether a part is one of the split, and neither holds others nor stands beside them."""
        return part not in self.whole and part not in self.beside

    def temperature_of(self, part: str) -> float | None:
        """Temperature in K at which the frames of a part were drawn, as its authors say.

        None for a scan, and for a part that mixes temperatures.
        """
        if part in self.scans:
            return None
        return self.part_temperatures.get(part, self.temperature_kelvin)

    @property
    def timestep_fs(self) -> float:
        """Time step of the first condition."""
        return self.conditions[0].timestep_fs

    def path(self, part: str) -> Path:
        """Path of a part under the data folder; the file need not exist."""
        self._known(part)
        return data_root() / self.files[part]

    def exists(self, part: str) -> bool:
        """Whether the file or folder of a part is there."""
        return self.path(part).exists()

    def read(self, part: str) -> Frames:
        """Frames of a part, with its time step where it is a time series."""
        path = self.path(part)
        if not path.exists():
            raise EgraffError(
                f"data set {self.key}: expected its part '{part}' at {path}, there is none: see "
                f"`{self.how_to_get(part)}`, or set {DATA_VARIABLE} to the folder "
                f"that holds {Path(self.files[part]).parts[0]} ({root_in_words()})."
            )
        if part in self.made:  # the file says what was asked for when it was made
            return read_frames(path)
        return read_frames(path, timestep_fs=self.frame_stride_fs.get(part))

    def how_to_get(self, part: str) -> str:
        """The command that brings a part."""
        make = f"egraff data make {self.key}"
        return make if part in self.made else f"egraff data fetch {self.key}:{part}"

    def order_of(self, part: str) -> str:
        """How the frames of a part follow each other: SERIES, ORDERED, INDEPENDENT or SCAN."""
        self._known(part)
        if part in self.scans:
            return SCAN
        return SERIES if part in self.frame_stride_fs else self.order

    def gaps(self) -> NDArray[np.int64] | None:
        """(T - 1,) simulation steps between consecutive frames, where a file tells them."""
        path = None if self.frame_gaps is None else data_root() / self.frame_gaps
        if path is None or not path.is_file():
            return None
        return np.asarray(load_npy(path), dtype=np.int64)

    def checksums(self, part: str) -> dict[str, str]:
        """Known SHA-256 of the files of a part, by path under the data folder."""
        self._known(part)
        root = self.files[part]
        return {
            path: value
            for path, value in known_checksums().items()
            if path == root or path.startswith(f"{root}/")
        }

    def _known(self, part: str) -> None:
        if part not in self.files:
            raise EgraffError(
                f"data set {self.key}: expected a part out of {', '.join(self.files)}, "
                f"got '{part}'."
            )


def data_root() -> Path:
    """Folder of the data: EGRAFF_DATA, else a folder of the user's own.

    On Linux that is ~/.local/share/egraff_lmp, or below XDG_DATA_HOME where that is set.
    """
    chosen = os.environ.get(DATA_VARIABLE)
    return Path(chosen).expanduser() if chosen else user_data_path("egraff_lmp", appauthor=False)


def root_in_words() -> str:
    """Where the data folder comes from, for messages."""
    if os.environ.get(DATA_VARIABLE):
        return f"it is {data_root()} now"
    return f"it is not set, so that {data_root()} is taken"


@cache
def known_checksums() -> Mapping[str, str]:
    """Path under the data folder to SHA-256, of every file that was seen.

    The list has the form that `sha256sum -c` reads.
    """
    text = (resources.files("egraff_lmp.data") / "SHA256SUMS").read_text(encoding="utf-8")
    rows = (line.split(maxsplit=1) for line in text.splitlines() if line)
    return {path: digest for digest, path in rows}
