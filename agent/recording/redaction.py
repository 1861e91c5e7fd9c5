"""Replaces the values of labels that nobody else may read by hashes, everywhere in a recording.

Equal values have equal hashes, in all recordings, so rules still find the same series. A hash hides a value only from
those who cannot guess it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator
from typing import Any

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.recording.recording import Recording

HASH_PREFIX = "redacted-"
# Without these a rule finds other series, or an alert has another name.
_NEEDED = {"__name__", "alertname", "alertstate", "le", "quantile"}
# A shorter value is found by chance in any text.
_SHORTEST_IN_TEXT = 4


def redacted(recording: Recording, labels: Collection[str]) -> Recording:
    """Return a recording with hashes for the values of some labels; raises ConfigError if that cannot be done."""
    if needed := sorted(_NEEDED & set(labels)):
        raise ConfigError(f"--redact {needed[0]}: rules need the values of this label")
    values = recording.model_dump(mode="json", by_alias=True)
    secret = set(_values(values, labels)) - {""}
    long = sorted((one for one in secret if len(one) >= _SHORTEST_IN_TEXT), key=len, reverse=True)
    in_text = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, long))})(?!\w)") if long else None
    changed: dict[str, Any] = _replaced(values, labels, in_text)
    # What only the program itself may hold, such as a secret in a probe, is not in the JSON of a drill.
    return Recording.model_validate(changed)


def hashed(value: str) -> str:
    """Return the hash of a label's value."""
    return f"{HASH_PREFIX}{hashlib.sha256(value.encode()).hexdigest()[:12]}"


def _matcher(label: str) -> re.Pattern[str]:
    return re.compile(rf'(?<![\w:])({re.escape(label)}\s*(=~|!~|!=|=)\s*)("(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\')')


def _values(node: Any, labels: Collection[str]) -> Iterator[str]:  # noqa: ANN401 - JSON
    """Yield the values of labels, in label sets and in the matchers of texts; raises ConfigError for a pattern."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in labels and isinstance(value, str):
                yield value
            yield from _values(value, labels)
    elif isinstance(node, list):
        for item in node:
            yield from _values(item, labels)
    elif isinstance(node, str):
        for label in labels:
            yield from _in_matchers(node, label)


def _in_matchers(text: str, label: str) -> Iterator[str]:
    for _, op, quoted in _matcher(label).findall(text):
        if op in {"=~", "!~"}:
            raise ConfigError(f"--redact {label}: the recording has {label}{op}{quoted}, and no pattern matches a hash")
        yield _unquoted(quoted)


def _unquoted(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted[1:-1])


def _replaced(node: Any, labels: Collection[str], in_text: re.Pattern[str] | None) -> Any:  # noqa: ANN401 - JSON
    if isinstance(node, dict):
        return {
            _text(key, labels, in_text): hashed(value)
            if key in labels and isinstance(value, str) and value
            else _replaced(value, labels, in_text)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_replaced(item, labels, in_text) for item in node]
    return _text(node, labels, in_text) if isinstance(node, str) else node


def _text(text: str, labels: Collection[str], in_text: re.Pattern[str] | None) -> str:
    for label in labels:
        text = _matcher(label).sub(lambda found: f'{found[1]}"{hashed(_unquoted(found[3]))}"', text)
    return in_text.sub(lambda found: hashed(found[0]), text) if in_text is not None else text
