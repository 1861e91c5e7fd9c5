"""A stranger who can reach the webhook cannot make a drill pass."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from alertdrill.agent.errors import INCONCLUSIVE
from tests.integration.conftest import LONGEST_SECONDS, KeptLab
from tests.integration.drilling import begun, call, changed, until_quiet, verdict_of

pytestmark = pytest.mark.usefixtures("quiet")


def _forge(lab: KeptLab, drill: subprocess.Popen[str]) -> None:
    """Notify `on-call` of HighResponseTime as soon as it fires, although the routes lead to team-lead."""
    settings = lab.settings()
    while drill.poll() is None:
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
    for attempt in range(3):  # the machine can spoil a drill, which is then inconclusive
        folder = tmp_path / f"attempt-{attempt}"
        process = begun(lab, drill, folder, "fault injected", config)
        with ThreadPoolExecutor() as threads:
            forging = threads.submit(_forge, lab, process)
            said, _ = process.communicate(timeout=LONGEST_SECONDS)
        if process.returncode != INCONCLUSIVE and forging.exception() is None:
            break
        until_quiet(lab)
    forging.result()
    verdict = verdict_of(folder)
    assert verdict["outcome"] == "wrong_receiver", said
    assert process.returncode == 1
    assert "lead to team-lead" in verdict["reason"]
    assert any(
        "for on-call was received, but Alertmanager's routes do not lead there" in one for one in verdict["notes"]
    )
