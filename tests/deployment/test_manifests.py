"""What is shipped for Kubernetes and systemd keeps its promises; tests/kubernetes asks a real API server about it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from alertdrill.agent.config.check import check
from tests.support.kustomization import MANIFESTS, ROOT, Object, pod_of, rendered

SIDECAR_PAGE = ROOT / "docs/sidecar.md"
FOLDERS = [".", "cronjob", "monitoring", "sidecar"]
UNIT = ROOT / "configs/systemd/alertdrill.service"
ALERTDRILL = Path(sys.executable).with_name("alertdrill")


def service_with_sidecar(folder: Path) -> Path:
    """Write the example of docs/sidecar.md, and return its folder."""
    shutil.copytree(MANIFESTS, folder / "alertdrill/configs/kubernetes")
    blocks = re.findall(r"```yaml\n# (\S+\.yml)\n(.*?)```", SIDECAR_PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for name, text in blocks:
        (folder / name).write_text(text)
    return folder


def folder_of(name: str, tmp_path: Path) -> Path:
    return service_with_sidecar(tmp_path) if name == "sidecar" else MANIFESTS / name


def key(one: Object) -> tuple[str, str]:
    return one["kind"], one["metadata"]["name"]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl")
@pytest.mark.parametrize("name", FOLDERS)
def test_kustomize_makes_the_same_objects_as_the_tests_read(tmp_path: Path, name: str) -> None:
    folder = folder_of(name, tmp_path)
    ended = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    made = {key(one): one for one in yaml.safe_load_all(ended.stdout)}
    assert made == {key(one): one for one in rendered(folder)}


@pytest.mark.parametrize("name", [".", "cronjob", "sidecar"])
def test_each_container_of_ours_runs_without_rights_and_without_a_limit_of_cpu(tmp_path: Path, name: str) -> None:
    ours = [
        (template["spec"], one)
        for template in filter(None, map(pod_of, rendered(folder_of(name, tmp_path))))
        for one in [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]
        if one["image"].startswith("alertdrill:")
    ]
    assert ours
    for pod, one in ours:
        rights = pod.get("securityContext", {}) | one["securityContext"]
        assert rights["runAsNonRoot"]
        assert rights["runAsUser"] == 10001
        assert rights["readOnlyRootFilesystem"]
        assert not rights["allowPrivilegeEscalation"]
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert rights["seccompProfile"] == {"type": "RuntimeDefault"}
        assert set(one["resources"]["limits"]) == {"memory"}
        assert set(one["resources"]["requests"]) == {"cpu", "memory"}


def test_the_sidecar_starts_before_the_service_and_never_decides_whether_it_gets_traffic(tmp_path: Path) -> None:
    (template,) = filter(None, map(pod_of, rendered(service_with_sidecar(tmp_path))))
    toxiproxy, agent = template["spec"]["initContainers"]
    for one in (toxiproxy, agent):
        assert one["restartPolicy"] == "Always"
        assert "startupProbe" in one
        assert "readinessProbe" not in one
    assert agent["livenessProbe"]["httpGet"] == {"path": "/-/healthy", "port": "alertdrill"}
    assert template["metadata"]["labels"] == {"app": "engine", "alertdrill.io/agent": "true"}
    (monitor,) = (one for one in rendered(MANIFESTS / "monitoring") if one["kind"] == "PodMonitor")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert monitor["spec"]["podMetricsEndpoints"][0]["port"] in [port["name"] for port in agent["ports"]]


def test_the_hook_before_the_end_of_the_pod_stops_drills_and_heals(tmp_path: Path) -> None:
    """The hook itself is run, with the folders of the container put into this test's."""
    (template,) = filter(None, map(pod_of, rendered(service_with_sidecar(tmp_path))))
    agent = template["spec"]["initContainers"][1]
    (config,) = (one for one in rendered(tmp_path) if one["kind"] == "ConfigMap")
    places = {mount["mountPath"]: tmp_path / mount["name"] for mount in agent["volumeMounts"]}
    for place in places.values():
        place.mkdir()

    inside = re.compile(rf"(?<= )({'|'.join(map(re.escape, places))})(?=/)")

    def here(text: str) -> str:
        return inside.sub(lambda found: str(places[found[0]]), text)

    for name, text in config["data"].items():
        (places["/etc/alertdrill"] / name).write_text(here(text))
    (places["/etc/alertdrill-secrets"] / "webhook-token").write_text("hush")
    assert check([places["/etc/alertdrill"]]).problems == []
    *shell, line = agent["lifecycle"]["preStop"]["exec"]["command"]
    command = [*shell, here(line).replace("alertdrill heal", f"{ALERTDRILL} heal")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("0 fault(s) healed")
    switch = yaml.safe_load((places["/etc/alertdrill"] / "agent.yml").read_text())["guards"]["kill_switch"]
    assert Path(switch).is_file()


def test_the_configuration_of_the_cronjob_is_right(tmp_path: Path) -> None:
    config, _, job = rendered(MANIFESTS / "cronjob")
    for name, text in config["data"].items():
        (tmp_path / name).write_text(text)
    assert check([tmp_path]).problems == []
    template = pod_of(job)
    assert template is not None
    (container,) = template["spec"]["containers"]
    assert {Path(one).name for one in container["args"] if one.endswith(".yml")} == set(config["data"])
    assert template["spec"]["automountServiceAccountToken"] is False


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_knows_every_line_of_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "alertdrill.service"
    text = UNIT.read_text(encoding="utf-8").replace("/opt/alertdrill/bin/alertdrill", str(ALERTDRILL))
    # This machine may not have the user.
    unit.write_text(text.replace("User=alertdrill", "User=root"))
    ended = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    told = [line for line in ended.stderr.splitlines() if unit.name in line]
    assert (ended.returncode, told) == (0, [])
