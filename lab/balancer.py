"""HAProxy in front of several engines: it checks their health, and has metrics for Prometheus."""

from __future__ import annotations

import shutil
from datetime import timedelta

from alertdrill.lab.errors import LabError
from alertdrill.lab.server import Spec
from alertdrill.lab.services import Layout

_HEALTH_EVERY = timedelta(seconds=2)

_CONFIG = """
global
    nbthread 1
    maxconn 8192

defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s

frontend payments
    bind {payments}
    default_backend payment-engines

backend payment-engines
    balance leastconn
    option httpchk GET /actuator/health
    default-server check inter {every_ms} fall 2 rise 1
{servers}

frontend metrics
    bind {metrics}
    http-request use-service prometheus-exporter if {{ path /metrics }}
"""


def load_balancer(layout: Layout) -> Spec:
    """HAProxy at the address of `payment-engine`; raises LabError when it is not installed."""
    program = shutil.which("haproxy", path="/usr/sbin:/usr/bin") or shutil.which("haproxy")
    if program is None:
        raise LabError("haproxy is missing, install it: make parts")
    path = layout.directory / "haproxy.cfg"
    servers = "\n".join(f"    server {name} {layout.address(name)}" for name in layout.parts.engines)
    text = _CONFIG.format(
        payments=layout.address("payment-engine"),
        metrics=layout.address("load-balancer"),
        every_ms=max(100, round(_HEALTH_EVERY / timedelta(milliseconds=1) / layout.time_scale)),
        servers=servers,
    )
    path.write_text(text, encoding="utf-8")
    return Spec("load-balancer", [program, "-db", "-f", str(path)], layout.ports["load-balancer"], health="/metrics")
