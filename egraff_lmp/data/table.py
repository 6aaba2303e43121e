"""The data sets of EGraFFBench: where their files lie and how their rollouts are run.

Temperatures and time steps are those of Table 10 of the EGraFFBench paper; species are listed in
the order of the networks' type index. Paths are relative to the folder in the environment variable
EGRAFF_DATA and keep the layout of the public repositories.

To add a data set, add an entry here (and a reader, if its format is new).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from egraff_lmp.contract.schema import Citation
from egraff_lmp.data.frames import Frames
from egraff_lmp.data.read import read_frames
from egraff_lmp.errors import EgraffError

DATA_VARIABLE = "EGRAFF_DATA"


@dataclass(frozen=True)
class Condition:
    """One condition of the forward simulations, a row of Table 10."""

    temperature_kelvin: float
    timestep_fs: float


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
    """

    key: str
    title: str
    species: tuple[str, ...]
    conditions: tuple[Condition, ...]
    files: Mapping[str, str]
    frame_stride_fs: Mapping[str, float]
    citations: tuple[Citation, ...]
    r_max: float = 5.0

    @property
    def temperature_kelvin(self) -> float:
        """Temperature of the first condition."""
        return self.conditions[0].temperature_kelvin

    @property
    def timestep_fs(self) -> float:
        """Time step of the first condition."""
        return self.conditions[0].timestep_fs

    def path(self, part: str) -> Path:
        """Path of a part under the data folder; the file need not exist."""
        if part not in self.files:
            raise EgraffError(
                f"data set {self.key}: expected a part out of {', '.join(self.files)}, "
                f"got '{part}'."
            )
        return data_root() / self.files[part]

    def read(self, part: str) -> Frames:
        """Frames of a part, with its time step where it is a time series."""
        path = self.path(part)
        if not path.exists():
            raise EgraffError(
                f"data set {self.key}: expected its part '{part}' at {path}, there is none: set "
                f"{DATA_VARIABLE} to the folder that holds MDBENCHGNN and BOTNet-datasets."
            )
        return read_frames(path, timestep_fs=self.frame_stride_fs.get(part))


def data_root() -> Path:
    """Folder of the data: EGRAFF_DATA, else `shared/data` beside the checkout."""
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    return Path(os.environ.get(DATA_VARIABLE) or default).expanduser()


def data_set(key: str) -> DataSet:
    """The table's entry `key`, or an error that lists the keys."""
    if key not in DATA_SETS:
        raise EgraffError(f"expected a data set out of {', '.join(DATA_SETS)}, got '{key}'.")
    return DATA_SETS[key]


def read_source(source: str, base: Path | None = None) -> Frames:
    """Frames of `SET:PART` of the table ("gete:test"), or of a path.

    Args:
        source: a part of a data set, or a path ($VARIABLES and ~ are expanded).
        base: folder that relative paths start from; None is the working directory.
    """
    key, separator, part = source.partition(":")
    if separator and key in DATA_SETS:
        return DATA_SETS[key].read(part)
    path = Path(os.path.expandvars(source)).expanduser()
    return read_frames(path if base is None else base / path)


_EGRAFFBENCH = Citation(
    "V. Bihani et al., EGraFFBench: evaluation of equivariant graph neural network force fields "
    "for atomistic simulations, Digital Discovery 3, 759 (2024)",
    doi="10.1039/D4DD00027G",
)
_LIPS = Citation(
    "S. Batzner et al., E(3)-equivariant graph neural networks for data-efficient and accurate "
    "interatomic potentials, Nature Communications 13, 2453 (2022)",
    doi="10.1038/s41467-022-29939-5",
)
_MD17 = Citation(
    "S. Chmiela et al., Machine learning of accurate energy-conserving molecular force fields, "
    "Science Advances 3, e1603015 (2017)",
    doi="10.1126/sciadv.1603015",
)
_BOTNET = Citation(
    "I. Batatia et al., The design space of E(3)-equivariant atom-centred interatomic potentials, "
    "Nature Machine Intelligence 7, 56 (2025)",
    doi="10.1038/s42256-024-00956-x",
)
_3BPA = Citation(
    "D. P. Kovacs et al., Linear atomic cluster expansion force fields for organic molecules: "
    "beyond RMSE, Journal of Chemical Theory and Computation 17, 7696 (2021)",
    doi="10.1021/acs.jctc.1c00647",
)

_ONE_SET = "MDBENCHGNN/Datasets/{}/data/{}/nequip_npz.npz"
_MD17_CITATIONS = (_MD17, _EGRAFFBENCH)


def _splits(folder: str, *parts: str) -> dict[str, str]:
    return {part: _ONE_SET.format(folder, part) for part in parts}


def _md17(molecule: str) -> DataSet:
    # `test` is the first 1000 consecutive frames of the published trajectory.
    return DataSet(
        key=molecule,
        title=f"MD17 {molecule}",
        species=("H", "C", "O"),
        conditions=(Condition(500.0, 0.5),),
        files={
            part: f"MDBENCHGNN/Datasets/md17/{molecule}/{part}/nequip_npz.npz"
            for part in ("train", "val", "test")
        },
        frame_stride_fs={"test": 0.5},
        citations=_MD17_CITATIONS,
    )


# Composition to the folder of its DeePMD system, which is named after the formula with all three
# elements counted.
_LIPS20_SYSTEMS = {
    "Li": "Li54P0S0",
    "P": "Li0P48S0",
    "S": "Li0P0S32",
    "Li2S": "Li64P0S32",
    "Li3P": "Li48P16S0",
    "P4S3": "Li0P32S24",
    "Li2P2S6": "Li16P16S48",
    "Li4P2S6": "Li32P16S48",
    "Li7PS6": "Li28P4S24",
    "Li48P16S61": "Li48P16S61",
    "beta-Li3PS4": "Li24P8S32",
    "Li2PS3-orth": "Li32P16S48",
}

_ROWS = (
    DataSet(
        key="gete",
        title="GeTe",
        species=("Ge", "Te"),
        conditions=(Condition(920.0, 0.12),),
        files=_splits("GeTe", "train", "test", "val"),
        frame_stride_fs={"test": 1.209, "val": 1.209},
        citations=(_EGRAFFBENCH,),
    ),
    DataSet(
        key="lips",
        title="LiPS",
        species=("Li", "P", "S"),
        conditions=(Condition(520.0, 1.0),),
        files=_splits("Data_lips", "train", "test", "val"),
        frame_stride_fs={},
        citations=(_LIPS, _EGRAFFBENCH),
    ),
    DataSet(
        key="lips20",
        title="LiPS20",
        species=("Li", "P", "S"),
        conditions=(Condition(3000.0, 1.0),),
        files={
            name: f"MDBENCHGNN/Datasets/LiPS20/{name}/3000K/deepmd/{formula}"
            for name, formula in _LIPS20_SYSTEMS.items()
        },
        frame_stride_fs={},
        citations=(_EGRAFFBENCH,),
    ),
    _md17("aspirin"),
    _md17("ethanol"),
    DataSet(
        key="3bpa",
        title="3BPA",
        species=("H", "C", "N", "O"),
        conditions=(Condition(300.0, 1.0), Condition(600.0, 1.0)),
        files=_splits("3bpa", "train", "val", "test"),
        frame_stride_fs={},
        citations=(_3BPA, _EGRAFFBENCH),
    ),
    DataSet(
        key="acetylacetone",
        title="Acetylacetone",
        species=("H", "C", "O"),
        conditions=(Condition(300.0, 1.0), Condition(600.0, 0.5)),
        files=_splits("acac", "train", "val", "test"),
        frame_stride_fs={},
        citations=(_BOTNET, _EGRAFFBENCH),
    ),
)
DATA_SETS: dict[str, DataSet] = {row.key: row for row in _ROWS}
