from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.parsers import expat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import page, results
from benchmarks.errors import BenchmarkError
from benchmarks.measure import Usage
from benchmarks.plot import Chart, svg
from benchmarks.reports import Figures, Percentiles
from benchmarks.results import Circumstances, Growth, Results, Run, Soak, Versus
from benchmarks.soak import slope_kib_per_minute

HERE = Circumstances("2026-01-02 03:04 UTC", "A Processor", 2, 7.5, "Linux 6", 0.1, {"k6": "v1.8.1"})


def run(cpu_us: float, *, lateness: Percentiles | None = None, dropped: int | None = None) -> Run:
    figures = Figures(40_000, 2000.0, 0, Percentiles(0.2, 1.5), dropped=dropped, lateness=lateness)
    usage = Usage(cpu_us * 40_000 / 1e6, 20.0, tree_kib=50_000, process_kib=40_000, rusage_kib=60_000)
    return Run(figures, usage, counted=40_000)


VERSUS = Versus(
    HERE,
    2000,
    20,
    commands={"k6": "k6 run $URL"},
    notes={"alertdrill": "open loop", "k6": "also"},
    missing={"vegeta": "vegeta is not installed"},
    runs={
        "alertdrill": [run(60, lateness=Percentiles(0.1, 0.4), dropped=0), run(80, lateness=Percentiles(0.2, 0.3))],
        "k6": [run(200), run(220)],
    },
)
GROWTH = Growth(HERE, "alertdrill probe", 10, 0.4, 2000, {100: run(80), 2000: run(60)}, {0: run(60), 3000: run(110)})
SOAK = Soak(HERE, "alertdrill probe", 2000, 30.0, run(60), 1.25, [(0.0, 50_000), (10.0, 50_010)])


def row(text: str, first: str) -> list[str]:
    found = [line for line in text.splitlines() if line.startswith(f"| {first} |")]
    assert len(found) == 1, text
    return [cell.strip() for cell in found[0].strip("|").split("|")]


def circles(drawn: str) -> list[dict[str, str]]:
    """Parse a plot as XML and return its points."""
    elements: list[tuple[str, dict[str, str]]] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, attributes: elements.append((name, attributes))
    parser.Parse(drawn, True)
    return [attributes for name, attributes in elements if name == "circle"]


def test_cpu_is_shown_for_every_round_and_the_rest_for_the_worst() -> None:
    cells = row(page.render(Results(VERSUS)).partition("alertdrill's CPU")[0], "alertdrill")
    assert cells[1] == "60 / 80"
    assert cells[2] == "51"
    assert cells[7] == "0.20 / 0.40"


def test_figures_that_a_client_lacks_are_shown_as_absent() -> None:
    cells = row(page.render(Results(VERSUS)).partition("alertdrill's CPU")[0], "k6")
    assert cells[6:8] == ["n/a", "n/a"]


def test_alertdrills_cpu_is_compared_with_each_client_that_ran() -> None:
    ratios = page.render(Results(VERSUS)).partition("alertdrill's CPU")[2]
    assert row(ratios, "k6") == ["k6", "0.33", "≤ 0.35"]
    assert "| vegeta |" not in ratios


def test_there_is_no_comparison_without_alertdrill() -> None:
    alone = Versus(HERE, 2000, 20, {}, {"k6": "also"}, {"alertdrill": "not available"}, {"k6": [run(200)]})
    text = page.render(Results(alone))
    assert "alertdrill's CPU" not in text
    assert "**alertdrill was left out**: not available." in text


def test_a_missing_peer_machine_versions_and_commands_are_named() -> None:
    text = page.render(Results(VERSUS))
    assert "**vegeta was left out**: vegeta is not installed." in text
    for fact in ("A Processor", "2 cores", "7.5 GiB", "Linux 6", "2026-01-02", "k6 v1.8.1", "k6 run $URL"):
        assert fact in text


def test_growth_shows_cpu_with_and_without_the_start_up() -> None:
    cells = row(page.render(Results(growth=GROWTH)), "100/s")
    assert cells[1:4] == ["70", "14%", "80"]


def test_the_page_and_its_plot_are_written_beside_the_results(tmp_path: Path) -> None:
    page.write(tmp_path, Results(VERSUS, GROWTH, SOAK))
    text = (tmp_path / page.PAGE).read_text()
    assert f"({page.PLOT})" in text
    assert "+1.2" in text
    assert len(circles((tmp_path / page.PLOT).read_text())) == 4


def test_saving_a_section_keeps_the_others(tmp_path: Path) -> None:
    results.save(tmp_path, versus=VERSUS, soak=SOAK)
    assert results.save(tmp_path, growth=GROWTH) == Results(VERSUS, GROWTH, SOAK)
    assert results.read(tmp_path) == Results(VERSUS, GROWTH, SOAK)


def test_results_of_another_format_are_reported_with_their_file(tmp_path: Path) -> None:
    (tmp_path / results.RESULTS).write_text('{"versus": 1}')
    with pytest.raises(BenchmarkError, match=r"results\.json does not have this benchmark's format, remove it"):
        results.read(tmp_path)


def test_the_machine_is_described() -> None:
    here = results.circumstances({"nginx": "1.22.1"})
    assert here.cores >= 1
    assert here.memory_gib > 0.1
    assert here.kernel.startswith("Linux ")
    assert here.versions["nginx"] == "1.22.1"


@given(st.dictionaries(st.text("abc<&", min_size=1), st.floats(0, 1e9), min_size=1, max_size=9))
def test_every_point_of_a_plot_is_inside_it(points: dict[str, float]) -> None:
    drawn = circles(svg([Chart("a < b", "x", "y", points)]))
    assert len(drawn) == len(points)
    for circle in drawn:
        assert 44 <= float(circle["cy"]) <= 252
        assert 52 <= float(circle["cx"]) <= 444


@given(st.floats(-1e3, 1e3), st.floats(1e3, 1e6))
def test_the_warm_up_does_not_change_the_slope(slope: float, base: float) -> None:
    samples = [(float(second), round(1e3 * (base + slope * second / 60))) for second in range(0, 1800, 10)]
    odd = [(second, 7 if second < 170 else kib) for second, kib in samples]
    assert slope_kib_per_minute(odd) == pytest.approx(slope * 1e3, abs=1.0)


def test_a_step_is_separated_from_the_slope() -> None:
    """A step is only searched for after the first 60 s, because memory grows at the start."""
    samples = [(float(at), 50_000 + at // 10 * 2 + (9_000 if at >= 400 else 0)) for at in range(10, 1801, 10)]
    soak = replace(SOAK, samples=[(0.0, 100), *samples])
    assert soak.step == (400.0, 9_002)
    assert soak.slope_after_step_kib_per_minute == pytest.approx(12.0)
    assert "| +9,002 at 400 s | +12.0 |" in page.render(Results(soak=soak))
    assert SOAK.slope_after_step_kib_per_minute is None


def test_a_soak_that_ended_at_once_has_no_slope() -> None:
    with pytest.raises(BenchmarkError, match="before there were two samples"):
        slope_kib_per_minute([(10.0, 50_000)])
