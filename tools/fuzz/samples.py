"""Valid calls, answers and faults of the ledger, from which broken ones are made."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from typing import Any

from tests.agent.monitoring.answers import ALERT, AT, AT_MILLISECOND, GROUP, HELD, RULE, SILENCE, STATUS
from tools.fuzz.target import ROOT

__all__ = ["ALERTMANAGER", "ANSWER", "ANSWERS", "AT", "CALLS", "INJECTIONS", "LATER", "PROBE", "PROMETHEUS", "STATUSES"]
_RECORDED = json.loads(gzip.decompress((ROOT / "tests/recordings/passed.recording.json.gz").read_bytes()))
LATER = datetime(2026, 1, 2, 4, tzinfo=UTC)

_LABELS = _RECORDED["notifications"][0]["labels"]
_CALLED: dict[str, Any] = {
    "status": "firing",
    "labels": _LABELS,
    "annotations": {"summary": "It is slow.\nVery slow.", "runbook_url": "https://wiki/slow"},
    "startsAt": "2026-01-02T03:04:05.123456789Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://p/graph?g0.expr=up",
    "fingerprint": "737b515f6adc5a04",
}
_CALL: dict[str, Any] = {
    "version": "4",
    "groupKey": '{}/{severity="warning"}:{alertname="HighResponseTime"}',
    "truncatedAlerts": 0,
    "status": "firing",
    "receiver": "team-lead",
    "groupLabels": {"alertname": "HighResponseTime"},
    "commonLabels": _LABELS,
    "commonAnnotations": {},
    "externalURL": "http://a",
    "alerts": [_CALLED],
}
CALLS: tuple[dict[str, Any], ...] = (
    _CALL,
    {"alerts": [_CALLED]},
    _CALL | {"alerts": [_CALLED, _CALLED | {"status": "resolved", "endsAt": "2026-01-02T03:05:05.123+01:00"}] * 3},
)


def _answered(data: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"status": "success", "data": data}


_RECORDED_RULES = [
    RULE
    | {"name": rule["alert"], "query": rule["expr"], "labels": rule["labels"], "annotations": rule["annotations"]}
    | {"duration": rule["for_seconds"], "keepFiringFor": rule["keep_firing_for_seconds"], "alerts": []}
    for rule in _RECORDED["rules"][:2]
]
_SAMPLES = [[AT_MILLISECOND + step, str(step)] for step in range(1, 60, 15)]
_OF_ALERTS = {"alertname": "Down", "instance": "a", "job": "payment-engine"}
_SERIES = [
    {"metric": {"__name__": "ALERTS", "alertstate": "firing"} | _OF_ALERTS, "values": _SAMPLES},
    {"metric": {"__name__": "ALERTS_FOR_STATE"} | _OF_ALERTS, "values": [[at, str(round(AT))] for at, _ in _SAMPLES]},
    {"metric": {"__name__": "up"} | _OF_ALERTS, "values": _SAMPLES, "histograms": [[AT_MILLISECOND, {"count": "1"}]]},
]
_TARGET = {
    "discoveredLabels": {"__address__": "a"},
    "labels": {"instance": "a", "job": "payment-engine"},
    "scrapePool": "payment-engine",
    "scrapeUrl": "http://a/metrics",
    "lastError": "",
    "lastScrape": "2026-01-02T03:04:05.123456789+01:00",
    "lastScrapeDuration": 0.002,
    "health": "up",
    "scrapeInterval": "15s",
    "scrapeTimeout": "10s",
}
PROMETHEUS: dict[str, Any] = {
    "/api/v1/status/buildinfo": _answered({"version": "2.42.0", "revision": "", "goVersion": "go1.19"}),
    "/api/v1/status/runtimeinfo": _answered(
        {"startTime": "2026-01-02T03:04:05.1Z", "lastConfigTime": "2026-01-02T03:04:06Z", "reloadConfigSuccess": True}
    ),
    "/api/v1/status/flags": _answered(
        {"rules.alert.for-grace-period": "10m", "rules.alert.resend-delay": "1m", "query.lookback-delta": "5m"}
    ),
    "/api/v1/rules": _answered({"groups": [GROUP, GROUP | {"name": "h", "rules": [*_RECORDED_RULES, RULE]}]}),
    "/api/v1/targets": _answered({"activeTargets": [_TARGET], "droppedTargets": []}),
    "/api/v1/query": _answered({"resultType": "matrix", "result": _SERIES}),
    "/api/v1/query_range": _answered({"resultType": "matrix", "result": _SERIES[2:]}),
    "/api/v1/label/__name__/values": _answered(["up", "ALERTS", "http_requests_total"]),
}
_GROUPED = {"labels": {"alertname": "Down"}, "receiver": {"name": "pager"}, "alerts": [HELD]}
_METRICS = """# HELP alertmanager_notifications_total The total number of attempted notifications.
# TYPE alertmanager_notifications_total counter
alertmanager_notifications_total{integration="webhook"} 3
alertmanager_notifications_total{integration="email",receiver_name="a b"} 1e3
# TYPE alertmanager_notifications_failed_total counter
alertmanager_notifications_failed_total{integration="webhook",reason="serverError"} 1
# TYPE alertmanager_notification_requests_total counter
alertmanager_notification_requests_total{integration="webhook"} 4
go_gc_duration_seconds{quantile="0.5"} NaN
"""
ALERTMANAGER: dict[str, Any] = {
    "/api/v2/status": STATUS | {"config": {"original": _RECORDED["alertmanager"]["config"]}},
    "/api/v2/alerts": [HELD, HELD | {"labels": ALERT["labels"]}],
    "/api/v2/alerts/groups": [_GROUPED],
    "/api/v2/silences": [SILENCE, {"silenceID": "s1"}],
    "/api/v2/receivers": [{"name": "pager"}, {"name": "chat"}],
    "/metrics": _METRICS,
}
STATUSES = (
    "204 No Content", "301 Moved Permanently", "400 Bad Request", "401 Unauthorized", "404 Not Found", "418",
    "422 Unprocessable", "500 Internal Server Error", "503 Service Unavailable", "999 x",
)  # fmt: skip

PROBE: dict[str, Any] = {
    "kind": "http",
    # A real wait, for the few answers that never end.
    "timeout": "100ms",
    "method": "POST",
    "json": {"amount": 1},
    "checks": [
        {"status": "2xx"},
        {"header": "Content-Type", "contains": "json"},
        {"json": "$.items[1].state", "equals": "open"},
        {"contains": "order"},
        {"time": "2s"},
    ],
}
ANSWER: dict[str, Any] = {"order": {"id": "a1", "sum": 12.5}, "items": [{"state": "new"}, {"state": "open"}], "n": None}
_BODY = json.dumps(ANSWER).encode()
_PACKED = gzip.compress(_BODY, mtime=0)
_CHUNKS = b"%x;a=b\r\n%s\r\n%x\r\n%s\r\n0\r\nX-After: 1\r\n\r\n" % (20, _BODY[:20], len(_BODY) - 20, _BODY[20:])
ANSWERS: tuple[bytes, ...] = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(_BODY) + _BODY,
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + _CHUNKS,
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    % len(_PACKED)
    + _PACKED,
    b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nSet-Cookie: a=b; Path=/; Expires=x\r\n\r\n" + _BODY,
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
    b"HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: /other?a=b\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x05hello",
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 5\r\n\r\nsorry",
)

_ID = "alertdrill-1"
_TOXIPROXY = {"toxiproxy_url": "http://127.0.0.1:8474", "proxy": "postgres"}
_CLUSTER: dict[str, Any] = {"name": _ID, "reach": {"kubeconfig": "/etc/kube/config", "context": "staging"}}
_OF_SHOP = _CLUSTER | {"namespace": "shop"}
_BEFORE = {"owner": "deployment/engine", "uid": "5f1c0a56", "wanted": 3, "release": "0123456789abcdef"}
_PODS: dict[str, Any] = _OF_SHOP | {
    "reach": {"kubeconfig": None, "context": None},
    "pods": [{"name": f"engine-{number}", "uid": f"5f1c0a56-{number}"} for number in range(3)],
    "hits": [
        {"workload": _BEFORE | {"owner": "replicaset/engine-5d9f7"}, "above": _BEFORE, "ready": 3, "releases": []}
        | {"selector": "app=engine,tier in (a,b)"},
        {"workload": _BEFORE | {"owner": "job/nightly"}, "above": None, "ready": 1, "releases": ["engine-7d4"]}
        | {"selector": "job-name=nightly"},
    ],
    "grace_period": "30s",
    "ready_within": "2m",
}
_MANIFEST = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "deny-all", "namespace": "shop", "labels": {"alertdrill.io/fault": _ID}},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
}
_PLACE = {"api": "networking.k8s.io/v1", "resource": "networkpolicies", "namespace": "shop", "name": "deny-all"}
_OBJECT = {"place": _PLACE, "kind": "NetworkPolicy", "changed_uid": None}
_UIDS = {"/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/deny-all": "5f1c0a56-1"}
_PROCESS = {"pid": 4321, "started_ticks": 123456, "boot_id": "0f3c", "parent": 1, "uid": 1000}
_CALLED_BY_FAULT: dict[str, Any] = {
    "url": "http://127.0.0.1:8080/actuator/chaosmonkey/enable?level=3",
    "method": "PUT",
    "headers": {"Accept": "application/json"},
    "headers_file": {"Authorization": "/etc/secrets/token"},
    "headers_env": {"X-Token": "CHAOS_TOKEN"},
    "query_file": {"token": "/etc/secrets/query"},
    "body": {"level": [1, 2.5, None]},
    "body_file": None,
    "status": [200, 204],
    "timeout": "5s",
    "confirm": {"url": "http://127.0.0.1:8080/status", "contains": '"enabled":true', "within": "5s"},
}
_STEP: dict[str, Any] = {
    "run": ["/bin/sh", "-c", "tc qdisc add dev eth0 root netem delay 100ms"],
    "within": "10s",
    "environment": ["KUBECONFIG"],
    "environment_file": {"TOKEN": "/etc/secrets/token"},
    "stdin_file": "/etc/secrets/input",
}
_PASSWORD = {"password_file": "/etc/secrets/password", "password_env": None, "tls": {"server_name": "db.shop"}}
INJECTIONS: tuple[dict[str, Any], ...] = (
    _TOXIPROXY
    | {"kind": "toxic", "name": _ID, "type": "latency", "stream": "downstream", "toxicity": 1.0}
    | {"attributes": {"latency": 3000, "jitter": 200}, "cut_connections": True},
    {"kind": "down"} | _TOXIPROXY,
    {"kind": "http", "words": "chaosmonkey", "begin": _CALLED_BY_FAULT}
    | {"end": {"url": "http://127.0.0.1:8080/off", "method": "POST", "body": "off", "timeout": "1m"}},
    {"kind": "command", "name": _ID, "words": "tc on eth0", "folder": "/srv/drills"}
    | {"begin": _STEP, "end": {"run": ["/sbin/tc", "qdisc", "del"]}, "confirm": _STEP | {"within": "500ms"}},
    {"kind": "process", "name": _ID, "words": "port 8080", "action": "kill", "signal": "TERM"}
    | {"where": {"port": 8080, "host": "127.0.0.1"}, "keep_down": True, "start": ["/usr/bin/engine", "--fast"]}
    | {"processes": [_PROCESS | {"program": "engine", "command_sha256": "ab" * 32}], "restarts_within": "90s"},
    {"kind": "cpu", "name": _ID, "cores": 2, "burn": {"share": 0.8, "niceness": 5}},
    {"kind": "memory", "name": _ID, "mebibytes": 512},
    {"kind": "postgres", "name": _ID, "words": "lock of payments in shop", "url": "postgresql://me@127.0.0.1/shop"}
    | {"action": "kill", "table": "payments", "mode": "ACCESS EXCLUSIVE", "connections": 5}
    | {"backends": {"application_name": "engine", "user": "me", "database": "shop"}}
    | _PASSWORD,
    {"kind": "redis", "name": _ID, "words": "memory of redis", "url": "redis://me@127.0.0.1:6379/0", "action": "fill"}
    | {"server_name": "redis", "pattern": "session:*", "mebibytes": 64, "ttl": "1m", "at_most": "30s"}
    | {"may_evict": False}
    | _PASSWORD,
    {"kind": "kill_pods"} | _PODS,
    {"kind": "evict_pods"} | _PODS | {"grace_period": None},
    {"kind": "scale", "workload": "deployment/engine", "replicas": 0, "replicas_before": 3, "ready_within": "2m"}
    | {"before": _BEFORE, "ready_before": 3, "holder": "node-1.4321"}
    | _OF_SHOP,
    {"kind": "restart_rollout", "workload": "statefulset/engine", "complete_within": "5m"}
    | {"before": _BEFORE}
    | _OF_SHOP,
    {"kind": "rollout_bad_image", "workload": "deployment/engine", "complete_within": "5m", "container": "engine"}
    | {"before": _BEFORE, "image_before": "engine:1.2", "image": f"alertdrill.invalid/no-such-image:{_ID}"}
    | _OF_SHOP,
    {"kind": "cordon", "nodes": ["node-1", "node-2"]} | _CLUSTER,
    {"kind": "drain", "nodes": ["node-1"], "evictions": [_PODS | {"evict_within": "1m"}]} | _CLUSTER,
    {"kind": "pressure", "image": "busybox:1.37", "cpus": 2, "mebibytes": 512, "lasts": "5m", "starts_within": "1m"}
    | {"pods": _PODS["pods"], "ready": ["engine-0"], "latest_start": 1_767_000_000, "ready_within": "2m"}
    | _OF_SHOP,
    {"kind": "partition", "pods": "app=engine", "objects": [_OBJECT], "gone_within": "1m", "uids": _UIDS} | _OF_SHOP,
    {"kind": "apply_manifest", "objects": [{"place": _PLACE, "body": _MANIFEST}], "gone_within": "1m"} | _OF_SHOP,
)
"""What an entry of the ledger holds of a fault, for each kind."""
