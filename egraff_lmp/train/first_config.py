"""A first config of a training, written for the frames at hand: what `egraff init train` writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import yaml

from egraff_lmp.data.outline import Outline, outline
from egraff_lmp.data.table import collect_source, seen_from
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import require_writable, write_text
from egraff_lmp.train.config import parse_config, shipped_configs
from egraff_lmp.train.data import read_parts

VALIDATION_SHARE = 10  # one frame of so many
GAP = 5  # frames left out between training and validation of a series


def write_first_config(
    path: str | Path,
    sources: Sequence[str],
    *,
    settings: str = "mace-small",
    validation: Sequence[str] = (),
    force: bool = False,
) -> Outline:
    """Write a commented training config, which was checked and whose data were read and split.

    Args:
        path: YAML file to write; paths of the data are written as seen from its folder.
        sources: training frames, files or SET:PART.
        settings: shipped settings that it builds on.
        validation: sources of validation frames; () splits them off.
        force: overwrite a file that exists.

    Raises:
        EgraffError: a file is there, unknown settings, or data that `egraff train` would refuse.
    """
    path = Path(path)
    require_free(path, force)
    if settings not in shipped_configs():
        raise EgraffError(
            f"expected shipped settings ({', '.join(shipped_configs())}), got '{settings}'."
        )
    folder = path.absolute().parent
    seen = [seen_from(source, folder) for source in sources]
    found = outline([collect_source(source, folder) for source in seen])
    held_out = [seen_from(source, folder) for source in validation]
    text = training_text(path.name, seen, held_out, settings, found)
    read_parts(parse_config(yaml.safe_load(text), str(path)), folder)
    write_text(path, text)
    return found


def require_free(path: Path, force: bool) -> None:
    """Refuse a file that is there already, or that could not be written.

    Raises:
        EgraffError: see above.
    """
    require_writable(path.absolute().parent)
    if path.exists() and not force:
        raise EgraffError(f"{path} would be overwritten: choose another --out, or add --force.")


def training_text(
    name: str, sources: Sequence[str], validation: Sequence[str], settings: str, found: Outline
) -> str:
    """YAML of the config, with the reason of each choice as a comment."""
    lines = [
        f"# A training of {settings.partition('-')[0]} on {found.systems}.",
        f"# Run it with `egraff train {name}`; the same command resumes it. `egraff config show",
        f"# {name}` prints every key, and --set KEY=VALUE changes one for a single run.",
        f"inherits: {settings}",
        "",
        "data:",
        f"  train: {_listed(sources)}",
    ]
    if validation:
        lines.append(f"  validation: {_listed(validation)}")
    else:
        count = max(1, found.n_frames // (VALIDATION_SHARE * len(sources)))
        where = " of each file" if len(sources) > 1 else ""
        lines.append(f"  n_validation: {count}  # frames{where}, split off and not trained on")
        lines += _split_lines(found)
    lines += [
        "",
        f"# Elements: {' '.join(found.elements)}; {found.n_neighbours:.0f} neighbours of an atom "
        "on average within r_max.",
        f"r_max: {found.r_max_angstrom}  # A; nearest neighbours are at "
        f"{found.nearest_angstrom:.2f} A",
        "",
        "# Weights of errors in units that make zero forces (and zero stress) a loss of 1.",
        f"loss: {{energy: 1, forces: 1, stress: {int(found.stress)}}}"
        + ("" if found.stress else "  # the frames have no stress: NPT would not be trained for"),
        "",
        "# The rate follows a cosine over all epochs; raise both bounds for a model that is used.",
        "schedule: {name: cosine}",
        "stop: {max_epochs: 30, max_minutes: 30}",
        "seed: 0  # another seed gives another member of an ensemble",
        "",
    ]
    return "\n".join(lines)


def _split_lines(found: Outline) -> list[str]:
    if not found.in_order or found.n_frames < 4 * GAP:
        return ["  split: shuffled  # at random"]
    return [
        "  # The frames follow each other in time: a stretch of time is held out, since a frame",
        "  # between two training frames would tell nothing of other configurations.",
        "  split: contiguous",
        f"  gap: {GAP}  # frames left out in between",
    ]


def _listed(sources: Sequence[str]) -> str:
    # A JSON string is one of YAML, whatever is in it.
    return f"[{', '.join(json.dumps(source, ensure_ascii=False) for source in sources)}]"
