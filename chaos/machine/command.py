"""A command begins the fault, and another ends it; `python -m alertdrill.chaos.machine.command ENTRY_ID SETTINGS` runs the first.

kind: command
begin: {run: [/usr/local/bin/break-it, --hard], within: 10s}
end: {run: [/usr/local/bin/undo-it], within: 10s}
confirm: {run: [/usr/local/bin/check-it], within: 5s}     # again and again until it exits with 0

There is no shell: the first word is the program, and each other word is one argument. `end` is run after every `begin`,
also after a failed one, so it must also work when it is run twice.

A command gets a few variables of the agent's environment, and those that the drill names: a drill cannot take the
credentials of the agent without saying so. Arguments are shown to every user of the machine, so secrets come from files:

begin: {run: [break-it], stdin_file: secrets/token, environment_file: {TOKEN: secrets/token}, environment: [KUBECONFIG]}
"""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import IO, Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.fault import Endpoints, Fault
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.machine import holder
from alertdrill.chaos.machine.threads import in_thread
from alertdrill.chaos.secret_source import PathBesideFile, SecretMissing, read_secrets
from alertdrill.units.duration import Duration, format_duration
from alertdrill.units.polling import poll
from alertdrill.units.secrecy import is_secret_name, without
from alertdrill.units.settings import Settings

_LOOK_EVERY_SECONDS = 0.05
_SHOWN = 200
_PR_SET_PDEATHSIG = 1
_EVERY_COMMAND_GETS = {"PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR"}
_NAMES_A_FILE = ("-file", "_file")


class CommandFailed(Exception):
    """A command did not exit with 0 within its time."""


def _as_words(run: object) -> object:
    if isinstance(run, str):
        msg = f"{run!r} is a text, expected a list of the program and its arguments"
        raise ValueError(msg)  # noqa: TRY004 - pydantic collects ValueErrors
    return run


class CommandStep(Settings):
    """One command and its time limit.

    `environment` names variables of the agent that it gets, `environment_file` the files with the values of others.
    `stdin_file` is its input.
    """

    run: Annotated[tuple[str, ...], BeforeValidator(_as_words), Field(min_length=1)]
    within: Duration = Field(default=timedelta(seconds=10), gt=timedelta(0), le=timedelta(seconds=50))
    environment: tuple[str, ...] = ()
    environment_file: dict[str, PathBesideFile] = {}
    stdin_file: PathBesideFile | None = None

    @field_validator("run")
    @classmethod
    def _arguments_are_public(cls, run: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for word in run[1:] if info.context else ():
            name = word.partition("=")[0]
            if name.startswith("-") and is_secret_name(name) and not name.endswith(_NAMES_A_FILE):
                msg = f"has the argument {name}, which every user can see, expected stdin_file or environment_file"
                raise ValueError(msg)
        return run

    @property
    def unset_variable(self) -> str:
        """Which variable of `environment` is not set, as an error; empty if all are."""
        unset = next((name for name in self.environment if name not in os.environ), None)
        return f"the environment variable {unset} is not set, which {self.run[0]} needs" if unset is not None else ""

    def secrets(self) -> dict[str, str]:
        """Read the variables from files; raises CommandFailed."""
        try:
            return read_secrets(self.environment_file)
        except SecretMissing as error:
            raise CommandFailed(str(error)) from error

    def located(self, endpoints: Endpoints) -> CommandStep:
        """Find its program, and replace names in its arguments by addresses; raises FaultNotApplied."""
        program = shutil.which(self.run[0])
        if program is None:
            raise FaultNotApplied(f"there is no executable program {self.run[0]}")
        if unset := self.unset_variable:
            raise FaultNotApplied(unset)
        for path in (*self.environment_file.values(), *([self.stdin_file] if self.stdin_file else ())):
            if not os.access(path, os.R_OK):
                raise FaultNotApplied(f"{path} cannot be read, which {self.run[0]} needs")
        words = (str(Path(program).absolute()), *map(endpoints.located, self.run[1:]))
        return self.model_copy(update={"run": words})


class CommandInjection(Injection):
    """The commands, and their working directory."""

    kind: Literal["command"] = "command"
    name: str
    words: str
    folder: Path
    begin: CommandStep
    end: CommandStep
    confirm: CommandStep | None

    @property
    def target(self) -> str:
        """The target, in words."""
        return self.words

    @property
    def by_hand(self) -> str:
        """The command that ends the fault."""
        return f"cd {shlex.quote(str(self.folder))} && {shlex.join(self.end.run)}"

    async def inject(self) -> None:
        """Run `begin`, in a process that ends with the agent; raises FaultNotApplied with the end of its output."""
        await holder.hold("alertdrill.chaos.machine.command", self.name, self)

    async def undo(self) -> None:
        """Run `end`, then `confirm`; raises FaultNotHealed with the end of their output."""
        await holder.release(self.name)
        try:
            await in_thread(_run, self.end, self.folder)
            if self.confirm is not None:
                await _confirm(self.confirm, self.folder)
        except CommandFailed as error:
            raise FaultNotHealed(str(error)) from error


class Command(Fault):
    """Run one command to begin the fault and another to end it."""

    kind: Literal["command"] = "command"
    begin: CommandStep
    end: CommandStep
    confirm: CommandStep | None = None

    @property
    def target(self) -> str:
        """The target, in words."""
        return " ".join(self.begin.run)

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> CommandInjection:
        """Find all programs; raises FaultNotApplied."""
        return CommandInjection(
            name=entry_id,
            words=self.target,
            folder=Path.cwd(),
            begin=self.begin.located(endpoints),
            end=self.end.located(endpoints),
            confirm=self.confirm and self.confirm.located(endpoints),
        )


async def _confirm(step: CommandStep, folder: Path) -> None:
    """Run a command again and again until it exits with 0; raises CommandFailed when its time is over."""
    within_seconds = step.within.total_seconds()
    until = time.monotonic() + within_seconds

    async def problem() -> str:
        left = timedelta(seconds=max(until - time.monotonic(), _LOOK_EVERY_SECONDS))
        try:
            await in_thread(_run, step.model_copy(update={"within": left}), folder)
        except CommandFailed as error:
            return str(error)
        return ""

    if left := await poll(problem, within_seconds, _LOOK_EVERY_SECONDS):
        raise CommandFailed(left)


def _run(step: CommandStep, folder: Path, preparing: Callable[[], object] | None = None) -> None:
    """Run a command to its end, and kill it when its time is over; raises CommandFailed."""
    secrets = step.secrets()
    # A file instead of a pipe: programs that the command leaves running may keep a pipe open for ever.
    with tempfile.TemporaryFile() as output:
        try:
            running = _started(step, folder, _environment(step) | secrets, output, preparing)
            code = running.wait(step.within.total_seconds())
        except OSError as error:
            raise CommandFailed(f"{error.filename or step.run[0]} cannot be started: {error.strerror}") from error
        except subprocess.TimeoutExpired:
            # Before wait() the kernel gives its number to no other process.
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
            raise CommandFailed(f"{step.run[0]} has not ended within {format_duration(step.within)}") from None
        output.seek(0)
        text = output.read().decode(errors="replace")
    if code != 0:
        given = [os.environ.get(name, "") for name in step.environment]
        shown = without(text, [*secrets.values(), *given, *_lines(step.stdin_file)]).strip()[-_SHOWN:]
        raise CommandFailed(f"{step.run[0]} ended with {code}: {shown or 'no output'}")


def _started(
    step: CommandStep,
    folder: Path,
    environment: dict[str, str],
    output: IO[bytes],
    preparing: Callable[[], object] | None,
) -> subprocess.Popen[bytes]:
    with Path(step.stdin_file or os.devnull).open("rb") as given:
        return subprocess.Popen(
            step.run,
            stdin=given,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
            start_new_session=True,
            preexec_fn=preparing,  # noqa: PLW1509 - only a holder passes one, and it has no threads
        )


def _environment(step: CommandStep) -> dict[str, str]:
    """Choose the variables that a command gets; raises CommandFailed if one is not set."""
    if unset := step.unset_variable:
        raise CommandFailed(unset)
    return {
        name: value
        for name, value in os.environ.items()
        if name in _EVERY_COMMAND_GETS or name.startswith("LC_") or name in step.environment
    }


def _lines(file: Path | None) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines() if file else []
    except (OSError, UnicodeDecodeError):
        return []


def main(text: str) -> None:
    """Run the first command; the kernel ends it if this process ends first."""
    injection = CommandInjection.model_validate_json(text)
    set_death_signal = ctypes.CDLL(None).prctl
    try:
        _run(injection.begin, injection.folder, lambda: set_death_signal(_PR_SET_PDEATHSIG, signal.SIGKILL))
    except CommandFailed as error:
        sys.exit(" ".join(str(error).split()))
    holder.holding()


if __name__ == "__main__":
    main(sys.argv[2])
