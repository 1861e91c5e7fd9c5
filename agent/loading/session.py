"""`alertdrill probe`: one load from its first transaction to its summary."""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from alertdrill.agent import on_lab
from alertdrill.agent.config.probe import ProbeFile, read_probe_file
from alertdrill.agent.console import ConsoleLines
from alertdrill.agent.errors import INCONCLUSIVE, NOT_AS_EXPECTED, PASSED, THRESHOLD_CROSSED, USAGE, worst
from alertdrill.agent.loading import outputs as load_outputs
from alertdrill.agent.loading import reports as load_reports
from alertdrill.agent.loading.options import LoadOptions
from alertdrill.agent.loading.reports import Render
from alertdrill.agent.loading.run import LoadRun
from alertdrill.agent.payment_audit import PaymentAudit
from alertdrill.agent.report.load import summary as load_summary
from alertdrill.agent.report.load.story import LoadStory
from alertdrill.agent.report.load.summary import fold
from alertdrill.agent.serving.metrics import AgentState
from alertdrill.agent.verdict.audit import audit_problems

if TYPE_CHECKING:
    from alertdrill.agent.config.agent import AgentConfig
    from alertdrill.lab.stack import Lab


async def run_load(options: LoadOptions, console: Console) -> int:
    """Run a load and return the exit code.

    0, or the worst of these: 99 when a threshold was crossed or nothing was answered, 3 when the load was not sent as
    planned and has to be, 1 when the audit failed, 2 when a file was not written.
    Raises ConfigError, and ServiceUnavailable when it cannot listen.
    """
    file = options.pointed(read_probe_file(options.file))
    settings = options.load_settings(file)
    reports, problems = load_reports.renderers(options.summary_export, options.html)
    lines = ConsoleLines(console, is_quiet=options.quiet)
    _allow_many_connections()
    with load_outputs.opened(options.out, problems) as outputs:
        async with AsyncExitStack() as stack:
            here, lab = file, None
            if options.lab:
                started = on_lab.started(options.lab_config.parent, options.time_scale, lines.tell, file.lab)
                lab = await stack.enter_async_context(started)
                here = _pointed(file, lab.addresses)
            servers = _servers(options, lab) if settings.phases else None
            audit = await PaymentAudit.begin(lab, lines.warn, options.acknowledged)
            load = LoadRun(here, settings, options, lines, audit.keep, servers)
            await stack.enter_async_context(_metrics_served(options.listen, load.state))
            try:
                await load.run(console, outputs)
            finally:
                honest = options.require_honest
                codes = [*_report(load.story(), reports, console, lines, requires_honest=honest)]
                codes += await _audit(audit, console)
    return worst([*codes, USAGE if outputs.failed else PASSED])


def _allow_many_connections() -> None:
    """Raise the soft limit of open files to the hard one, as Go's programs do: each transaction may need one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _pointed(file: ProbeFile, addresses: Mapping[str, str]) -> ProbeFile:
    """Point a probe file at a lab."""
    from alertdrill.agent.config.agent import relocate

    return ProbeFile.model_validate(relocate(file.model_dump(by_alias=True, exclude_unset=True), addresses))


def _servers(options: LoadOptions, lab: Lab | None) -> AgentConfig | None:
    """Return the configuration whose Prometheus knows the KPIs of the service under load; None without one."""
    from alertdrill.agent.config.agent import read_agent_config

    if lab is not None:
        config = read_agent_config(options.lab_config)
        return on_lab.at_the_lab(config, lab.addresses, lab.ledger, options.time_scale)
    return None if options.config is None else read_agent_config(options.config)


@asynccontextmanager
async def _metrics_served(listen: str | None, state: Callable[[], AgentState]) -> AsyncIterator[None]:
    """Serve /metrics during the block if there is an address."""
    if listen is None:
        yield
        return
    from alertdrill.agent.serving.metrics import registry
    from alertdrill.agent.serving.server import metrics_route, serving

    async with serving([metrics_route(registry(state))], listen, "--listen"):
        yield


def _report(
    story: LoadStory | None,
    reports: Mapping[Path, Render],
    console: Console,
    lines: ConsoleLines,
    *,
    requires_honest: bool,
) -> tuple[int, ...]:
    """Write and print the summary of a load, also of one that was interrupted; return its exit codes."""
    if story is None:
        return ()
    # Files come first: the reader of standard output may be gone.
    all_written = load_reports.write_all(reports, story, lines.warn)
    text = load_summary.render(story.summary)
    console.print(fold(text, console.width) if console.is_terminal else text, soft_wrap=True)
    if story.verdict == "unanswered":
        console.print(Text("not passed: no transaction was answered"), soft_wrap=True)
    if story.phases:
        from alertdrill.agent.report.load import phase_text

        console.print(phase_text.render(story.phases))
    is_sent_as_planned = story.summary.honesty is None or story.summary.honesty.is_honest
    return (
        PASSED if story.verdict in {"passed", "stopped"} else THRESHOLD_CROSSED,
        PASSED if all_written else USAGE,
        PASSED if is_sent_as_planned or not requires_honest else INCONCLUSIVE,
    )


async def _audit(audit: PaymentAudit, console: Console) -> tuple[int, ...]:
    """Print the audit on the lab, or else where the ids of the acknowledged transactions are; return the exit codes."""
    record, kept = await audit.finish(), audit.acknowledged
    if record is not None:
        from alertdrill.agent.report.drill.terminal import audit_line

        console.print(audit_line(record), soft_wrap=True)
    elif kept is not None:
        console.print(Text(f"acknowledged: {kept.problem or f'{kept.count:,} ids in {kept.path}'}"), soft_wrap=True)
    is_complete = kept is None or not kept.problem
    return NOT_AS_EXPECTED if audit_problems(record) else PASSED, PASSED if is_complete else USAGE
