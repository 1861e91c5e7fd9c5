"""Marked secrets in a kubeconfig and in manifests: they are shown nowhere but to the API server, and in the ledger."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from alertdrill.chaos.safety.ledger import Ledger
from tests.support.canaries import Canaries, process_list, run, written
from tests.support.cluster import Shop

# It breaks each fault of a drill file, as a drill does, and prints what a drill would print.
_BREAK = """
import asyncio
from pathlib import Path
from alertdrill.agent.config.agent import read_agent_config
from alertdrill.agent.config.drill import read_drill
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.ledger import Ledger

async def main():
    config = read_agent_config(Path("agent.yml"))
    for fault in read_drill(Path("drill.yml")).faults:
        try:
            async with applied(fault, config.endpoints, Ledger(config.ledger, "canaries")) as injection:
                print("in force:", fault.kind, fault.target, injection.target, await injection.taken_back())
        except Exception as error:
            print(fault.kind, type(error).__name__, error)

asyncio.run(main())
"""


def manifests(canaries: Canaries) -> dict[str, list[dict[str, Any]]]:
    """Objects with secrets: three that are created, and three that the API server refuses, and repeats."""
    held = {"name": "held", "finalizers": ["example.com/held"]}
    variables = [{"name": "PASSWORD", "value": canaries.text()}]
    containers = [{"name": "a", "image": "a", "env": variables, "args": [f"--token={canaries.text()}"]}]
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": containers}}
    deployment = {"replicas": 0, "selector": {"matchLabels": {"app": "a"}}, "template": template}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
    return {
        "held": [config | {"metadata": held, "data": {"password": canaries.text()}}],
        "made": [
            config | {"binaryData": {"key": base64.b64encode(canaries.text().encode()).decode()}},
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": deployment},
        ],
        "wrong-key": [config | {"data": {"not a key": canaries.text()}}],
        "wrong-type": [config | {"data": {"password": [canaries.text()]}}],
        "wrong-value": [
            {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p"}}
            | {"spec": {"podSelector": {}, "policyTypes": [canaries.text()]}}
        ],
    }


def with_exec(canaries: Canaries, kubeconfig: Path) -> tuple[Path, str]:
    """Write a kubeconfig whose token comes from a program; return it and the token."""
    config = yaml.safe_load(kubeconfig.read_text())
    (user,) = config["users"]
    token = user["user"].pop("token")
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    said = json.dumps(credential | {"status": {"token": token}})
    user["user"]["exec"] = {
        "apiVersion": credential["apiVersion"],
        "command": "sh",
        "args": ["-c", 'echo "$OTHER" >&2; printf %s "$SAID"'],
        "env": [{"name": "SAID", "value": said}, {"name": "OTHER", "value": canaries.text()}],
        "interactiveMode": "Never",
    }
    path = canaries.folder / "kubeconfig-exec"
    path.write_text(yaml.safe_dump(config))
    return path, token


def agent_yml(shop: Shop, kubeconfig: Path, url: str = "http://127.0.0.1:1") -> str:
    servers = {name: {"url": url} for name in ("prometheus", "alertmanager", "toxiproxy")}
    opened = shop.opened(kubeconfig=str(kubeconfig))
    probe = {"kind": "tcp", "url": "tcp://127.0.0.1:1"}
    return yaml.safe_dump(servers | {"probe": probe, "ledger": "ledger", "kubernetes": opened})


def drill_yml(canaries: Canaries, shop: Shop, objects: dict[str, list[dict[str, Any]]]) -> str:
    faults = []
    for name, bodies in objects.items():
        (canaries.folder / f"{name}.yml").write_text(yaml.safe_dump_all(bodies))
        faults.append({"kind": "apply_manifest", "namespace": shop.name, "file": f"{name}.yml", "gone_within": "300ms"})
    expect = [{"alert": "Down"}]
    return yaml.safe_dump({"drill": "canaries", "load": {"rate": 1}, "faults": faults, "expect": expect})


async def permit(shop: Shop) -> None:
    """Let alertdrill create what these manifests hold."""
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{shop.name}"
    verbs = ["get", "create", "delete"]
    rules = [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": verbs},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": verbs},
    ]
    await shop.api.create(f"{path}/roles", {"metadata": {"name": "manifests"}, "rules": rules})
    account = {"kind": "ServiceAccount", "name": "alertdrill", "namespace": shop.name}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "manifests"}
    await shop.api.create(
        f"{path}/rolebindings", {"metadata": {"name": "manifests"}, "roleRef": role, "subjects": [account]}
    )
    await shop.until_permitted(rules)


@pytest.fixture
def canaries(tmp_path: Path) -> Canaries:
    return Canaries(tmp_path / "drills")


async def test_what_a_manifest_brings_is_shown_nowhere_but_in_the_ledger(shop: Shop, canaries: Canaries) -> None:
    canaries.folder.mkdir()
    await permit(shop)
    kubeconfig, token = with_exec(canaries, shop.kubeconfig)
    (canaries.folder / "agent.yml").write_text(agent_yml(shop, kubeconfig))
    (canaries.folder / "drill.yml").write_text(drill_yml(canaries, shop, manifests(canaries)))
    printed: dict[str, str] = {}
    with process_list() as listed:
        printed["break"] = await run(canaries, "-c", _BREAK)
        assert "ConfigMap held of namespace" in printed["break"], printed["break"]
        assert printed["break"].count("in force: apply_manifest") == 2, printed["break"]
        assert printed["break"].count("apply_manifest FaultNotApplied") == 3, printed["break"]
        entries = [(path.stat().st_mode & 0o777, text) for path, text in written(canaries.folder / "ledger")]
        for words in (
            "check agent.yml drill.yml",
            "drill drill.yml --dry-run -c agent.yml",
            "status -c agent.yml",
            "status --json -c agent.yml",
            "heal --dry-run --force -c agent.yml",
            "heal --force -c agent.yml",
        ):
            printed[words] = await run(canaries, "-m", "alertdrill", *words.split())
        path = f"/api/v1/namespaces/{shop.name}/configmaps/held"
        await shop.api.patch(path, {"metadata": {"finalizers": None}})
        printed["heal"] = await run(canaries, "-m", "alertdrill", "heal", "--force", "-c", "agent.yml")
    assert "1 fault(s) healed" in printed["heal"]
    for command, text in printed.items():
        assert (command, canaries.seen_in(text)) == (command, [])
        assert token not in text
    assert canaries.seen_in("\n".join(listed)) == []
    assert {mode for mode, _ in entries} == {0o600}
    assert [text for _, text in entries if token in text] == []
    assert Ledger(canaries.folder / "ledger").read().entries == {}
