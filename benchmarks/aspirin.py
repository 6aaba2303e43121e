"""Train the shipped `*-small` settings on aspirin and print their errors beside zero forces'.

    python benchmarks/aspirin.py [--only mace nequip] [--minutes 7] [--threads 1]

950 training, 50 validation and 1000 test frames of MD17 as EGraFFBench released them (EGRAFF_DATA).
Eight frames of the test part are in the training part, too: of 1000 they do not show.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from rich.console import Console
from rich.table import Table

from egraff_lmp.forcefields import FORCE_FIELDS
from egraff_lmp.train.config import parse_config
from egraff_lmp.train.run import train

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Train one after the other; a training that was cut continues where it stopped."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=FORCE_FIELDS, default=list(FORCE_FIELDS))
    parser.add_argument("--minutes", type=float, default=7.0)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    os.environ.setdefault("EGRAFF_DATA", str(ROOT.parent / "shared/data"))
    table = Table("force field", "epochs", "minutes", "force MAE, meV/A", "zero forces / it")
    for key in arguments.only:
        config = parse_config(
            {
                "inherits": f"{key}-small",
                "data": {
                    "train": ["aspirin:train"],
                    "validation": ["aspirin:val"],
                    "test": ["aspirin:test"],
                    "leakage": "warn",
                },
                "threads": arguments.threads,
                "device": "cpu",
                "stop": {"max_minutes": arguments.minutes},
            },
            key,
        )
        result = train(config, ROOT / "models-work" / f"aspirin-{key}")
        error = result.test["forces_mae_mev_per_angstrom"]
        table.add_row(
            FORCE_FIELDS[key].architecture,
            str(result.epochs),
            f"{result.wall_seconds / 60:.1f}",
            f"{error:.0f}",
            f"{result.test['zero_forces_mae_mev_per_angstrom'] / error:.1f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
