"""Rewrites the monitoring configuration for a lab: divides durations, and replaces names by addresses."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from alertdrill.lab.errors import LabError
from alertdrill.units import yaml_text
from alertdrill.units.time_scale import scale_alertmanager, scale_prometheus, scale_rules

_Scale = Callable[[dict[str, Any], float], dict[str, Any]]


def write_monitoring(  # noqa: PLR0913, PLR0917 - what a lab knows
    configs: Path,
    directory: Path,
    factor: float,
    addresses: Mapping[str, str],
    targets: Mapping[str, Sequence[str]],
    webhook_token: str,
) -> None:
    """Write prometheus.yml, its rule files and alertmanager.yml, adapted, into a lab's folder; raises LabError.

    Alertmanager sends the token to the webhook of the agent. `targets` replaces scrape targets that have several addresses in this lab, or none: {"kafka-exporter:9308": []}.
    """
    prometheus = configs / "prometheus" / "prometheus.yml"
    config = retargeted(_read(prometheus, scale_prometheus, factor), targets)
    rule_files = _rule_files(prometheus.parent, config.get("rule_files") or [])
    config["rule_files"] = [path.name for path in rule_files]
    _write(directory / "prometheus" / "prometheus.yml", relocated(config, addresses))
    for path in rule_files:
        _write(directory / "prometheus" / path.name, _read(path, scale_rules, factor))
    alertmanager = _read(configs / "alertmanager" / "alertmanager.yml", scale_alertmanager, factor)
    here, token = relocated(alertmanager, addresses), directory / "alertmanager" / "webhook-token"
    _write(directory / "alertmanager" / "alertmanager.yml", authorized(here, addresses["alertdrill:9095"], token))
    token.touch(mode=0o600)
    token.write_text(webhook_token, encoding="ascii")


def authorized(config: dict[str, Any], agent: str, token: Path) -> dict[str, Any]:
    """Let every webhook that calls the agent's address send the token of a file."""
    receivers = [receiver | _authorized_webhooks(receiver, agent, token) for receiver in config.get("receivers") or []]
    return config | {"receivers": receivers}


def _authorized_webhooks(receiver: dict[str, Any], agent: str, token: Path) -> dict[str, Any]:
    webhooks = receiver.get("webhook_configs")
    sends = {"http_config": {"authorization": {"credentials_file": str(token)}}}
    return (
        {"webhook_configs": [one | sends if urlsplit(str(one.get("url"))).netloc == agent else one for one in webhooks]}
        if webhooks
        else {}
    )


def retargeted(config: dict[str, Any], targets: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Replace scrape targets, and remove a job when no target is left."""
    jobs = [_retargeted(job, targets) for job in config.get("scrape_configs") or []]
    return config | {"scrape_configs": [job for job in jobs if job is not None]}


def _retargeted(job: dict[str, Any], targets: Mapping[str, Sequence[str]]) -> dict[str, Any] | None:
    before = job.get("static_configs") or []
    after = [
        group | {"targets": [one for name in group.get("targets") or [] for one in targets.get(name, [name])]}
        for group in before
    ]
    left = [group for group in after if group["targets"]]
    return None if before and not left else job | ({"static_configs": left} if before else {})


def relocated(config: Any, addresses: Mapping[str, str]) -> Any:  # noqa: ANN401 - parsed YAML
    """Replace every `name:port` by its address, also inside URLs."""
    if isinstance(config, dict):
        return {key: relocated(value, addresses) for key, value in config.items()}
    if isinstance(config, list):
        return [relocated(item, addresses) for item in config]
    if not isinstance(config, str):
        return config
    names = "|".join(map(re.escape, addresses))
    return re.sub(rf"(?<![\w.-])(?:{names})(?![\w.-])", lambda name: addresses[name[0]], config)


def _rule_files(base: Path, patterns: list[str]) -> list[Path]:
    # A pattern may start with `../` or be absolute, which Path.glob does not support.
    found = [path for text in patterns for path in sorted((base / text).parent.glob(Path(text).name))]
    if len({path.name for path in found}) < len(found):
        raise LabError(f"{base}: the lab needs rule files with different names")
    return found


def _read(path: Path, scale: _Scale, factor: float) -> dict[str, Any]:
    try:
        documents = yaml_text.load_all(yaml_text.read_text(path))
    except OSError as error:
        raise LabError(f"{path}: cannot be read: {error.strerror}") from error
    except yaml_text.YamlRefused as error:
        raise LabError(f"{path}: {error}") from error
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise LabError(f"{path}: is not a mapping")
    try:
        return scale(documents[0], factor)
    except ValueError as error:
        raise LabError(f"{path}: {' '.join(str(error).split())}") from error


def _write(path: Path, config: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")
