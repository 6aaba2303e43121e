"""The whole chain in one command: reference, training, deployment, rollouts, scores, report."""

from egraff_lmp.bench.config import BenchConfig, load_config, parse_config, shipped
from egraff_lmp.bench.run import BenchResult, run_bench
from egraff_lmp.bench.stage import StageResult

__all__ = [
    "BenchConfig",
    "BenchResult",
    "StageResult",
    "load_config",
    "parse_config",
    "run_bench",
    "shipped",
]
