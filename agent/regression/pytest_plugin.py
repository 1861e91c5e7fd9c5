"""A plugin of pytest: each `*.regress.yml` is a test, when pytest runs with `--alertdrill` or the setting `alertdrill`.

Collecting only notes the files, and a drill is never run. The first test runs promtool once, for all files that were
selected; a worker of xdist runs it for each of its own. The fixtures `rules`, `replay` and `drill` are for tests of the
user's own; only `drill` runs a drill, and only with `--alertdrill-live`. pytest loads this module in every run of its
environment, so nothing heavy is imported before a test needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from alertdrill.agent.errors import ConfigError
    from alertdrill.agent.regression.promtool import Promtool
    from alertdrill.agent.regression.replaying import Result

    _Results = dict[Path, Result | ConfigError]

_SUFFIX = ".regress.yml"
_RULES = "alertdrill_rules"
# Many times what a report holds.
_MOST_VALUES = 1_000_000
_RESULTS = pytest.StashKey["_Results"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("alertdrill", "tests of alerting rules from recorded drills")
    group.addoption("--alertdrill", action="store_true", help=f"collect *{_SUFFIX}")
    group.addoption("--alertdrill-promtool", metavar="PROGRAM", help="the promtool to use")
    group.addoption("--alertdrill-alertmanager", metavar="FILE", help="alertmanager.yml, for the receivers")
    group.addoption("--alertdrill-live", action="store_true", help="run the tests that use the fixture `drill`")
    parser.addini("alertdrill", f"collect *{_SUFFIX}", type="bool", default=False)
    parser.addini(_RULES, "rule files of the fixture `rules`; with * for many", type="paths")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line("markers", "alertdrill: a test of an alerting rule from a recorded drill")


@pytest.fixture(scope="session")
def rules(pytestconfig: pytest.Config) -> list[Path]:
    """The rule files that the setting alertdrill_rules names."""
    named: list[Path] = pytestconfig.getini(_RULES)
    found = {path: sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor)))) for path in named}
    missing = [str(path) for path, files in found.items() if not files]
    if missing or not named:
        why = (
            f"there is no {', '.join(missing)}" if missing else f"it is not set, expected such as {_RULES} = rules.yml"
        )
        pytest.fail(f"{_RULES}: {why}", pytrace=False)
    return list(dict.fromkeys(path for files in found.values() for path in files))


@pytest.fixture(scope="session")
def replay(pytestconfig: pytest.Config) -> Callable[[str | Path], Result]:
    """Replay a regress file, named from the rootdir: its failures, differences, notes, error and snapshot."""

    def replay(path: str | Path) -> Result:
        from alertdrill.agent.regression.replaying import run

        (result,) = run([pytestconfig.rootpath / path], _promtool(pytestconfig), _routes(pytestconfig))
        return result

    return replay


@pytest.fixture
def drill(pytestconfig: pytest.Config, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Run a drill for real, and return its report as `alertdrill judge --json` prints it; skip without --alertdrill-live.

    Files are named from the rootdir. Further arguments are options of `alertdrill drill`.
    """
    if not pytestconfig.getoption("--alertdrill-live"):
        pytest.skip("it runs a drill, and --alertdrill-live is not given")

    def drill(path: str | Path, *options: str) -> dict[str, Any]:
        import tempfile

        from alertdrill.units import json_text

        folder = Path(tempfile.mkdtemp(prefix="drill-", dir=tmp_path))
        code = _ended([str(path), *options, "--output", str(folder)], pytestconfig.rootpath)
        # A drill that was tried again leaves one report for each try.
        reports = sorted(folder.glob("*.json"))
        if not reports:
            pytest.fail(f"{path}: the drill gave no verdict, and ended with exit code {code}", pytrace=False)
        report: dict[str, Any] = json_text.parse(reports[-1].read_bytes(), _MOST_VALUES)
        return report

    return drill


def _ended(arguments: list[str], folder: Path) -> int:
    """Run `alertdrill drill` to its end, and return its exit code."""
    import subprocess
    import sys

    with subprocess.Popen([sys.executable, "-m", "alertdrill", "drill", *arguments], cwd=folder) as process:
        try:
            return process.wait()
        except BaseException:
            # It undoes what it broke before it ends.
            process.terminate()
            process.wait()
            raise


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
    from alertdrill.agent.regression.regress_file import timeline_text

    if result.error:
        yield f"{result.file.regress} cannot be judged: {result.error}"
    yield from (f"{result.file.regress} {line}" for line in result.failures)
    if result.failures and result.rule is not None:
        yield f"recorded: {timeline_text(result.file.snapshot)}"
        yield f"now: {timeline_text(result.snapshot)}"
        yield f"rule: {result.rule.file}:{result.rule.line}"


def _promtool(config: pytest.Config) -> Promtool:
    from alertdrill.agent.regression.promtool import find_promtool

    return find_promtool(config.getoption("--alertdrill-promtool"))


def _routes(config: pytest.Config) -> Path | None:
    given = config.getoption("--alertdrill-alertmanager")
    return Path(given) if given else None


def _result(session: pytest.Session, path: Path) -> Result:
    """Return the result of a file; raises ConfigError if it is wrong."""
    from alertdrill.agent.regression.replaying import Result, run_each

    results = session.stash.setdefault(_RESULTS, {})
    if path not in results:
        selected = dict.fromkeys(item.path for item in session.items if isinstance(item, RegressItem))
        # A worker of xdist has all items, and runs only some of them.
        paths = [path] if hasattr(session.config, "workerinput") else list(selected)
        results.update(run_each(paths, _promtool(session.config), _routes(session.config)))
    found = results[path]
    if not isinstance(found, Result):
        raise found
    return found
