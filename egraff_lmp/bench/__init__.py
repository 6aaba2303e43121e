"""The whole chain in one command: reference, training, deployment, rollouts, scores, report."""

from egraff_lmp.bench.config import BenchConfig, load_config, parse_config, shipped
from egraff_lmp.bench.matrix import CellConfig, Matrix, load_matrix, parse_matrix
from egraff_lmp.bench.matrix_run import MatrixResult, describe, run_matrix
from egraff_lmp.bench.run import BenchResult, run_bench
from egraff_lmp.bench.stage import StageResult

__all__ = [
    "BenchConfig",
    "BenchResult",
    "CellConfig",
    "Matrix",
    "MatrixResult",
    "StageResult",
    "describe",
    "load_config",
    "load_matrix",
    "parse_config",
    "parse_matrix",
    "run_bench",
    "run_matrix",
    "shipped",
]
