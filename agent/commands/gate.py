"""`alertdrill gate`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alertdrill.agent.commands.ci_reports import CommentOption, FormatOption, ReportOption, RunForm, asked_for, tell
from alertdrill.agent.commands.options import ConfigOption, NoColor, command, fail, open_console
from alertdrill.agent.commands.running import explained
from alertdrill.agent.errors import NOT_AS_EXPECTED

if TYPE_CHECKING:
    from datetime import timedelta

    from rich.console import Console

    from alertdrill.agent.gate.freshness import Gate
    from alertdrill.agent.gate.proofs import AlertProof

_PROOFS = Path("proofs.json")


@command(
    "alertdrill gate rules.yml --prove-within critical=30d,warning=90d",
    "alertdrill gate rules/ --proofs proofs.json --prove-within critical=30d --format json",
    "alertdrill gate rules.yml --config agent.yml --prove-within critical=30d",
    note="Exit codes: 0 every alert is proven in time; 1 one is not; 2 usage or configuration. Alerts of a severity"
    " without a limit are listed, and pass.",
)
def gate(  # noqa: PLR0913, PLR0917 - one parameter for each option
    rules: Annotated[list[Path], typer.Argument(help="Rule files, or folders of them.", metavar="RULES…")],
    prove_within: Annotated[
        str | None,
        typer.Option(
            "--prove-within",
            help="How old a proof may be, for each severity: critical=30d,warning=90d; else `freshness` of --config.",
            metavar="SEVERITY=DURATION,…",
        ),
    ] = None,
    proofs: Annotated[
        Path | None,
        typer.Option(help="File with the proofs; without it, that of this folder, else the recordings of --config."),
    ] = None,
    config: ConfigOption = None,
    regress: Annotated[Path, typer.Option(help="Folder of regress files.", metavar="FOLDER")] = Path("regress"),
    form: FormatOption = RunForm.TEXT,
    report: ReportOption = None,
    comment: CommentOption = False,
    no_color: NoColor = False,
) -> None:
    """Fail if an alert was not proven recently.

    A proof is one of a drill, with the expressions that the alert and the recording rules below it have now.
    """
    with explained():
        limits = _limits(prove_within, config)
        outputs = asked_for(report, form, wants_comment=comment)
        found = _judged(rules, limits, _read(proofs, config), regress)
        _print(found, form, open_console(no_color=no_color))
        from alertdrill.agent.report.ci.checks import of_gate

        tell(of_gate(found), outputs)
    raise typer.Exit(0 if found.passes else NOT_AS_EXPECTED)


def _limits(given: str | None, config: Path | None) -> dict[str, timedelta]:
    """Return the limits of the option, or of a configuration that is named."""
    from alertdrill.agent.config.agent import read_agent_config
    from alertdrill.agent.gate.freshness import limits_of

    if given is None:
        return {} if config is None else read_agent_config(config).freshness.prove_within
    try:
        return limits_of(given)
    except ValueError as error:
        fail(f"--prove-within: {error}")


def _read(proofs: Path | None, config: Path | None) -> list[AlertProof]:
    """Return the proofs of a file, or of all recordings."""
    from alertdrill.agent import on_lab
    from alertdrill.agent.config.agent import read_agent_config
    from alertdrill.agent.errors import ConfigError
    from alertdrill.agent.gate.kept import proofs_by_history
    from alertdrill.agent.gate.proofs import read_proofs

    path = proofs or (_PROOFS if config is None and _PROOFS.exists() else None)
    if path is not None:
        return read_proofs(path)
    agent = on_lab.configuration(config)
    if config is None and not agent.exists():
        raise ConfigError(f"{_PROOFS} is not here, and neither is {agent}: name one of them with --proofs or --config")
    config_of_agent = read_agent_config(agent)
    return proofs_by_history(
        config_of_agent.history, config_of_agent.recordings, lambda problem: typer.echo(f"skipped: {problem}", err=True)
    )


def _judged(rules: list[Path], limits: dict[str, timedelta], proofs: list[AlertProof], regress: Path) -> Gate:
    from alertdrill.agent.explaining.from_files import sources_of
    from alertdrill.agent.gate.freshness import gate as judged
    from alertdrill.agent.regression.regress_file import SUFFIX, read_regress_file

    replayed = {read_regress_file(path).regress for path in sorted(regress.rglob(f"*{SUFFIX}"))}
    return judged(sources_of(rules).rules, proofs, replayed, limits, datetime.now(UTC))


def _print(found: Gate, form: RunForm, console: Console) -> None:
    from rich.text import Text

    if form is RunForm.JSON:
        import json

        typer.echo(json.dumps(found.as_json(), indent=2, ensure_ascii=False))
        return
    for one in found.alerts:
        word = "ok" if one.standing.passes else "FAILED"
        head = Text(f"{word:6} ", style="green" if one.standing.passes else "red")
        name = f"{one.alert} ({one.severity})" if one.severity else one.alert
        console.print(head + Text(f"{name}: {one.told}"), soft_wrap=True)
    for line in found.told:
        console.print(line, soft_wrap=True)
