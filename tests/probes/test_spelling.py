from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertdrill.probes.spelling import duration_text, number_text, plain_number, share_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (850e-9, "850ns"),
        (312.175e-6, "312.17µs"),
        (0.00115, "1.15ms"),
        (0.051398141, "51.39ms"),
        (0.9999999, "999.99ms"),
        (2.1, "2.1s"),
        (59.999, "59.99s"),
        (60, "1m0s"),
        (90.9, "1m30s"),
        (3605, "1h0m5s"),
    ],
)
def test_a_duration_is_formatted_as_in_k6_and_never_rounded_up(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (501, "501"), (100.0, "100"), (100.18226477, "100.182265"), (0.5, "0.5")]
)
def test_a_number_has_at_most_six_decimals_and_no_zeros_at_its_end(value: float, text: str) -> None:
    assert number_text(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0.00%"), (5 / 501, "0.99%"), (0.29, "29.00%"), (0.99999, "99.99%"), (1, "100.00%"), (1.0018, "100.18%")],
)
def test_a_share_is_cut_off_and_never_rounded_up(share: float, text: str) -> None:
    assert share_text(share) == text


@given(st.floats(min_value=0, max_value=1e15))
def test_a_plain_number_reads_back_and_has_no_exponent(value: float) -> None:
    assert float(plain_number(value)) == value
    assert "e" not in plain_number(value).lower()
