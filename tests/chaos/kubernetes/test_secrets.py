"""No error of a cluster repeats a secret: of a kubeconfig, of its program for credentials, or of what was sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from alertdrill.chaos.cluster_access import ClusterReach
from alertdrill.chaos.kubernetes.client import connected
from alertdrill.chaos.kubernetes.place import ClusterError, Place
from tests.support.answering import answering
from tests.support.canaries import Canaries
from tests.support.kubeconfig import kubeconfig

pytestmark = pytest.mark.servers
_CREDENTIAL = {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never"}


def of_user(user: dict[str, Any], url: str = "http://127.0.0.1:1") -> str:
    return kubeconfig(url, user)


def of_program(script: str, secret: str) -> str:
    words = {"command": "sh", "args": ["-c", script], "env": [{"name": "PASSWORD", "value": secret}]}
    return of_user({"exec": _CREDENTIAL | words})


def unusable(canaries: Canaries) -> dict[str, str]:
    """Kubeconfigs with a mistake at the place of a secret."""
    return {
        "broken YAML": f"users: [{{user: {{token: {canaries.text()}: {canaries.text()}]]",
        "an undefined alias": f"users: [{{user: {{token: *{canaries.text()}}}}}]",
        "a tag": f"users: [{{user: {{token: !{canaries.text()} a}}}}]",
        "a token of two lines": of_user({"token": f"{canaries.text()}\n{canaries.text()}"}),
        "no certificate": of_user(
            {"client-key-data": canaries.text(), "client-certificate-data": canaries.text()}, "https://127.0.0.1:1"
        ),
        "users that are a text": f"users: {canaries.text()}\ncurrent-context: a",
        "a program that fails": of_program('echo "no: $PASSWORD" >&2; exit 3', canaries.text()),
        "a program without JSON": of_program('echo "$PASSWORD"', canaries.text()),
        "a program of another version": of_program(
            """printf '{"apiVersion": "%s", "kind": "a", "status": {}}' "$PASSWORD\"""", canaries.text()
        ),
        "a program that repeats its arguments": of_user(
            {"exec": _CREDENTIAL | {"command": "sh", "args": ["-c", 'echo "$0" >&2; exit 3', canaries.text()]}}
        ),
    }


async def told(folder: Path, text: str) -> str:
    path = folder / "kubeconfig"
    path.write_text(text)
    with pytest.raises(ClusterError) as error:
        async with connected(ClusterReach(kubeconfig=path)) as cluster:
            await cluster.get(Place(resource="pods", namespace="shop", name="a"))
    assert "\n" not in str(error.value)
    assert str(error.value).isprintable()
    return str(error.value)


@pytest.mark.parametrize("name", unusable(Canaries(Path())))
async def test_an_unusable_kubeconfig_is_told_without_its_secrets(tmp_path: Path, name: str) -> None:
    canaries = Canaries(tmp_path)
    text = unusable(canaries)[name]
    assert canaries.seen_in(await told(tmp_path, text)) == []


@pytest.mark.parametrize("status", [401, 403, 500])
async def test_an_answer_that_repeats_the_credentials_is_told_without_them(tmp_path: Path, status: int) -> None:
    canaries = Canaries(tmp_path)

    async def repeat(request: web.Request) -> web.Response:
        said = f"User {request.headers['Authorization']} is refused\nwith {request.path_qs}"
        return web.json_response({"kind": "Status", "message": said, "reason": "Forbidden"}, status=status)

    async with answering(repeat) as server:
        assert canaries.seen_in(await told(tmp_path, of_user({"token": canaries.text()}, server.url))) == []
