"""One run of a command: the lab if asked for, the drills one after another, their recordings and reports."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from alertdrill.agent.config import runbooks
from alertdrill.agent.config.agent import AgentConfig, as_yaml, read_agent_config
from alertdrill.agent.config.drill import Drill, read_drill
from alertdrill.agent.console import Lines
from alertdrill.agent.drilling import dry_run
from alertdrill.agent.drilling.conductor import Conductor
from alertdrill.agent.drilling.turns import taken
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.files import require_writable, write_whole
from alertdrill.agent.report.drill import table as drills_table
from alertdrill.agent.series import Series
from alertdrill.lab.parts import Parts

if TYPE_CHECKING:
    from alertdrill.lab.stack import Lab

# What is lost there is the lab's own.
_ALLOWED_AT_THE_LAB = ["flush redis:6379", "fill redis:6379", "block redis:6379", "kill postgres:5432"]


@dataclass(frozen=True)
class Options:
    """What `alertdrill drill` was asked for."""

    files: list[Path]
    config: Path
    lab: bool
    time_scale: float
    output: Path | None
    dry_run: bool = False
    # Of which drills are this process's, when several were given the same (alertdrill.agent.drilling.turns).
    turns: int | None = None


async def run_drills(options: Options, console: Console) -> int:
    """Run drills one after another and tell the worst exit code.

    A fault that cannot be injected ends its drill, and not those that follow. Raises ConfigError, ServiceUnavailable,
    FaultNotHealed and, of a single drill, FaultNotApplied.
    """
    config, loaded = read(options)
    output = options.output or config.recordings
    require_writable(output)
    lines, began = Lines(console), time.monotonic()
    parts = reduce(Parts.together, (one.lab for one in loaded), Parts())
    async with _stack(config, options, parts, lines) as (here, lab):
        if options.dry_run:
            for one in loaded:
                planned = await Conductor(here, one, lines.tell).plan()
                console.print(dry_run.render(one.scaled(here.time_scale), planned))
            return 0
        pages = options.config.parent / runbooks.FOLDER
        series = Series(here, lab, output, pages, console, lines)
        mine = iter(loaded) if options.turns is None else (loaded[number] for number in taken(options.turns))
        code = await series.run(mine, alone=len(loaded) == 1)
    if len(loaded) > 1 and options.turns is None:
        drills_table.show(console, series.done, len(loaded), time.monotonic() - began)
    return code


def read(options: Options) -> tuple[AgentConfig, list[Drill]]:
    """Read all files before anything runs, so that every problem is told at once."""
    problems: list[str] = []
    config, loaded = None, []
    for path in [options.config, *options.files]:
        try:
            if path is options.config:
                config = read_agent_config(path)
            else:
                loaded.append(read_drill(path))
        except ConfigError as error:
            problems += error.problems
    if problems or config is None:
        raise ConfigError(*problems)
    return config, loaded


@asynccontextmanager
async def _stack(
    config: AgentConfig, options: Options, parts: Parts, lines: Lines
) -> AsyncIterator[tuple[AgentConfig, Lab | None]]:
    """Yield the configuration to work with: that of the file, or of a lab that runs meanwhile, and the lab."""
    if not options.lab:
        yield config, None
        return
    # Only the lab needs its libraries, and a sidecar does not have them.
    from alertdrill.lab.stack import Lab

    lines.tell("lab: starting real servers")
    async with Lab(options.config.parent, options.time_scale, parts=parts) as lab:
        lines.tell(f"lab: {len(lab.servers)} servers are ready")
        yield at_the_lab(config, lab.addresses, lab.ledger, options.time_scale), lab


def at_the_lab(config: AgentConfig, addresses: dict[str, str], ledger: Path, time_scale: float) -> AgentConfig:
    """Point a configuration at a lab."""
    own = {
        "listen": addresses["alertdrill:9095"],
        "ledger": ledger,
        "time_scale": time_scale,
        "addresses": addresses,
        "allow": _ALLOWED_AT_THE_LAB,
        "password_files": {"postgres:5432": ledger.parent / "postgres" / "password"},
    }
    return config.relocated(addresses).model_copy(update=own)


async def keep_lab(config: Path, time_scale: float, parts: Parts, console: Console) -> int:
    """Start the lab, show what runs where, and keep it up until cancelled."""
    from alertdrill.lab.stack import Lab

    loaded = read_agent_config(config)
    async with Lab(config.parent, time_scale, parts=parts) as lab:
        table = Table("server", "address", "program", "pid")
        for name, address, program, pid in lab.table():
            table.add_row(name, address, str(program), str(pid))
        console.print(table)
        own = lab.directory / "agent.yml"
        write_whole(own, as_yaml(at_the_lab(loaded, lab.addresses, lab.ledger, time_scale)))
        console.print(f"drill it: alertdrill drill --config {own} configs/drills/database-latency.yml", soft_wrap=True)
        console.print("Ctrl-C stops it and removes all it made.")
        await asyncio.Event().wait()
    return 0
