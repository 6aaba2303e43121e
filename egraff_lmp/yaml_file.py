"""YAML that is read as plain values, within limits.

`yaml.SafeLoader` builds no objects, but a text of a few lines can stand for 10^9 values by
references to references. What a file stands for is counted before anything is made of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 1 << 20
MAX_VALUES = 200_000


def read_yaml(path: Path, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> Any:
    """The plain values in a YAML file.

    Args:
        path: the file.
        loader: SafeLoader, or one of its children.

    Raises:
        yaml.YAMLError: no YAML, or more than `MAX_BYTES` or `MAX_VALUES`.
        UnicodeDecodeError: no text.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise yaml.YAMLError(f"expected at most {MAX_BYTES >> 20} MiB of YAML, got {size} bytes")
    reader = loader(path.read_text(encoding="utf-8"))
    try:
        node = reader.get_single_node()
        if node is None:
            return None
        _count(node, {})
        return reader.construct_document(node)
    except (ValueError, OverflowError, RecursionError) as error:  # impossible dates, deep nesting
        raise yaml.YAMLError(f"a value that cannot be read ({error})") from None
    finally:
        reader.dispose()


def _count(node: yaml.Node, known: dict[int, int]) -> int:
    """Values that a node stands for, references followed."""
    if id(node) in known:
        found = known[id(node)]
        if not found:
            raise yaml.YAMLError("a value that refers to itself")
        return found
    known[id(node)] = 0
    total = 1
    if isinstance(node, yaml.SequenceNode):
        total += sum(_count(item, known) for item in node.value)
    elif isinstance(node, yaml.MappingNode):
        total += sum(_count(key, known) + _count(value, known) for key, value in node.value)
    if total > MAX_VALUES:
        raise yaml.YAMLError(f"expected at most {MAX_VALUES} values, references followed, got more")
    known[id(node)] = total
    return total
