from __future__ import annotations

from benchmarks.pages import Heap, Outcome, page
from benchmarks.results import circumstances


def test_the_page_has_percentiles_bytes_and_by_how_much_watchers_change_the_lateness() -> None:
    outcome = Outcome(10_000, 1_000, 64, 30.0)
    elsewhere = "browsers that watch another agent"
    outcome.late_p99_seconds |= {"nobody": [0.0003, 0.0005], "streams": [0.0004, 0.00044]}
    outcome.late_p99_of_all_seconds |= {"nobody": 0.0004, "streams": 0.00042, elsewhere: 0.002, "browsers": 0.0019}
    outcome.answers["/"] = [0.010] * 190 + [0.040] * 10
    outcome.weights["/"], outcome.paints["/"] = 38_900, [0.1, 0.2, 0.3]
    outcome.heaps.append(Heap(86_400, 2.771, 1_516, 73))
    text = page(circumstances({}), outcome)
    assert "| `/` | 10.0 ms | 38.5 ms | 40.0 ms |" in text
    assert "| `/` | 38.9 kB | 200 ms | 300 ms |" in text
    assert "| nobody | 0.400 ms |  | 0.300, 0.500 ms |" in text
    assert "| streams | 0.420 ms | +5.0 % against nobody | 0.400, 0.440 ms |" in text
    assert "| browsers | 1.900 ms | -5.0 % against browsers that watch another agent |" in text
    assert "| 86,400 | 2.77 MiB | 1,516 | 73 |" in text
