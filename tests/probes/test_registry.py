from __future__ import annotations

import typing
from typing import Any

import pytest

from alertdrill.probes.any_probe import AnyProbe, open_client
from alertdrill.probes.mix import MixProbe
from alertdrill.probes.registry import PROBES

KINDS = {kind: row.settings for kind, row in PROBES.items()} | {"mix": MixProbe}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_in_a_file_is_the_file_or_the_folder_and_the_class(kind: str) -> None:
    settings: Any = KINDS[kind]
    assert settings.model_fields["kind"].default == kind
    assert settings.__module__.removesuffix(".settings") == f"alertdrill.probes.{kind}"
    assert settings.__name__.lower() == f"{kind}probe"


@pytest.mark.parametrize(
    ("settings", "client"),
    [
        ({"kind": "dns", "resolve": "shop.example"}, "SystemClient"),
        ({"kind": "dns", "resolve": "shop.example", "server": "10.0.0.53"}, "ServerClient"),
        ({"kind": "http", "url": "http://127.0.0.1:1"}, "LeanHttpClient"),
        ({"kind": "http", "url": "http://127.0.0.1:1", "client": "aiohttp"}, "AiohttpClient"),
        ({"kind": "mix", "of": [{"probe": {"kind": "tcp", "url": "tcp://127.0.0.1:1"}}]}, "MixClient"),
        ({"kind": "postgres", "url": "postgresql://127.0.0.1:1"}, "PostgresClient"),
        ({"kind": "redis", "url": "redis://127.0.0.1:1"}, "RedisClient"),
        ({"kind": "tcp", "url": "tcp://127.0.0.1:1"}, "TcpClient"),
        ({"kind": "tls", "url": "tls://127.0.0.1:1"}, "TlsClient"),
    ],
)
async def test_settings_open_the_client_of_their_row(read: Any, settings: dict[str, Any], client: str) -> None:
    async with open_client(read(**settings)) as opened:
        assert type(opened).__name__ == client


def test_a_file_may_hold_every_kind_of_the_table() -> None:
    union, _ = typing.get_args(AnyProbe)
    assert set(typing.get_args(union)) == set(KINDS.values())
