"""A stranger who can reach the webhook cannot make a drill pass."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.conftest import KeptLab
from tests.integration.drilling import call, changed, start, verdict_of, wait_for

pytestmark = pytest.mark.usefixtures("quiet")


def _forge(lab: KeptLab) -> None:
    """Notify `on-call` of HighResponseTime as soon as it fires, although the routes lead to team-lead."""
    settings = lab.settings()
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for one in call(f"{settings['prometheus']['url']}/api/v1/alerts")["data"]["alerts"]:  # type: ignore[index]
            if one["state"] == "firing" and one["labels"]["alertname"] == "HighResponseTime":
                alert = {"status": "firing", "labels": one["labels"], "startsAt": one["activeAt"]}
                body = json.dumps({"alerts": [alert | {"endsAt": "0001-01-01T00:00:00Z"}]}).encode()
                assert call(f"http://{settings['listen']}/api/v1/webhook/on-call", "POST", body) == "OK\n"
                return
        time.sleep(0.1)


def test_a_forged_notification_passes_nothing(lab: KeptLab, drill_file: Callable[..., Path], tmp_path: Path) -> None:
    """Even at an agent without a credential; the drill expects a receiver that is not notified."""
    config = changed(lab, tmp_path, webhook_token=None)
    drill = drill_file(expect=[{"alert": "HighResponseTime", "within": "12m", "receiver": "on-call"}])
    process = start(config, drill, tmp_path / "out")
    wait_for(process, "fault injected")
    forging = threading.Thread(target=_forge, args=[lab])
    forging.start()
    said, _ = process.communicate(timeout=300)
    forging.join()
    verdict = verdict_of(tmp_path / "out")
    assert verdict["outcome"] == "wrong_receiver", said
    assert process.returncode == 1
    assert "lead to team-lead" in verdict["reason"]
    assert any(
        "for on-call was received, but Alertmanager's routes do not lead there" in one for one in verdict["notes"]
    )
