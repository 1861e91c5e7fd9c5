"""The variables of the environment, and what is assumed where the script itself decides by something unknown.

A probe file takes `${NAME}` where the script only sends it. Where it decides what the script does (an index, a
condition, the name of a file), the value must be known while the script is read: it is that of `--env NAME=VALUE`, or
the script's own default, or the variable is taken as not set.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from alertdrill.agent.import_k6.notes import NotCarried

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


class Environment:
    """The values that the user gave, and notes on what was assumed."""

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        self.given = dict(given or {})
        self.assumed: dict[str, int] = {}

    def assume(self, line: int, text: str) -> None:
        """Note an assumption once, with the line where it was made first."""
        self.assumed.setdefault(text, line)

    def decided(self, line: int, text: str) -> str | None:
        """Return a text with the defaults of its variables; None where one has none, and so is not set."""
        for name, default in _REFERENCE.findall(text):
            how = f"as {default!r}, its default" if f"${{{name}}}" not in text else "as not set"
            self.assume(line, f"__ENV.{name} decides what is read here, {how}; --env {name}=… gives it a value")
        if any(f"${{{name}}}" in text for name, _ in _REFERENCE.findall(text)):
            return None
        return _REFERENCE.sub(lambda reference: reference[2] or "", text)

    def required(self, line: int, text: str) -> str:
        """Return a text with the defaults of its variables; raises NotCarried where one has none."""
        for name, default in _REFERENCE.findall(text):
            if not default and f"${{{name}}}" in text:
                raise NotCarried(line, f"__ENV.{name} decides it, and has no default; give it with --env {name}=…")
        return str(self.decided(line, text))
