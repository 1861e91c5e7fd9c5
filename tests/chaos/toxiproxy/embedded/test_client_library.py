"""toxiproxy-python, a client for the real server, works the same with both."""

from __future__ import annotations

import pytest
from toxiproxy import Toxiproxy
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from tests.support.toxiproxies import ToxiproxyServer


@pytest.fixture
def client(server: ToxiproxyServer) -> Toxiproxy:
    library = Toxiproxy()
    library.update_api_consumer("127.0.0.1", server.port)
    return library


def test_the_server_is_running_and_has_the_version(client: Toxiproxy) -> None:
    assert client.running()
    assert client.version() == b'{"version": "2.12.0"}\n'


def test_a_proxy_is_created_found_disabled_enabled_and_destroyed(client: Toxiproxy) -> None:
    made = client.create(upstream="127.0.0.1:1", name="db")
    assert made.enabled
    assert made.listen.startswith("127.0.0.1:")
    with pytest.raises(ProxyExists):
        client.create(upstream="127.0.0.1:1", name="db")
    with made.down():
        assert not client.get_proxy("db").enabled
    found = client.get_proxy("db")
    assert (found.enabled, found.listen, found.upstream) == (True, made.listen, "127.0.0.1:1")
    assert client.destroy(found)
    assert client.proxies() == {}
    with pytest.raises(NotFound):
        found.destroy()


def test_toxics_are_added_listed_and_removed(client: Toxiproxy) -> None:
    proxy = client.create(upstream="127.0.0.1:1", name="db")
    proxy.add_toxic(type="latency", attributes={"latency": 7, "jitter": 1}, toxicity=0.5)
    proxy.add_toxic(type="bandwidth", stream="upstream", name="slow", attributes={"rate": 3})
    toxics = proxy.toxics()
    assert list(toxics) == ["slow", "latency_downstream"]
    found = toxics["latency_downstream"]
    assert (found.type, found.stream, found.toxicity) == ("latency", "downstream", 0.5)
    assert found.attributes == {"latency": 7, "jitter": 1}
    with pytest.raises(InvalidToxic):
        proxy.add_toxic(type="nosuch")
    with pytest.raises(ProxyExists):
        proxy.add_toxic(type="noop", name="slow")
    assert proxy.destroy_toxic("slow")
    with pytest.raises(NotFound):
        proxy.destroy_toxic("slow")
    assert client.reset()
    assert proxy.toxics() == {}


def test_a_list_is_populated(client: Toxiproxy) -> None:
    wanted = [{"name": name, "upstream": "127.0.0.1:1", "listen": "127.0.0.1:0"} for name in ("a", "b")]
    assert [proxy.name for proxy in client.populate(wanted)] == ["a", "b"]
    assert sorted(client.proxies()) == ["a", "b"]
    client.destroy_all()
    assert client.proxies() == {}
