"""The directive `egraff-metrics`: the table of metrics, from `egraff_lmp.score.METRICS`."""

from __future__ import annotations

from sphinx.application import Sphinx

from egraff_lmp.score import METRICS, Metric
from pages.markdown import markdown_directive, plain


def table(_: str) -> str:
    """Every metric as a definition."""
    return "\n".join(map(_entry, METRICS.values()))


def _entry(metric: Metric) -> str:
    low, high = metric.bounds
    unit = "no unit" if metric.unit == "1" else f"in {metric.unit}"
    facts = [unit]
    if low > float("-inf"):
        facts += [f"from {low:g} to {high:g}" if high < float("inf") else f"from {low:g}"]
    facts += [f"{metric.better} is better"] if metric.better else []
    facts += [f"for a {metric.systems[0]}"] if len(metric.systems) == 1 else []
    facts += [f"accepted below {metric.accepted_below:g}"] if metric.accepted_below else []
    facts += [f"form {' and '.join(metric.modes)}"]
    text = plain(metric.doc)
    return f"`{metric.key}` ({plain(metric.label)})\n: {text}. *{'; '.join(facts)}*\n"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("egraff-metrics", markdown_directive(table))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
