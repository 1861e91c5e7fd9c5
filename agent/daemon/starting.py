"""The start of `alertdrill run`: the lock, the ledger, the server, and only then all the rest.

Whoever starts an agent waits until it is healthy. The modules of the rest take longer to import than all that comes
before, so they are imported while the server answers; none of them may be imported at the head of this file.
"""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from alertdrill.agent.config.agent import AgentConfig, require_credential
from alertdrill.agent.daemon.configured import Configured, load_targets, read_configured
from alertdrill.agent.drilling.lock import FOLDER, only_agent
from alertdrill.agent.log import LogLevel, LogLine
from alertdrill.agent.serving.server import Listener, serving
from alertdrill.chaos.errors import FaultNotHealed, LedgerRefused
from alertdrill.chaos.machine.threads import in_own_thread
from alertdrill.chaos.safety.ledger import Contents, Ledger


@dataclass(frozen=True)
class Started:
    """How an agent was started: agent.yml, another web.yml than it names, and whether nothing may be left broken."""

    path: Path
    web_file: Path | None = None
    require_clean: bool = False


Rest = Callable[[Started, Configured, Callable[[str], None], Listener], Awaitable[None]]
"""What runs an agent that listens already."""


async def run_agent(started: Started, tell: Callable[[str], None], rest: Callable[[], Rest]) -> None:
    """Run an agent until this is cancelled; `rest` imports what runs it from when it listens on.

    Whoever starts it may have disabled the garbage collection: it is enabled when all is imported.
    Raises ConfigError, ServiceUnavailable when its address is taken, LibraryMissing, and with `require_clean` also
    FaultNotHealed and LedgerRefused when an agent before left something that cannot be undone.
    """
    configured = read_configured(started.path, started.web_file)
    config = configured.config
    require_credential(config)
    used = {*await load_targets(config), str(config.recordings.absolute())}
    with only_agent(FOLDER, used):
        await _heal(config, tell, require_clean=started.require_clean)
        async with serving(_ROUTES, config.listen, tls=config.web_file.tls_server_config) as listener:
            tell(f"listening on {config.listen}")
            run = await in_own_thread(rest, "import")
            gc.freeze()
            gc.enable()
            await run(started, configured, tell, listener)


async def _heal(config: AgentConfig, tell: Callable[[str], None], *, require_clean: bool) -> None:
    """Undo what dead processes left broken; what cannot be undone is told, and keeps the agent from being ready."""
    ledger = Ledger(config.ledger, "agent")
    try:
        if ledger.read() == Contents():
            return
        from alertdrill.agent.drilling.healing import heal_abandoned

        await heal_abandoned(ledger, tell, command=config.heal_command)
    except (FaultNotHealed, LedgerRefused) as error:
        if require_clean:
            raise
        for line in str(error).splitlines():
            tell(LogLine(line, LogLevel.ERROR))


# Each answer ends its connection: a client that kept it would never meet the routes that come later.
async def _healthy(_: web.Request) -> web.Response:
    return _closing(web.Response(text="alertdrill is healthy.\n"))


async def _not_yet(_: web.Request) -> web.Response:
    return _closing(web.Response(status=503, text="alertdrill is starting, or ending.\n"))


def _closing(response: web.Response) -> web.Response:
    response.force_close()
    return response


_ROUTES = (web.get("/-/healthy", _healthy), web.route("*", "/{path:.*}", _not_yet))
