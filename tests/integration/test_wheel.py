"""The wheel alone: it installs one name, and works without a checkout, beside packages named as ours are inside."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from alertdrill.chaos.registry import FAULTS
from alertdrill.chaos.safety.owner import Owner
from alertdrill.chaos.safety.watchdog import READY

ROOT = Path(__file__).parents[2]
RECORDING = ROOT / "tests" / "recordings" / "inconclusive.recording.json.gz"
INSIDE = ("agent", "chaos", "configs", "lab", "probes", "units")
DECOY = "raise RuntimeError(__file__)\n"
INCONCLUSIVE = 3
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


def build(target: str, source: Path, folder: Path) -> Path:
    """Build a wheel or an sdist into an empty folder."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=300)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel and decoys; it borrows the other libraries from this environment."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=300)
    (packages,) = folder.glob("lib/python*/site-packages")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(folder / "bin" / "python")]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True, timeout=300)
    # A path file adds a folder to the end of sys.path, but does not follow that folder's own path files: the checkout
    # stays out.
    (packages / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    add_decoys(packages)
    return folder


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A working directory with decoys, as a service with an `agent/` folder of its own has them."""
    add_decoys(tmp_path)
    return tmp_path


@pytest.fixture
def run(environment: Path, here: Path) -> Run:
    def run(*command: object, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(environment / "bin" / str(command[0])), *map(str, command[1:])],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


def add_decoys(folder: Path) -> None:
    for name in INSIDE:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(DECOY)


def test_it_installs_one_name(wheel: Path) -> None:
    names = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    (version,) = names - {"alertdrill"}
    assert version.startswith("alertdrill-")
    assert version.endswith(".dist-info")


def test_each_file_is_in_it_once(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert len(names) == len(set(names))
    within = {name.split("/")[1] for name in names if name.startswith("alertdrill/")}
    assert within == {"__init__.py", "__main__.py", *INSIDE}


def test_the_sdist_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    """It has the packages in the place of the links."""
    with tarfile.open(build("sdist", ROOT, tmp_path / "sdist")) as sdist:
        sdist.extractall(tmp_path, filter="data")
    (source,) = tmp_path.glob("alertdrill-*")
    again = build("wheel", source, tmp_path / "wheel")
    assert sorted(zipfile.ZipFile(again).namelist()) == sorted(zipfile.ZipFile(wheel).namelist())


def test_the_decoys_break_imports_of_bare_names(run: Run) -> None:
    """Without this the other tests would prove nothing."""
    for name in INSIDE:
        ended = run("python", "-c", f"import {name}")
        assert "RuntimeError" in ended.stderr, name
        ended = run("python", "-P", "-c", f"import {name}")
        assert "site-packages" in ended.stderr, name


def test_it_is_the_wheel_that_runs(run: Run, environment: Path) -> None:
    ended = run("python", "-c", "import alertdrill.agent.cli as cli; print(cli.__file__)")
    assert ended.stdout.startswith(str(environment)), ended.stderr


@pytest.mark.parametrize("command", [("alertdrill",), ("python", "-m", "alertdrill")])
def test_help_lists_the_commands(run: Run, command: tuple[str, ...]) -> None:
    ended = run(*command, "--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "explain" in ended.stdout


def test_what_it_brings_is_checked_without_a_problem(run: Run, environment: Path) -> None:
    (configs,) = environment.glob("lib/python*/site-packages/alertdrill/configs")
    ended = run("alertdrill", "check", configs)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.endswith(": 0 problem(s)\n")


def test_a_recording_is_judged_as_in_the_checkout(run: Run) -> None:
    ended = run("alertdrill", "judge", RECORDING, "--json")
    assert (ended.returncode, ended.stderr) == (INCONCLUSIVE, "")
    in_the_checkout = [sys.executable, "-m", "alertdrill", "judge", str(RECORDING), "--json"]
    assert ended.stdout == subprocess.run(in_the_checkout, cwd=ROOT, capture_output=True, text=True, check=False).stdout


def test_a_recording_s_page_is_written(run: Run, here: Path) -> None:
    """Its templates travel as data."""
    ended = run("alertdrill", "report", RECORDING, "--output", here / "reports")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (here / "reports" / "inconclusive.html").stat().st_size > 10_000


def test_rules_are_explained(run: Run) -> None:
    ended = run("alertdrill", "explain", ROOT / "configs/prometheus/rules.yml", "--format", "json")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert {"SystemDown", "HighResponseTime"} <= {rule["alert"] for rule in json.loads(ended.stdout)["rules"]}


def test_a_regress_file_is_a_test_of_pytest(run: Run, environment: Path, here: Path) -> None:
    """The plugin is found by its entry point, beside packages of the service that are named as ours are inside."""
    # The borrowed libraries may have one of the checkout.
    (entry_points,) = environment.glob("lib/python*/site-packages/alertdrill-*.dist-info/entry_points.txt")
    assert "[pytest11]" in entry_points.read_text()
    sample = ROOT / "docs" / "sample-repository"
    shutil.copytree(sample, here / "sample")
    arguments = ("python", "-m", "pytest", "-p", "no:cacheprovider", "-v", "sample")
    ended = run(*arguments)
    assert "collected 0 items" in ended.stdout, ended.stdout + ended.stderr
    ended = run(*arguments, "--alertdrill")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    names = {path.name.split(".")[1] for path in (sample / "regress").iterdir()}
    assert len(names) == ended.stdout.count(" PASSED") > 1
    assert all(f"{name}.regress.yml::{name} PASSED" in ended.stdout for name in names)


def test_the_watchdog_starts(environment: Path, here: Path) -> None:
    """As the lease starts it, with the pipe on which the owner's signs of life come, and for faults of every kind."""
    ledger, owner = here / "ledger", json.dumps(asdict(Owner.this_process()))
    ledger.mkdir()
    watchdog = [environment / "bin" / "python", "-P", "-m", "alertdrill.chaos.safety.watchdog"]
    with subprocess.Popen(
        [*map(str, watchdog), str(ledger), "drill", owner, *FAULTS],
        cwd=here,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdin is not None
        assert process.stdout.readline() == f"{READY}\n", process.stderr.read()
        process.stdin.close()
        assert process.wait(300) == 0


def test_heal_reads_the_ledger(run: Run, here: Path) -> None:
    (here / "agent.yml").write_text((ROOT / "configs/agent.yml").read_text() + f"ledger: {here / 'ledger'}\n")
    for name in ("probes/payment.yml", "kpis.yml"):
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text((ROOT / "configs" / name).read_text())
    ended = run("alertdrill", "heal", "--config", "agent.yml")
    expected = f"0 fault(s) healed, none in force in {here / 'ledger'}\n"
    assert (ended.returncode, ended.stdout) == (0, expected), ended.stderr


@pytest.mark.usefixtures("all_connections")
def test_a_shipped_drill_passes_on_the_lab(run: Run, here: Path) -> None:
    """With nothing but the wheel; a drill that a busy machine made inconclusive is run again, slower."""
    for scale in (30, 15, 8):
        ended = run("alertdrill", "drill", "database-latency", "--lab", "--time-scale", scale, timeout=900)
        if ended.returncode != INCONCLUSIVE:
            break
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert list((here / "recordings").glob("database-latency-*.html"))


@pytest.mark.parametrize("command", ["lab", "drill database-latency --lab", "probe payment --lab", "kpi --lab"])
def test_without_the_extra_of_the_lab_one_line_says_what_to_install(run: Run, environment: Path, command: str) -> None:
    (packages,) = environment.glob("lib/python*/site-packages")
    hidden = packages / "hidden.pth"
    hidden.write_text("import sys; sys.modules['toxiproxy'] = None\n")
    try:
        ended = run("alertdrill", *command.split())
    finally:
        hidden.unlink()
    line = "alertdrill: the library toxiproxy is not installed: pip install 'alertdrill[lab]'\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", line)
