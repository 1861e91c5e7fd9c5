"""`alertdrill ctl`: calls the API of a running agent."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alertdrill.agent.commands.options import command, fail
from alertdrill.agent.commands.running import explained
from alertdrill.agent.errors import INCONCLUSIVE, USAGE

if TYPE_CHECKING:
    from alertdrill.agent.api.client import ApiClient

_LOOK_EVERY_SECONDS = 1.0
_SERVER = "http://127.0.0.1:9095"


class Action(StrEnum):
    """What to do."""

    STATUS = "status"
    RUNS = "runs"
    START = "start"
    ABORT = "abort"
    PAUSE = "pause"
    RESUME = "resume"
    BLACKOUT = "blackout"
    HEAL = "heal"
    RELOAD = "reload"


_OPTIONS = {
    "for": (Action.PAUSE,),
    "from": (Action.BLACKOUT,),
    "until": (Action.BLACKOUT,),
    "reason": (Action.START, Action.ABORT, Action.PAUSE, Action.BLACKOUT),
    "by": (Action.START, Action.PAUSE, Action.BLACKOUT),
    "key": (Action.START,),
    "dry-run": (Action.START,),
    "wait": (Action.START,),
}


@command(
    "alertdrill ctl status",
    "alertdrill ctl start slow-database --dry-run",
    "alertdrill ctl start slow-database --reason 'after the upgrade' --key upgrade-7 --wait",
    "alertdrill ctl pause --for 2h --reason 'the release' --by Ada",
    "alertdrill ctl blackout --from 2026-12-20T00:00:00Z --until 2026-12-27T00:00:00Z --reason 'the migration'",
    "alertdrill ctl abort --server https://agent.example:9095 --token-file secrets/ci --ca-file ca.crt",
    note="ACTION is one of status, runs, start, abort, pause, resume, blackout, heal and reload. A refused call ends with code 2."
    " With --wait, the exit code is that of the drill, 2 if it could not begin, and 3 if the agent ended meanwhile.",
)
def ctl(  # noqa: PLR0913, PLR0917 - the options of a command
    action: Annotated[Action, typer.Argument(help="What to do.", metavar="ACTION")],
    drill: Annotated[str | None, typer.Argument(help="For start: the name of a drill of the schedule.")] = None,
    server: Annotated[str, typer.Option(help="The agent's URL.")] = _SERVER,
    token_file: Annotated[Path | None, typer.Option(help="A file with a bearer token of web.yml.")] = None,
    ca_file: Annotated[Path | None, typer.Option(help="The authority of the agent's certificate.")] = None,
    duration: Annotated[str | None, typer.Option("--for", help="For pause: how long, at most 7d.")] = None,
    begin: Annotated[str | None, typer.Option("--from", help="For blackout: an instant in UTC; else now.")] = None,
    until: Annotated[str | None, typer.Option(help="For blackout: an instant in UTC.")] = None,
    reason: Annotated[str, typer.Option(help="For start, abort, pause and blackout: why.")] = "",
    by: Annotated[str, typer.Option(help="For start, pause and blackout: who.")] = "",
    key: Annotated[str, typer.Option(help="For start: of several calls with one key, only the first starts it.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="For start: only show what would happen.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="For start: until the drill ended, with its exit code.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Call the API of a running agent."""
    from alertdrill.agent.api.client import ApiClient

    if (action is Action.START) != (drill is not None):
        fail("start needs the name of a drill" if drill is None else f"{action.value} takes no name of a drill")
    values = {"for": duration, "from": begin, "until": until, "reason": reason, "by": by}
    others = {"key": key, "dry-run": dry_run, "wait": wait}
    _require_options(action, {option for option, value in {**values, **others}.items() if value})
    body = {name: text for name, text in {**values, "drill": drill}.items() if text}
    is_awaited = action is Action.START and wait and not dry_run
    with explained():
        client = ApiClient.of(server, token_file, ca_file)
        answer = _called(client, action, body, key, dry_run=dry_run)
        if is_awaited:
            answer = _ended(client, answer)
    if json:
        from json import dumps

        typer.echo(dumps(answer, indent=2, ensure_ascii=False))
    else:
        for line in _told(action, answer, dry_run=dry_run):
            typer.echo(line)
    if is_awaited:
        raise typer.Exit(_code(answer))


def _require_options(action: Action, given: set[str]) -> None:
    """Refuse what an action does not have or lacks: `abort --dry-run` must not stop a drill."""
    for option, actions in _OPTIONS.items():
        if option in given and action not in actions:
            fail(f"--{option} is for {', '.join(actions)}, and {action.value} does not have it")
    if action is Action.PAUSE and not {"for", "reason"} <= given:
        fail('pause needs --for and --reason, such as --for 2h --reason "the release"')
    if action is Action.BLACKOUT and not {"until", "reason"} <= given:
        fail('blackout needs --until and --reason, such as --until 2026-12-27T00:00:00Z --reason "the migration"')


def _ended(client: ApiClient, answer: dict[str, Any]) -> dict[str, Any]:
    """Wait until a drill ended, and return what became of it."""
    import time

    while answer["state"] in {"waiting", "running"}:
        time.sleep(_LOOK_EVERY_SECONDS)
        answer = client.get(f"/starts/{answer['id']}")
    return answer


def _code(answer: dict[str, Any]) -> int:
    if answer["state"] == "done" and isinstance(answer["exit_code"], int):
        return int(answer["exit_code"])
    return INCONCLUSIVE if answer["state"] == "interrupted" else USAGE


def _called(client: ApiClient, action: Action, body: dict[str, str], key: str, *, dry_run: bool) -> dict[str, Any]:
    if action in {Action.STATUS, Action.RUNS}:
        return client.get(f"/{action.value}")
    if action is Action.START:
        return client.post("/starts?dry_run=true" if dry_run else "/starts", body, key)
    return client.post("/blackouts" if action is Action.BLACKOUT else f"/{action.value}", body)


def _told(action: Action, answer: dict[str, Any], *, dry_run: bool) -> list[str]:
    """Return the lines to print for an answer."""
    match action:
        case Action.STATUS:
            return _status(answer)
        case Action.RUNS:
            return _runs(answer)
        case Action.START:
            return _plan(answer) if dry_run else [_start(answer)]
        case Action.ABORT:
            return [f"stopping {answer['drill'] or answer['occurrence']}: undoing what is broken"]
        case Action.PAUSE:
            return [f"paused until {answer['until']}: {answer['reason']}"]
        case Action.RESUME:
            return ["the pause is ended"]
        case Action.BLACKOUT:
            return [f"no drill runs from {answer['when']}: {answer['name']}"]
        case Action.HEAL:
            return list(answer["lines"])
        case Action.RELOAD:
            return ["reloaded, in force after the running drill" if answer["waits_for_the_drill"] else "reloaded"]


def _status(answer: dict[str, Any]) -> list[str]:
    running, pause = answer["running"], answer["pause"]
    lines = [
        f"alertdrill {answer['version']}: {answer['problem'] or 'ready'}",
        f"load: {answer['load']['problem'] or 'sending'}, {answer['load']['rate']:g} transactions a second",
        f"drill: {running['drill']}, {running['phase'] or 'begins'}" if running else "drill: none is running",
        *(f"alert: {one['alert']} {one['state']}" for one in (running["alerts"] if running else ())),
        f"not healed: {answer['faults_unhealed']} fault(s)",
        *(f"next: {entry} at {starts_at}" for entry, starts_at in sorted(answer["next"].items())),
    ]
    return [*lines, f"paused by {pause['by']} until {pause['until']}: {pause['reason']}"] if pause else lines


def _start(answer: dict[str, Any]) -> str:
    why = f", {answer['why']}" if answer["why"] else ""
    code = "" if answer["exit_code"] is None else f" with code {answer['exit_code']}"
    return f"started as {answer['id']}: {answer['state']}{code}{why}"


def _runs(answer: dict[str, Any]) -> list[str]:
    return [_run(one) for one in answer["items"]] or ["no drill ended yet"]


def _run(one: dict[str, Any]) -> str:
    outcomes = ", ".join(f"{found['alert']} {found['outcome']}" for found in one["outcomes"])
    return f"{one['started_at']}  {one['drill']}  code {one['exit_code']}  {one['aborted'] or outcomes or '-'}"


def _plan(answer: dict[str, Any]) -> list[str]:
    refused = answer["refused"]
    return [
        f"drill {answer['drill']} would do this at {answer['rate']:g}/s; nothing was broken",
        *(_planned(one) for one in answer["steps"]),
        *answer["expectations"],
        *([f"it would not be started now ({refused['reason']}): {refused['why']}"] if refused else []),
    ]


def _planned(one: dict[str, Any]) -> str:
    settings = f": {one['settings']}" if one["settings"] else ""
    return f"{one['at_seconds']:g}s  {one['kind']} on {one['target']}, {one['lasts']}{settings}"
