"""The data sets of EGraFFBench and of Fu et al.: what they are, and where their files lie.

Temperatures and time steps are those of Table 10 of the EGraFFBench paper, and of appendix D of
"Forces are not enough" for the two sets that only it has; species are listed in the order of the
networks' type index. Paths are relative to the folder in the environment variable EGRAFF_DATA
(else one of the user's own, see `entry.data_root`) and keep the layout of the public repositories.
Checksums are in SHA256SUMS.

To add a data set, add an entry here (and a reader, if its format is new).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from egraff_lmp.contract.schema import Citation
from egraff_lmp.data.collection import Collection
from egraff_lmp.data.entry import (
    DATA_VARIABLE,
    INDEPENDENT,
    ORDERED,
    Condition,
    DataSet,
    RemoteFile,
    data_root,
)
from egraff_lmp.data.frames import Frames
from egraff_lmp.data.label_names import LabelKeys
from egraff_lmp.data.read import read_collection, read_constraints, read_frames
from egraff_lmp.errors import EgraffError

__all__ = [
    "DATA_SETS",
    "DATA_VARIABLE",
    "Condition",
    "DataSet",
    "collect_source",
    "constraints_of_source",
    "data_root",
    "data_set",
    "read_source",
]


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
    part = _part(source)
    return read_frames(_path(source, base)) if part is None else part


def constraints_of_source(source: str, index: int) -> list[Any]:
    """ASE's constraints on one frame of what `read_source` reads; see `read_constraints`."""
    key, separator, _ = source.partition(":")
    return [] if separator and key in DATA_SETS else read_constraints(_path(source, None), index)


def collect_source(
    source: str, base: Path | None = None, keys: LabelKeys | None = None
) -> Collection:
    """As `read_source`, of a source that may hold several compositions; see `read_collection`."""
    part = _part(source)
    return read_collection(_path(source, base), keys) if part is None else Collection.of(part)


def seen_from(source: str, folder: Path) -> str:
    """A source as a config in `folder` names it: SET:PART as it is, a path from there."""
    if source.partition(":")[0] in DATA_SETS and ":" in source:
        return source
    path = Path(os.path.expandvars(source)).expanduser().absolute()
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def _part(source: str) -> Frames | None:
    key, separator, part = source.partition(":")
    return DATA_SETS[key].read(part) if separator and key in DATA_SETS else None


def _path(source: str, base: Path | None) -> Path:
    path = Path(os.path.expandvars(source)).expanduser()
    return path if base is None else base / path


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
_FU = Citation(
    "X. Fu et al., Forces are not enough: benchmark and critical evaluation for machine learning "
    "force fields with molecular simulations, Transactions on Machine Learning Research (2023)",
    doi="10.48550/arXiv.2210.07237",
)

_SPCFW = Citation(
    "Y. Wu, H. L. Tepper, G. A. Voth, Flexible simple point-charge water model with improved "
    "liquid-state properties, The Journal of Chemical Physics 124, 024503 (2006)",
    doi="10.1063/1.2136877",
)
_AMBER03 = Citation(
    "Y. Duan et al., A point-charge force field for molecular mechanics simulations of proteins "
    "based on condensed-phase quantum mechanical calculations, Journal of Computational Chemistry "
    "24, 1999 (2003)",
    doi="10.1002/jcc.10349",
)

_MDBENCHGNN = "https://github.com/M3RG-IITD/MDBENCHGNN"
_BOTNET_DATA = "https://github.com/davkovacs/BOTNet-datasets"
_FU_RECORD = "https://zenodo.org/record/7196767"
_LIPS_RECORD = "https://archive.materialscloud.org/record/2022.45"
_MD17_HOME = "http://www.sgdml.org"
_REPOSITORIES = {"MDBENCHGNN": _MDBENCHGNN, "BOTNet-datasets": _BOTNET_DATA}
_BOTNET_LICENCE = "MIT for the BOTNet-datasets repository; not stated in MDBENCHGNN"
_SEE_MDBENCHGNN = f"see {_MDBENCHGNN} for where its authors keep the larger files"


def _in_repository(path: str) -> RemoteFile:
    """A file that lies in one of the public repositories under the same path."""
    name, inside = path.split("/", 1)
    return RemoteFile(f"{_REPOSITORIES[name]}/raw/HEAD/{quote(inside)}", path)


def _repository_files(files: dict[str, str], *without: str) -> dict[str, tuple[RemoteFile, ...]]:
    return {part: (_in_repository(path),) for part, path in files.items() if part not in without}


_ONE_SET = "MDBENCHGNN/Datasets/{}/data/{}/nequip_npz.npz"


def _splits(folder: str, *parts: str) -> dict[str, str]:
    return {part: _ONE_SET.format(folder, part) for part in parts}


_MD17_SIZES = {"train": 950, "val": 50, "test": 1000}


def _md17(molecule: str, published: str, species: tuple[str, ...]) -> DataSet:
    """A molecule that EGraFFBench trains on; `published` is the file name of its source."""
    files = {
        part: f"MDBENCHGNN/Datasets/md17/{molecule}/{part}/nequip_npz.npz" for part in _MD17_SIZES
    }
    whole = _md17_whole(published)
    return DataSet(
        key=molecule,
        title=f"MD17 {molecule.replace('_', ' ')}",
        species=species,
        conditions=(Condition(500.0, 0.5),),
        files={**files, "whole": whole.path},
        # `test` is the first 1000 consecutive frames of the published trajectory.
        frame_stride_fs={"test": 0.5, "whole": 0.5},
        citations=(_MD17, _EGRAFFBENCH),
        homepage=_MD17_HOME,
        split="train and val drawn at random from the trajectory, test its first 1000 frames: "
        "a few frames are in both",
        n_frames=_MD17_SIZES,
        whole=("whole",),
        remote={**_repository_files(files), "whole": (whole,)},
    )


def _md17_whole(published: str) -> RemoteFile:
    name = f"{published}_dft.npz"
    return RemoteFile(f"http://www.quantum-machine.org/gdml/data/npz/{name}", f"MD17/{name}")


# Composition to the folder of its DeePMD system, which is named after the formula with all three
# elements counted. g67 to g80 are the glasses x Li2S - (100 - x) P2S5.
_LIPS20_SYSTEMS = {
    "Li": "Li54P0S0",
    "P": "Li0P48S0",
    "S": "Li0P0S32",
    "Li2S": "Li64P0S32",
    "Li3P": "Li48P16S0",
    "P2S5": "Li0P8S20",
    "P4S3": "Li0P32S24",
    "Li2P2S6": "Li16P16S48",
    "Li4P2S6": "Li32P16S48",
    "Li7PS6": "Li28P4S24",
    "Li7P3S11": "Li28P12S44",
    "Li48P16S61": "Li48P16S61",
    "beta-Li3PS4": "Li24P8S32",
    "gamma-Li3PS4": "Li48P16S64",
    "Li2PS3-hex": "Li32P16S48",
    "Li2PS3-orth": "Li32P16S48",
    "g67": "Li82P40S138",
    "g70": "Li82P38S133",
    "g75": "Li91P35S129",
    "g80": "Li92P34S128",
}
_LIPS20_TRAIN = ("Li", "Li2S", "Li48P16S61", "P4S3", "Li7PS6")
_LIPS20_CRYSTALS = ("beta-Li3PS4", "gamma-Li3PS4", "Li2PS3-hex", "Li2PS3-orth")
_DEEPMD_FILES = (
    "type.raw",
    "type_map.raw",
    *(f"set.000/{name}.npy" for name in ("box", "coord", "energy", "force", "virial")),
)


def _lips20() -> DataSet:
    files = {
        name: f"MDBENCHGNN/Datasets/LiPS20/{name}/3000K/deepmd/{formula}"
        for name, formula in _LIPS20_SYSTEMS.items()
    }
    known = (*_LIPS20_TRAIN, *_LIPS20_CRYSTALS)
    return DataSet(
        key="lips20",
        title="LiPS20",
        species=("Li", "P", "S"),
        conditions=(Condition(3000.0, 1.0),),
        files=files,
        frame_stride_fs={},
        citations=(_EGRAFFBENCH,),
        homepage=_MDBENCHGNN,
        obtain="the four glasses (g67, g70, g75, g80) are incomplete in the public copy: ask the "
        "authors for their coordinates and forces.",
        split="train on five compositions (900 + 100 frames each, shuffled); four crystals and "
        "all other compositions are test sets",
        n_frames=dict.fromkeys(files, 1000),
        order=ORDERED,
        step_fs=0.5,
        frame_gaps="lips20_frame_gaps.npy",
        groups={
            "train": _LIPS20_TRAIN,
            "crystal": _LIPS20_CRYSTALS,
            "test": tuple(name for name in files if name not in known),
        },
        remote={
            name: tuple(_in_repository(f"{path}/{file}") for file in _DEEPMD_FILES)
            for name, path in files.items()
        },
    )


_MADE_PARTS = ("trajectory", "train", "val", "test")


def _made(key: str) -> dict[str, str]:
    """Parts of a set that `egraff data make` writes."""
    return {part: f"made/{key}/{part}.npz" for part in _MADE_PARTS}


_GETE = _splits("GeTe", "train", "test", "val")
_LIPS_FILES = _splits("Data_lips", "train", "test", "val")


def _released(folder: str, **names: str) -> dict[str, str]:
    """Parts that are files of the BOTNet-datasets repository, by their names there."""
    return {part: f"BOTNet-datasets/{folder}/{name}.xyz" for part, name in names.items()}


# The dihedral beta is fixed; each file is a slice through the plane of alpha and gamma.
_3BPA_SCANS = ("dihedral_beta120", "dihedral_beta150", "dihedral_beta180")
_3BPA_FILES = {
    **_splits("3bpa", "train", "val", "test"),
    **_released(
        "dataset_3BPA",
        train_300K="train_300K",
        train_mixedT="train_mixedT",
        test_300K="test_300K",
        test_600K="test_600K",
        test_1200K="test_1200K",
        dihedral_beta120="test_dih_beta120",
        dihedral_beta150="test_dih_beta150",
        dihedral_beta180="test_dih_beta180",
    ),
}
_ACAC_SCANS = ("dihedral", "H_transfer")
_ACAC_FILES = {
    **_splits("acac", "train", "val", "test"),
    **_released(
        "dataset_acac",
        train_300K="train_300K",
        train_600K="train_600K",
        test_300K="test_MD_300K",
        test_600K="test_MD_600K",
        dihedral="test_dihedral",
        H_transfer="test_H_transfer",
    ),
}

_ROWS = (
    DataSet(
        key="gete",
        title="GeTe",
        species=("Ge", "Te"),
        conditions=(Condition(920.0, 0.12),),
        files=_GETE,
        frame_stride_fs={"test": 1.209, "val": 1.209},
        citations=(_EGRAFFBENCH,),
        homepage=_MDBENCHGNN,
        obtain=f"the published training file is not in the repository: {_SEE_MDBENCHGNN}.",
        split="1500 train, 300 test, 300 val; test then val is one trajectory",
        n_frames={"train": 1500, "test": 300, "val": 300},
        remote=_repository_files(_GETE, "train"),
    ),
    DataSet(
        key="lips",
        title="LiPS",
        species=("Li", "P", "S"),
        conditions=(Condition(520.0, 1.0),),
        files={**_LIPS_FILES, "whole": "LiPS/lips.xyz"},
        frame_stride_fs={},
        citations=(_LIPS, _FU, _EGRAFFBENCH),
        homepage=_LIPS_RECORD,
        obtain=f"train and test are drawn from the part 'whole', which can be fetched; for the "
        f"authors' own draw {_SEE_MDBENCHGNN}.",
        split="drawn at random from 25 000 frames: 19 000 train, 1000 val, the rest test",
        n_frames={"train": 19000, "val": 1000},
        whole=("whole",),
        remote={
            "val": (_in_repository(_LIPS_FILES["val"]),),
            "whole": (
                RemoteFile(
                    "https://archive.materialscloud.org/record/file?filename=lips.xyz"
                    "&record_id=1302",
                    "LiPS/lips.xyz",
                ),
            ),
        },
    ),
    _lips20(),
    _md17("aspirin", "aspirin", ("H", "C", "O")),
    _md17("ethanol", "ethanol", ("H", "C", "O")),
    _md17("naphthalene", "naphthalene", ("H", "C")),
    _md17("salicylic_acid", "salicylic", ("H", "C", "O")),
    DataSet(
        key="benzene",
        title="MD17 benzene",
        species=("H", "C"),
        conditions=(Condition(500.0, 0.5),),
        files={"whole": "MD17/benzene2017_dft.npz"},
        frame_stride_fs={"whole": 0.5},
        citations=(_MD17, _EGRAFFBENCH),
        homepage=_MD17_HOME,
        split="none: the unseen molecule, run by models trained on the other four",
        whole=("whole",),
        remote={"whole": (_md17_whole("benzene2017"),)},
    ),
    DataSet(
        key="3bpa",
        title="3BPA",
        species=("H", "C", "N", "O"),
        conditions=(Condition(300.0, 1.0), Condition(600.0, 1.0)),
        files=_3BPA_FILES,
        frame_stride_fs={},
        citations=(_3BPA, _EGRAFFBENCH),
        homepage=_BOTNET_DATA,
        licence=_BOTNET_LICENCE,
        split="train at 300 K; by the spread of their energies val is the 300 K and test the "
        "600 K test set; the scans are of DFT-optimised structures with the dihedral beta fixed",
        n_frames={
            "train": 500,
            "val": 1669,
            "test": 2138,
            "train_300K": 500,
            "train_mixedT": 500,
        },
        part_temperatures={
            "test": 600.0,
            "test_600K": 600.0,
            "test_1200K": 1200.0,
            "train_mixedT": None,
        },
        order=INDEPENDENT,
        whole=("train_300K", "test_300K", "test_600K"),
        beside=("train_mixedT", "test_1200K", *_3BPA_SCANS),
        scans=_3BPA_SCANS,
        remote=_repository_files(_3BPA_FILES),
    ),
    DataSet(
        key="acetylacetone",
        title="Acetylacetone",
        species=("H", "C", "O"),
        conditions=(Condition(300.0, 1.0), Condition(600.0, 0.5)),
        files=_ACAC_FILES,
        frame_stride_fs={},
        citations=(_BOTNET, _EGRAFFBENCH),
        homepage=_BOTNET_DATA,
        licence=_BOTNET_LICENCE,
        split="train at 300 K; val and test are the same frames of the 300 K test set; dihedral is "
        "a scan about a C-C bond, H_transfer the path of the proton (both have energies alone)",
        n_frames={
            "train": 500,
            "val": 650,
            "test": 650,
            "train_300K": 500,
            "train_600K": 500,
            "dihedral": 45,
            "H_transfer": 15,
        },
        part_temperatures={"train_600K": 600.0, "test_600K": 600.0},
        order=INDEPENDENT,
        whole=("train_300K", "test_300K"),
        beside=("train_600K", "test_600K", *_ACAC_SCANS),
        scans=_ACAC_SCANS,
        remote=_repository_files(_ACAC_FILES),
    ),
    DataSet(
        key="water",
        title="Water (SPC/E-fw)",
        species=("H", "O"),
        conditions=(Condition(300.0, 1.0),),
        files={"whole": "Fu2023/water.npy", **_made("water")},
        frame_stride_fs={"whole": 10.0, "trajectory": 10.0},
        citations=(_FU, _SPCFW),
        homepage=_FU_RECORD,
        obtain="`egraff data make water` makes trajectory, train, val and test with the force "
        "field SPC/Fw; 'whole' is the authors' own, which can be fetched.",
        split="950, 9500 or 85 500 train, 5 % as many val, 10 000 test, drawn at random from a "
        "1 ns trajectory",
        whole=("whole", "trajectory"),
        made=_MADE_PARTS,
        remote={"whole": (RemoteFile(f"{_FU_RECORD}/files/water.npy", "Fu2023/water.npy"),)},
    ),
    DataSet(
        key="alanine_dipeptide",
        title="Alanine dipeptide (implicit solvent)",
        species=("H", "C", "N", "O"),
        conditions=(Condition(300.0, 2.0),),
        files={"whole": "Fu2023/alanine_dipeptide.npy", **_made("alanine_dipeptide")},
        # 2 ps lie between two frames: in the order of time, but unfit for differences.
        frame_stride_fs={},
        citations=(_FU, _AMBER03),
        homepage=_FU_RECORD,
        obtain="`egraff data make alanine_dipeptide` makes trajectory, train, val and test with "
        "AMBER-03 in implicit solvent; 'whole' is the authors' own, which can be fetched.",
        split="38 000 train, 2000 val, the rest of 50 000 test, drawn at random; in 'whole' no "
        "energies, and forces hold the kicks of a solvent that is not there",
        order=INDEPENDENT,
        whole=("whole", "trajectory"),
        made=_MADE_PARTS,
        remote={
            "whole": (
                RemoteFile(
                    f"{_FU_RECORD}/files/alanine_dipeptide.npy", "Fu2023/alanine_dipeptide.npy"
                ),
            )
        },
    ),
)
DATA_SETS: dict[str, DataSet] = {row.key: row for row in _ROWS}
