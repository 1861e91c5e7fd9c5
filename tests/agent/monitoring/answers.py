"""Valid answers of Prometheus and of Alertmanager."""

from __future__ import annotations

from typing import Any

AT = 1767323045.123456
AT_MILLISECOND = 1767323045.123
ALERT: dict[str, Any] = {
    "labels": {"alertname": "Down", "instance": "a"},
    "annotations": {},
    "state": "firing",
    "activeAt": "2026-01-02T03:04:05.123456789Z",
    "value": "+Inf",
}
RULE: dict[str, Any] = {
    "type": "alerting",
    "name": "Down",
    "query": "up == 0",
    "duration": 30,
    "labels": {"severity": "page"},
    "annotations": {"summary": "down"},
    "alerts": [ALERT],
    "health": "err",
    "lastError": "many-to-many",
    "state": "firing",
    "evaluationTime": 0.002,
    "lastEvaluation": "2026-01-02T03:04:35.001+01:00",
}
GROUP: dict[str, Any] = {
    "name": "g",
    "file": "/etc/rules.yml",
    "interval": 15,
    "limit": 0,
    "rules": [RULE],
    "evaluationTime": 0.003,
}
STATUS: dict[str, Any] = {
    "cluster": {"status": "disabled", "peers": []},
    "config": {"original": "route: {receiver: a}"},
    "uptime": "2026-01-02T03:04:05.123Z",
    "versionInfo": {"version": "0.25.0"},
}
HELD: dict[str, Any] = {
    "labels": {"alertname": "Down"},
    "annotations": {"summary": "down"},
    "receivers": [{"name": "pager"}, {"name": "chat"}],
    "fingerprint": "a1b2",
    "startsAt": "2026-01-02T03:04:05.123Z",
    "updatedAt": "2026-01-02T03:04:05.123+00:00",
    "endsAt": "0001-01-01T00:00:00.000Z",
    "generatorURL": "http://p",
    "status": {"state": "suppressed", "silencedBy": ["s1"], "inhibitedBy": ["b2", "c3"]},
}
SILENCE: dict[str, Any] = {
    "id": "s1",
    "matchers": [{"name": "alertname", "value": "Do.*", "isRegex": True}],
    "startsAt": "2026-01-02T03:04:05.123Z",
    "endsAt": "2026-01-02T03:04:06.123Z",
    "updatedAt": "2026-01-02T03:04:05.123Z",
    "createdBy": "me",
    "comment": "maintenance",
    "status": {"state": "active"},
}
