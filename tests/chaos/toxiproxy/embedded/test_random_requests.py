"""Random requests in a random order: status and body are equal."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.toxiproxies import ToxiproxyServer

# Each proxy has its own port, because a reset enables them in a random order.
_PORTS = {"a": "127.0.0.1:{port0}", "b": "localhost:{port1}", "c d": "127.0.0.1:0"}
_NAMES = st.sampled_from(sorted(_PORTS))
_KINDS = st.sampled_from(
    ["latency", "timeout", "slow_close", "reset_peer", "limit_data", "noop", "bandwidth", "slicer", "nosuch", ""]
)
_STREAMS = st.sampled_from(["upstream", "downstream", "UPSTREAM", "", "both"])
_TOXICS = st.sampled_from(["t", "u", "latency_downstream", "noop_UPSTREAM"])
_WRONG = st.one_of(st.none(), st.booleans(), st.text(max_size=3), st.floats(allow_nan=False, allow_infinity=False))
_COUNTS = st.integers(0, 2**40)


def _optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def _mostly(right: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(right, right, right, right, _WRONG)


# One wrong attribute comes alone: of several, the real server takes the valid ones although it refuses the request.
_WRONG_ATTRIBUTE = st.dictionaries(st.sampled_from(["latency", "timeout", "bytes"]), _WRONG, max_size=1)
_UPDATED = _optional(latency=_COUNTS, jitter=_COUNTS, timeout=_COUNTS, delay=_COUNTS, bytes=_COUNTS, rate=_COUNTS)
_UPDATE = _optional(
    name=_mostly(_TOXICS),
    toxicity=_mostly(st.floats(-1, 2, width=32)),
    attributes=st.one_of(_UPDATED, _UPDATED, _WRONG, _WRONG_ATTRIBUTE),
)
_ATTRIBUTES = _optional(
    latency=_mostly(_COUNTS),
    jitter=_mostly(_COUNTS),
    timeout=_mostly(_COUNTS),
    delay=_mostly(_COUNTS),
    bytes=_mostly(_COUNTS),
    rate=_mostly(_COUNTS),
).map(lambda given: {"average_size": 10, **given})
_TOXIC = _optional(
    name=_mostly(_TOXICS),
    type=_mostly(_KINDS),
    stream=_mostly(_STREAMS),
    toxicity=_mostly(st.floats(-1, 2, width=32)),
    attributes=_mostly(_ATTRIBUTES),
    unknown=_WRONG,
)


@st.composite
def _proxy(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(_NAMES)
    proxy = draw(_optional(upstream=_mostly(st.just("127.0.0.1:1")), enabled=_mostly(st.booleans()), Logger=_WRONG))
    return {"name": name, "listen": _PORTS[name], **proxy}


def _request(
    methods: list[str], paths: st.SearchStrategy[str], bodies: st.SearchStrategy[Any]
) -> st.SearchStrategy[tuple[str, str, str]]:
    texts = st.one_of(
        bodies.map(json.dumps), bodies.map(json.dumps), bodies.map(json.dumps).map(lambda text: text[:-1])
    )
    return st.tuples(st.sampled_from(methods), paths, texts)


_PROXY_PATHS = _NAMES.map(lambda name: f"/proxies/{name}".replace(" ", "%20"))
_TOXICS_PATHS = _PROXY_PATHS.map(lambda path: f"{path}/toxics")
_TOXIC_PATHS = st.tuples(_TOXICS_PATHS, _TOXICS).map("/".join)
_REQUESTS = st.one_of(
    _request(["POST"], st.just("/proxies"), _proxy()),
    _request(["POST"], st.just("/proxies"), _proxy()),
    _request(["POST"], st.just("/populate"), st.lists(_proxy(), max_size=2, unique_by=lambda proxy: proxy["name"])),
    _request(["POST"], st.just("/reset"), _WRONG),
    _request(["POST", "PATCH"], _PROXY_PATHS, _optional(upstream=_mostly(st.text(max_size=3)), enabled=st.booleans())),
    _request(["POST"], _TOXICS_PATHS, _TOXIC),
    _request(["POST"], _TOXICS_PATHS, _TOXIC),
    _request(["POST", "PATCH"], _TOXIC_PATHS, _UPDATE),
    _request(["GET", "DELETE", "PUT"], st.one_of(_PROXY_PATHS, _TOXIC_PATHS, _TOXICS_PATHS), _WRONG),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests=st.lists(_REQUESTS, min_size=1, max_size=12))
def test_any_sequence_of_requests_is_answered_alike(
    requests: list[tuple[str, str, str]], both: tuple[ToxiproxyServer, ToxiproxyServer]
) -> None:
    real, embedded = both
    for server in both:
        server.clear()
    for asked in [*requests, ("GET", "/proxies", "")]:
        assert embedded.ask(*asked) == real.ask(*asked), asked
