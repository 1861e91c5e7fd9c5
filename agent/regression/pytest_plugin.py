"""A plugin of pytest: each `*.regress.yml` is a test, when pytest runs with `--alertdrill` or the setting `alertdrill`.

Collecting only notes the files, and a drill is never run. The first test runs promtool once, for all files that were
selected; a worker of xdist runs it for each of its own. pytest loads this module in every run of its environment, so
nothing heavy is imported before a test needs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from alertdrill.agent.errors import ConfigError
    from alertdrill.agent.regression.replaying import Result

    _Results = dict[Path, Result | ConfigError]

_SUFFIX = ".regress.yml"
_RESULTS = pytest.StashKey["_Results"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("alertdrill", "tests of alerting rules from recorded drills")
    group.addoption("--alertdrill", action="store_true", help=f"collect *{_SUFFIX}")
    group.addoption("--alertdrill-promtool", metavar="PROGRAM", help="the promtool to use")
    group.addoption("--alertdrill-alertmanager", metavar="FILE", help="alertmanager.yml, for the receivers")
    parser.addini("alertdrill", f"collect *{_SUFFIX}", type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line("markers", "alertdrill: a test of an alerting rule from a recorded drill")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a regress file."""
    wanted = parent.config.getoption("--alertdrill") or parent.config.getini("alertdrill")
    if not wanted or not file_path.name.endswith(_SUFFIX):
        return None
    collector: pytest.Collector = RegressCollector.from_parent(parent, path=file_path)
    return collector


class ContractFailed(Exception):
    """A contract that does not hold, or a rule that cannot be judged."""


class RegressCollector(pytest.File):
    """One file: one test."""

    def collect(self) -> Iterable[pytest.Item]:
        """Return the test of the file, with the alert as its name."""
        # DRILL.ALERT.regress.yml
        name = self.path.name.removesuffix(_SUFFIX).rpartition(".")[2]
        yield RegressItem.from_parent(self, name=name)


class RegressItem(pytest.Item):
    """The contract of one alert."""

    def __init__(self, **given: Any) -> None:  # noqa: ANN401 - pytest's own
        super().__init__(**given)
        self.add_marker("alertdrill")

    def runtest(self) -> None:
        """Fail if the contract does not hold; tell what is different from the snapshot."""
        result = _result(self.session, self.path)
        told = [f"{result.file.regress} {line}" for line in (*result.differences, *result.notes)]
        if told:
            self.add_report_section("call", "alertdrill", "\n".join(told))
        for one in result.found[:1]:
            self.user_properties.append(("alertdrill_fires_after_seconds", one.firing))
        if problems := list(_problems(result)):
            raise ContractFailed("\n".join(problems))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:  # noqa: ANN401
        """Return what does not hold, without a traceback."""
        from alertdrill.agent.errors import ConfigError

        if isinstance(excinfo.value, ContractFailed | ConfigError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the file, and the name of the test."""
        return self.path, 0, f"alertdrill: {self.name}"


def _problems(result: Result) -> Iterator[str]:
    if result.error:
        yield f"{result.file.regress} cannot be judged: {result.error}"
    yield from (f"{result.file.regress} {line}" for line in result.failures)
    if result.failures and result.rule is not None:
        yield f"rule: {result.rule.file}:{result.rule.line}"


def _result(session: pytest.Session, path: Path) -> Result:
    """Return the result of a file; raises ConfigError if it is wrong."""
    from alertdrill.agent.regression.promtool import find_promtool
    from alertdrill.agent.regression.replaying import Result, run_each

    results = session.stash.setdefault(_RESULTS, {})
    if path not in results:
        selected = dict.fromkeys(item.path for item in session.items if isinstance(item, RegressItem))
        # A worker of xdist has all items, and runs only some of them.
        paths = [path] if hasattr(session.config, "workerinput") else list(selected)
        routes = session.config.getoption("--alertdrill-alertmanager")
        promtool = find_promtool(session.config.getoption("--alertdrill-promtool"))
        results.update(run_each(paths, promtool, Path(routes) if routes else None))
    found = results[path]
    if not isinstance(found, Result):
        raise found
    return found
