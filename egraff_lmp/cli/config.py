"""`egraff config`: what a config says in full, and what it may say."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from egraff_lmp.cli.console import output, print_json
from egraff_lmp.cli.names import Command
from egraff_lmp.cli.task import Changes, Json
from egraff_lmp.errors import EgraffError


class Kind(str, Enum):
    """Configs, by the command that reads them."""

    train = "train"
    run = "run"
    bench = "bench"
    matrix = "matrix"


app = typer.Typer(
    help="Configs of train, run and bench: every key with its value, and what is allowed.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("show", cls=Command)
def show(
    name: Annotated[
        str, typer.Argument(help="A YAML file, or the name of shipped settings (see `list`).")
    ],
    changes: Changes = None,
    as_json: Json = False,
) -> None:
    """Print a config with every key, those at their defaults too, as YAML.

    Shipped settings of a training have no data: FRAMES stands where yours go.
    """
    import yaml

    found = _checked(name, changes or [])
    if as_json:
        print_json(found)
        return
    text = yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=90)
    output.print(text.rstrip(), soft_wrap=True, highlight=False, markup=False)


@app.command("schema", cls=Command)
def schema(
    kind: Annotated[Kind, typer.Argument(help="Whose config: train, run, bench or matrix.")],
) -> None:
    """Print the JSON schema of a config: keys, types, bounds, defaults."""
    print_json(_model(kind).model_json_schema())


@app.command("list", cls=Command)
def names(as_json: Json = False) -> None:
    """Print the names of the shipped settings, by the command that takes them."""
    from egraff_lmp.bench.config import shipped
    from egraff_lmp.train.config import shipped_configs

    tables = {"train": list(shipped_configs()), "bench": list(shipped())}
    if as_json:
        print_json(tables)
        return
    for command, known in tables.items():
        text = f"egraff {command}: {', '.join(known)}"
        output.print(text, highlight=False, markup=False)


def _model(kind: Kind) -> Any:
    from egraff_lmp.bench.config import BenchConfig
    from egraff_lmp.bench.matrix import Matrix
    from egraff_lmp.rollout.config import RolloutConfig
    from egraff_lmp.train.config import TrainConfig

    models = {
        Kind.train: TrainConfig,
        Kind.run: RolloutConfig,
        Kind.bench: BenchConfig,
        Kind.matrix: Matrix,
    }
    return models[kind]


def _checked(name: str, changes: list[str]) -> dict[str, Any]:
    """Plain values of a checked config, whose kind its keys tell."""
    from egraff_lmp.bench.config import parse_config, read_raw, shipped
    from egraff_lmp.bench.matrix import KIND, parse_matrix
    from egraff_lmp.rollout.config import read_config
    from egraff_lmp.train.config import load_config, named_config, shipped_configs

    path = Path(name)
    if name in shipped_configs() and not path.is_file():
        data = {"train": ["FRAMES"], "n_validation": 1}
        return named_config(name, data, changes).model_dump(mode="json")
    if name not in shipped() and not path.is_file():
        known = ", ".join([*shipped_configs(), *shipped()])
        raise EgraffError(f"{name}: expected a YAML file or shipped settings ({known}), got none.")
    raw, source = read_raw(name, changes)
    if raw.get("kind") == KIND:
        return parse_matrix(raw, source)[0].model_dump(mode="json")
    if "models" in raw:
        return parse_config(raw, source).model_dump(mode="json")
    if "forcefield" in raw or "inherits" in raw:
        return load_config(path, changes).model_dump(mode="json")
    return read_config(path, changes).model_dump(mode="json")
