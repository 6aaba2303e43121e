"""The contract for human eyes: what `egraff inspect` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from egraff_lmp.contract.schema import KERNELS_UNAVAILABLE, Citation, Contract

LABEL_WIDTH = 14  # leaves 34 columns for values on a 50-column terminal
Rows = list[tuple[str, str]]


def describe(contract: Contract, name: str, sha256: str) -> RenderableType:
    """The contract as a rich renderable, readable from 50 columns on.

    Args:
        contract: of a deployed file.
        name: of the file.
        sha256: of the file.
    """
    parts: list[RenderableType] = [Text(f"{contract.architecture}  {name}", style="bold")]
    for title, rows in sections(contract, sha256).items():
        table = Table.grid(padding=(0, 2))
        table.add_column(width=LABEL_WIDTH, style="cyan", overflow="fold")
        table.add_column(overflow="fold")
        for label, value in rows:
            table.add_row(Text(label), Text(value))
        parts += [Text(f"\n{title}", style="bold"), Padding(table, (0, 0, 0, 0))]
    return Group(*parts)


def sections(contract: Contract, sha256: str) -> dict[str, Rows]:
    """Title of each block to its (label, value) rows."""
    blocks = {
        "Model": _model(contract, sha256),
        "Species (type order)": _species(contract),
        "Training": _training(contract.provenance) + _training_range(contract),
        "Self test": _self_test(contract),
        "Written with": [(name, version) for name, version in contract.versions.items()],
        "Please cite": [(str(i), _cited(c)) for i, c in enumerate(contract.citations, 1)],
    }
    return {title: rows for title, rows in blocks.items() if rows}


def _model(contract: Contract, sha256: str) -> Rows:
    widths = contract.exchange_widths
    if widths:
        exchange = f"{len(widths)} per evaluation, {', '.join(map(str, widths))} numbers an atom"
    elif contract.halo_layers > 1:
        exchange = f"none: a halo of {contract.halo_layers} cutoffs"
    else:
        exchange = "none (strictly local)"
    units = contract.units
    return [
        ("sha256", sha256),
        ("force field", contract.forcefield),
        ("r_max", f"{contract.r_max:g} A"),
        ("layers", str(contract.n_layers)),
        ("exchange", exchange),
        ("precision", f"{contract.dtype} network, energies summed in float64"),
        ("kernels", _kernels(contract)),
        ("parameters", f"{contract.n_parameters:,}"),
        ("memory", f"{contract.memory_bytes_per_edge / 1024:.1f} KiB per edge"),
        ("units", f"{units.get('energy')}, {units.get('length')}, {units.get('force')}"),
        *([("outputs", ", ".join(o.name for o in contract.outputs))] if contract.outputs else []),
    ]


def _kernels(contract: Contract) -> str:
    if not contract.operators:
        return "none: the reference network"
    text = ", ".join(contract.operators)
    if contract.radial_table_error > 0.0:
        text += f"; radial tables to {contract.radial_table_error:.0e}"
    return text


def _species(contract: Contract) -> Rows:
    reference = contract.energy_reference
    rows = [
        (
            f"{index}  {element}",
            f"{mass:.4f} amu, reference {reference.per_species_ev.get(element, 0.0):.6f} eV",
        )
        for index, (element, mass) in enumerate(
            zip(contract.species, contract.masses_amu, strict=True), 1
        )
    ]
    return [*rows, ("energy zero", reference.method.replace("_", " "))]


def _training(provenance: Mapping[str, Any]) -> Rows:
    rows: Rows = []
    imported = provenance.get("imported")
    if isinstance(imported, Mapping):
        file_hash = str(imported.get("sha256", ""))[:12]
        rows.append(("imported from", f"{imported.get('file')}, sha256 {file_hash}"))
        rows += [(f"made with {k}", str(v)) for k, v in imported.get("versions", {}).items()]
    data = provenance.get("data")
    for part, entry in data.items() if isinstance(data, Mapping) else ():
        rows.append((part, _part(entry)))
    training = provenance.get("training")
    if isinstance(training, Mapping):
        seconds = float(training.get("wall_seconds", 0.0))
        spent = f"{seconds / 60:.1f} minutes" if seconds >= 60 else f"{seconds:.0f} s"
        rows.append(("epochs", f"{training.get('epochs')} in {spent}"))
    errors = provenance.get("validation_errors")
    rows += _errors(errors) if isinstance(errors, Mapping) else []
    for key in (
        "seed",
        "started",
        "deployed",
        "checkpoint_sha256",
        "config_sha256",
        KERNELS_UNAVAILABLE,
    ):
        if key in provenance:
            # A hash fits a line of 80 columns beside a label of LABEL_WIDTH.
            label = key.removesuffix("_sha256") if len(key) > LABEL_WIDTH else key
            rows.append((label.replace("_", " "), str(provenance[key])))
    return rows


def _errors(errors: Mapping[str, float]) -> Rows:
    """A row for each error, with that of zero forces or zero stress beside it."""
    rows = []
    for name, value in errors.items():
        if name.startswith("zero_"):
            continue
        quantity, statistic, unit = _error_words(name)
        zero = errors.get(f"zero_{name}")
        beside = "" if zero is None else f"; zero {quantity}: {zero:.3g}"
        rows.append((f"{quantity} {statistic}", f"{value:.3g} {unit} (validation{beside})"))
    return rows


def _training_range(contract: Contract) -> Rows:
    known = contract.training_range
    if known is None:
        return []
    pairs = [f"{'-'.join(d.elements)} {d.angstrom:.3f} A" for d in known.shortest_distances]
    rows = [("closest atoms", ", ".join(pairs))] if pairs else []
    if known.largest_force is not None:
        rows.append(("largest force", f"{known.largest_force:.3f} eV/A"))
    return rows


def _part(entry: Any) -> str:
    if not isinstance(entry, Mapping):
        return str(entry)
    counts: Sequence[int] = entry.get("n_frames", ())
    formulas: Sequence[str] = entry.get("formulas", ())
    systems = ", ".join(f"{n} x {f}" for n, f in zip(counts, formulas, strict=False))
    sources = ", ".join(map(str, entry.get("sources", ())))
    return f"{systems} from {sources}, sha256 {str(entry.get('sha256', ''))[:12]}"


def _error_words(name: str) -> tuple[str, str, str]:
    """("energy", "MAE", "meV/atom") from energy_mae_mev_per_atom."""
    quantity, _, rest = name.partition("_")
    statistic, _, unit = rest.partition("_")
    unit = unit.replace("mev", "meV").replace("_per_", "/").replace("angstrom", "A")
    unit = unit.replace("A3", "A^3")
    return quantity, statistic.upper(), unit


def _self_test(contract: Contract) -> Rows:
    test = contract.self_test
    periodic = "".join(axis for axis, flag in zip("xyz", test.pbc, strict=True) if flag)
    largest = max((abs(x) for row in test.forces for x in row), default=0.0)
    return [
        ("frame", f"{len(test.species)} atoms, {test.n_edges} edges"),
        ("periodic", periodic or "no"),
        ("energy", f"{sum(test.energies):.6f} eV"),
        ("largest force", f"{largest:.4f} eV/A"),
    ]


def _cited(citation: Citation) -> str:
    return f"{citation.text}. doi:{citation.doi}" if citation.doi else citation.text
