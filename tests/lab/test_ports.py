from __future__ import annotations

from alertdrill.lab.ports import free_ports


def test_no_port_is_found_twice_before_its_server_starts() -> None:
    """By chance alone, two of a thousand calls would find the same one almost always."""
    ports = [port for _ in range(1000) for port in free_ports(1)]
    assert len(set(ports)) == 1000
