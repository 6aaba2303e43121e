"""`--set KEY=VALUE`: keys of a config file that are given on the command line.

They are laid over the file before it is checked, so that the same schema judges both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from egraff_lmp.errors import EgraffError


def overlaid(raw: Mapping[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """A config with settings laid over it; what was given is not changed.

    Args:
        raw: of the file.
        settings: KEY=VALUE each; a dotted KEY names a key of a section, or an entry of a list by
            its number; VALUE is YAML (5, true, null, [Ge, Te]).

    Raises:
        EgraffError: no "=", a VALUE that is no YAML, or a KEY below something that is no section.
    """
    result: Any = dict(raw)
    for setting in settings:
        key, separator, text = setting.partition("=")
        if not separator or not key.strip():
            raise EgraffError(
                f"--set {setting}: expected KEY=VALUE, such as --set stop.max_epochs=50."
            )
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            first = str(error).splitlines()[0]
            raise EgraffError(f"--set {setting}: expected a value in YAML: {first}.") from None
        result = _placed(result, key.strip().split("."), value, setting)
    return dict(result)


def _placed(section: Any, path: Sequence[str], value: Any, setting: str) -> Any:
    """A copy of `section` with `value` at `path`."""
    if not path:
        return value
    name, rest = path[0], path[1:]
    if section is None:
        section = {}
    if isinstance(section, list):
        if not name.isdigit() or int(name) >= len(section):
            raise EgraffError(
                f"--set {setting}: expected the number of one of {len(section)} entries, 0 to "
                f"{len(section) - 1}, got '{name}'."
            )
        changed = list(section)
        changed[int(name)] = _placed(section[int(name)], rest, value, setting)
        return changed
    if not isinstance(section, dict):
        raise EgraffError(
            f"--set {setting}: expected '{name}' below a section of the config, got it below the "
            f"value {section!r}."
        )
    return {**section, name: _placed(section.get(name), rest, value, setting)}
