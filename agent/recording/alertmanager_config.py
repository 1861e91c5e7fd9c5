"""The configuration of Alertmanager as a recording keeps it: without its URLs and tokens.

Alertmanager masks what it knows as secret. Other places hold secrets as well: a webhook's URL, a proxy's, a header. The
routes, the inhibitions and the time intervals stay as they are, because the judge reads them.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from alertdrill.units import yaml_text
from alertdrill.units.secrecy import SHOWN, is_secret_name

_OPEN_SECTIONS = {"route", "inhibit_rules", "time_intervals", "mute_time_intervals"}
# A line that begins without a space, and is not a comment or a list item, begins a section.
_SECTIONS = re.compile(r"^(?=[\w\"'])", re.MULTILINE)


def without_secrets(text: str) -> str:
    """Mask the values of a configuration (YAML) that are, or may be, secret."""
    return "".join(map(_section, _SECTIONS.split(text)))


def _section(text: str) -> str:
    name = text.partition(":")[0].strip("\"'")
    if name in _OPEN_SECTIONS or not text.strip():
        return text
    try:
        documents = yaml_text.load_all(text)
    except yaml_text.YamlRefused:
        return f"{name}: {SHOWN}\n"
    values = documents[0] if len(documents) == 1 else None
    return yaml.safe_dump(_masked(values), sort_keys=False) if isinstance(values, dict) else ""


def _masked(value: Any, *, hidden: bool = False) -> Any:  # noqa: ANN401 - YAML
    if isinstance(value, dict):
        return {key: _masked(item, hidden=hidden or _is_secret_key(str(key))) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item, hidden=hidden) for item in value]
    return SHOWN if value is not None and (hidden or "://" in str(value)) else value


def _is_secret_key(key: str) -> bool:
    return key.endswith(("url", "urls", "_key")) or is_secret_name(key)
