"""`alertdrill explain` from its options to what is printed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.explaining.from_files import Options, from_files
from alertdrill.agent.report import explain
from alertdrill.agent.rules.explanation import Explanation

_FORMS: dict[str, Callable[[Explanation], str]] = {"markdown": explain.as_markdown, "json": explain.as_json}


async def show(options: Options, config: Path | None, form: str, console: Console, *, strict: bool) -> int:
    """Explain and print, and tell the exit code: 1 when a rule has a problem and that counts.

    Raises ConfigError, ServiceUnavailable.
    """
    explanation = await _explained(options, config)
    if form in _FORMS:
        console.out(_FORMS[form](explanation), end="", highlight=False)
    else:
        console.print(explain.as_text(explanation))
    return int(strict and explanation.has_problem)


async def _explained(options: Options, config: Path | None) -> Explanation:
    if options.paths and config is not None:
        raise ConfigError("explain takes rule files or --config, not both")
    if config is not None:
        # Only servers need a client.
        from alertdrill.agent.explaining.from_servers import from_servers

        return await from_servers(config, options)
    if not options.paths:
        raise ConfigError("explain needs rule files, or --config to ask the servers")
    return from_files(options)
