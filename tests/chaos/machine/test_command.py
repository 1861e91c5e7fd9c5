"""Commands of a user, here shell scripts that create and remove a file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.machine.command import Command
from alertdrill.chaos.machine.processes import RunningProcess, with_command
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.ledger import Ledger
from tests.support.breaking import KilledAgent, endpoints, fault
from tests.support.waiting import until


def sh(script: str, within: str = "10s") -> dict[str, Any]:
    return {"run": ["sh", "-c", script], "within": within}


def with_word(word: str) -> list[RunningProcess]:
    return with_command(lambda command: word in command)


def settings(broken: Path) -> dict[str, Any]:
    return {"kind": "command", "begin": sh(f"touch {broken}"), "end": sh(f"rm -f {broken}")}


async def test_one_command_begins_it_and_one_ends_it(tmp_path: Path) -> None:
    broken, ledger = tmp_path / "broken", Ledger(tmp_path / "ledger")
    confirmed = settings(broken) | {"confirm": {"run": ["test", "!", "-e", str(broken)]}}
    async with applied(fault(**confirmed), endpoints(), ledger):
        assert broken.exists()
    assert not broken.exists()


async def test_heal_runs_the_end_command_after_the_agent_was_killed(tmp_path: Path) -> None:
    agent = KilledAgent(tmp_path / "ledger", settings(tmp_path / "broken"))
    assert (tmp_path / "broken").exists()
    agent.kill()
    await agent.heal()
    assert not (tmp_path / "broken").exists()


async def test_a_begin_that_goes_on_for_ever_is_ended_and_then_the_end_is_run(tmp_path: Path) -> None:
    endless = settings(tmp_path / "broken") | {"begin": sh(f"touch {tmp_path}/broken; sleep 61.7 & wait", "500ms")}
    with pytest.raises(FaultNotApplied, match="sh has not ended within 500ms"):
        async with applied(fault(**endless), endpoints(), Ledger(tmp_path / "ledger")):
            pass
    assert with_word("61.7") == []
    assert not (tmp_path / "broken").exists()


async def test_a_fault_that_is_cancelled_in_the_middle_of_its_begin_ends_it(tmp_path: Path) -> None:
    slow = settings(tmp_path / "broken") | {"begin": sh(f"touch {tmp_path}/broken; exec sleep 61.8", "50s")}

    async def begin() -> None:
        async with applied(fault(**slow), endpoints(), Ledger(tmp_path / "ledger")):
            pass

    async def has_begun() -> bool:
        return with_word("61.8") != []

    async def is_over() -> bool:
        return with_word("61.8") == []

    task = asyncio.ensure_future(begin())
    await until(has_begun, "the begin runs")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(is_over, "the begin is ended")
    assert not (tmp_path / "broken").exists()


async def test_a_running_begin_is_killed_with_its_children(tmp_path: Path) -> None:
    """The shell waits for its own child, and the kernel kills only the shell."""
    slow = settings(tmp_path / "broken") | {"begin": sh(f"sleep 61.6; touch {tmp_path}/broken", "50s")}
    injection = await fault(**slow).resolve(endpoints(), "alertdrill-about-to")

    async def has_begun() -> bool:
        return [one.program for one in with_word("61.6")] == ["sleep"]

    begin = asyncio.ensure_future(injection.inject())
    await until(has_begun, "the begin runs")
    await injection.undo()
    assert with_word("61.6") == []
    with pytest.raises(FaultNotApplied):
        await begin


async def test_a_program_that_begin_leaves_running_goes_on(tmp_path: Path) -> None:
    left = settings(tmp_path / "broken") | {
        "begin": sh(f"sleep 61.9 & echo $! > {tmp_path}/pid"),
        "end": sh(f"kill $(cat {tmp_path}/pid) 2>/dev/null || true"),
    }

    async def goes_on() -> bool:
        return [one.program for one in with_word("61.9")] == ["sleep"]

    async with applied(fault(**left), endpoints(), Ledger(tmp_path / "ledger")):
        await until(goes_on, "what it started goes on")

    async def is_over() -> bool:
        return with_word("61.9") == []

    await until(is_over, "its own end ends it")


async def test_the_end_of_its_output_is_reported(tmp_path: Path) -> None:
    refused = settings(tmp_path / "broken") | {"begin": sh("echo no such table; exit 3")}
    with pytest.raises(FaultNotApplied, match="sh ended with 3: no such table"):
        async with applied(fault(**refused), endpoints(), Ledger(tmp_path / "ledger")):
            pass


async def test_an_unconfirmed_end_is_not_healed(tmp_path: Path) -> None:
    broken = settings(tmp_path / "broken") | {"end": sh("true"), "confirm": sh("echo still broken; false", "50s")}
    injection = await fault(**broken).resolve(endpoints(), "alertdrill-1")
    with pytest.raises(FaultNotHealed, match="sh ended with 1: still broken"):
        await injection.undo()


async def test_a_missing_program_is_reported_before(tmp_path: Path) -> None:
    missing = settings(tmp_path / "broken") | {"end": {"run": ["no-such-program"]}}
    with pytest.raises(FaultNotApplied, match="there is no executable program no-such-program"):
        await fault(**missing).resolve(endpoints(), "alertdrill-1")


@pytest.mark.parametrize(
    ("begin", "told"),
    [
        ({"run": []}, "at least 1 item"),
        ({"run": "rm -rf x"}, "'rm -rf x' is a text, expected a list of the program and its arguments"),
        ({"run": ["a"], "within": "1h"}, "less than or equal to"),
    ],
)
def test_a_malformed_command_is_refused(begin: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        fault(kind="command", begin=begin, end={"run": ["true"]})


async def test_secrets_come_from_files_and_are_seen_by_nobody_else(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hush token\n")
    (tmp_path / "input").write_text("hush input\n")
    begin = sh(f'cat > {tmp_path}/out; echo "$TOKEN" >> {tmp_path}/out; cat {tmp_path}/out; exit 3')
    secret = {"environment_file": {"TOKEN": tmp_path / "token"}, "stdin_file": tmp_path / "input"}
    with pytest.raises(FaultNotApplied) as raised:
        async with applied(
            fault(kind="command", begin=begin | secret, end={"run": ["true"]}), endpoints(), Ledger(tmp_path / "ledger")
        ):
            pass
    assert (tmp_path / "out").read_text() == "hush input\nhush token\n"
    assert "hush" not in str(raised.value)
    assert "sh ended with 3: <secret> <secret>" in str(raised.value)


async def test_a_command_gets_few_variables_and_those_that_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIVEN", "KEPT_BACK", "LD_DEBUG_OUTPUT", "BASH_ENV", "PYTHONPATH"):
        monkeypatch.setenv(name, "x")
    begin = sh(f"env > {tmp_path}/env") | {"environment": ["GIVEN"]}
    async with applied(
        fault(kind="command", begin=begin, end={"run": ["true"]}), endpoints(), Ledger(tmp_path / "ledger")
    ):
        names = {line.partition("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    # A shell sets PWD itself, and some shells also SHLVL and _.
    assert names - {"PWD", "SHLVL", "_", "OLDPWD", "LC_ALL", "LC_CTYPE"} <= {
        *("GIVEN", "PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR"),
    }
    assert {"GIVEN", "PATH"} <= names


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ({"environment": ["NO_SUCH_VARIABLE"]}, "the environment variable NO_SUCH_VARIABLE is not set, which sh needs"),
        ({"stdin_file": "/no/such/file"}, "/no/such/file cannot be read, which sh needs"),
        ({"environment_file": {"A": "/no/such/file"}}, "/no/such/file cannot be read, which sh needs"),
    ],
)
async def test_a_missing_secret_is_reported_before(tmp_path: Path, step: dict[str, Any], told: str) -> None:
    missing = settings(tmp_path / "broken")
    missing["end"] |= step
    with pytest.raises(FaultNotApplied, match=told):
        await fault(**missing).resolve(endpoints(), "alertdrill-1")


@pytest.mark.parametrize("word", ["--password=hush", "--api-key", "-token=hush", "--db-password=hush"])
def test_a_secret_argument_is_refused(word: str, tmp_path: Path) -> None:
    step = {"run": ["break-it", word]}
    with pytest.raises(
        ValidationError, match="which every user can see, expected stdin_file or environment_file"
    ) as raised:
        Command.model_validate({"begin": step, "end": {"run": ["true"]}}, context={"directory": tmp_path})
    assert "hush" not in raised.value.errors(include_input=False)[0]["msg"]


def test_the_file_of_a_secret_may_be_an_argument(tmp_path: Path) -> None:
    step = {"run": ["break-it", "--token-file=x", "--tokens", "3"]}
    Command.model_validate({"begin": step, "end": {"run": ["true"]}}, context={"directory": tmp_path})
